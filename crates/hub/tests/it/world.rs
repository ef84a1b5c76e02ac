//! The simulation's world: a hub, its shards, a clock, and the model that says what has to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hub::rules::{ChannelRules, Identities};
use hub::{
    Accepted, Hub, Identity, Limits, Metrics, Now, Opening, Outgoing, PublishError, Recipients, Shard, Wake,
    Wire,
};
use protocol::publication::{Audience as Targets, ConnectionTarget};
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{ChannelName, ConnectionId, Publication, PublicationId, Stream, Target, UserId};
use tokio::sync::oneshot;

use crate::client::{Audience, Client};
use crate::link::{FakeLink, pipe};
use crate::random::Random;

/// Nobody sleeps here, so nobody needs to be woken.
pub(crate) struct Awake;

impl Wake for Awake {
    fn wake(&self) {}
}

/// A hub with so many shards that nobody else knows.
pub(crate) fn hub(limits: Limits, shards: usize) -> Arc<Hub> {
    let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn Wake>).collect();
    let rules = ChannelRules::new(vec![], Identities::Known);
    Arc::new(Hub::new(rules, limits, Metrics::new(&prometheus::Registry::new()), wakes))
}

/// The bounds of the simulation: small, so that they are met.
pub(crate) fn limits() -> Limits {
    Limits {
        rate: Some(40),
        channels: 4,
        outbox_bytes: 8 << 10,
        outbox_frames: 24,
        connections_per_user: Some(6),
        queue_publications: 400,
        queue_bytes: 1 << 20,
        deflate_min: Some(600),
        ..Limits::default()
    }
}

/// The largest frame of the simulation, its header included.
const MAX_FRAME: usize = 4 << 10;

pub(crate) const USERS: [&str; 5] = ["1", "2", "3", "4", "5"];
pub(crate) const CHANNELS: [&str; 6] = ["jobs", "payments", "chat:1", "chat:2", "user:1", "user:2"];

