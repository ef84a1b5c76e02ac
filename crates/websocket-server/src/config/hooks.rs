//! Client-event hooks: which events of clients go to which service, and within which bounds (`docs/hooks.md`).
//!
//! A hook is a table `[[hooks]]` of the configuration file, or made by a program that holds the hub and a service. Not
//! here: how a service is asked, and what is answered while it is away (`crate::hooks`).

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use protocol::channel::is_namespace;
use protocol::publication::MAX_TYPE;
use service_kit::arguments::{Secret, parse_duration};
use service_kit::settings::values;
use url::Url;

use super::file::Age;
use super::keys::SharedKey;

#[cfg(test)]
mod tests;

/// The most hooks: a back end has a handful of services, each with some events.
pub const MOST_HOOKS: usize = 256;

/// The most events and the most namespaces of one hook.
const MOST_NAMES: usize = 64;

/// The time that a service has for its answer, where a hook says nothing.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The longest window of a rate.
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

/// The most events of one window.
const MOST_EVENTS: u32 = 1_000_000;

/// The frames of `/ws` that the hub itself answers (contract: channels, recovery).
const OWN_FRAMES: [&str; 9] =
    ["ping", "subscribe", "unsubscribe", "refresh", "resume", "history", "presence", "ack", "pong"];

/// The events of Socket.IO that the hub itself answers, and those that its clients keep for themselves.
const OWN_EVENTS: [&str; 8] = [
    "subscribe",
    "unsubscribe",
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// What happens to some events of clients.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its name in metrics and logs.
    pub name: Box<str>,
    /// The names of the events; on `/ws` the types of the frames.
    pub events: Vec<Box<str>>,
    /// Where they come in.
    pub places: Places,
    /// What happens.
    pub action: Action,
    /// How many of them a user may send; none is any number.
    pub rate: Option<Rate>,
}

/// Where events come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Places {
    /// On `/ws` and in every namespace.
    Everywhere,
    /// Only here.
    Only {
        /// Whether frames on `/ws` are meant.
        ws: bool,
        /// The Socket.IO namespaces.
        namespaces: Vec<Box<str>>,
    },
}

impl Places {
    /// Frames on `/ws`, and events in these namespaces.
    #[must_use]
    pub fn ws_and(namespaces: &[&str]) -> Self {
        Self::Only { ws: true, namespaces: namespaces.iter().map(|&name| name.into()).collect() }
    }

    /// A place that both have, as a text for an error.
    fn shared(&self, other: &Self) -> Option<String> {
        let (ws, mine, theirs) = match (self, other) {
            (Self::Everywhere, Self::Everywhere) => return Some("everywhere".to_owned()),
            (Self::Everywhere, Self::Only { ws, namespaces })
            | (Self::Only { ws, namespaces }, Self::Everywhere) => (*ws, namespaces, namespaces),
            (Self::Only { ws, namespaces }, Self::Only { ws: other, namespaces: others }) => {
                (*ws && *other, namespaces, others)
            }
        };
        if ws {
            return Some("on /ws".to_owned());
        }
        mine.iter().find(|name| theirs.contains(name)).map(|name| format!("in {name}"))
    }
}

/// What happens to an event.
#[derive(Debug, Clone)]
pub enum Action {
    /// A service gets it, and its answer is the acknowledgement.
    Post(Post),
    /// The connections of its sender get an event of this type with the same data.
    Emit(Box<str>),
}

/// How a service is asked. `Debug` does not show the key.
#[derive(Debug, Clone)]
pub struct Post {
    /// Where.
    pub url: Url,
    /// The time for an answer, repeated calls included.
    pub timeout: Duration,
    /// Whether the service knows a call again by its `Idempotency-Key`, so that a call without answer is repeated.
    pub is_idempotent: bool,
    /// What it shows as `Authorization: Bearer`.
    pub key: Option<SharedKey>,
}

/// At most so many within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub events: NonZeroU32,
    /// In which time.
    pub window: Duration,
}

impl Hook {
    /// A hook that asks the service at `url` with this key, within 4 s, never twice, without a rate.
    #[must_use]
    pub fn post(events: &[&str], places: Places, url: Url, key: Option<Secret>) -> Self {
        Self {
            name: events.first().copied().unwrap_or_default().into(),
            events: events.iter().map(|&event| event.into()).collect(),
            places,
            action: Action::Post(Post {
                url,
                timeout: TIMEOUT,
                is_idempotent: false,
                key: key.map(SharedKey::new),
            }),
            rate: None,
        }
    }

