//! What happens in the simulation: clients come, go, vanish and return; time passes; all comes to rest.

use hub::{Identity, Naming, Opening, Packing, Shard};
use protocol::websocket::Incoming;
use protocol::{ConnectionId, UserId};
use serde_json::json;

use super::client::{Client, Connected, Outcome, Wish};
use super::world::{DASHBOARD, Known, USERS, World, keeps_little};
use crate::link::pipe;

const QUEUES: [&str; 5] = ["d", "m", "f", "n", "e"];
const WINDOWS: [u32; 3] = [0, 100, 250];

/// Clients at most.
const CROWD: usize = 9;

/// How long the hub keeps what a connection had, in milliseconds.
const KEPT: i64 = 120_000;

impl World {
    /// Adds a client that is not connected yet.
    pub(crate) fn invite(&mut self) {
        let user = [None, None, Some("1"), Some("2")][self.random.below(4)];
        self.clients.push(Client::new(user));
    }

    /// A client comes, or comes back.
    pub(crate) fn connect(&mut self, index: usize) {
        if self.clients[index].link.is_some() {
            return;
        }
        let bits = (u128::from(self.random.next()) << 64) | u128::from(self.random.next());
        let id = ConnectionId::from_random(bits);
        let shard = self.random.below(self.shards.len());
        let (link, pipe) = pipe();
        if self.random.percent(8) {
            pipe.borrow_mut().room = Some(self.random.below(3000));
        }
        let key = self.shards[shard].next_key();
        let mut connected = Connected::new(id, shard, key, pipe);
        connected.was_narrow = connected.pipe.borrow().room.is_some();
        let client = &self.clients[index];
        let identity = client.user.map(|user| Identity {
            user: UserId::from_text(user).expect("id"),
            user_type: None,
            channels: None,
            session: None,
            expires_at: u64::from(u32::MAX),
        });
        let packing = if self.random.percent(30) { Packing::Deflate } else { Packing::Plain };
        let admission = self.hub.admit().expect("the node has room");
        let opening = Opening {
            endpoint: DASHBOARD,
            naming: if identity.is_some() { Naming::Own } else { Naming::Anyone },
            window: *self.random.pick(&WINDOWS),
            ..Opening::new(id, self.hub.endpoint(DASHBOARD).wire(packing), identity, admission)
        };
        // What everyone has as state comes unasked.
        assert_eq!(self.shards[shard].open(link, opening, self.now), key, "the key was foretold");
        let known = Known {
            shard,
            key,
            follows: ["@all".to_owned()].into(),
            changed: self.turn,
            life: self.life,
            served_at: self.now.wall.as_millis(),
            had: Default::default(),
        };
        self.known.insert(id, known);
        self.live.push(id);
        self.clients[index].link = Some(connected);
        if let Some(former) = self.clients[index].id {
            self.come_back(index, former);
            if self.random.percent(10) {
                self.come_back(index, former);
            }
            if self.random.percent(15) {
                self.subscribe(index);
            }
        } else if self.random.percent(80) {
            self.subscribe(index);
        }
    }

    fn come_back(&mut self, index: usize, former: ConnectionId) {
        let (follows, had) = self
            .known
            .get(&former)
            .map(|known| (known.follows.clone(), known.had.clone()))
            .unwrap_or_default();
        let (turn, client) = (self.turn, &mut self.clients[index]);
        let link = client.link.as_mut().expect("connected");
        link.former = Some(former);
        link.returns += 1;
        let known = self.known.get_mut(&link.id).expect("known");
        known.follows.extend(follows);
        known.had.extend(had);
        known.changed = turn;
        self.say(index, &json!({"type": "reconnect", "connectionId": former.to_string()}).to_string());
    }

    pub(crate) fn say(&mut self, index: usize, text: &str) {
        let Some(link) = &self.clients[index].link else { return };
        let (id, shard, key) = (link.id, link.shard, link.key);
        if self.has(id) {
            self.shards[shard].heard(key, self.now);
            let _ = self.shards[shard].on_incoming(key, &Incoming::Text(text), self.now);
        }
    }

