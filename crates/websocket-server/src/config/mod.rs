//! The server's configuration: flags, variables and the file become one checked, typed [`Config`] before a port
//! is opened.
//!
//! [`launch`] is a function of its arguments, so that tests need no process; only the files that a setting names
//! are read. [`launch_with`] does the same for a program that holds more than the hub. Not here: what the settings
//! bring about, and how arguments and variables are read (`service_kit::settings`). Each setting is described once, in
//! `flags`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use hub::rules::{ChannelRules, Identities};
use service_kit::arguments::Secret;
use service_kit::listen::AddressNames;
use service_kit::settings::{self, Asked};
use service_kit::telemetry::{LogFilter, LogFormat};

mod assemble;
mod cluster;
mod deliveries;
mod docs;
mod endpoints;
mod feeds;
mod file;
mod flags;
mod hooks;
mod keys;
mod namespaces;
pub(crate) mod node_tag;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod warning;

use flags::{Alone, With};

pub use cluster::Cluster;
pub use deliveries::{Deliveries, DeliveryHook, MOST_DELIVERY_HOOKS};
pub use docs::documentation;
pub use endpoints::{Endpoint, EndpointAuth, EndpointOrigins, IfTaken, MOST_ENDPOINTS, OwnPort};
pub use feeds::{Feeds, MOST_FEEDS};
pub use hooks::{Action, Circuit, Hook, HookBounds, Hooks, MOST_HOOKS, Places, Post, Rate};
pub use keys::{ApiKey, KeyMaterial, SharedKey};
pub use namespaces::{MOST_NAMESPACES, Namespace};
pub use node_tag::NodeTag;
pub use service_kit::settings::SettingsError;
pub use service_kit::settings::values::{Environment, OrOff};
pub use values::{AuthPolicy, HostName, Origin};
pub use warning::Warning;

/// Files that are kept for everything that is no client connection: the listener, logs, shards, a drain's answers
/// of 503 (protocol, Limits).
pub const RESERVED_FILES: u64 = 256;

/// The names by which errors about the listening address speak.
pub const ADDRESS_NAMES: AddressNames = AddressNames { host: "HOST", port: "PORT" };

/// The port, unless another is set: that of the flags.
pub const PORT: u16 = 8080;

/// What the command line asks for.
#[derive(Debug)]
pub enum Launch<T = Config> {
    /// To serve with this.
    Serve(Box<T>),
    /// To print this to standard output and exit with 0: `--help`, `--version`, `--check`.
    Print(String),
}

/// A program that holds the hub, alone or among other parts: how it names itself, and what it does with variables that
/// the hub does not read.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name in the help and before its version.
    pub name: &'static str,
    /// The first sentence of its help.
    pub about: &'static str,
    /// Variables that would change what the program promises, and that it does not read: who sets one is told.
    pub unused: &'static [&'static str],
    /// Makes the page that `--print-configuration-docs` prints.
    pub page: fn() -> String,
}

impl Program {
    /// `websocket-server`, which is nothing but the hub.
    pub const HUB: Self = Self {
        name: "websocket-server",
        about: "The Fanfare hub: takes events by POST /broadcast and delivers them to every client on /ws that \
                should see them",
        unused: &["DATABASE_URL"],
        page: documentation,
    };
}

