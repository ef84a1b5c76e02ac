//! A node of a test: its broker, and all that it was told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use broker::{RedisBroker, Running, Settings};
use hub::broker::{
    Broker, Claim, Claimed, Event, Following, Life, Outcome, Publishing, Shared, StreamState, Told, Wish,
};
use hub::idempotency::ScopedKey;
use hub::rules::HistoryRule;
use protocol::timestamp::Timestamp;
use protocol::{Position, Publication, PublicationId};
use test_kit::Redis;

/// How long a test waits for what ought to come at once; a machine under load is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a stream keeps in tests.
pub(crate) const RULE: HistoryRule =
    HistoryRule { size: 1000, age: Duration::from_secs(3600), durable: true };

/// A node.
pub(crate) struct Node {
    pub(crate) broker: Arc<RedisBroker>,
    pub(crate) life: Option<Life>,
    running: Option<Running>,
    heard: Arc<(Mutex<Vec<Told>>, Condvar)>,
    next: AtomicU64,
}

impl Node {
    /// A node that is connected.
    pub(crate) fn on(redis: &Redis) -> Self {
        Self::at(&redis.url())
    }

    /// A node that is connected.
    pub(crate) fn at(url: &str) -> Self {
        let node = Self::with(Settings::new(url, "fanfare", "test").expect("settings"));
        node.wait("up", |told| matches!(told, Told::Up(_)).then_some(()));
        node
    }

    /// A node that does not wait for its Redis.
    pub(crate) fn started(url: &str) -> Self {
        let settings = Settings::new(url, "fanfare", "test").expect("settings");
        Self::with(settings.with_patience(Duration::from_millis(300)))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let (broker, runner, life) =
            broker::connect(settings, &prometheus::Registry::new()).expect("a start");
        let heard = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let ear = Arc::clone(&heard);
        let running = runner
            .spawn(Box::new(move |told| {
                ear.0.lock().expect("a lock").push(told);
                ear.1.notify_all();
            }))
            .expect("a thread");
        Self { broker, life, running: Some(running), heard, next: AtomicU64::new(1) }
    }

    /// Ends it as it should.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// All that was told so far.
    pub(crate) fn heard(&self) -> Vec<Told> {
        self.heard.0.lock().expect("a lock").clone()
    }

    /// How much was told so far.
    pub(crate) fn mark(&self) -> usize {
        self.heard.0.lock().expect("a lock").len()
    }