    fn is_served(&mut self, index: usize) -> bool {
        let id = self.clients[index].link.as_ref().map(|link| link.id);
        id.is_some_and(|id| self.serves(id))
    }

    pub(crate) fn subscribe(&mut self, index: usize) {
        if !self.is_served(index) {
            return;
        }
        let mut frame = json!({"type": "subscribe"});
        let mut names = Vec::new();
        if self.random.percent(60) {
            let user = self.clients[index].user.unwrap_or(*self.random.pick(&USERS));
            frame["userId"] = json!(user);
            names.push(format!("user:{user}"));
        }
        if names.is_empty() || self.random.percent(40) {
            let queue = *self.random.pick(&QUEUES);
            frame["queueId"] = json!(queue);
            names.push(format!("queue:{queue}"));
        }
        if self.random.percent(20) {
            frame["batch"] = json!(*self.random.pick(&WINDOWS));
        }
        let id = self.clients[index].link.as_ref().map(|link| link.id).expect("served");
        self.say(index, &frame.to_string());
        if !self.is_served(index) {
            // It may have been done, and the answer have been too much.
            self.known.get_mut(&id).expect("known").follows.extend(names);
            return;
        }
        let (turn, state) = (self.turn, self.state.clone());
        let client = &mut self.clients[index];
        let link = client.link.as_mut().expect("served");
        let known = self.known.get_mut(&link.id).expect("known");
        known.changed = turn;
        // An answer to a return that is on its way names its streams without being asked.
        for name in names {
            // What it has as another stream's state is not told again.
            let others = known.follows.clone();
            let is_fresh = known.follows.insert(name.clone());
            client.may_lose |= keeps_little(&name);
            let of_stream = state.iter().filter(|((stream, _), _)| *stream == name && is_fresh);
            let of_stream = of_stream.map(|(_, number)| *number);
            let of_stream = of_stream.filter(|&number| self.made[number].streams.is_disjoint(&others));
            let state: std::collections::BTreeSet<usize> =
                of_stream.filter(|&number| self.made[number].except != Some(link.id)).collect();
            let is_held = link.returns > 0;
            let state = if is_held { Default::default() } else { state };
            link.pending.entry(name).or_insert(Wish { state, is_held, ..Wish::default() });
        }
    }

    pub(crate) fn unsubscribe(&mut self, index: usize) {
        let client = &self.clients[index];
        let Some(link) = client.link.as_ref().filter(|link| link.returns == 0) else { return };
        let names: Vec<String> = link
            .may
            .iter()
            .filter(|name| *name != "@all" && !link.pending.contains_key(*name))
            .cloned()
            .collect();
        if names.is_empty() || !self.is_served(index) {
            return;
        }
        let name = self.random.pick(&names).clone();
        let frame = match name.split_once(':').expect("a prefix") {
            ("user", id) => json!({"type": "unsubscribe", "userId": id}),
            (_, id) => json!({"type": "unsubscribe", "queueId": id}),
        };
        self.say(index, &frame.to_string());
        let turn = self.turn;
        let id = self.clients[index].link.as_ref().map(|link| link.id);
        // Another tab that is yet to come with this connection's id has not that stream, either.
        let tabs = self.clients.iter_mut().enumerate();
        for (_, tab) in tabs.filter(|(other, tab)| *other == index || tab.id == id) {
            tab.follows.remove(&name);
            let (follows, made) = (&tab.follows, &self.made);
            let is_still = |number: &usize| !made[*number].streams.is_disjoint(follows);
            tab.owed.retain(is_still);
            tab.owed_state.retain(is_still);
        }
        // One that has asked for this connection's streams may have been given it before.
        let links = self.clients.iter().filter_map(|client| client.link.as_ref());
        for link in links.filter(|link| link.former.is_some() && link.former == id) {
            self.known.get_mut(&link.id).expect("known").follows.insert(name.clone());
        }
        let client = &mut self.clients[index];
        let link = client.link.as_mut().expect("connected");
        let known = self.known.get_mut(&link.id).expect("known");
        known.follows.remove(&name);
        known.changed = turn;
        // What named it and waited for its turn in what is told of the past of that stream goes with the stream.
        if self.hub.metrics().replays.get() > 0 {
            link.direct.retain(|&number| !self.made[number].streams.contains(&name));
        }
        link.leaving.push_back(name);
    }

