//! `fanfare up`: the hub, all services and the PayChain app as one process on one port.
//!
//! The services are what they are as processes of their own: they talk to each other and to the hub by HTTP, over a
//! further listener on loopback, so that it does not matter where and with which certificate the main port is open.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use anyhow::Context as _;
use auth::{JwtSettings, Verifier};
use chat_service::{ChatFlags, ChatService};
use hub::rules::{ChannelRule, HistoryRule};
use hub_client::{HubClient, HubSettings};
use job_service::{JobService, PaymentSettings};
use notification_service::{NotificationFlags, NotificationService};
use payment_service::{PaymentFlags, PaymentService};
use protocol::ChannelPattern;
use pubsub_bridge::{Bridge, BridgeFlags};
use rest::{Callers, Operations};
use service_kit::arguments::Secret;
use service_kit::reload::{self, Applied, Hangups, Reloads, differs};
use service_kit::settings::{self, SettingsError};
use service_kit::shutdown::{Shutdown, Token};
use service_kit::{healthcheck, limits, notify, telemetry};
use store::Location;
use user_service::{UserFlags, UserService};
use websocket_server::config::{
    self, Config, DeliveryHook, Endpoint, EndpointAuth, Environment, Hook, IfTaken, Launch, OwnPort, Places,
    Program, Warning,
};
use websocket_server::{Extension, FrontPage, Reloader, Server};

use crate::app::App;
use crate::{command, demo, docs};

/// Random bytes of a service key that nobody set: as many as an HS256 secret should have.
const KEY_BYTES: usize = 32;

/// The directory of what outlives the process, where none is named.
const DATA: &str = "fanfare-data";

/// The ports that the dashboard's and the receipts' clients know (contract: channels, Environment).
const DASHBOARD_PORT: u16 = 5000;
const RECEIPTS_PORT: u16 = 8765;

/// Events that each durable stream keeps, and for how long: a week, so that who was on holiday need not fetch anew.
const DURABLE_EVENTS: u32 = 1000;
const DURABLE_AGE: Duration = Duration::from_secs(7 * 86_400);

/// The settings that `fanfare up` has beside the hub's.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpFlags {
    /// The services' database.
    ///
    /// Values: postgres://user:password@host:port/database, where each service has a schema of its own.
    ///
    /// Secret: better in a file, which DATABASE_URL_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: a SQLite file for each service in FANFARE_DATA.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", value_parser = rest::settings::database, help_heading = "Storage")]
    database_url: Option<Location>,

    /// The key by which the services know each other and the hub knows them.
    ///
    /// Values: 8 to 200 visible ASCII characters.
    ///
    /// Secret: better in a file, which SERVICE_API_KEY_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: a random one, new at each start.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "KEY", value_parser = rest::settings::service_key, help_heading = "Access")]
    service_api_key: Option<Secret>,

    /// Make a few users and jobs to look at; their random passwords are printed. Only on a loopback address.
    #[arg(long, help_heading = "Process")]
    demo: bool,

    #[command(flatten)]
    user: UserFlags,
    #[command(flatten)]
    payment: PaymentFlags,
    #[command(flatten)]
    chat: ChatFlags,
    #[command(flatten)]
    notification: NotificationFlags,
    #[command(flatten)]
    bridge: BridgeFlags,
}

/// Where the app was not built.
const NO_APP: &str = "this build is without the PayChain app, and the page on / is the playground; for the app, install \
                      Node 20.19 or newer with npm and start with scripts/run, which builds it";

/// The command for help and documentation.
const PROGRAM: Program = Program {
    name: "fanfare up",
    about: "Run the hub and all services on one port, with SQLite in a directory",
    unused: &[],
    page: docs::configuration,
};