    /// Waits until something is told.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, find: impl FnMut(&Told) -> Option<T>) -> T {
        self.wait_from(0, what, find)
    }

    /// Waits until something is told behind a mark.
    #[track_caller]
    pub(crate) fn wait_from<T>(
        &self,
        from: usize,
        what: &str,
        mut find: impl FnMut(&Told) -> Option<T>,
    ) -> T {
        let end = Instant::now() + PATIENCE;
        let mut looked = from;
        let mut heard = self.heard.0.lock().expect("a lock");
        loop {
            while looked < heard.len() {
                if let Some(found) = find(&heard[looked]) {
                    return found;
                }
                looked += 1;
            }
            let left = end.saturating_duration_since(Instant::now());
            let last = heard.len().saturating_sub(5);
            let status = self.broker.status();
            assert!(!left.is_zero(), "{what} did not come; {status:?}; the last were {:?}", &heard[last..]);
            heard = self.heard.1.wait_timeout(heard, left).expect("a lock").0;
        }
    }

    pub(crate) fn ticket(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Publishes, and gives the ticket.
    pub(crate) fn send(&self, publishing: Publishing) -> u64 {
        let ticket = self.ticket();
        self.broker.send(Wish::Publish(ticket, Box::new(publishing)));
        ticket
    }

    #[track_caller]
    pub(crate) fn outcome(&self, ticket: u64) -> Outcome {
        self.wait("an outcome", |told| match told {
            Told::Published(of, outcome) if *of == ticket => Some(*outcome),
            _ => None,
        })
    }

    /// The same, where it is among the last that was told.
    pub(crate) fn outcome_soon(&self, ticket: u64) -> Outcome {
        self.wait_from(self.mark().saturating_sub(1000), "an outcome", |told| match told {
            Told::Published(of, outcome) if *of == ticket => Some(*outcome),
            _ => None,
        })
    }

    /// Publishes, and waits for what becomes of it.
    #[track_caller]
    pub(crate) fn publish(&self, publishing: Publishing) -> Outcome {
        let ticket = self.send(publishing);
        self.outcome(ticket)
    }

    /// Follows streams, and waits for what they have, in the order in which they were asked for.
    #[track_caller]
    pub(crate) fn follow(&self, streams: Vec<Following>) -> (u64, Vec<StreamState>) {
        let ticket = self.ticket();
        self.broker.send(Wish::Follow(ticket, streams));
        self.answer(ticket)
    }

    #[track_caller]
    pub(crate) fn answer(&self, ticket: u64) -> (u64, Vec<StreamState>) {
        let mut all = Vec::new();
        let seq = self.wait("streams", |told| match told {
            Told::Streams { ticket: of, seq, streams, is_last } if *of == ticket => {
                all.extend(streams.clone());
                is_last.then_some(*seq)
            }
            _ => None,
        });
        (seq, all)
    }

    #[track_caller]
    pub(crate) fn follow_one(&self, stream: &str) -> StreamState {
        self.follow(vec![following(stream)]).1.remove(0)
    }

    #[track_caller]
    pub(crate) fn claim(&self, claim: Claim) -> Claimed {
        let ticket = self.ticket();
        self.broker.send(Wish::Claim(ticket, claim));
        self.wait("a claim's answer", |told| match told {
            Told::Claimed(of, claimed) if *of == ticket => Some(claimed.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn table(&self, table: &str) -> Vec<(u32, Box<str>, Box<[u8]>)> {
        let ticket = self.ticket();
        self.broker.send(Wish::Table(ticket, table.into()));
        self.wait("a table", |told| match told {
            Told::Table(of, table) if *of == ticket => Some(table.clone()),
            _ => None,
        })
    }

    /// The events that were told, behind a mark.
    pub(crate) fn events(&self, from: usize) -> Vec<Event> {
        let heard = self.heard.0.lock().expect("a lock");
        let events = heard[from..].iter().filter_map(|told| match told {
            Told::Event(event) => Some(event.clone()),
            _ => None,
        });
        events.collect()
    }

    #[track_caller]
    pub(crate) fn wait_down(&self, from: usize) {
        self.wait_from(from, "down", |told| matches!(told, Told::Down).then_some(()));
    }

    #[track_caller]
    pub(crate) fn wait_up(&self, from: usize) -> Life {
        self.wait_from(from, "up", |told| match told {
            Told::Up(life) => Some(*life),
            _ => None,
        })
    }
}

/// A wish for a stream.
pub(crate) fn following(stream: &str) -> Following {
    Following { stream: stream.into(), rule: Some(RULE), after: None }
}

/// A publication to streams, with history.
pub(crate) fn publishing(streams: &[&str], data: &str) -> Publishing {
    let mut streams: Vec<Box<str>> = streams.iter().map(|&stream| stream.into()).collect();
    streams.sort();
    let rules = vec![Some(RULE); streams.len()];
    let event = Shared {
        publication: Arc::new(Publication {
            id: PublicationId::now(),
            event_type: "test".into(),
            data: data.into(),
            timestamp: Timestamp::from_millis(1_700_000_000_000),
        }),
        accepted: Timestamp::from_millis(1_700_000_000_001),
        streams,
        connection: None,
        namespace: None,
        except: None,
        close_sessions: None,
        retain: None,
        is_transient: false,
        origin: (7, 8),
    };
    Publishing { event, rules, key: None, batch: None }
}

/// An idempotency key.
pub(crate) fn key(text: &str) -> Option<(ScopedKey, Duration)> {
    Some((ScopedKey { scope: "shop".into(), key: text.into() }, Duration::from_secs(600)))
}

/// Where an event stands in a stream.
pub(crate) fn place(event: &Event, stream: &str) -> Position {
    let place = event.event.streams.iter().position(|name| **name == *stream).expect("a stream");
    event.places[place]
}

/// The offsets of a stream's events.
pub(crate) fn offsets<'e>(events: impl IntoIterator<Item = &'e Event>, stream: &str) -> Vec<u64> {
    events.into_iter().map(|event| place(event, stream).offset).collect()
}
