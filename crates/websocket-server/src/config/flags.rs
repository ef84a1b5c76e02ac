//! Every setting of the server: its flag, its variable, its default, what it does, what it takes, and where the
//! number comes from. The help text and `docs/configuration.md` are made from here.
//!
//! How a description is written, and how the values are read, is said in `service_kit::settings`; what is logged is
//! described there too. Checks across settings are in `assemble`.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use service_kit::arguments::Secret;
use service_kit::healthcheck::HealthcheckFlag;
use service_kit::settings::LoggingFlags;
use service_kit::settings::values::{self, Environment, List, OrOff, Word};

use super::cluster::ClusterFlags;
use super::deliveries::DeliveryFlags;
use super::feeds::FeedFlags;
use super::hooks::HookFlags;
use super::keys::ApiKeyList;
use super::node_tag::NodeTag;
use super::values::{AuthPolicy, HostName, OriginList};

/// One second; the bounds below read better with it.
const SECOND: Duration = Duration::from_secs(1);
/// One day, above which a duration is surely a slip.
const DAY: Duration = Duration::from_secs(86_400);
/// One GiB, above which a size is surely a slip.
const GIB: u64 = 1 << 30;
/// More than any machine takes.
const MANY: u64 = 100_000_000;

/// The hub's flags beside those of the program that it is a part of.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, disable_help_subcommand = true)]
#[command(
    after_help = "Each setting is a flag or a variable of the environment; a flag wins over its variable, and \
                        an empty variable is the same as unset.\nDurations: 500ms, 30s, 10m, 2h; a plain number is \
                        seconds. Sizes: 64KiB, 1MiB; a plain number is bytes."
)]
pub(super) struct With<E: clap::Args> {
    #[command(flatten)]
    pub(super) hub: Flags,
    #[command(flatten)]
    pub(super) further: E,
}

/// The flags of the hub as a program of its own.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Alone {
    /// The key that the hub shows to the services of client-event hooks and delivery hooks, as Authorization: Bearer, and
    /// by which a service may read feeds.
    ///
    /// Values: 8 to 200 visible ASCII characters; the same for all services.
    ///
    /// Secret: better in a file, which SERVICE_API_KEY_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: they are asked without a key.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "KEY", value_parser = super::keys::service_key)]
    #[arg(help_heading = "Client-event hooks")]
    pub(super) service_api_key: Option<Secret>,
}

/// The hub's flags.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    pub(super) listen: ListenFlags,
    #[command(flatten)]
    pub(super) access: AccessFlags,
    #[command(flatten)]
    pub(super) limits: LimitFlags,
    #[command(flatten)]
    pub(super) storage: StorageFlags,
    #[command(flatten)]
    pub(super) cluster: ClusterFlags,
    #[command(flatten)]
    pub(super) hooks: HookFlags,
    #[command(flatten)]
    pub(super) deliveries: DeliveryFlags,
    #[command(flatten)]
    pub(super) feeds: FeedFlags,
    #[command(flatten)]
    pub(super) process: ProcessFlags,
}

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Listening")]
pub(super) struct ListenFlags {
    /// Address to listen on.
    ///
    /// Values: an IP address of this machine, 0.0.0.0 or :: for all of them, or localhost.
    ///
    /// Source: protocol; containers use 0.0.0.0.
    #[arg(long, env, default_value = "127.0.0.1", value_parser = values::host)]
    pub(super) host: IpAddr,

    /// Port for HTTP and WebSocket.
    ///
    /// Values: a port from 0 to 65535; 0 takes any free one, which the start log tells.
    ///
    /// Source: protocol; containers use 8000.
    #[arg(long, env, default_value = "8080", value_parser = values::port)]
    pub(super) port: u16,

    /// A further port that serves the dashboard's world alone, with /healthz and /broadcast.
    ///
    /// Values: a port from 0 to 65535, or off; 0 takes any free one, which the start log tells.
    ///
    /// Unset: none; fanfare up takes 5000 if it is free.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "PORT", value_parser = values::port_or_off)]
    pub(super) dashboard_port: Option<OrOff<u16>>,

    /// A further port that serves the receipts' world alone, with /healthz.
    ///
    /// Values: a port from 0 to 65535, or off; 0 takes any free one, which the start log tells.
    ///
    /// Unset: none; fanfare up takes 8765 if it is free.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "PORT", value_parser = values::port_or_off)]
    pub(super) receipts_port: Option<OrOff<u16>>,