/// Reads arguments (the program's name first) and variables.
///
/// # Errors
/// When a setting is wrong, or several do not go together. One line, see [`SettingsError`].
pub fn launch(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Launch, SettingsError> {
    launch_with(&Program::HUB, args, env, |config, Alone { service_api_key }| {
        config.with_service_key(service_api_key.as_ref()).with_durable_rules_on_disk()
    })
}

/// [`launch`] for a program that has the settings `E` beside the hub's. A subcommand is taken out of `args` before, and
/// stands in the program's name. `finish` checks the further settings, may change the hub's configuration, and makes
/// what the program serves with; it runs for `--check` as well, so it opens nothing.
///
/// # Errors
/// As [`launch`], and what `finish` refuses.
pub fn launch_with<E: clap::Args, T>(
    program: &Program,
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    finish: impl FnOnce(Config, E) -> Result<T, SettingsError>,
) -> Result<Launch<T>, SettingsError> {
    let args: Vec<_> = args.into_iter().collect();
    let env = settings::with_environment_file(&args, env.into_iter().collect())?;
    let asked = settings::read_with(command_with::<E>(program), args, env.iter().cloned())?;
    let (With { hub: flags, further }, told) = match asked {
        Asked::Print(text) => return Ok(Launch::Print(text)),
        Asked::Run { flags, warnings } => (flags, warnings),
    };
    if flags.process.print_configuration_docs {
        return Ok(Launch::Print((program.page)()));
    }
    let check = flags.process.check;
    let is_set = |unused: &&'static str| env.iter().any(|(name, value)| name == *unused && !value.is_empty());
    let unused: Vec<&'static str> = program.unused.iter().copied().filter(is_set).collect();
    let mut config = assemble::config(flags, &unused)?;
    config.warnings.splice(0..0, told.into_iter().map(Warning::Settings));
    let mut text = "The configuration is valid.\n".to_owned();
    if check {
        for warning in &config.warnings {
            text.push_str(&format!("Warning: {warning}\n"));
        }
    }
    let finished = finish(config, further)?;
    Ok(if check { Launch::Print(text) } else { Launch::Serve(Box::new(finished)) })
}

/// The command of `websocket-server`, for its help and its documentation.
#[must_use]
pub fn command() -> clap::Command {
    command_with::<Alone>(&Program::HUB)
}

/// The command of a program that has the settings `E` beside the hub's.
#[must_use]
pub fn command_with<E: clap::Args>(program: &Program) -> clap::Command {
    settings::command::<With<E>>().name(program.name).about(program.about)
}

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the process runs.
    pub environment: Environment,
    /// Where it listens.
    pub listen: Listen,
    /// How many threads do what.
    pub threads: Threads,
    /// Which web pages may use it.
    pub browsers: Browsers,
    /// Who may connect and publish.
    pub auth: Auth,
    /// Where clients come in; the first is that of `/ws`.
    pub endpoints: Vec<Endpoint>,
    /// What holds for Socket.IO.
    pub socketio: SocketIo,
    /// Who may subscribe and publish where, and what is kept; the built-in rules included.
    pub rules: ChannelRules,
    /// Which events of clients go to services.
    pub hooks: Hooks,
    /// Which services are told what became of events.
    pub deliveries: Deliveries,
    /// Which events services may read by position.
    pub feeds: Feeds,
    /// The key of the services (`SERVICE_API_KEY`), which reads feeds as an administrator's does.
    pub service_key: Option<SharedKey>,
    /// What a client, a request and a queue may take up.
    pub limits: Limits,
    /// How repeated publications are recognised.
    pub idempotency: Idempotency,
    /// What is kept, and where.
    pub storage: Storage,
    /// Where it is a node of a cluster: how it finds that.
    pub cluster: Option<Cluster>,
    /// How the server stops.
    pub drain: Drain,
    /// What is logged, and how.
    pub logging: Logging,
    /// Whether `/echo` is there for conformance suites.
    pub protocol_test: ProtocolTest,
    /// What the start log has to say about all this.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Itself, where what has to outlive the process has a place to be. For a program that may choose that place.
    ///
    /// # Errors
    /// A channel rule says `durable`, and there is no directory.
    pub fn with_durable_rules_on_disk(self) -> Result<Self, SettingsError> {
        if self.storage.directory.is_none()
            && self.cluster.is_none()
            && let Some(pattern) = self.rules.durable().next()
        {
            return Err(SettingsError::new(format!(
                "FANFARE_CONFIG: the rule for {pattern} says durable = true; name a directory in FANFARE_DATA for that"
            )));
        }
        Ok(self)
    }

    /// Itself, with the key that hooks of the configuration file show to their services, and that these show to the hub.
    #[must_use]
    pub fn with_service_key(mut self, key: Option<&Secret>) -> Self {
        if let Some(key) = key {
            let key = SharedKey::new(key.clone());
            self.hooks.show(&key);
            self.deliveries.show(&key);
            self.service_key = Some(key);
        }
        self
    }

    /// [`launch`] for those who want to serve.
    ///
    /// # Errors
    /// As [`launch`]; and when the arguments ask for something to be printed.
    pub fn load(
        args: impl IntoIterator<Item = OsString>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        match launch(args, env)? {
            Launch::Serve(config) => Ok(*config),
            Launch::Print(_) => Err(SettingsError::new("the arguments ask for a text, not for a server")),
        }
    }
}