    /// The same for a service that knows a call again by its `Idempotency-Key`.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        if let Action::Post(post) = &mut self.action {
            post.is_idempotent = true;
        }
        self
    }

    /// The hook that answers `publish_start` where no service does (contract: socketio, Client → server).
    fn publish_started() -> Self {
        Self {
            name: "publish_start".into(),
            events: vec!["publish_start".into()],
            places: Places::Only { ws: false, namespaces: vec!["/sns".into()] },
            action: Action::Emit("publish_started".into()),
            rate: None,
        }
    }

    /// Whether it can be one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MOST_NAMES).contains(&self.events.len()) {
            return Err(format!("event names 1 to {MOST_NAMES} events"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if !(1..=MAX_TYPE).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return Err(
                "name has 1 to 200 of A-Z a-z 0-9 _ - . : (it is the first event's, where none is given)"
                    .to_owned(),
            );
        }
        let (ws, namespaces) = match &self.places {
            Places::Everywhere => (true, None),
            Places::Only { ws, namespaces } => (*ws, Some(namespaces)),
        };
        if namespaces.is_some_and(|namespaces| !ws && namespaces.is_empty()) {
            return Err("it is for no place: name namespaces, or say ws = true".to_owned());
        }
        if namespaces.is_some_and(|namespaces| namespaces.len() > MOST_NAMES) {
            return Err(format!("namespaces names at most {MOST_NAMES} namespaces"));
        }
        if let Some(name) = namespaces.into_iter().flatten().find(|name| !is_namespace(name)) {
            return Err(format!(
                "namespaces: {name:?} is none: / and up to 199 bytes of A-Z a-z 0-9 _ - . /"
            ));
        }
        let has_namespaces = namespaces.is_none_or(|namespaces| !namespaces.is_empty());
        for event in &self.events {
            check_type("event", event)?;
            if ws && OWN_FRAMES.contains(&&**event) || has_namespaces && OWN_EVENTS.contains(&&**event) {
                return Err(format!("event: {event:?} is the hub's own"));
            }
        }
        match &self.action {
            Action::Post(post) => values::web_address(post.url.as_str()).map(drop),
            Action::Emit(event) => check_type("emit", event),
        }
    }
}

fn check_type(member: &str, name: &str) -> Result<(), String> {
    if (1..=MAX_TYPE).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("{member}: a name has 1 to {MAX_TYPE} bytes and no control characters"))
}

/// All hooks, in the order in which they are asked for an event, and their bounds.
#[derive(Debug, Clone)]
pub struct Hooks {
    /// Those of the configuration file; no two are for the same event in the same place.
    pub configured: Vec<Hook>,
    /// What there is where no other hook is for an event in that place.
    pub built_in: Vec<Hook>,
    /// What waits, and for how long.
    pub bounds: HookBounds,
}

impl Hooks {
    /// Those of the file that have no key show this one from now on (`SERVICE_API_KEY`).
    pub fn show(&mut self, key: &SharedKey) {
        for hook in &mut self.configured {
            if let Action::Post(post) = &mut hook.action {
                post.key.get_or_insert_with(|| key.clone());
            }
        }
    }

    /// The hosts on other machines that get events in the clear.
    pub(super) fn hosts_in_the_clear(&self) -> Vec<String> {
        hosts_in_the_clear(self.configured.iter().filter_map(|hook| match &hook.action {
            Action::Post(Post { url, .. }) => Some(url),
            Action::Emit(_) => None,
        }))
    }
}

/// The hosts among these addresses that are on other machines and get what is posted in the clear, each once.
pub(super) fn hosts_in_the_clear<'u>(urls: impl Iterator<Item = &'u Url>) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for url in urls {
        let host = url.host_str().unwrap_or_default();
        let is_local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        if url.scheme() == "http" && !is_local && !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    hosts
}

/// What waits for services, and for how long. `docs/configuration.md` says where each number comes from.
#[derive(Debug, Clone, Copy)]
pub struct HookBounds {
    /// Every event is answered within this time.
    pub answer_within: Duration,
    /// Events that may wait, for all services together.
    pub waiting: NonZeroUsize,
    /// Their bytes, with those that are being answered.
    pub bytes: usize,
    /// Events of one connection that may wait.
    pub waiting_per_connection: NonZeroUsize,
    /// Calls at once, to all services together.
    pub calls: NonZeroUsize,
    /// When a service is taken to be away.
    pub circuit: Circuit,
}