    /// Certificate chain; with it and TLS_KEY_FILE the port speaks TLS only.
    ///
    /// Values: the path of a readable PEM file, the server's own certificate first.
    ///
    /// Unset: no TLS.
    #[arg(long, env, value_name = "FILE", value_parser = values::readable_file)]
    pub(super) tls_cert_file: Option<PathBuf>,

    /// Private key of the certificate.
    ///
    /// Values: the path of a readable PEM file (PKCS #8, PKCS #1 or SEC1).
    ///
    /// Unset: no TLS.
    #[arg(long, env, value_name = "FILE", value_parser = values::readable_file)]
    pub(super) tls_key_file: Option<PathBuf>,

    /// Shard threads; each owns a part of the sockets and writes to them.
    ///
    /// Values: a whole number from 1 to 64.
    ///
    /// Unset: one per core.
    ///
    /// Source: protocol; more threads than cores only take turns.
    #[arg(long, env, value_name = "COUNT", value_parser = values::count(64))]
    pub(super) shards: Option<NonZeroUsize>,

    /// Threads that answer HTTP and take handshakes.
    ///
    /// Values: a whole number from 1 to 256.
    ///
    /// Unset: one per core.
    #[arg(long, env, value_name = "COUNT", value_parser = values::count(256))]
    pub(super) workers: Option<NonZeroUsize>,

    /// What ids begin with that this node alone knows (sessions of Socket.IO, tickets of /events), so that a proxy in front of
    /// several nodes finds the right one.
    ///
    /// Values: 1 to 16 of A–Z a–z 0–9 _ -; another for each node.
    ///
    /// Unset: they have no tag, as with one node.
    #[arg(long, env, value_name = "TAG")]
    pub(super) node_tag: Option<NodeTag>,
}

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Who may connect and publish")]
pub(super) struct AccessFlags {
    /// Origins of web pages that may connect and call the HTTP API.
    ///
    /// Values: origins separated by commas, such as https://app.example.com, or a lone * for all, which then get no
    /// credentials.
    ///
    /// Unset: in development any loopback origin, and for WebSocket also pages opened from a file; in production none.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "ORIGINS")]
    pub(super) cors_allowed_origins: Option<OriginList>,

    /// Hosts beside loopback under which publishers on this machine may address the server while no API key is set.
    ///
    /// Values: hosts separated by commas; a port is ignored.
    ///
    /// Unset: loopback hosts only.
    ///
    /// Source: protocol; it keeps a web page from publishing through a name that it made point here.
    #[arg(long, env, value_name = "HOSTS")]
    pub(super) allowed_hosts: Option<List<HostName>>,

    /// Shared secret of tokens signed with HS256.
    ///
    /// Values: a text of at least 32 bytes; a shorter one is a warning in development and refused in production.
    ///
    /// Secret: better in a file, which JWT_SECRET_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: no HS256 tokens.
    ///
    /// Source: RFC 7518 §3.2 wants a key as long as the hash.
    #[arg(long, env, value_name = "SECRET", value_parser = values::secret)]
    pub(super) jwt_secret: Option<Secret>,

    /// Public key of tokens signed with RS256, ES256 or EdDSA; the key's type decides which.
    ///
    /// Values: the path of a readable PEM file.
    ///
    /// Unset: no such tokens.
    #[arg(long, env, value_name = "FILE", value_parser = values::readable_file)]
    pub(super) jwt_public_key_file: Option<PathBuf>,

    /// Where the identity provider publishes its keys; they are fetched again as they rotate.
    ///
    /// Values: an http or https URL without a password in it.
    ///
    /// Unset: none is asked.
    #[arg(long, env, value_name = "URL", value_parser = values::web_address)]
    pub(super) jwks_url: Option<url::Url>,

    /// Issuers whose tokens are taken (claim iss).
    ///
    /// Values: one or more, separated by commas.
    ///
    /// Unset: the claim is not looked at.
    #[arg(long, env, value_name = "ISSUERS")]
    pub(super) jwt_issuer: Option<List<Word>>,

    /// Audiences of which a token must name one (claim aud).
    ///
    /// Values: one or more, separated by commas.
    ///
    /// Unset: the claim is not looked at.
    #[arg(long, env, value_name = "AUDIENCES")]
    pub(super) jwt_audience: Option<List<Word>>,

    /// Whether /ws and /events want a token. Without a JWT key it is off, whatever is set.
    ///
    /// Values: off, optional or required.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "POLICY", default_value = "optional")]
    pub(super) ws_auth: AuthPolicy,