/// The command line, for the generated documentation.
pub(crate) fn command() -> clap::Command {
    config::command_with::<UpFlags>(&PROGRAM)
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    if let Some(code) = healthcheck::asked(args.iter().cloned(), std::env::vars_os(), config::PORT) {
        return code;
    }
    // Bound first: the hub reads the services' keys there, which decides how it is configured.
    let internal = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
        Ok(listener) => listener,
        Err(error) => return command::failed("up", format!("no free port on 127.0.0.1: {error}")),
    };
    let base = match internal.local_addr() {
        Ok(address) => format!("http://{address}"),
        Err(error) => return command::failed("up", error),
    };
    let (config, own) = match launch(&args, &base) {
        Ok(Launch::Serve(both)) if both.1.notification.rules.print_rules => {
            print!("{}", notification_service::BUILT_IN_RULES);
            return ExitCode::SUCCESS;
        }
        Ok(Launch::Serve(both)) => *both,
        Ok(Launch::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("fanfare up: {error}");
            return ExitCode::from(SettingsError::EXIT_CODE);
        }
    };
    telemetry::init("fanfare", config.logging.format, &config.logging.filter);
    match serve(&config, own, internal, &base, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command::failed("up", format!("{error:#}")),
    }
}

/// Reads all settings; the keys of tokens are at `base`.
fn launch(args: &[OsString], base: &str) -> Result<Launch<(Config, UpFlags)>, SettingsError> {
    let mut env = settings::with_environment_file(args, std::env::vars_os().collect())?;
    if env.iter().any(|(known, value)| known == "JWKS_URL" && !value.is_empty()) {
        let line = "JWKS_URL: the user service in this process publishes the keys; leave it unset";
        return Err(SettingsError::new(line));
    }
    env.push(("JWKS_URL".into(), format!("{base}/.well-known/jwks.json").into()));
    config::launch_with(&PROGRAM, args.iter().cloned(), env, checked)
}

/// Checks what concerns both.
fn checked(mut config: Config, own: UpFlags) -> Result<(Config, UpFlags), SettingsError> {
    if matches!(own.database_url, Some(Location::File(_))) {
        let line =
            "DATABASE_URL: each service has a file of its own here; name their directory in FANFARE_DATA";
        return Err(SettingsError::new(line));
    }
    if own.demo && !config.listen.address.ip().is_loopback() {
        return Err(SettingsError::new(
            "--demo: only on a loopback address; its users are no secret on a network",
        ));
    }
    config = config.with_service_key(own.service_api_key.as_ref());
    let directory = config.storage.directory.take();
    config.storage.directory = Some(directory.unwrap_or_else(|| DATA.into()));
    config.rules = config.rules.with_defaults(durable(&own));
    offer_feed(&mut config, &own)?;
    own_ports(&mut config);
    open_dashboard(&mut config);
    Ok((config, own))
}

/// The events that notifications are made from are in a feed, unless the configuration file has one of its name.
fn offer_feed(config: &mut Config, own: &UpFlags) -> Result<(), SettingsError> {
    let types = own.notification.rules.event_types();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    if types.is_empty() {
        return Ok(());
    }
    let wrong = |message| {
        SettingsError::new(format!("NOTIFICATION_RULES: the hub's feed of their events: {message}"))
    };
    config.feeds.offer(notification_service::FEED, &types).map_err(wrong)
}

/// Gives dashboard and receipts the ports that their clients know, where those are free and not switched off (contract:
/// channels, Environment).
fn own_ports(config: &mut Config) {
    let off = config.listen.off;
    for (name, port, is_off) in
        [("dashboard", DASHBOARD_PORT, off.dashboard), ("receipts", RECEIPTS_PORT, off.receipts)]
    {
        let is_there = |endpoint: &&mut Endpoint| endpoint.name == name && endpoint.path.is_some();
        if let Some(endpoint) = config.endpoints.iter_mut().find(is_there)
            && endpoint.port.is_none()
            && !is_off
            && config.listen.address.port() != port
        {
            endpoint.port = Some(OwnPort { port, if_taken: IfTaken::GoOn });
        }
    }
}