/// A count that the shards were asked for, and what it has to be if nobody came or went meanwhile.
struct Counting {
    counting: oneshot::Receiver<u32>,
    expected: usize,
    changes: u64,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Vec<Shard<FakeLink>>,
    pub(crate) clients: Vec<Client>,
    pub(crate) audiences: Vec<Audience>,
    /// In how many of a hundred cases a publication simply goes to everyone.
    pub(crate) to_everyone: usize,
    now: Now,
    /// Publications from here on may still be on their way to clients that read.
    unsettled: usize,
    /// The last publication that ended sessions.
    last_closing: Option<usize>,
    /// How often the audiences changed.
    changes: u64,
    counting: Vec<Counting>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let hub = hub(limits(), 1 + random.below(3));
        let shards = (0..hub.shards()).map(|index| Shard::new(Arc::clone(&hub), index)).collect();
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        Self {
            random,
            hub,
            shards,
            clients: Vec::new(),
            audiences: Vec::new(),
            to_everyone: 0,
            now: Now { ms: 1_000_000, wall },
            unsettled: 0,
            last_closing: None,
            changes: 0,
            counting: Vec::new(),
        }
    }

    /// Whether the hub still serves a client.
    pub(crate) fn is_open(&self, index: usize) -> bool {
        let client = &self.clients[index];
        !client.has_ended && self.shards[client.shard].is_open(client.key)
    }

    pub(crate) fn open_clients(&self) -> Vec<usize> {
        (0..self.clients.len()).filter(|&index| self.is_open(index)).collect()
    }

    /// An open client by chance.
    pub(crate) fn any_open(&mut self) -> Option<usize> {
        let open = self.open_clients();
        (!open.is_empty()).then(|| *self.random.pick(&open))
    }

    fn changed(&mut self) {
        self.changes += 1;
    }

    pub(crate) fn connect(&mut self) {
        let Some(admission) = self.hub.admit() else { panic!("the node has room") };
        let bits = (u128::from(self.random.next()) << 64) | u128::from(self.random.next());
        let id = ConnectionId::from_random(bits);
        let shard = self.random.below(self.shards.len());
        let (link, pipe) = pipe();
        let key = self.shards[shard].next_key();
        let mut client = Client::new(id, shard, key, pipe);
        let mut identity = None;
        if self.random.percent(60) {
            let user = *self.random.pick(&USERS);
            let most = limits().connections_per_user.map_or(usize::MAX, |most| most as usize);
            let others = self.open_clients();
            let others =
                others.iter().filter(|&&other| self.clients[other].user.as_deref() == Some(user)).count();
            client.is_one_too_many = others >= most;
            client.user = Some(user.to_owned());
            client.user_type = if self.random.percent(50) { "employer" } else { "worker" };
            client.session = [None, Some("a"), Some("b")][self.random.below(3)];
            client.may_be_doomed = client.session.is_some();
            client.came_in_between = self.last_closing.is_some_and(|number| number >= self.unsettled);
            let ends_soon = self.random.percent(10);
            client.expires_at = ends_soon.then(|| self.seconds() + 40 + self.random.next() % 100);
            identity = Some(self.identity(&client));
        }
        let wire = if self.random.percent(30) { Wire::ChannelsDeflate } else { Wire::Channels };
        let opening = Opening::new(id, wire, identity, admission);
        let now = self.now;
        assert_eq!(self.shards[shard].open(link, opening, now), key, "the key was foretold");
        self.clients.push(client);
        self.changed();
        self.observe();
    }

    fn identity(&self, client: &Client) -> Identity {
        Identity {
            user: UserId::from_text(client.user.as_deref().expect("a user")).expect("id"),
            user_type: Some(client.user_type.into()),
            channels: None,
            session: client.session.map(Into::into),
            expires_at: client.expires_at.unwrap_or(u64::from(u32::MAX)),
        }
    }

    fn seconds(&self) -> u64 {
        u64::try_from(self.now.wall.as_millis() / 1000).expect("after 1970")
    }

    fn may_follow(&self, client: &Client, channel: &str) -> bool {
        match channel {
            "payments" => client.user.is_some() && client.user_type == "employer",
            _ => channel.strip_prefix("user:").is_none_or(|user| client.user.as_deref() == Some(user)),
        }
    }

    /// A client's text arrives.
    pub(crate) fn say(&mut self, index: usize, text: &str) -> Option<hub::Verify> {
        let (shard, key) = (self.clients[index].shard, self.clients[index].key);
        self.shards[shard].heard(key, self.now);
        self.shards[shard].on_incoming(key, &Incoming::Text(text), self.now)
    }

    pub(crate) fn subscribe(&mut self, index: usize) {
        let names: Vec<&str> = (0..=self.random.below(4)).map(|_| *self.random.pick(&CHANNELS)).collect();
        self.say(index, &serde_json::json!({"type": "subscribe", "channels": names}).to_string());
        if self.is_open(index) {
            let mut channels = self.clients[index].channels.clone();
            for name in names {
                if channels.contains(name) || !self.may_follow(&self.clients[index], name) {
                    continue;
                }
                if channels.len() == limits().channels {
                    break;
                }
                channels.insert(name.to_owned());
            }
            self.clients[index].channels = channels;
        }
        self.changed();
        self.observe();
    }

    pub(crate) fn unsubscribe(&mut self, index: usize) {
        let names: Vec<&str> = (0..=self.random.below(2)).map(|_| *self.random.pick(&CHANNELS)).collect();
        self.say(index, &serde_json::json!({"type": "unsubscribe", "data": {"channels": names}}).to_string());
        for name in names {
            self.lose(index, name);
        }
        self.observe();
    }

    /// A client no longer follows a channel: what was accepted for that may come to it, or not.
    fn lose(&mut self, index: usize, channel: &str) {
        if self.clients[index].channels.remove(channel) {
            let (audiences, unsettled) = (&self.audiences, self.unsettled);
            self.clients[index]
                .owed
                .retain(|&number| number < unsettled || !audiences[number].streams.contains(channel));
        }
        self.changed();
    }

    /// A client comes with another token: its own, another user's, or a bad one.
    pub(crate) fn refresh(&mut self, index: usize) {
        let Some(verify) = self.say(index, r#"{"type":"refresh","token":"t"}"#) else {
            return self.observe();
        };
        let shard = self.clients[index].shard;
        assert_eq!(verify.connection, self.clients[index].id);
        let what = self.random.below(4);
        let user_type = if self.random.percent(50) { "employer" } else { "worker" };
        let mut identity = self.identity(&self.clients[index]);
        identity.user_type = Some(user_type.into());
        if what == 0 {
            identity.user = UserId::from_text("another").expect("id");
        }
        self.hub.verified(shard, verify.connection, (what != 1).then_some(identity));
        self.shards[shard].take_inbox(self.now);
        if what > 1 {
            self.clients[index].user_type = user_type;
            for channel in self.clients[index].channels.clone() {
                if !self.may_follow(&self.clients[index], &channel) {
                    self.lose(index, &channel);
                }
            }
        }
        self.observe();
    }

    fn target(&mut self) -> (Target, Audience) {
        let mut audience = Audience::default();
        if self.random.percent(self.to_everyone) {
            audience.everyone = true;
            return (Target::Everyone, audience);
        }
        let kind = self.random.below(10);
        if kind < 2 {
            audience.everyone = true;
        } else {
            for _ in 0..[1, 1, 1, 1, 0, 2, 3, 6][kind - 2] {
                let user = format!("user:{}", self.random.pick(&USERS));
                let channel = (*self.random.pick(&CHANNELS)).to_owned();
                audience.streams.insert(if self.random.percent(30) { user } else { channel });
            }
            if audience.streams.is_empty() || self.random.percent(10) {
                let any = self.random.below(self.clients.len().max(1));
                audience.connection = self.clients.get(any).map(|client| client.id);
            }
        }
        if self.random.percent(20) {
            let any = self.random.below(self.clients.len().max(1));
            audience.except = self.clients.get(any).map(|client| client.id);
        }
        if audience.everyone {
            return (Target::Everyone, audience);
        }
        let streams = audience.streams.iter().map(|name| match name.strip_prefix("user:") {
            Some(user) => Stream::user(&UserId::from_text(user).expect("id")),
            None => Stream::channel(ChannelName::new(name).expect("name")),
        });
        let connection = audience.connection.map(ConnectionTarget::Id);
        (Target::Named(Targets { streams: streams.collect(), connection }), audience)
    }

    pub(crate) fn publish(&mut self) {
        let (target, audience) = self.target();
        let number = self.audiences.len();
        let size = if self.random.percent(15) { self.random.below(3000) } else { self.random.below(80) };
        let publication = Publication {
            id: PublicationId::from_u128(number as u128),
            event_type: "e".into(),
            data: format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(size)).into(),
            timestamp: self.now.wall,
        };
        let close_sessions = self.sessions_to_close(&audience);
        let is_closing = close_sessions.is_some();
        let doomed = self.doomed(close_sessions.as_deref());
        let taken = self.hub.publish(Outgoing {
            except: audience.except,
            close_sessions,
            ..Outgoing::new(publication, target, self.now.wall)
        });
        let recipients = match taken {
            Ok(Accepted::Now(recipients)) => recipients,
            Ok(Accepted::Waiting(_)) => panic!("there is no disk to wait for"),
            Err(PublishError::Overloaded) => {
                assert!(self.hub.queued() > 100, "only a full queue refuses");
                return;
            }
            Err(other) => panic!("the hub does not drain yet and has no disk: {other}"),
        };
        let mut expected = 0;
        for index in self.open_clients() {
            let client = &mut self.clients[index];
            if audience.has(client, &client.channels) {
                client.owed.insert(number);
                expected += 1;
            }
        }
        if is_closing {
            self.last_closing = Some(number);
        }
        for index in doomed {
            self.clients[index].doomed.get_or_insert(number);
        }
        self.audiences.push(audience);
        match recipients {
            Recipients::Counted(count) => assert_eq!(count as usize, expected, "recipients of {number}"),
            Recipients::Counting(counting) => {
                self.counting.push(Counting { counting, expected, changes: self.changes });
            }
            Recipients::Repeated(answer) => panic!("nothing was sent before: {answer:?}"),
        }
    }

    pub(crate) fn take_inbox(&mut self, shard: usize) {
        self.shards[shard].take_inbox(self.now);
        self.observe();
    }

    pub(crate) fn step(&mut self, shard: usize, budget: usize) -> bool {
        let is_busy = self.shards[shard].step(budget, self.now);
        self.observe();
        is_busy
    }

    pub(crate) fn pass_time(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.wall = Timestamp::from_millis(self.now.wall.as_millis() + i64::try_from(ms).expect("short"));
        for index in self.open_clients() {
            let client = &self.clients[index];
            if !client.is_silent {
                self.shards[client.shard].heard(client.key, self.now);
            }
        }
        for shard in &mut self.shards {
            shard.tick(self.now);
        }
        self.observe();
    }

    pub(crate) fn writable(&mut self, index: usize) {
        let client = &self.clients[index];
        if !client.has_ended && client.pipe.borrow().room != Some(0) {
            self.shards[client.shard].on_writable(client.key);
        }
        self.observe();
    }

    pub(crate) fn break_off(&mut self, index: usize) {
        let client = &self.clients[index];
        if self.random.percent(50) {
            client.pipe.borrow_mut().is_broken = true;
        } else {
            self.shards[client.shard].end(client.key);
        }
        self.observe();
    }

    pub(crate) fn say_close(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.said_close = true;
        self.shards[client.shard].on_incoming(client.key, &Incoming::Close(Some((1000, ""))), self.now);
        self.observe();
    }

    /// Looks at what every call may have changed: who has ended, who was closed, what was counted.
    fn observe(&mut self) {
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for ended in shard.take_ended() {
                let client = self.clients.iter_mut().rev().find(|client| client.id == ended.connection);
                let client = client.expect("only who was there can end");
                assert!(client.shard == number && !client.has_ended, "a connection ends once");
                client.has_ended = true;
            }
        }
        for index in 0..self.clients.len() {
            if !self.is_open(index) && !self.clients[index].owed.is_empty() {
                let client = &mut self.clients[index];
                let owed = std::mem::take(&mut client.owed);
                if let Some(end) = client.doomed {
                    client.owed_before_close = owed.into_iter().filter(|&number| number <= end).collect();
                }
                self.changes += 1;
            }
            if !self.is_open(index) && !self.clients[index].channels.is_empty() {
                self.clients[index].channels.clear();
                self.changes += 1;
            }
        }
        let changes = self.changes;
        self.counting.retain_mut(|wanted| match wanted.counting.try_recv() {
            Ok(count) => {
                assert!(
                    wanted.changes != changes || wanted.expected == count as usize,
                    "recipients of a union"
                );
                false
            }
            Err(error) => {
                assert_eq!(error, oneshot::error::TryRecvError::Empty, "every shard reports");
                true
            }
        });
    }

    /// Lets everything happen that can without time passing, then compares the world with the model.
    pub(crate) fn settle(&mut self) {
        loop {
            let before = self.bytes_received();
            for shard in 0..self.shards.len() {
                self.take_inbox(shard);
                while self.step(shard, 1000) {}
            }
            for index in 0..self.clients.len() {
                if !self.clients[index].has_ended {
                    self.writable(index);
                }
            }
            if self.bytes_received() == before {
                break;
            }
        }
        for shard in 0..self.shards.len() {
            self.step(shard, 1);
        }
        self.unsettled = self.audiences.len();
        self.compare();
    }

    fn bytes_received(&self) -> usize {
        self.clients.iter().map(|client| client.pipe.borrow().received.len()).sum()
    }

    fn compare(&mut self) {
        assert_eq!(self.hub.queued(), 0, "nothing waits in the hub");
        assert!(self.counting.is_empty(), "every count is known");
        let mut narrow = 0;
        for index in 0..self.clients.len() {
            let is_open = self.is_open(index);
            let client = &mut self.clients[index];
            client.read(&self.audiences);
            assert!(client.doomed.is_none() || !is_open, "the session is over: {client:?}");
            let has_clear_end = client.expires_at.is_none() && !client.came_in_between;
            if client.doomed.is_some() && has_clear_end && client.close_is(4001) {
                assert!(client.owed_before_close.is_subset(&client.got), "the event comes before the close");
            }
            let is_wide = client.pipe.borrow().room.is_none();
            narrow += usize::from(!client.has_ended && !is_wide);
            if is_open && is_wide {
                assert!(client.owed.is_empty(), "{} has not had {:?}", client.id, client.owed);
                assert!(client.is_at_border(), "a client that reads has whole frames");
                assert_eq!(client.close, None, "who was sent a Close is not open");
            }
        }
        let mut by_channel = BTreeMap::new();
        let open = self.open_clients();
        for channel in open.iter().flat_map(|&index| &self.clients[index].channels) {
            *by_channel.entry(channel.clone()).or_insert(0_u32) += 1;
        }
        let mut told = BTreeMap::new();
        self.hub
            .registry()
            .for_each_channel(|name, count| assert!(told.insert(name.to_owned(), count).is_none()));
        assert_eq!(told, by_channel, "subscribers by channel");
        let metrics = self.hub.metrics();
        assert_eq!(metrics.subscriptions.get(), i64::from(by_channel.values().sum::<u32>()));
        assert_eq!(self.hub.registry().everyone().followers() as usize, open.len(), "everyone");
        let users: BTreeSet<&str> =
            open.iter().filter_map(|&index| self.clients[index].user.as_deref()).collect();
        let streams: BTreeSet<String> =
            by_channel.into_keys().chain(users.into_iter().map(|user| format!("user:{user}"))).collect();
        assert_eq!(self.hub.registry().len(), streams.len(), "streams with followers");
        let there: usize = self.shards.iter().map(Shard::len).sum();
        assert_eq!(there, self.clients.iter().filter(|client| !client.has_ended).count());
        assert_eq!(self.gauge_connections(), there);
        assert_eq!(self.hub.connections(), there, "admissions");
        let waiting = usize::try_from(metrics.outbox_bytes.get()).expect("never less than nothing");
        let most = limits().outbox_bytes + MAX_FRAME;
        assert!(waiting <= narrow * most, "{waiting} bytes wait for {narrow} links");
        assert!(
            metrics.outboxes.get() <= i64::try_from(narrow).expect("few"),
            "only who blocks has an outbox"
        );
    }

    pub(crate) fn gauge_connections(&self) -> usize {
        let gauge = self.hub.metrics().connections.with_label_values(&["channels"]);
        usize::try_from(gauge.get()).expect("never less than nothing")
    }

    /// Drains the hub, with publications on their way, and looks whether everyone was told a time of its own.
    pub(crate) fn drain(&mut self) {
        for client in &self.clients {
            client.pipe.borrow_mut().room = None;
        }
        for _ in 0..self.random.below(20) {
            self.publish();
        }
        let open = self.open_clients();
        self.hub.drain(Duration::from_secs(2));
        let (target, _) = self.target();
        let publication = Publication {
            id: PublicationId::from_u128(0),
            event_type: "late".into(),
            data: "{}".into(),
            timestamp: self.now.wall,
        };
        let refused = self.hub.publish(Outgoing::new(publication, target, self.now.wall));
        assert_eq!(refused.err(), Some(PublishError::Draining));
        let owed: Vec<BTreeSet<usize>> = open.iter().map(|&index| self.clients[index].owed.clone()).collect();
        self.settle();
        let mut delays = BTreeSet::new();
        for (&index, owed) in open.iter().zip(&owed) {
            let client = &self.clients[index];
            if client.pipe.borrow().is_broken {
                continue;
            }
            let Some((1001, reason)) = &client.close else {
                assert!(
                    client.close_is(4010) || client.doomed.is_some() && client.close_is(4001),
                    "told to come back: {client:?}"
                );
                continue;
            };
            assert!(owed.is_subset(&client.got), "what was accepted comes before the Close");
            let ms = reason.strip_prefix("draining; reconnect in ").and_then(|rest| rest.strip_suffix(" ms"));
            assert!(delays.insert(ms.expect("ms").parse::<u64>().expect("a number")), "no two at once");
        }
        if let (Some(first), Some(last)) = (delays.first(), delays.last())
            && delays.len() == open.len()
            && open.len() > 1
        {
            assert!(last - first >= 2000, "{first} to {last} ms");
        }
    }

    /// Everybody goes; nothing may be left.
    pub(crate) fn end(&mut self) {
        for index in 0..self.clients.len() {
            if !self.clients[index].has_ended && self.random.percent(50) {
                self.say_close(index);
            }
        }
        self.pass_time(1_100);
        self.pass_time(1_100);
        self.settle();
        assert_eq!(self.hub.connections(), 0);
        assert!(self.shards.iter().all(Shard::is_empty) && self.hub.registry().is_empty());
        let metrics = self.hub.metrics();
        assert_eq!((metrics.outbox_bytes.get(), metrics.outboxes.get()), (0, 0));
        assert_eq!((metrics.subscriptions.get(), self.hub.queued(), self.gauge_connections()), (0, 0, 0));
        let opened = usize::try_from(metrics.connections_opened.get()).expect("few");
        assert_eq!(opened, self.clients.len());
    }
}