    /// Whether the dashboard wants a token. With off those who connect may name any user. Without a JWT key it is off,
    /// whatever is set.
    ///
    /// Values: off, optional or required.
    ///
    /// Unset: as WS_AUTH; fanfare up on a loopback address in development: off, and optional for what comes through a
    /// proxy.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "POLICY")]
    pub(super) dashboard_auth: Option<AuthPolicy>,

    /// Address of the web application that knows whose session a handshake's cookies are, for the world of tasks. It gets
    /// the cookies by GET and answers 200 with {"user_id": …}, or 401 or 403 where nobody is signed in.
    ///
    /// Values: an http or https address.
    ///
    /// Unset: sessions are not looked at, tokens are.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", value_parser = values::web_address)]
    pub(super) session_check_url: Option<url::Url>,

    /// Keys for publishing. Keys can also stand in the configuration file, without their text.
    ///
    /// Values: keys of 8 to 200 characters separated by commas, each key, name:key or name:key:channels. Channels are patterns separated by
    /// "|" (all without them), and +admin among them makes an administrator's key: shop:s3cr3t-1:orders:*|jobs,ops:s3cr3t-2:+admin.
    ///
    /// Secret: better in a file, which FANFARE_API_KEYS_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: only this machine may publish.
    #[arg(long = "api-keys", alias = "fanfare-api-keys", env = "FANFARE_API_KEYS", value_name = "KEYS")]
    pub(super) api_keys: Option<ApiKeyList>,
}

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitFlags {
    /// Frames that a client may send in any 10 s; the next one closes its connection with 4008.
    ///
    /// Values: a whole number from 1, or 0 or off for no limit.
    ///
    /// Source: protocol, Limits.
    #[arg(long, env, value_name = "FRAMES", default_value = "100", value_parser = values::count_or_off(MANY))]
    pub(super) ws_rate_limit: OrOff<NonZeroUsize>,

    /// Largest message from a client; a larger one closes its connection with 1009.
    ///
    /// Values: a size from 1B to 1GiB.
    ///
    /// Source: protocol, Limits.
    #[arg(long, env, value_name = "SIZE", default_value = "64KiB", value_parser = values::size(1, GIB))]
    pub(super) ws_max_message: usize,

    /// Largest body of a request; a larger one is answered 413.
    ///
    /// Values: a size from 1B to 1GiB.
    ///
    /// Source: protocol, HTTP.
    #[arg(long, env, value_name = "SIZE", default_value = "1MiB", value_parser = values::size(1, GIB))]
    pub(super) max_body: usize,

    /// Connections at once; one more is answered 503.
    ///
    /// Values: a whole number from 1; more than the limit on open files less 256 is lowered to that.
    ///
    /// Unset: the limit on open files less 256.
    ///
    /// Source: protocol, Limits; 256 files are kept for everything else.
    #[arg(long, env, value_name = "COUNT", value_parser = values::count(MANY))]
    pub(super) max_connections: Option<NonZeroUsize>,

    /// Connections of one user at once on /ws and /events; one more is closed with 4029. The dashboard has 5 and tasks 10,
    /// whatever stands here; see the configuration file.
    ///
    /// Values: a whole number from 1, or 0 or off for no limit.
    ///
    /// Source: chosen; a person has a few tabs and devices, a service account may have thousands.
    #[arg(long, env, value_name = "COUNT", default_value = "off", value_parser = values::count_or_off(MANY))]
    pub(super) max_connections_per_user: OrOff<NonZeroUsize>,

    /// Channels that a connection may subscribe to.
    ///
    /// Values: a whole number from 1 to 10000.
    ///
    /// Source: protocol, Limits.
    #[arg(long, env, value_name = "COUNT", default_value = "100", value_parser = values::count(10_000))]
    pub(super) max_channels: NonZeroUsize,

    /// Bytes that may wait for a client that does not read; more closes its connection with 4010.
    ///
    /// Values: a size from 1B to 1GiB; one frame always fits.
    ///
    /// Source: protocol, Limits.
    #[arg(long, env, value_name = "SIZE", default_value = "1MiB", value_parser = values::size(1, GIB))]
    pub(super) outbox_max_bytes: usize,

    /// Frames that may wait for a client that does not read; more closes its connection with 4010.
    ///
    /// Values: a whole number from 1 to 1000000.
    ///
    /// Source: protocol, Limits.
    #[arg(long, env, value_name = "FRAMES", default_value = "1024", value_parser = values::count(1_000_000))]
    pub(super) outbox_max_frames: NonZeroUsize,

    /// How often the server pings a connection. On the dashboard every 30 s, whatever stands here; see the configuration
    /// file.
    ///
    /// Values: a duration from 100ms to 1d.
    ///
    /// Source: protocol, Limits.
    #[arg(long, env, value_name = "DURATION", default_value = "25s",
          value_parser = values::duration(Duration::from_millis(100), DAY))]
    pub(super) ping_interval: Duration,

    /// Silence after which a connection is taken for dead.
    ///
    /// Values: a duration from 200ms to 1d, longer than PING_INTERVAL.
    ///
    /// Source: protocol, Limits.
    #[arg(long, env, value_name = "DURATION", default_value = "60s",
          value_parser = values::duration(Duration::from_millis(200), DAY))]
    pub(super) ping_timeout: Duration,

    /// How often the server pings a session of Socket.IO.
    ///
    /// Values: a duration from 100ms to 1d.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "25s",
          value_parser = values::duration(Duration::from_millis(100), DAY))]
    pub(super) socketio_ping_interval: Duration,

    /// How long a client of Socket.IO may take to answer a ping; then its session ends.
    ///
    /// Values: a duration from 100ms to 1d.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "60s",
          value_parser = values::duration(Duration::from_millis(100), DAY))]
    pub(super) socketio_ping_timeout: Duration,

    /// Bytes of a message or a payload of Socket.IO; a larger one is refused with 413, or ends the session.
    ///
    /// Values: a size from 1KiB to 64MiB.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "BYTES", default_value = "1000000", value_parser = values::size(1 << 10, 64 << 20))]
    pub(super) socketio_max_payload: usize,

    /// How long after the end of a user's last socket the others in a namespace are told.
    ///
    /// Values: a duration from 0s to 10m.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "3s", value_parser = values::duration(Duration::ZERO, 600 * SECOND))]
    pub(super) socketio_offline_grace: Duration,

    /// Time for a request's head and a TLS handshake; a slower one is dropped.
    ///
    /// Values: a duration from 100ms to 1h.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "10s",
          value_parser = values::duration(Duration::from_millis(100), Duration::from_secs(3_600)))]
    pub(super) handshake_timeout: Duration,

    /// Time for a whole request, from its first byte to its answer; one whose body is slower is answered 408, and
    /// one that still goes on then is cut.
    ///
    /// Values: a duration from 100ms to 1h.
    ///
    /// Source: chosen; the largest body takes it at 35 kB/s.
    #[arg(long, env, value_name = "DURATION", default_value = "30s",
          value_parser = values::duration(Duration::from_millis(100), Duration::from_secs(3_600)))]
    pub(super) request_timeout: Duration,

    /// Events smaller than this go out uncompressed, also to clients that take permessage-deflate.
    ///
    /// Values: a size from 1B to 1GiB, or off for no compression at all.
    ///
    /// Source: chosen; below about 1 KiB an event fits one packet either way.
    #[arg(long, env, value_name = "SIZE", default_value = "1KiB", value_parser = values::size_or_off(1, GIB))]
    pub(super) deflate_min_size: OrOff<usize>,

    /// How long a repeated Idempotency-Key gets the first answer again.
    ///
    /// Values: a duration from 1s to 1d.
    ///
    /// Source: protocol, HTTP.
    #[arg(long, env, value_name = "DURATION", default_value = "10m", value_parser = values::duration(SECOND, DAY))]
    pub(super) idempotency_ttl: Duration,

    /// Idempotency keys that are remembered at once; beyond them the oldest is forgotten, which a metric counts.
    ///
    /// Values: a whole number from 1 to 100000000.
    ///
    /// Source: chosen; 166 keyed publications per second for 10 minutes.
    #[arg(long, env, value_name = "COUNT", default_value = "100000", value_parser = values::count(MANY))]
    pub(super) idempotency_keys: NonZeroUsize,

    /// Bytes of publications that may wait for one shard; more are refused with 503.
    ///
    /// Values: a size from 1B to 1GiB.
    ///
    /// Source: chosen; it bounds memory while a shard is busy with a large audience.
    #[arg(long, env, value_name = "SIZE", default_value = "64MiB", value_parser = values::size(1, GIB))]
    pub(super) queue_max_bytes: usize,

    /// Publications that may wait for one shard; more are refused with 503.
    ///
    /// Values: a whole number from 1 to 100000000.
    ///
    /// Source: chosen, with QUEUE_MAX_BYTES.
    #[arg(long, env, value_name = "COUNT", default_value = "65536", value_parser = values::count(MANY))]
    pub(super) queue_max_publications: NonZeroUsize,
}

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Storage")]
pub(super) struct StorageFlags {
    /// Directory of what outlives the process; made where it is missing.
    ///
    /// Durable streams, retained state, idempotency keys and resume tokens are there. One process at a time uses it.
    ///
    /// Values: a path.
    ///
    /// Unset: `fanfare up` takes fanfare-data; for websocket-server alone all of that ends with the process, and a channel
    /// rule may not say `durable = true`.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DIRECTORY", value_parser = super::values::directory)]
    pub(super) fanfare_data: Option<PathBuf>,