/// Lets the dashboard's clients in as they are in the field, without tokens, where nobody but this machine can reach them
/// (contract: dashboard).
fn open_dashboard(config: &mut Config) {
    let is_local = config.listen.address.ip().is_loopback();
    if !is_local || config.environment == Environment::Production {
        return;
    }
    let is_default = |endpoint: &&mut Endpoint| endpoint.name == "dashboard" && !endpoint.is_auth_chosen;
    if let Some(endpoint) = config.endpoints.iter_mut().find(is_default) {
        endpoint.auth = EndpointAuth::OffUnlessForwarded;
        config.warnings.push(Warning::OpenDashboard);
    }
}

/// The streams that are on disk unless the configuration says otherwise (contract: channels, Identity and permission).
fn durable(own: &UpFlags) -> Vec<ChannelRule> {
    let history = Some(HistoryRule { size: DURABLE_EVENTS, age: DURABLE_AGE, durable: true });
    // With a bridge the receipts too: a hub that comes again then knows which of them it has had.
    let receipts = own.bridge.is_wanted().then_some(pubsub_bridge::CHANNEL);
    ["@all", "user:*", "jobs", "payments"]
        .into_iter()
        .chain(receipts)
        .filter_map(|pattern| ChannelPattern::new(pattern).ok())
        .map(|pattern| ChannelRule { pattern, subscribe: None, publish: None, history })
        .collect()
}

fn serve(
    config: &Config,
    own: UpFlags,
    internal: TcpListener,
    base: &str,
    args: &[OsString],
) -> anyhow::Result<()> {
    command::provide_tls()?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let open_files = limits::raise_open_files().unwrap_or_else(|_| limits::open_files());
    let shutdown = Shutdown::new();
    shutdown.follow_signals()?;
    actix_rt::System::new().block_on(async {
        let hangups = Hangups::listen()?;
        let key = match &own.service_api_key {
            Some(key) => key.clone(),
            None => random_key()?,
        };
        let services = Services::open(config, &own, &key, base, &shutdown.token()).await?;
        let (routes, app) = (services.clone(), App::built());
        if app.is_none() {
            tracing::warn!("{NO_APP}");
        }
        let front_page = if app.is_some() { FrontPage::Routes } else { FrontPage::Playground };
        let extension = Extension {
            listener: None,
            internal: Some(internal),
            routes: Some(Arc::new(move |config| {
                routes.configure(config);
                app.iter().for_each(|app| app.configure(config));
            })),
            front_page,
            hooks: hooks(base, &key)?,
            delivery_hooks: vec![delivery_hook(base, &key)?],
            key: Some(key),
            last_work: Some(Box::pin(rest::trace::settled(rest::settings::STOP))),
        };
        let server = Server::start_with(config, open_files, extension)?;
        let scheme = if config.listen.tls.is_some() { "https" } else { "http" };
        let address = server.address();
        let work = services.start(&shutdown.token());
        tracing::info!("{}", server.notice());
        tracing::info!("listening on {scheme}://{address}");
        // For whoever started the process: the one line that says that it answers, and where.
        println!("listening on {scheme}://{address}");
        server.announce_own();
        let status = format!("listening on {scheme}://{address}");
        notify::ready(&status);
        let again = Again {
            reloader: server.reloader(),
            started: (config.clone(), own.clone()),
            args: args.to_vec(),
            base: base.to_owned(),
        };
        let reloads = Reloads::new(server.registry())?;
        actix_rt::spawn(reload::follow(hangups, reloads, shutdown.clone(), status, move || again.read()));
        actix_rt::spawn(notify::keep_alive(server.vitals()));
        if own.demo {
            let base = base.to_owned();
            actix_rt::spawn(async move {
                match demo::seed(&base).await {
                    Ok(told) => println!("{told}"),
                    Err(error) => tracing::error!("the demo's users and jobs could not be made: {error:#}"),
                }
            });
        }
        server.run(shutdown.token()).await?;
        let end = tokio::time::Instant::now() + rest::settings::STOP;
        for (name, task) in work {
            if tokio::time::timeout_at(end, task).await.is_err() {
                tracing::warn!(service = name, "the background work did not end in time");
            }
        }
        services.close().await;
        Ok(())
    })
}

