//! The simulation's world: hubs that follow each other over one store, their clients, and a clock that jumps.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use hub::journal::{Journal, JournalError};
use hub::{Beginning, Commit, Hub, Identity, Limits, Metrics, Now, Opening, Shard, Wake, Wire};
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{ConnectionId, UserId};

use super::client::{At, Client, Connected, Kind};
use super::model::{Life, Model, Stream, limits};
use super::publishers::Publishers;
use super::reader::Reader;
use super::store::{FakeStore, Luck};
use super::streams::{BRIEF, CHANNELS, STREAMS, rule, rules};
use crate::link::{FakeLink, pipe};
use crate::random::Random;

struct Awake;

impl Wake for Awake {
    fn wake(&self) {}
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Vec<Shard<FakeLink>>,
    pub(crate) clients: Vec<Client>,
    pub(crate) model: Model,
    pub(crate) publishers: Publishers,
    pub(crate) store: FakeStore,
    pub(crate) now: Now,
    pub(crate) commit: Option<Commit>,
    limits: Limits,
    /// How often the rules were changed.
    version: usize,
    lives: u8,
    /// Tokens that were shown with success in this life of the hub.
    used: Vec<String>,
    thieves: VecDeque<Client>,
    pub(crate) reader: Reader,
    /// Connections whose places are free again.
    gone: HashSet<ConnectionId>,
    pub(crate) is_narrow: bool,
    pub(crate) restarts: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_scarce = random.percent(25);
        let is_narrow = random.percent(70);
        let limits = limits(is_scarce, is_narrow);
        let version = if random.percent(40) { BRIEF } else { 0 };
        let store = FakeStore::new([255 - u8::try_from(seed % 50).expect("a byte"); 32]);
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        let shards = 1 + random.below(3);
        let now = Now { ms: 1_000_000, wall };
        let hub = begin(&limits, &store, version, shards, now, 1);
        let streams = STREAMS
            .iter()
            .map(|(name, ..)| {
                let rule = rule(version, name).filter(|rule| rule.size > 0);
                ((*name).to_owned(), Stream { rule, lives: vec![Life::default()] })
            })
            .collect();
        let model = Model { streams, made: Vec::new(), state: std::collections::BTreeMap::new(), is_scarce };
        let publishers = Publishers::new(&hub);
        Self {
            random,
            shards: shards_of(&hub),
            hub,
            clients: Vec::new(),
            model,
            publishers,
            store,
            now,
            commit: None,
            limits,
            version,
            lives: 1,
            used: Vec::new(),
            thieves: VecDeque::new(),
            reader: Reader::default(),
            gone: HashSet::new(),
            is_narrow,
            restarts: 0,
        }
    }

    pub(crate) fn is_durable(&self, name: &str) -> bool {
        self.model.streams[name].is_durable()
    }

    /// Adds a client that is not connected yet.
    pub(crate) fn invite(&mut self) {
        let kind = [Kind::Recovering, Kind::Recovering, Kind::Recovering, Kind::Events, Kind::Plain]
            [self.random.below(5)];
        let user = [None, Some("1"), Some("2")][self.random.below(3)];
        let mut client = Client::new(self.clients.len(), kind, user);
        for _ in 0..self.random.below(4) {
            client.wanted.insert(*self.random.pick(&CHANNELS));
        }
        self.clients.push(client);
    }

    fn open(&mut self, client: &Client, first: Option<String>) -> Connected {
        let bits = (u128::from(self.random.next()) << 64) | u128::from(self.random.next());
        let id = ConnectionId::from_random(bits);
        let shard = self.random.below(self.shards.len());
        let (link, pipe) = pipe();
        if self.is_narrow && self.random.percent(20) {
            pipe.borrow_mut().room = Some(self.random.below(4000));
        }
        let mut connected = Connected::new(id, shard, self.shards[shard].next_key(), pipe);
        connected.was_narrow = connected.pipe.borrow().room.is_some();
        let wire = match client.kind {
            Kind::Events => Wire::Events,
            _ if self.random.percent(30) => Wire::ChannelsDeflate,
            _ => Wire::Channels,
        };
        let identity = client.user.map(|user| Identity {
            user: UserId::from_text(user).expect("id"),
            user_type: None,
            channels: None,
            session: None,
            expires_at: u64::from(u32::MAX),
        });
        let admission = self.hub.admit().expect("the node has room");
        let opening = Opening { first: first.map(Into::into), ..Opening::new(id, wire, identity, admission) };
        let key = self.shards[shard].open(link, opening, self.now);
        assert_eq!(key, connected.key, "the key was foretold");
        connected
    }

    /// A client comes, or comes back.
    pub(crate) fn connect(&mut self, index: usize) {
        let now = self.now.wall.as_millis();
        let mut client = std::mem::replace(&mut self.clients[index], Client::new(0, Kind::Plain, None));
        let channels: Vec<&str> = client.wanted.iter().copied().collect();
        match client.kind {
            Kind::Plain => {
                let connected = self.open(&client, None);
                let text = serde_json::json!({"type": "subscribe", "channels": channels}).to_string();
                self.say(&connected, &text);
                client.link = Some(connected);
            }
            Kind::Events => {
                let (text, asked) = client.ask(&channels, &client.known(), None, &self.model, now);
                let mut connected = self.open(&client, Some(text));
                connected.asked.push_back(asked);
                client.link = Some(connected);
            }
            Kind::Recovering => {
                let connected = self.open(&client, None);
                client.link = Some(connected);
                // Between the welcome and the request something may come in the plain form.
                let token = client.token.take().filter(|_| self.random.percent(80));
                self.clients[index] = client;
                if self.random.percent(30) {
                    self.act_on_all_shards();
                }
                client = std::mem::replace(&mut self.clients[index], Client::new(0, Kind::Plain, None));
                if client.link.is_none() {
                    self.clients[index] = client;
                    return;
                }
                let with = client.known();
                let (token, former) = token.unzip();
                let (text, asked) = client.ask(&channels, &with, token.clone(), &self.model, now);
                let connected = client.link.as_mut().expect("open");
                connected.former = former;
                connected.asked.push_back(asked);
                let at = connected.at();
                let thief = self.random.below(10);
                if let Some(token) = token.clone().filter(|_| thief == 0) {
                    self.steal(token, &client);
                }
                self.say_at(at, &text);
                if let Some(token) = token.filter(|_| thief == 1) {
                    self.steal(token, &client);
                }
            }
        }
        self.clients[index] = client;
    }

    fn act_on_all_shards(&mut self) {
        for shard in 0..self.shards.len() {
            self.shards[shard].take_inbox(self.now);
            self.shards[shard].step(3, self.now);
        }
    }

    /// Somebody else shows the same token at the same time: the same user in another window, or another user.
    fn steal(&mut self, token: String, of: &Client) {
        let user = if self.random.percent(50) { of.user } else { Some("9") };
        let mut thief = Client::new(usize::MAX, Kind::Recovering, user);
        let now = self.now.wall.as_millis();
        let mut connected = self.open(&thief, None);
        let (text, asked) = thief.ask(&[], &thief.known(), Some(token), &self.model, now);
        connected.asked.push_back(asked);
        connected.was_narrow = true;
        self.say(&connected, &text);
        thief.link = Some(connected);
        self.thieves.push_back(thief);
    }

    pub(crate) fn say(&mut self, connected: &Connected, text: &str) {
        self.say_at(connected.at(), text);
    }

    fn say_at(&mut self, at: At, text: &str) {
        if self.is_there(at) {
            self.shards[at.0].heard(at.1, self.now);
            let _ = self.shards[at.0].on_incoming(at.1, &Incoming::Text(text), self.now);
        }
    }

    /// Whether the hub still has a connection: its place may be another's by now.
    fn is_there(&mut self, (shard, _, id): At) -> bool {
        self.gone.extend(self.shards[shard].take_ended().map(|ended| ended.connection));
        !self.gone.contains(&id)
    }

    fn end(&mut self, at: At) {
        if self.is_there(at) {
            self.shards[at.0].end(at.1);
        }
    }

    pub(crate) fn is_open(&mut self, index: usize) -> bool {
        let at = self.clients[index].link.as_ref().map(Connected::at);
        at.is_some_and(|at| self.is_there(at) && self.shards[at.0].is_open(at.1))
    }

    /// A client asks for more while it is connected.
    pub(crate) fn subscribe(&mut self, index: usize) {
        if self.clients[index].kind != Kind::Recovering || !self.is_open(index) {
            return;
        }
        let name = *self.random.pick(&CHANNELS);
        let now = self.now.wall.as_millis();
        let client = &mut self.clients[index];
        // Who shows a token waits for what comes of it.
        let is_resuming =
            |link: &Connected| link.is_refused || link.asked.iter().any(|asked| asked.token.is_some());
        if client.link.as_ref().is_some_and(is_resuming) {
            return;
        }
        // It has left the channel, and what it wrote before is still on its way: its position is not yet known.
        let is_leaving = !client.wanted.contains(name)
            && client.link.as_ref().is_some_and(|link| link.follows.contains(name));
        client.wanted.insert(name);
        let mut with = client.known();
        match self.random.below(3) {
            0 => with.clear(),
            1 => with.retain(|one| one == name),
            _ => {}
        }
        // Without a request of its own before, all that the client knows has to be told.
        if client.link.as_ref().is_some_and(|link| !link.is_live && link.asked.is_empty()) {
            with = client.known();
        }
        if is_leaving {
            with.remove(name);
        }
        let (text, asked) = client.ask(&[name], &with, None, &self.model, now);
        let link = client.link.as_mut().expect("open");
        link.asked.push_back(asked);
        let at = link.at();
        self.say_at(at, &text);
    }

    pub(crate) fn unsubscribe(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.kind != Kind::Recovering || client.wanted.is_empty() {
            return;
        }
        let Some(link) = client.link.as_ref().filter(|link| link.is_live && link.asked.is_empty()) else {
            return;
        };
        let names: Vec<&str> = client.wanted.iter().copied().collect();
        let name = *self.random.pick(&names);
        client.wanted.remove(name);
        let at = link.at();
        self.say_at(at, &serde_json::json!({"type": "unsubscribe", "channels": [name]}).to_string());
    }

    pub(crate) fn page(&mut self, index: usize) {
        let before = self.random.percent(50).then(|| self.random.below(30));
        // The last is the feed, which nobody asks for.
        let name = STREAMS[self.random.below(STREAMS.len() - 1)].0;
        let is_own = name.strip_prefix("user:").is_none_or(|user| self.clients[index].user == Some(user));
        let Some(link) = self.clients[index].link.as_ref().filter(|_| is_own) else { return };
        if self.clients[index].kind == Kind::Events {
            return;
        }
        let at = link.at();
        let text = serde_json::json!({"type": "history", "channel": name, "limit": 7, "before": before});
        self.say_at(at, &text.to_string());
    }

    /// A connection breaks: of what arrived some bytes are lost.
    pub(crate) fn cut(&mut self, index: usize) {
        let now = self.now.wall.as_millis();
        let random = &mut self.random;
        let client = &mut self.clients[index];
        let Some(link) = &client.link else { return };
        let most = random.below(link.unread() + 1);
        client.read(most, &self.model, now);
        let link = client.link.take().expect("connected");
        self.end(link.at());
        self.note_resumed(index);
    }

    /// The client vanishes, and the hub does not know.
    pub(crate) fn vanish(&mut self, index: usize) {
        let now = self.now.wall.as_millis();
        let client = &mut self.clients[index];
        let Some(link) = &client.link else { return };
        link.pipe.borrow_mut().room = Some(0);
        let most = self.random.below(link.unread() + 1);
        client.read(most, &self.model, now);
        client.link = None;
        self.note_resumed(index);
    }

    fn note_resumed(&mut self, index: usize) {
        for token in std::mem::take(&mut self.clients[index].resumed) {
            assert!(!self.used.contains(&token), "a token worked twice");
            self.used.push(token);
        }
    }

    /// A client reads what has come; if it was closed or refused it acts on that.
    pub(crate) fn read(&mut self, index: usize) {
        let now = self.now.wall.as_millis();
        self.clients[index].read(usize::MAX >> 1, &self.model, now);
        self.note_resumed(index);
        let client = &mut self.clients[index];
        let Some(link) = &mut client.link else { return };
        // Closed, or cut because it did not read the Close.
        if link.close.is_some() || link.pipe.borrow().is_shut {
            let at = link.at();
            client.link = None;
            self.end(at);
            return;
        }
        if std::mem::take(&mut link.is_refused) {
            link.former = None;
            let channels: Vec<&str> = client.wanted.iter().copied().collect();
            let (text, asked) = client.ask(&channels, &client.known(), None, &self.model, now);
            let link = client.link.as_mut().expect("connected");
            link.asked.push_back(asked);
            let at = link.at();
            self.say_at(at, &text);
        }
    }

    pub(crate) fn read_thieves(&mut self) {
        for _ in 0..self.thieves.len() {
            let mut thief = self.thieves.pop_front().expect("counted");
            thief.read_answer();
            let link = thief.link.take().expect("connected");
            if let Some(token) = thief.resumed.pop() {
                assert_ne!(thief.user, Some("9"), "a token is its user's");
                assert!(!self.used.contains(&token), "a token worked twice");
                self.used.push(token);
            } else if !thief.is_answered
                && self.is_there(link.at())
                && self.shards[link.shard].is_open(link.key)
            {
                thief.link = Some(link);
                self.thieves.push_back(thief);
                continue;
            }
            self.end(link.at());
        }
    }

    pub(crate) fn widen(&mut self, index: usize) {
        let Some(link) = &self.clients[index].link else { return };
        link.pipe.borrow_mut().room = None;
        let at = link.at();
        if self.is_there(at) {
            self.shards[at.0].on_writable(at.1);
        }
    }

    pub(crate) fn narrow(&mut self, index: usize) {
        let room = self.random.below(3000);
        let Some(link) = self.clients[index].link.as_mut() else { return };
        link.was_narrow = true;
        link.pipe.borrow_mut().room = Some(room);
        let at = link.at();
        if room > 0 && self.is_there(at) {
            self.shards[at.0].on_writable(at.1);
        }
    }

    /// The clock of the day goes on, or jumps.
    pub(crate) fn pass_time(&mut self, ms: u64, jump: i64) {
        self.now.ms += ms;
        let wall = self.now.wall.as_millis() + i64::try_from(ms).expect("short") + jump;
        self.now.wall = Timestamp::from_millis(wall);
        self.publishers.latest = self.publishers.latest.max(wall);
        self.hub.keep_house(self.now);
        // What is forgotten does not come back when the clock does.
        self.model.state.retain(|_, state| state.expires > wall);
        let all: Vec<At> =
            self.clients.iter().filter_map(|client| client.link.as_ref()).map(Connected::at).collect();
        for at in all {
            if self.is_there(at) {
                self.shards[at.0].heard(at.1, self.now);
            }
        }
        for shard in &mut self.shards {
            shard.tick(self.now);
        }
    }

    /// The committer forms a group, if it has none.
    pub(crate) fn begin_commit(&mut self) {
        if self.commit.is_none() {
            self.commit = self.hub.begin_commit(self.now.wall);
            if let Some(commit) = &self.commit {
                let group = commit.group();
                self.publishers.formed(group.entries.iter().filter(|entry| entry.seq > group.seq).count());
            }
        }
    }

    /// The group is written, or not.
    pub(crate) fn end_commit(&mut self, luck: Luck) {
        let Some(commit) = self.commit.take() else { return };
        self.store.luck = luck;
        let written: Result<(), JournalError> = self.store.commit(commit.group());
        self.store.luck = Luck::Written;
        self.hub.end_commit(commit, written.as_ref().map(|&()| ()));
        self.publishers.settle(&mut self.model);
    }

    /// The process dies, and another one begins with what is on disk. A group may be written and not yet released.
    pub(crate) fn crash(&mut self) {
        let is_written = self.commit.is_some() && self.random.percent(50);
        if let Some(commit) = &self.commit
            && is_written
        {
            self.store.commit(commit.group()).expect("luck is with it");
        }
        self.publishers.crash(&mut self.model, self.commit.take().filter(|_| is_written).as_ref());
        self.restarts += 1;
        let now = self.now.wall.as_millis();
        for index in 0..self.clients.len() {
            let unread = self.clients[index].link.as_ref().map_or(0, Connected::unread);
            let most = self.random.below(unread + 1);
            self.clients[index].read(most, &self.model, now);
            self.clients[index].link = None;
            self.clients[index].resumed.clear();
        }
        self.used.clear();
        self.thieves.clear();
        let has_other_rules = self.random.percent(30);
        self.version += usize::from(has_other_rules);
        if self.random.percent(30) {
            self.pass_time(1_000, self.random.clone().below(100_000) as i64);
        }
        self.lives += 1;
        let shards = 1 + self.random.below(3);
        self.hub = begin(&self.limits, &self.store, self.version, shards, self.now, self.lives);
        self.shards = shards_of(&self.hub);
        let version = self.version;
        self.model.restart(&self.hub, self.now.wall, |name| rule(version, name));
        self.publishers.restart(&self.hub, &self.store, self.now);
        if has_other_rules {
            // Which streams are no longer durable is written at once.
            self.begin_commit();
            self.end_commit(Luck::Written);
        }
    }

    /// Compares the streams with the hub's.
    pub(crate) fn compare(&mut self) {
        let hub = Arc::clone(&self.hub);
        self.model.compare(&hub, self.now.wall, |name| hub.registry().get(name).is_some());
    }

    /// Lets everything happen that can without time passing, and looks whether nothing is missing.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 2_000, "it comes to rest");
            let before = self.received();
            self.begin_commit();
            let is_busy = self.commit.is_some();
            self.end_commit(Luck::Written);
            self.compare();
            for shard in 0..self.shards.len() {
                self.shards[shard].take_inbox(self.now);
                while self.shards[shard].step(50, self.now) {}
            }
            for index in 0..self.clients.len() {
                self.widen(index);
                self.read(index);
            }
            self.read_thieves();
            self.publishers.settle(&mut self.model);
            if !is_busy && self.received() == before && self.hub.unwritten() == 0 {
                break;
            }
        }
        assert_eq!(self.hub.queued(), 0, "nothing waits in the hub");
        for client in &self.clients {
            client.settled(&self.model);
        }
        self.read_feed(1_000);
        // What is on disk is not more than twice what is kept.
        let kept =
            self.model.kept().into_iter().map(|number| self.model.made(number).data(number).len() + 65);
        let most = 2 * kept.sum::<usize>() + self.limits.history.spare;
        let on_disk = self.store.bytes();
        assert!(on_disk <= most, "{on_disk} bytes are on disk, of {most}");
        let metrics = self.hub.metrics();
        let blocked = self.shards.iter().map(Shard::len).sum::<usize>()
            - self.clients.iter().filter(|client| client.link.is_some()).count();
        assert!(
            metrics.outboxes.get() <= i64::try_from(blocked).expect("few"),
            "only who blocks has an outbox"
        );
        assert!(metrics.replays.get() <= i64::try_from(blocked).expect("few"), "no replay goes on");
        let most = 2 * self.limits.outbox_bytes + 20_000;
        let waiting = usize::try_from(metrics.outbox_bytes.get()).expect("not negative");
        assert!(waiting <= blocked * most, "{waiting} bytes wait for {blocked} links");
    }

    fn received(&self) -> usize {
        let links = self.clients.iter().filter_map(|client| client.link.as_ref());
        let bytes: usize = links.map(|link| link.pipe.borrow().received.len() + 1).sum();
        bytes + self.thieves.len()
    }
}

fn begin(limits: &Limits, store: &FakeStore, version: usize, shards: usize, now: Now, life: u8) -> Arc<Hub> {
    let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn Wake>).collect();
    let metrics = Metrics::new(&prometheus::Registry::new());
    let beginning = Beginning {
        stored: Some(store.stored()),
        now: Some(now.wall),
        random: [life; 32],
        feeds: vec![hub::feeds::Feed { name: "f".into(), types: vec!["fed".into()] }],
        ..Beginning::default()
    };
    Arc::new(Hub::begin(rules(version), limits.clone(), metrics, wakes, beginning))
}

fn shards_of(hub: &Arc<Hub>) -> Vec<Shard<FakeLink>> {
    (0..hub.shards()).map(|index| Shard::new(Arc::clone(hub), index)).collect()
}