    /// Bytes of events that all streams keep together, by estimate; beyond, the oldest event of all streams goes first.
    ///
    /// They are in memory, those of durable streams on disk as well.
    ///
    /// Values: a size from 64KiB to 1GiB.
    ///
    /// Source: chosen; about 100,000 events of the usual size.
    #[arg(long, env, value_name = "BYTES", default_value = "128MiB", value_parser = values::size(64 << 10, GIB))]
    pub(super) history_max_bytes: usize,

    /// Streams whose offsets are known; beyond, those without followers and events are forgotten, the longest idle first.
    ///
    /// Values: a whole number from 1 to 100000000.
    ///
    /// Source: chosen; an idle stream takes about 250 bytes.
    #[arg(long, env, value_name = "COUNT", default_value = "100000", value_parser = values::count(MANY))]
    pub(super) history_max_streams: NonZeroUsize,

    /// Bytes of retained state, by estimate; beyond, what ends first goes first.
    ///
    /// Values: a size from 4KiB to 1GiB.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "BYTES", default_value = "16MiB", value_parser = values::size(4 << 10, GIB))]
    pub(super) retained_max_bytes: usize,

    /// How long a user is still present after the last connection ended, so that a reload does not show.
    ///
    /// Values: a duration from 0s to 10m.
    ///
    /// Source: chosen; a page is back within a second or two.
    #[arg(long, env, value_name = "DURATION", default_value = "5s", value_parser = values::duration(Duration::ZERO, 600 * SECOND))]
    pub(super) presence_grace: Duration,
}

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Process")]
pub(super) struct ProcessFlags {
    /// Configuration file with channel rules and API keys.
    ///
    /// Values: the path of a readable TOML file.
    ///
    /// Unset: the built-in rules alone.
    #[arg(long = "config", alias = "fanfare-config", env = "FANFARE_CONFIG", value_name = "FILE")]
    #[arg(value_parser = values::readable_file)]
    pub(super) config: Option<PathBuf>,