/// What is needed to read the configuration again.
struct Again {
    reloader: Reloader,
    started: (Config, UpFlags),
    args: Vec<OsString>,
    base: String,
}

impl Again {
    /// Reads it, and puts the hub's part in force. What the services know too stays as it was for both until a restart.
    fn read(&self) -> Result<Applied, SettingsError> {
        let Launch::Serve(both) = launch(&self.args, &self.base)? else { return Ok(Applied::default()) };
        let ((started, before), (mut config, own)) = (&self.started, *both);
        let mut restart = Applied::default();
        let secret = |config: &Config| config.auth.jwt.as_ref().map(|jwt| jwt.secret.clone());
        restart.restart("JWT_SECRET", differs(&secret(started), &secret(&config)));
        restart.restart("SERVICE_API_KEY", differs(&before.service_api_key, &own.service_api_key));
        // The text of an address with its password is compared, and nowhere shown.
        let flags = |own: &UpFlags| format!("{own:?}");
        restart.restart("settings of the services", differs(&flags(before), &flags(&own)));
        config.auth.jwt.clone_from(&started.auth.jwt);
        config.service_key.clone_from(&started.service_key);
        let mut applied = self.reloader.apply(config)?;
        applied.restart.append(&mut restart.restart);
        Ok(applied)
    }
}

/// What clients send to each other goes to the chat service of this process, and what they do with their notifications to the
/// notification service, unless the configuration file says otherwise.
fn hooks(base: &str, key: &Secret) -> anyhow::Result<Vec<Hook>> {
    let chat: url::Url = format!("{base}/hooks/chat").parse()?;
    let inbox: url::Url = format!("{base}/hooks/notifications").parse()?;
    let hook = |event, places, url: &url::Url| Hook::post(&[event], places, url.clone(), Some(key.clone()));
    let talk = |event| hook(event, Places::ws_and(&["/chat"]), &chat);
    // On `/ws` `mark_read` is chat's: there the inbox is read by REST.
    let notifications = || Places::Only { ws: false, namespaces: vec!["/notifications".into()] };
    Ok(vec![
        talk("send_message").idempotent(),
        talk("typing"),
        talk("mark_read").idempotent(),
        hook("mark_read", notifications(), &inbox).idempotent(),
        hook("mark_all_read", notifications(), &inbox).idempotent(),
        hook("delete", notifications(), &inbox).idempotent(),
    ])
}

/// What became of notifications on their way goes into their ledger, unless the configuration file says otherwise.
fn delivery_hook(base: &str, key: &Secret) -> anyhow::Result<DeliveryHook> {
    let url: url::Url = format!("{base}/hooks/deliveries").parse()?;
    Ok(DeliveryHook::new(&["notification"], url, Some(key.clone())))
}

fn random_key() -> anyhow::Result<Secret> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("no randomness for the service key: {error}"))?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// The services in this process.
#[derive(Clone)]
struct Services {
    user: UserService,
    job: JobService,
    payment: PaymentService,
    chat: ChatService,
    notification: NotificationService,
    bridge: Option<Bridge>,
}