/// When a service is taken to be away, and when it is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Circuit {
    /// Failures in a row after which it is not asked for a while.
    pub failures: NonZeroUsize,
    /// The first while, doubled with each failed try.
    pub pause: Duration,
    /// The longest while.
    pub longest_pause: Duration,
}

/// The flags of [`HookBounds`].
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Client-event hooks")]
pub(super) struct HookFlags {
    /// How long an event of a client may take until it is acknowledged, with its wait for its turn. What is not answered
    /// by then is acknowledged as `unavailable`, a twentieth of this time before its end.
    ///
    /// Values: a duration from 100ms to 1m.
    ///
    /// Source: protocol, Client → server.
    #[arg(long, env, value_name = "DURATION", default_value = "5s",
          value_parser = values::duration(Duration::from_millis(100), Duration::from_secs(60)))]
    hooks_answer_within: Duration,

    /// Events of clients that may wait for all services together, in equal shares for each address; one more is
    /// acknowledged as `unavailable`.
    ///
    /// Values: a whole number from 1 to 1000000.
    ///
    /// Source: chosen; what a service that answers 2,000 events per second works off in 5 s.
    #[arg(long, env, value_name = "COUNT", default_value = "10000", value_parser = values::count(1_000_000))]
    hooks_max_waiting: NonZeroUsize,

    /// Bytes of the events that wait or are being answered, in equal shares for each address, of which one connection may
    /// have a sixteenth; more is acknowledged as `unavailable`.
    ///
    /// Values: a size from 1KiB to 1GiB; one event of a connection always fits.
    ///
    /// Source: chosen, as QUEUE_MAX_BYTES.
    #[arg(long, env, value_name = "SIZE", default_value = "64MiB", value_parser = values::size(1 << 10, 1 << 30))]
    hooks_max_bytes: usize,

    /// Events of one connection that may wait; one more is acknowledged as `too_many_requests`.
    ///
    /// Values: a whole number from 1 to 10000.
    ///
    /// Source: the 300 messages in 10 s that chat takes of a user (contract: socketio), and some.
    #[arg(long, env, value_name = "COUNT", default_value = "400", value_parser = values::count(10_000))]
    hooks_max_waiting_per_connection: NonZeroUsize,

    /// Calls to all services at once, in equal shares for each address; further events wait.
    ///
    /// Values: a whole number from 1 to 10000.
    ///
    /// Source: chosen; each is a connection to the service.
    #[arg(long, env, value_name = "COUNT", default_value = "256", value_parser = values::count(10_000))]
    hooks_max_calls: NonZeroUsize,

    /// Failures in a row after which a service is not asked for a while; half of the last 20 are enough as well.
    ///
    /// Values: a whole number from 1 to 1000.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "COUNT", default_value = "5", value_parser = values::count(1_000))]
    hooks_circuit_failures: NonZeroUsize,

    /// The while in which a service that failed is not asked; doubled each time that it fails the one call behind it.
    ///
    /// Values: a duration from 10ms to 1h.
    ///
    /// Source: chosen; a service is restarted in about a second.
    #[arg(long, env, value_name = "DURATION", default_value = "1s",
          value_parser = values::duration(Duration::from_millis(10), Duration::from_secs(3_600)))]
    hooks_circuit_pause: Duration,

    /// The longest while in which a service that failed is not asked.
    ///
    /// Values: a duration from 10ms to 1h.
    ///
    /// Source: chosen; a service that comes back is used again at most so much later.
    #[arg(long, env, value_name = "DURATION", default_value = "30s",
          value_parser = values::duration(Duration::from_millis(10), Duration::from_secs(3_600)))]
    hooks_circuit_max_pause: Duration,
}

impl HookFlags {
    pub(super) fn bounds(&self) -> HookBounds {
        HookBounds {
            answer_within: self.hooks_answer_within,
            waiting: self.hooks_max_waiting,
            bytes: self.hooks_max_bytes,
            waiting_per_connection: self.hooks_max_waiting_per_connection,
            calls: self.hooks_max_calls,
            circuit: Circuit {
                failures: self.hooks_circuit_failures,
                pause: self.hooks_circuit_pause,
                longest_pause: self.hooks_circuit_max_pause.max(self.hooks_circuit_pause),
            },
        }
    }
}