/// Where the server listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address and port; port 0 is any free one.
    pub address: SocketAddr,
    /// Ports of endpoints that were switched off by name.
    pub off: PortsOff,
    /// With a certificate the port speaks TLS only.
    pub tls: Option<TlsFiles>,
    /// What ids begin with that this node alone knows.
    pub node_tag: Option<NodeTag>,
}

/// Which endpoints shall have no port of their own, also where a program would give them one.
#[derive(Debug, Clone, Copy, Default)]
pub struct PortsOff {
    /// `DASHBOARD_PORT=off`.
    pub dashboard: bool,
    /// `RECEIPTS_PORT=off`.
    pub receipts: bool,
}

/// A certificate and its key; both files can be opened.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// How many threads do what.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    shards: Option<NonZeroUsize>,
    workers: Option<NonZeroUsize>,
}

impl Threads {
    /// The most shards that are made by default.
    const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

    /// Threads that own sockets, on a machine with so many cores.
    #[must_use]
    pub fn shards(&self, cores: NonZeroUsize) -> NonZeroUsize {
        self.shards.unwrap_or(cores.min(Self::MOST))
    }

    /// Threads that answer HTTP, on a machine with so many cores.
    #[must_use]
    pub fn workers(&self, cores: NonZeroUsize) -> NonZeroUsize {
        self.workers.unwrap_or(cores.min(Self::MOST))
    }
}

/// Which web pages may use the server, and how it may be addressed.
#[derive(Debug, Clone)]
pub struct Browsers {
    /// Whose requests and handshakes are taken.
    pub origins: Origins,
    /// Hosts beside loopback under which it may be addressed by publishers without a key.
    pub allowed_hosts: Vec<HostName>,
}

/// Origins of pages that may connect. What has no `Origin` is no page and passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Any loopback origin; for WebSocket handshakes also `null`.
    Loopback,
    /// Exactly these, with credentials. In production without a list it is empty.
    Listed(Vec<Origin>),
    /// All of them, without credentials.
    Any,
}

/// Who may connect and publish.
#[derive(Debug, Clone)]
pub struct Auth {
    /// How tokens are checked; none where no key is configured, and then there are no identities.
    pub jwt: Option<Jwt>,
    /// What `/ws` wants, as it is in force: off without a JWT key.
    pub websocket: AuthPolicy,
    /// Keys for publishing; without any only this machine may publish.
    pub api_keys: Vec<ApiKey>,
}

impl Auth {
    /// Whether connections can have users at all.
    #[must_use]
    pub fn identities(&self) -> Identities {
        if self.jwt.is_some() { Identities::Known } else { Identities::None }
    }
}

/// How tokens are checked. At least one of the three keys is there.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// For HS256.
    pub secret: Option<Secret>,
    /// PEM for RS256, ES256 or EdDSA; the file can be opened.
    pub public_key_file: Option<PathBuf>,
    /// Where more keys are published.
    pub jwks_url: Option<url::Url>,
    /// Accepted `iss`; empty: the claim is not looked at.
    pub issuers: Vec<String>,
    /// Accepted `aud`; empty: the claim is not looked at.
    pub audiences: Vec<String>,
}