    /// Where the process runs. In production it starts only with a JWT key, and lets in only listed origins.
    ///
    /// Values: development or production.
    ///
    /// Source: protocol.
    #[arg(long = "env", alias = "fanfare-env", env = "FANFARE_ENV", value_name = "ENVIRONMENT")]
    #[arg(default_value = "development")]
    pub(super) environment: Environment,

    /// Shortest span over which the clients' times to reconnect are spread when the server stops; it is longer with
    /// more clients.
    ///
    /// Values: a duration from 2s to 1h.
    ///
    /// Source: protocol, Drain.
    #[arg(long, env, value_name = "DURATION", default_value = "2s",
          value_parser = values::duration(Duration::from_secs(2), Duration::from_secs(3_600)))]
    pub(super) drain_spread: Duration,

    /// Longest time from the first signal to the end of the process.
    ///
    /// Values: a duration from 1s to 1h.
    ///
    /// Source: protocol, Drain.
    #[arg(long, env, value_name = "DURATION", default_value = "30s",
          value_parser = values::duration(SECOND, Duration::from_secs(3_600)))]
    pub(super) drain_timeout: Duration,

    #[command(flatten)]
    pub(super) logging: LoggingFlags,

    /// Adds /echo for conformance suites: a WebSocket that echoes messages up to 64 MiB. Refused in production.
    #[arg(long)]
    pub(super) protocol_test: bool,

    /// Checks the configuration, tells about it, and exits.
    #[arg(long)]
    pub(super) check: bool,

    #[command(flatten)]
    pub(super) _healthcheck: HealthcheckFlag,

    /// Prints docs/configuration.md.
    #[arg(long, hide = true)]
    pub(super) print_configuration_docs: bool,
}