impl Services {
    async fn open(
        config: &Config,
        own: &UpFlags,
        key: &Secret,
        base: &str,
        shutdown: &Token,
    ) -> anyhow::Result<Self> {
        let location = |name: &str| {
            let directory = config.storage.directory.clone().unwrap_or_else(|| DATA.into());
            let file = || Location::File(directory.join(format!("{name}.db")));
            own.database_url.clone().unwrap_or_else(file)
        };
        let hub = HubSettings { key: Some(key.expose().to_owned()), ..HubSettings::new(base) };
        let hub = HubClient::new(&hub)?;
        let mut user = user_service::Settings::new(location("user-service"), hub.clone(), shutdown.clone());
        user.jwt = jwt(config);
        user.service_key = Some(key.clone());
        own.user.apply(&mut user);
        let user = UserService::open(user).await.context("the user service")?;
        let verifier = Verifier::new(JwtSettings { local: Some(user.keys()), ..jwt(config) })?;
        let callers = Callers::new(Arc::new(verifier), Some(key));
        let mut payment = payment_service::Settings::new(
            location("payment-service"),
            hub.clone(),
            callers.clone(),
            shutdown.clone(),
        );
        payment.environment = config.environment;
        payment.demo_balance = own.payment.demo_balance_usd;
        payment.payments_channel = own.payment.payments_channel;
        let bridge = match own.bridge.is_wanted() {
            true => {
                let mut settings = Bridge::settings(hub.clone(), shutdown.clone())?;
                own.bridge.apply(&mut settings);
                Some(Bridge::open(settings).context("the bridge to Pub/Sub")?)
            }
            false => None,
        };
        let mut chat = chat_service::Settings::new(
            location(chat_service::NAME),
            hub.clone(),
            callers.clone(),
            shutdown.clone(),
        );
        own.chat.apply(&mut chat);
        let mut notification = notification_service::Settings::new(
            location(notification_service::NAME),
            hub.clone(),
            callers.clone(),
            shutdown.clone(),
        );
        own.notification.apply(&mut notification)?;
        let job = job_service::Settings {
            location: location("job-service"),
            hub,
            callers,
            payment: PaymentSettings::new(base, Some(key.clone())),
            shutdown: shutdown.clone(),
        };
        Ok(Self {
            user,
            payment: PaymentService::open(payment).await.context("the payment service")?,
            job: JobService::open(job).await.context("the job service")?,
            chat: ChatService::open(chat).await.context("the chat service")?,
            notification: NotificationService::open(notification)
                .await
                .context("the notification service")?,
            bridge,
        })
    }

    /// Closes the databases.
    async fn close(&self) {
        tokio::join!(
            self.user.close(),
            self.job.close(),
            self.payment.close(),
            self.chat.close(),
            self.notification.close()
        );
    }

    fn operations(&self) -> Vec<Operations> {
        let mut all = vec![
            self.user.operations(),
            self.job.operations(),
            self.payment.operations(),
            self.chat.operations(),
            self.notification.operations(),
        ];
        all.extend(self.bridge.as_ref().map(Bridge::operations));
        all
    }

    fn configure(&self, config: &mut ServiceConfig) {
        self.user.configure(config);
        self.job.configure(config);
        self.payment.configure(config);
        self.chat.configure(config);
        self.notification.configure(config);
        for operations in self.operations() {
            operations.configure(config, &format!("/svc/{}", operations.name));
        }
    }

    /// Starts the background work of each; it ends soon after the shutdown begins.
    fn start(&self, shutdown: &Token) -> Vec<(&'static str, tokio::task::JoinHandle<()>)> {
        let Self { user, job, payment, chat, notification, bridge } = self.clone();
        let token = || shutdown.clone();
        let (for_user, for_job, for_payment) = (token(), token(), token());
        let (for_chat, for_notification, for_bridge) = (token(), token(), token());
        let mut work = vec![
            ("user-service", actix_rt::spawn(async move { user.run(for_user).await })),
            ("job-service", actix_rt::spawn(async move { job.run(for_job).await })),
            ("payment-service", actix_rt::spawn(async move { payment.run(for_payment).await })),
            (chat_service::NAME, actix_rt::spawn(async move { chat.run(for_chat).await })),
            (
                notification_service::NAME,
                actix_rt::spawn(async move { notification.run(for_notification).await }),
            ),
        ];
        if let Some(bridge) = bridge {
            let carry = actix_rt::spawn(async move { bridge.run(for_bridge).await });
            work.push((pubsub_bridge::NAME, carry));
        }
        work
    }
}

/// What tokens are verified with beside the user service's keys, as the hub was told.
fn jwt(config: &Config) -> JwtSettings {
    let Some(jwt) = &config.auth.jwt else { return JwtSettings::default() };
    JwtSettings {
        secret: jwt.secret.as_ref().map(|secret| secret.expose().to_owned()),
        public_key_file: jwt.public_key_file.clone(),
        issuers: jwt.issuers.clone(),
        audiences: jwt.audiences.clone(),
        ..JwtSettings::default()
    }
}