    /// A client reads what has come, and answers some pings; if it was closed it is free to come back.
    pub(crate) fn read(&mut self, index: usize) {
        let outcome = self.read_bytes(index, usize::MAX >> 1);
        self.after_reading(index, outcome);
        while self.random.percent(60) && self.answer_late(index) {}
        let Some(link) = &self.clients[index].link else { return };
        if link.close.is_some() || link.pipe.borrow().is_shut {
            let (id, shard, key) = (link.id, link.shard, link.key);
            self.drop_link(index);
            if self.has(id) {
                self.shards[shard].end(key);
            }
        }
    }

    /// Reads so many bytes. Another tab with the same id may have shown meanwhile that it had something.
    fn read_bytes(&mut self, index: usize, most: usize) -> Outcome {
        let client = &mut self.clients[index];
        if let Some(link) = &mut client.link {
            if let Some(former) = link.former {
                // Another tab with that id may have asked for more meanwhile.
                let had = self.known[&former].follows.clone();
                self.known.get_mut(&link.id).expect("known").follows.extend(had);
            }
            link.wanted.clone_from(&self.known[&link.id].follows);
        }
        if let Some(former) = client.link.as_ref().and_then(|link| link.former) {
            let Known { had, follows, .. } = &self.known[&former];
            client.follows.retain(|name| follows.contains(name));
            let (made, follows) = (&self.made, &client.follows);
            let is_open =
                |number: &usize| !had.contains(number) && !made[*number].streams.is_disjoint(follows);
            client.owed.retain(is_open);
            client.owed_state.retain(is_open);
        }
        let is_waiting = |link: &Connected| link.returns > 0 || !link.pending.is_empty();
        if let Some(link) = client.link.as_ref().filter(|link| is_waiting(link)) {
            // When it was answered is not known, but it was before now.
            self.known.get_mut(&link.id).expect("known").changed = self.turn;
        }
        let outcome = client.read(most, &self.made);
        if let Some(link) = &client.link {
            // What the hub took from before a crash it has now.
            let names = link.may.iter().filter(|name| !link.leaving.contains(*name)).cloned();
            self.known.get_mut(&link.id).expect("known").follows.extend(names);
        }
        outcome
    }

    fn after_reading(&mut self, index: usize, outcome: Outcome) {
        let wall = self.now.wall.as_millis();
        if let Outcome::NotKnown { former, was_stale } = outcome {
            let is_late = wall - self.known[&former].served_at > KEPT;
            assert!(is_late || was_stale, "its id has to be known: {:#?}", self.clients[index]);
        }
    }

    /// An answer to a ping that came before. Returns whether there was one.
    pub(crate) fn answer_late(&mut self, index: usize) -> bool {
        let Some(link) = &mut self.clients[index].link else { return false };
        let Some(payload) = link.pings.pop_front() else { return false };
        self.pong(index, &payload);
        true
    }

    pub(crate) fn forge_pong(&mut self, index: usize) {
        let payload = match self.random.below(3) {
            0 => u64::MAX.to_be_bytes().to_vec(),
            1 => (self.made.len() as u64 * 2 + 1_000).to_be_bytes().to_vec(),
            _ => vec![7; self.random.below(126)],
        };
        self.pong(index, &payload);
    }