/// What a client, a request and a queue may take up. `docs/configuration.md` says where each number comes from.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Frames of a client in any 10 s.
    pub rate: Option<NonZeroU32>,
    /// How long after the end of a user's last socket the others in its namespace are told.
    pub offline_grace: Duration,
    /// Bytes of a client's message.
    pub message: usize,
    /// Bytes of a request's body.
    pub body: usize,
    /// Connections at once as they were asked for; [`Limits::connections`] is what holds.
    pub connections_wanted: Option<NonZeroUsize>,
    /// Connections of one user at once.
    pub connections_per_user: Option<NonZeroU32>,
    /// Channels of a connection.
    pub channels: NonZeroUsize,
    /// Bytes that may wait for a client.
    pub outbox_bytes: usize,
    /// Frames that may wait for a client.
    pub outbox_frames: NonZeroUsize,
    /// How often the server pings.
    pub ping_interval: Duration,
    /// Silence after which a connection is dead; longer than `ping_interval`.
    pub ping_timeout: Duration,
    /// Time for a request's head and a TLS handshake.
    pub handshake: Duration,
    /// Time for a whole request, its body included.
    pub request: Duration,
    /// Bytes from which events are compressed; none: never.
    pub deflate_from: Option<usize>,
    /// Bytes of publications that may wait for a shard.
    pub queue_bytes: usize,
    /// Publications that may wait for a shard.
    pub queue_publications: NonZeroUsize,
}

impl Limits {
    /// Connections at once for a process that may have so many files open, and what there is to say about it.
    ///
    /// One less than the files would do, so that the connection too many can still be answered.
    #[must_use]
    pub fn connections(&self, open_files: u64) -> (NonZeroUsize, Option<Warning>) {
        let room = usize::try_from(open_files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
        let room = NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN);
        match self.connections_wanted {
            Some(wanted) if wanted > room => {
                (room, Some(Warning::ConnectionsLowered { wanted, room, open_files }))
            }
            Some(wanted) => (wanted, None),
            None => (room, None),
        }
    }

    /// The engine's part of the limits, with as many connections as [`Limits::connections`] says.
    #[must_use]
    pub fn engine(
        &self,
        connections: NonZeroUsize,
        storage: &Storage,
        idempotency: Idempotency,
    ) -> hub::Limits {
        hub::Limits {
            rate: self.rate.map(NonZeroU32::get),
            channels: self.channels.get(),
            outbox_bytes: self.outbox_bytes,
            outbox_frames: self.outbox_frames.get(),
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            connections_per_user: self.connections_per_user.map(NonZeroU32::get),
            connections: connections.get(),
            queue_publications: self.queue_publications.get(),
            queue_bytes: self.queue_bytes,
            deflate_min: self.deflate_from,
            history: hub::HistoryLimits {
                bytes: storage.history_bytes,
                streams: storage.history_streams.get(),
                ..hub::HistoryLimits::default()
            },
            retained_bytes: storage.retained_bytes,
            presence_grace: storage.presence_grace,
            offline_grace: self.offline_grace,
            idempotency: idempotency.ttl,
            ..hub::Limits::default()
        }
    }
}

/// What holds for Socket.IO.
#[derive(Debug, Clone)]
pub struct SocketIo {
    /// How often the server pings a session.
    pub ping_interval: Duration,
    /// How long its client may take to answer.
    pub ping_timeout: Duration,
    /// Bytes of a message, and of a payload.
    pub max_payload: usize,
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
}

/// How repeated publications are recognised.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency {
    /// How long a key is remembered.
    pub ttl: Duration,
    /// Keys at once; beyond them the oldest is forgotten.
    pub keys: NonZeroUsize,
}

/// What is kept of publications and users, and where.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The directory of what outlives the process; none: nothing does, and no rule is durable.
    pub directory: Option<PathBuf>,
    /// Bytes of publications that streams keep together.
    pub history_bytes: usize,
    /// Streams whose offsets are known.
    pub history_streams: NonZeroUsize,
    /// Bytes of retained state.
    pub retained_bytes: usize,
    /// How long a user whose last connection ended is still present.
    pub presence_grace: Duration,
}

/// How the server stops.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// The shortest span over which clients come back, at least 2 s.
    pub spread: Duration,
    /// The longest time from the signal to the end.
    pub timeout: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Logging {
    /// Which events.
    pub filter: LogFilter,
    /// In which form.
    pub format: LogFormat,
}

/// Whether `/echo` is there for conformance suites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolTest {
    /// As everywhere but on a test bench.
    Off,
    /// `/echo` echoes messages up to 64 MiB to anyone.
    On,
}
