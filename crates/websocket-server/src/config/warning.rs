//! What a valid configuration still has to be told about at the start. Each is one plain line.

use std::num::NonZeroUsize;

use super::values::AuthPolicy;

/// A configuration that works, and perhaps not as meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// About where a setting came from.
    #[error("{0}")]
    Settings(String),
    /// Nobody can sign in.
    #[error(
        "no JWT key is configured (JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWKS_URL): there are no identities, every \
         connection is anonymous, and everyone may subscribe to every channel"
    )]
    NoIdentities,
    /// A policy was asked for that cannot be held without a key.
    #[error("WS_AUTH={} is not in force, since no JWT key is configured", name(*.asked))]
    PolicyWithoutKey {
        /// What was asked for.
        asked: AuthPolicy,
    },
    /// Whoever reaches an endpoint may say that it is anybody.
    #[error("the endpoint {endpoint} has the policy off: whoever reaches it may follow any user's events")]
    AnyUser {
        /// Its name.
        endpoint: String,
    },
    /// Programs on this machine need no token for the dashboard.
    #[error(
        "the dashboard takes any userId without a token, since it listens on this machine alone; what comes through a \
         proxy needs one (DASHBOARD_AUTH)"
    )]
    OpenDashboard,
    /// Tokens could be guessed.
    #[error(
        "JWT_SECRET has {bytes} bytes, and 32 are the least that is safe; production refuses to start with it"
    )]
    ShortSecret {
        /// Its length.
        bytes: usize,
    },
    /// Keys are fetched in the clear.
    #[error("JWKS_URL is not https: whoever is on the way to {host} can sign in as anyone")]
    PlainJwks {
        /// Where the keys come from.
        host: String,
    },
    /// What a service is sent goes there in the clear, and the service key with it.
    #[error(
        "the url of a hook is not https: whoever is on the way to {host} reads what is sent there, and SERVICE_API_KEY"
    )]
    PlainHook {
        /// Where it goes.
        host: String,
    },
    /// Proxies cannot find the node of a session.
    #[error(
        "REDIS_URL is set and NODE_TAG is not: a balancer has to stick to a node for Socket.IO by polling and for tickets of \
         /events"
    )]
    NoNodeTag,
    /// A node of a cluster keeps nothing.
    #[error("FANFARE_DATA is not used by the hub, since REDIS_URL is set: what is durable is in Redis")]
    DataUnused,
    /// There are no API keys.
    #[error(
        "no API key is configured (FANFARE_API_KEYS): only programs on this machine may publish, and none through a proxy"
    )]
    LoopbackPublishing,
    /// A rule names a key that nobody has.
    #[error(
        "FANFARE_CONFIG: the rule for {pattern} lets the API key {key} publish, and no key has that name"
    )]
    UnknownKey {
        /// The rule's pattern.
        pattern: String,
        /// The name without a key.
        key: String,
    },
    /// The conformance endpoint is open.
    #[error(
        "--protocol-test is on: /echo sends back up to 64 MiB to anyone; never run it where others can reach it"
    )]
    ProtocolTest,
    /// A variable is set that has no effect.
    #[error("{variable} is set, and this build does not use it")]
    NotUsed {
        /// Its name.
        variable: &'static str,
    },
    /// A publication that is allowed could never be queued.
    #[error(
        "QUEUE_MAX_BYTES ({queue}) is below MAX_BODY ({body}): the largest events are always refused with 503"
    )]
    QueueBelowBody {
        /// Bytes that may wait for a shard.
        queue: usize,
        /// Bytes of a request's body.
        body: usize,
    },
    /// The operating system allows fewer connections.
    #[error(
        "MAX_CONNECTIONS is lowered from {wanted} to {room}: the limit on open files is {open_files}, and 256 are kept"
    )]
    ConnectionsLowered {
        /// What was asked for.
        wanted: NonZeroUsize,
        /// What holds.
        room: NonZeroUsize,
        /// The limit on open files.
        open_files: u64,
    },
}

fn name(policy: AuthPolicy) -> &'static str {
    match policy {
        AuthPolicy::Off => "off",
        AuthPolicy::Optional => "optional",
        AuthPolicy::Required => "required",
    }
}