    fn pong(&mut self, index: usize, payload: &[u8]) {
        let Some(link) = &self.clients[index].link else { return };
        let (id, shard, key) = (link.id, link.shard, link.key);
        let got = link.got.clone();
        if self.has(id) {
            let known = self.known.get_mut(&id).expect("known");
            known.changed = self.turn;
            known.had.extend(got);
            self.shards[shard].heard(key, self.now);
            let _ = self.shards[shard].on_incoming(key, &Incoming::Pong(payload), self.now);
        }
    }

    pub(crate) fn say_ping(&mut self, index: usize) {
        self.say(index, r#"{"type":"ping"}"#);
    }

    pub(crate) fn change_window(&mut self, index: usize) {
        let window = *self.random.pick(&WINDOWS);
        let link = self.clients[index].link.as_ref();
        let Some(id) = link.filter(|link| link.returns == 0).map(|link| link.id) else { return };
        // That makes it one that can come back, if it was none.
        self.known.get_mut(&id).expect("known").changed = self.turn;
        self.say(index, &json!({"type": "subscribe", "batch": window}).to_string());
    }

    /// Reads some of what arrived; the rest is lost with the connection.
    pub(crate) fn drop_link(&mut self, index: usize) {
        let client = &self.clients[index];
        let Some(link) = &client.link else { return };
        let most = self.random.below(link.unread() + 1);
        let outcome = self.read_bytes(index, most);
        self.after_reading(index, outcome);
        let client = &mut self.clients[index];
        client.link = None;
        if client.id.is_none() {
            client.forget();
        }
    }

    /// A connection breaks.
    pub(crate) fn cut(&mut self, index: usize) {
        let Some(link) = &self.clients[index].link else { return };
        let (id, shard, key) = (link.id, link.shard, link.key);
        self.drop_link(index);
        if self.has(id) {
            self.shards[shard].end(key);
        }
    }

    /// The client vanishes, and the hub does not know.
    pub(crate) fn vanish(&mut self, index: usize) {
        if let Some(link) = &self.clients[index].link {
            link.pipe.borrow_mut().room = Some(0);
            self.drop_link(index);
        }
    }

    /// The client closes its connection, and reads up to the answer.
    pub(crate) fn leave(&mut self, index: usize) {
        let Some(link) = &self.clients[index].link else { return };
        let (id, shard, key) = (link.id, link.shard, link.key);
        if self.has(id) {
            let _ = self.shards[shard].on_incoming(key, &Incoming::Close(Some((1000, ""))), self.now);
            self.drop_link(index);
        }
    }

    /// A tab is duplicated, with the id that it has.
    pub(crate) fn duplicate(&mut self, index: usize) {
        if self.clients.len() < CROWD && self.clients[index].id.is_some() {
            let mut client = self.clients[index].clone();
            client.link = None;
            self.clients.push(client);
        }
    }

    pub(crate) fn narrow(&mut self, index: usize) {
        let room = self.random.below(3000);
        if let Some(link) = &mut self.clients[index].link {
            link.was_narrow = true;
            link.pipe.borrow_mut().room = Some(room);
        }
    }

    pub(crate) fn widen(&mut self, index: usize) {
        let Some(link) = &self.clients[index].link else { return };
        link.pipe.borrow_mut().room = None;
        let (id, shard, key) = (link.id, link.shard, link.key);
        if self.has(id) {
            self.shards[shard].on_writable(key);
        }
    }

    /// So many milliseconds pass, in which windows may end.
    pub(crate) fn wait(&mut self, ms: u64) {
        let before = self.now.wall.as_millis();
        for id in self.served() {
            self.known.get_mut(&id).expect("known").served_at = before;
        }
        self.now.ms += ms;
        let wall = before + i64::try_from(ms).expect("short");
        self.now.wall = protocol::timestamp::Timestamp::from_millis(wall);
    }

    /// Time passes with all that it does.
    pub(crate) fn pass_time(&mut self, ms: u64) {
        self.wait(ms);
        self.hub.keep_house(self.now);
        for index in 0..self.clients.len() {
            if let Some(link) = &self.clients[index].link {
                let (id, shard, key) = (link.id, link.shard, link.key);
                if self.has(id) {
                    self.shards[shard].heard(key, self.now);
                }
            }
        }
        self.shards.iter_mut().for_each(|shard| shard.tick(self.now));
    }

    /// Everybody comes back, and all that is owed comes.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1_000, "it comes to rest");
            let before = self.received();
            let is_busy = self.flush_store();
            for shard in 0..self.shards.len() {
                self.shards[shard].take_inbox(self.now);
                while self.shards[shard].step(50, self.now) {}
            }
            let mut is_back = false;
            for index in 0..self.clients.len() {
                if self.clients[index].link.is_none() {
                    self.connect(index);
                    is_back = true;
                }
                self.widen(index);
                self.read(index);
            }
            self.wait(100);
            let is_collecting = self.shards.iter().any(|shard| shard.next_window().is_some());
            if !is_back && !is_busy && !is_collecting && self.received() == before && round > 4 {
                break;
            }
        }
        assert_eq!(self.hub.queued(), 0, "nothing waits in the hub");
        for (number, client) in self.clients.iter_mut().enumerate() {
            let link = client.link.as_ref().expect("everybody is here");
            assert_eq!((link.former, link.returns), (None, 0), "it is answered: {link:#?}");
            assert!(link.pending.is_empty(), "it is answered: {link:#?}");
            let missing: Vec<&String> = client.follows.difference(&link.may).collect();
            assert!(missing.is_empty() || client.is_stale, "{missing:?} is not restored: {client:#?}");
            let (state, made) = (&self.state, &self.made);
            let follows = &client.follows;
            let is_state = |number: &usize| {
                state.iter().any(|((stream, _), other)| other == number && follows.contains(stream))
            };
            client.owed_state.retain(is_state);
            if !client.is_stale {
                let first = client.owed.iter().chain(&client.owed_state).chain(&link.direct).next();
                assert!(
                    first.is_none(),
                    "client {number} has not had {first:?} {:?}: {client:#?}",
                    first.map(|first| &made[*first])
                );
            }
            if client.is_stale {
                // It finds out that it has not all that it wants, and begins anew.
                client.owed.clear();
                client.owed_state.clear();
                client.follows.clone_from(&link.may);
                client.is_stale = false;
            }
            // That something is lost is told again until it is known to have arrived.
            client.may_lose = link.is_told_of_loss || client.follows.iter().any(|name| keeps_little(name));
        }
    }

    fn received(&self) -> usize {
        let links = self.clients.iter().filter_map(|client| client.link.as_ref());
        links.map(|link| link.pipe.borrow().received.len() + 1).sum()
    }

    /// Everybody goes; nothing may be left.
    pub(crate) fn end(&mut self) {
        let ids: Vec<(ConnectionId, usize, u32)> = self
            .known
            .iter()
            .filter(|(_, known)| known.life == self.life)
            .map(|(&id, known)| (id, known.shard, known.key))
            .collect();
        for (id, shard, key) in ids {
            if self.has(id) {
                self.shards[shard].end(key);
            }
        }
        for shard in &mut self.shards {
            shard.take_inbox(self.now);
            while shard.step(50, self.now) {}
            assert_eq!((shard.collected(), shard.next_window()), (0, None), "batches");
        }
        assert!(self.shards.iter().all(Shard::is_empty) && self.hub.registry().is_empty());
        assert_eq!((self.hub.connections(), self.hub.open_connections()), (0, 0));
        assert_eq!(self.hub.endpoint(DASHBOARD).places(), 0, "places of users");
        let metrics = self.hub.metrics();
        assert_eq!((metrics.outbox_bytes.get(), metrics.outboxes.get(), metrics.replays.get()), (0, 0, 0));
        assert_eq!((metrics.subscriptions.get(), self.hub.queued()), (0, 0));
    }
}
