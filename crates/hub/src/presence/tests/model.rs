//! Presence beside a model that keeps every lease in a plain map, and clients that believe what they are told.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CHANNELS: usize = 2;
const USERS: usize = 3;

#[derive(Debug, Clone)]
enum Action {
    Join(usize, usize),
    Leave(usize, usize, Leaving),
    /// Time goes on by so many ms.
    Step(u64),
    /// The time of day jumps by so many ms, forwards or backwards.
    Jump(i64),
    Due,
    /// A client begins to watch, and asks for the list.
    Watch(usize),
    /// A client ends.
    Unwatch(usize, prop::sample::Index),
    /// Somebody asks for the list who does not watch.
    List(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let (channel, user) = (0..CHANNELS, 0..USERS);
    prop_oneof![
        6 => (channel.clone(), user.clone()).prop_map(|(channel, user)| Action::Join(channel, user)),
        3 => (channel.clone(), user.clone())
            .prop_map(|(channel, user)| Action::Leave(channel, user, Leaving::Now)),
        4 => (channel.clone(), user).prop_map(|(channel, user)| Action::Leave(channel, user, Leaving::WithGrace)),
        4 => (0..3_000_u64).prop_map(Action::Step),
        1 => (-100_000..100_000_i64).prop_map(Action::Jump),
        5 => Just(Action::Due),
        2 => channel.clone().prop_map(Action::Watch),
        1 => (channel.clone(), any::<prop::sample::Index>())
            .prop_map(|(channel, client)| Action::Unwatch(channel, client)),
        1 => channel.prop_map(Action::List),
    ]
}

/// A user in a channel, as the model has it.
#[derive(Debug, Clone)]
struct Entry {
    since: Timestamp,
    leases: usize,
    /// When the grace that runs is over.
    until: Option<u64>,
}

/// What somebody believes of a channel.
type Users = BTreeMap<String, Timestamp>;

#[derive(Debug, Default)]
struct Channel {
    entries: BTreeMap<String, Entry>,
    clients: Vec<Users>,
    /// Whether a list was taken since the last batch.
    is_listed: bool,
    batch_at: Option<u64>,
}

impl Channel {
    fn users(&self) -> Users {
        self.entries.iter().map(|(user, entry)| (user.clone(), entry.since)).collect()
    }
}

struct World {
    presence: Presence,
    channels: [Channel; CHANNELS],
    ms: u64,
    wall: i64,
}

impl World {
    fn new() -> Self {
        let channels = std::array::from_fn(|_| Channel::default());
        Self { presence: presence(), channels, ms: 0, wall: 1_700_000_000_000 }
    }

    fn now(&self) -> Now {
        Now { ms: self.ms, wall: Timestamp::from_millis(self.wall) }
    }

    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let now = self.now();
        match *action {
            Action::Join(channel, number) => {
                self.presence.join(name(channel), &user(number), now);
                let entry = self.channels[channel].entries.entry(number.to_string()).or_insert(Entry {
                    since: now.wall,
                    leases: 0,
                    until: None,
                });
                entry.leases += 1;
                entry.until = None;
            }
            Action::Leave(channel, number, how) => {
                // The hub tells of an end once for each beginning; what it never began is tried here as well.
                self.presence.leave(name(channel), &user(number), how, now);
                let entries = &mut self.channels[channel].entries;
                let Some(entry) = entries.get_mut(&number.to_string()).filter(|entry| entry.leases > 0)
                else {
                    return Ok(());
                };
                entry.leases -= 1;
                if how == Leaving::WithGrace {
                    entry.until = Some(now.ms + GRACE_MS);
                }
                if entry.leases == 0 && entry.until.is_none() {
                    entries.remove(&number.to_string());
                }
            }
            Action::Step(ms) => {
                self.ms += ms;
                self.wall += i64::try_from(ms).expect("short");
            }
            Action::Jump(ms) => self.wall += ms,
            Action::Due => self.due()?,
            Action::Watch(channel) => {
                self.presence.watch(name(channel));
                let users = self.list(channel)?;
                self.channels[channel].clients.push(users);
            }
            Action::Unwatch(channel, client) => {
                let clients = &mut self.channels[channel].clients;
                if !clients.is_empty() {
                    clients.swap_remove(client.index(clients.len()));
                    if clients.is_empty() {
                        self.channels[channel].batch_at = None;
                    }
                }
                self.presence.unwatch(name(channel));
            }
            Action::List(channel) => drop(self.list(channel)?),
        }
        for (channel, model) in self.channels.iter().enumerate() {
            prop_assert_eq!(self.presence.count(name(channel)), model.entries.len());
        }
        Ok(())
    }

