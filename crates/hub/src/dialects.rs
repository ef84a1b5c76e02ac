//! ⑤ What a client's message means: a message and what is known of its connection in, steps out.
//!
//! Each world of clients is one file in `dialects/` and one line in [`WORLDS`]; `docs/dialects.md` shows how a further
//! one is made. No I/O and no state of their own: the shard tells what a connection has and carries the steps out. Not
//! here: how events look on the wire (`encoded`, and the protocol's `channels` and `flat`).

use protocol::timestamp::{Timestamp, TimestampFormat};
use protocol::{ChannelName, ConnectionId, Disconnect, PublicationId, UserId};

use crate::endpoint::{Endpoint, Naming};
use crate::hooks::{Hooks, Origin, Reply};
use crate::identity::Identity;
use crate::inbox::Given;
use crate::limits::Limits;
use crate::rules::ChannelRules;
use crate::wire::{Packing, Wire};

mod channels;
mod dashboard;
mod receipts;
pub(crate) mod socketio;
mod tasks;

pub(crate) use channels::on_verified;
pub use dashboard::MAX_WINDOW;

/// What clients read of a subscription that new channel rules end.
const REVOKED: &str = "the channel rules no longer let you follow this channel; it is unsubscribed";

/// What a client reads whose message waited for the cluster in vain.
const UNAVAILABLE: &str = "the hub cannot reach its other nodes at the moment; try again";

/// All worlds. A further one stands here and in a file of its own.
const WORLDS: &[&dyn World] =
    &[&channels::Channels, &dashboard::Dashboard, &tasks::Tasks, &receipts::Receipts, &socketio::SocketIo];

/// A world of clients: how they speak, and what they get unasked.
pub(crate) trait World: Sync + std::fmt::Debug {
    /// Its name in the configuration and in metrics.
    fn name(&self) -> &'static str;

    /// What holds for its endpoints where the configuration says nothing else.
    fn defaults(&self) -> Defaults;

    /// The first frame of a connection, if it has one.
    fn welcome(&self, view: &View<'_>) -> Option<Vec<u8>>;

    /// Answers one message.
    fn on_message(&self, message: &[u8], view: &View<'_>) -> Vec<Step>;

    /// How one is closed that sends more frames than it may.
    fn rate_limited(&self) -> Disconnect {
        Disconnect::RATE_LIMITED
    }

    /// What a client is told a minute before its token ends.
    fn token_expiring(&self, _ends: Timestamp, _now: Timestamp) -> Option<Vec<u8>> {
        None
    }

    /// What a client is told that came back by its connection's id and has these streams again; `lost` are those of which
    /// not everything since can be given.
    fn restored(&self, _streams: &[&str], _lost: &[&str], _view: &View<'_>) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// What a client is told that loses a channel, since the channel rules changed; [`REVOKED`] is why.
    fn revoked(&self, _channel: &str, _view: &View<'_>) -> Option<Vec<u8>> {
        None
    }

    /// What a client is told whose message could not be carried out, since the node cannot reach its cluster.
    fn unavailable(&self, _view: &View<'_>) -> Option<Vec<u8>> {
        None
    }

    /// A service's answer to what a client sent, where the world has answers.
    fn answer(&self, _reply: &Reply, _body: &str, _view: &View<'_>) -> Option<Vec<u8>> {
        None
    }

    /// What a client is told whose connection is not known any more.
    fn not_restored(&self, _view: &View<'_>) -> Option<Vec<u8>> {
        None
    }
}

/// What holds for the endpoints of a world where the configuration says nothing else.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The form of its events' times, where events are flat; else they are envelopes.
    pub flat: Option<TimestampFormat>,
    /// Whether its connections get what has no target.
    pub everyone: bool,
    /// Whether a connection is its user's from the beginning.
    pub own_user: bool,
    /// Channels that its connections follow unasked.
    pub channels: &'static [&'static str],
    /// Connections of one user; none is what the limits say.
    pub connections_per_user: Option<u32>,
    /// Seconds between the server's pings; none is what the limits say.
    pub ping_interval: Option<u64>,
    /// Whether `?batch=` in the address asks for windows; elsewhere it means nothing.
    pub batching: bool,
}

/// One of the worlds.
#[derive(Debug, Clone, Copy)]
pub struct Dialect(&'static dyn World);

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Dialect {
    /// That of `/ws`.
    pub const CHANNELS: Self = Self(&channels::Channels);
    /// That of the case dashboard.
    pub const DASHBOARD: Self = Self(&dashboard::Dashboard);
    /// That of long tasks.
    pub const TASKS: Self = Self(&tasks::Tasks);
    /// That of receipts.
    pub const RECEIPTS: Self = Self(&receipts::Receipts);
    /// That of Socket.IO: an endpoint is a namespace.
    pub const SOCKETIO: Self = Self(&socketio::SocketIo);

    /// The one with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        WORLDS.iter().copied().find(|world| world.name() == name).map(Self)
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        WORLDS.iter().map(|world| world.name())
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What holds where the configuration says nothing else.
    #[must_use]
    pub fn defaults(self) -> Defaults {
        self.0.defaults()
    }

    pub(crate) fn world(self) -> &'static dyn World {
        self.0
    }
}

/// The wire of a new connection of an endpoint.
#[must_use]
pub(crate) fn wire(flat: Option<TimestampFormat>, packing: Packing) -> Wire {
    flat.map_or(Wire::envelopes(packing), |format| Wire::flat(format, packing))
}

/// What a world needs to know of a connection.
pub(crate) struct View<'a> {
    /// Its id.
    pub(crate) id: ConnectionId,
    /// Whose it is.
    pub(crate) identity: Option<&'a Identity>,
    /// Whose it may say that it is.
    pub(crate) naming: Naming,
    /// How many channels it is subscribed to.
    pub(crate) channels: usize,
    /// Whether it is subscribed to a channel.
    pub(crate) is_subscribed: &'a dyn Fn(&str) -> bool,
    /// The users whose it is.
    pub(crate) users: &'a [&'a str],
    /// Whether it has asked for recovery.
    pub(crate) is_recoverable: bool,
    /// How many channels it watches.
    pub(crate) watches: usize,
    /// Where it came in.
    pub(crate) endpoint: &'a Endpoint,
    /// Where clients' events go, if anywhere.
    pub(crate) hooks: Option<&'a dyn Hooks>,
    /// The rules in force.
    pub(crate) rules: &'a ChannelRules,
    /// The bounds in force.
    pub(crate) limits: &'a Limits,
    /// The time for the answers.
    pub(crate) now: Timestamp,
}