/// A table `[[hooks]]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookTable {
    name: Option<String>,
    event: Names,
    namespaces: Option<Vec<String>>,
    ws: Option<bool>,
    url: Option<String>,
    timeout: Option<Age>,
    idempotent: Option<bool>,
    rate: Option<String>,
    emit: Option<String>,
    to: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "event as a name, or as a list of names")]
enum Names {
    One(String),
    Several(Vec<String>),
}

/// The hooks of a configuration file.
///
/// # Errors
/// A table is wrong: its line, and what is wrong with it.
pub(super) fn assemble(
    bounds: HookBounds,
    tables: Vec<(usize, HookTable)>,
) -> Result<Hooks, (usize, String)> {
    let mut configured: Vec<Hook> = Vec::new();
    for (line, table) in tables {
        let hook = table.into_hook(&bounds).map_err(|message| (line, message))?;
        if configured.len() >= MOST_HOOKS {
            return Err((line, format!("there are at most {MOST_HOOKS} hooks")));
        }
        for other in &configured {
            let event = hook.events.iter().find(|event| other.events.contains(event));
            if let (Some(event), Some(place)) = (event, hook.places.shared(&other.places)) {
                return Err((line, format!("{event:?} {place} has a hook already, {:?}", other.name)));
            }
        }
        configured.push(hook);
    }
    Ok(Hooks { configured, built_in: vec![Hook::publish_started()], bounds })
}

impl HookTable {
    fn into_hook(self, bounds: &HookBounds) -> Result<Hook, String> {
        let mut events: Vec<Box<str>> = match self.event {
            Names::One(event) => vec![event.into()],
            Names::Several(events) => events.into_iter().map(Into::into).collect(),
        };
        let name = self.name.map(Into::into).or_else(|| events.first().cloned()).unwrap_or_default();
        events.sort();
        events.dedup();
        let places = match (self.namespaces, self.ws) {
            (None, None) => Places::Everywhere,
            (namespaces, ws) => Places::Only {
                ws: ws.unwrap_or_default(),
                namespaces: namespaces.unwrap_or_default().into_iter().map(Into::into).collect(),
            },
        };
        let action = match (self.url, self.emit) {
            (Some(url), None) => {
                if self.to.is_some() {
                    return Err("to goes with emit, not with url".to_owned());
                }
                let url = values::web_address(&url).map_err(|fault| format!("url: {fault}"))?;
                let timeout = self.timeout.map_or(TIMEOUT.min(bounds.answer_within), |timeout| timeout.0);
                if timeout > bounds.answer_within {
                    let most = bounds.answer_within.as_millis();
                    return Err(format!("timeout is at most HOOKS_ANSWER_WITHIN, {most} ms"));
                }
                let is_idempotent = self.idempotent.unwrap_or_default();
                Action::Post(Post { url, timeout, is_idempotent, key: None })
            }
            (None, Some(event)) => {
                if self.to.as_deref() != Some("sender") {
                    return Err("emit needs to = \"sender\"".to_owned());
                }
                if self.timeout.is_some() || self.idempotent.is_some() {
                    return Err("timeout and idempotent go with url, not with emit".to_owned());
                }
                Action::Emit(event.into())
            }
            _ => return Err("exactly one of url and emit is to be given".to_owned()),
        };
        let rate = self.rate.as_deref().map(rate).transpose()?;
        let hook = Hook { name, events, places, action, rate };
        hook.check()?;
        Ok(hook)
    }
}

/// A rate such as `300/10s`.
fn rate(text: &str) -> Result<Rate, String> {
    let wrong =
        || "rate is a number of events and a time, such as \"300/10s\"; at most 1000000 in 1h".to_owned();
    let (events, window) = text.split_once('/').ok_or_else(wrong)?;
    let events = events.trim().parse().ok().filter(|&events| events <= MOST_EVENTS);
    let events = events.and_then(NonZeroU32::new).ok_or_else(wrong)?;
    let window = parse_duration(window.trim()).map_err(|_| wrong())?;
    if window < Duration::from_millis(100) || window > LONGEST_WINDOW {
        return Err(wrong());
    }
    Ok(Rate { events, window })
}