    /// Takes a list, which is the model's.
    fn list(&mut self, channel: usize) -> Result<Users, TestCaseError> {
        let model = &mut self.channels[channel];
        model.is_listed = true;
        let Listing { users, count } = self.presence.list(name(channel), usize::MAX);
        prop_assert!(users.is_sorted_by_key(|(user, since)| (*since, user.to_string())));
        prop_assert_eq!(count, users.len());
        let users: Users = users.into_iter().map(|(user, since)| (user.to_string(), since)).collect();
        prop_assert_eq!(&users, &model.users());
        Ok(users)
    }

    fn due(&mut self) -> Result<(), TestCaseError> {
        let ms = self.ms;
        for model in &mut self.channels {
            model.entries.retain(|_, entry| {
                entry.until = entry.until.filter(|&until| until > ms);
                entry.leases > 0 || entry.until.is_some()
            });
        }
        let changes = self.presence.due(self.now());
        for (channel, model) in self.channels.iter_mut().enumerate() {
            let mut own = changes.iter().filter(|changes| *changes.channel == *name(channel));
            let changes = own.next();
            prop_assert!(own.next().is_none());
            let users = model.users();
            let Some(changes) = changes else {
                // Whoever is behind waits for the window, and for nothing else.
                let is_resting = model.batch_at.is_none_or(|at| at + 250 <= ms);
                prop_assert!(!is_resting || model.clients.iter().all(|client| *client == users));
                continue;
            };
            prop_assert!(!model.clients.is_empty() && !changes.truncated);
            prop_assert!(model.batch_at.is_none_or(|at| at + 250 <= ms));
            prop_assert_eq!(changes.count, users.len());
            for client in &mut model.clients {
                believe(client, changes, model.is_listed)?;
                prop_assert_eq!(&*client, &users);
            }
            model.is_listed = false;
            model.batch_at = Some(ms);
        }
        Ok(())
    }
}

/// Does with a batch what a client does. Each user is in it once; and where no list was taken, whoever joins was not
/// there with that time, and whoever leaves was there.
fn believe(client: &mut Users, changes: &Changes, is_listed: bool) -> Result<(), TestCaseError> {
    let before = client.clone();
    let mut named = Vec::new();
    for (user, since) in &changes.joined {
        prop_assert!(client.insert(user.to_string(), *since) != Some(*since) || is_listed);
        named.push(user.to_string());
    }
    for user in &changes.left {
        prop_assert!(client.remove(user.as_str()).is_some() || is_listed);
        named.push(user.to_string());
    }
    prop_assert!(is_listed || before != *client);
    let count = named.len();
    named.sort();
    named.dedup();
    prop_assert_eq!(named.len(), count);
    Ok(())
}

fn name(channel: usize) -> &'static str {
    ["jobs", "user:7"][channel]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn presence_is_the_models_and_clients_that_follow_batches_hold_exactly_the_list(
        actions in prop::collection::vec(action(), 0..120)
    ) {
        let mut world = World::new();
        for action in &actions {
            world.act(action)?;
        }
        // When all is quiet everybody knows everything.
        for _ in 0..3 {
            world.ms += GRACE_MS;
            world.due()?;
        }
        for model in &world.channels {
            prop_assert!(model.clients.iter().all(|client| *client == model.users()));
        }
        // And when all are gone nothing is left.
        for channel in 0..CHANNELS {
            for number in 0..USERS {
                for _ in 0..world.channels[channel].entries.get(&number.to_string()).map_or(0, |e| e.leases) {
                    world.act(&Action::Leave(channel, number, Leaving::Now))?;
                }
            }
            for _ in 0..world.channels[channel].clients.len() {
                world.presence.unwatch(name(channel));
            }
        }
        prop_assert!(holds_nothing(&world.presence));
    }
}