/// What the shard is to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send this text to the client.
    Reply(Vec<u8>),
    /// Subscribe it.
    Join(ChannelName),
    /// Unsubscribe it.
    Leave(String),
    /// Make it this user's.
    Own(UserId),
    /// Make it this user's no longer.
    Disown(UserId),
    /// Answer with this, and keep from now on what has reached the client, so that it can come back by its id; these
    /// streams it did not follow before.
    Track {
        /// The answer.
        answer: Vec<u8>,
        /// The streams that are new.
        fresh: Vec<String>,
    },
    /// Let it go on where the connection with this id was.
    Return(ConnectionId),
    /// Collect its events over so many milliseconds; 0 sends each at once.
    Batch(u32),
    /// Find out what has reached the client.
    Probe,
    /// Have this token verified; the answer comes later.
    Verify(String),
    /// Give it the state that these channels have.
    State(Vec<String>),
    /// Tell it where it stands, and give it what it missed.
    Recover {
        /// The channels that its frame named and that are in force.
        channels: Vec<String>,
        /// Those of them that it did not follow before.
        fresh: Vec<String>,
        /// What it says that it has had.
        given: Given,
    },
    /// Let it go on where another connection was.
    Resume {
        /// The token that it has for that.
        token: String,
        /// What it says that it has had.
        given: Given,
    },
    /// Tell it a channel's last events.
    History {
        /// The channel.
        channel: String,
        /// How many at most.
        limit: u32,
        /// Only those with a smaller offset.
        before: Option<u64>,
    },
    /// Tell it who is in a channel.
    Presence {
        /// The channel.
        channel: ChannelName,
        /// Whether to tell changes too.
        watch: protocol::channels::Watch,
    },
    /// Have a service answer this.
    Hook {
        /// The event.
        event: Box<str>,
        /// Where it came in.
        origin: Origin,
        /// The JSON text of its data.
        data: Box<str>,
        /// How the client finds the answer.
        reply: Reply,
    },
    /// These events were shown.
    Acked(Vec<PublicationId>),
}

/// Reading a client's frame, for the flat worlds.
mod frame {
    use protocol::json;
    use serde::Deserialize;

    /// Reads the members that a world knows.
    ///
    /// # Errors
    /// What is wrong, for the client.
    pub(super) fn read<'m, T: Deserialize<'m>>(message: &'m [u8]) -> Result<T, &'static str> {
        let text = std::str::from_utf8(message).map_err(|_| "the frame is not UTF-8")?;
        if json::is_deeper_than(message, json::MAX_DEPTH) {
            return Err("the frame is nested deeper than 128 levels");
        }
        if !json::is_object(text) {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            return Err(if is_json {
                "a frame is a JSON object with a type"
            } else {
                "the frame is not JSON"
            });
        }
        serde_json::from_str(text).map_err(|error| {
            if error.is_data() { "a member stands in the frame twice" } else { "the frame is not JSON" }
        })
    }
}
