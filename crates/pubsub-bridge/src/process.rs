//! The bridge as a process of its own: its settings, its operators' paths on a port, its work.
//!
//! It has neither users nor a database, so that it takes fewer settings than the other services.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use auth::{Environment, OriginPolicy};
use clap::{CommandFactory as _, Parser};
use hub_client::{HubClient, HubSettings};
use service_kit::arguments::Secret;
use service_kit::healthcheck::{self, HealthcheckFlag};
use service_kit::listen::AddressNames;
use service_kit::reload::{self, Applied, Hangups, Reloads, differs};
use service_kit::settings::{self, Asked, LoggingFlags, SettingsError, values};
use service_kit::shutdown::Shutdown;
use service_kit::telemetry::LogFilter;
use service_kit::{limits, telemetry};

use crate::flags::BridgeFlags;
use crate::service::{Bridge, NAME};

/// The names by which errors about the listening address speak.
const ADDRESS_NAMES: AddressNames = AddressNames { host: "HOST", port: "PORT" };

/// The port of operators, unless another is set: that of [`Flags`].
const PORT: u16 = 8087;

/// Threads that answer operators.
const WORKERS: usize = 1;

/// All settings of the process.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    about = "From Google Cloud Pub/Sub to the hub: every message of a topic, once",
    version,
    max_term_width = 110,
    disable_help_subcommand = true
)]
struct Flags {
    /// Address to listen on, for health and metrics.
    ///
    /// Values: an IP address of this machine, 0.0.0.0 or :: for all of them, or localhost.
    ///
    /// Source: protocol; containers use 0.0.0.0.
    #[arg(long, env, default_value = "127.0.0.1", value_parser = values::host, help_heading = "Listening")]
    host: IpAddr,

    /// Port for health and metrics.
    ///
    /// Values: a port from 0 to 65535; 0 takes any free one, which the start log tells.
    ///
    /// Source: protocol.
    #[arg(long, env, default_value = "8087", value_parser = values::port, help_heading = "Listening")]
    port: u16,

    /// Where the hub is that gets the events.
    ///
    /// Values: an http or https address.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = values::web_address, help_heading = "Other services")]
    ws_service_url: url::Url,

    /// The key by which the hub knows the bridge.
    ///
    /// Values: 8 to 200 visible ASCII characters; one of the hub's FANFARE_API_KEYS that may publish to `receipts`.
    ///
    /// Secret: better in a file, which SERVICE_API_KEY_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: the hub takes events from its own machine alone.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "KEY", value_parser = rest::settings::service_key, help_heading = "Access")]
    service_api_key: Option<Secret>,

    #[command(flatten)]
    bridge: BridgeFlags,

    #[command(flatten)]
    logging: LoggingFlags,

    /// Check the settings, say what is wrong, and exit.
    #[arg(long, help_heading = "Process")]
    check: bool,

    #[command(flatten)]
    _healthcheck: HealthcheckFlag,
}

/// The command line, for the generated documentation.
#[must_use]
pub fn command() -> clap::Command {
    Flags::command()
}

/// Runs a bridge from the process' arguments and environment to its end.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = healthcheck::asked(std::env::args_os(), std::env::vars_os(), PORT) {
        return code;
    }
    let (flags, warnings) = match read() {
        Ok(Asked::Run { flags, warnings }) => (flags, warnings),
        Ok(Asked::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return wrong(&error),
    };
    let mut hub = HubSettings::new(flags.ws_service_url.as_str());
    hub.key = flags.service_api_key.as_ref().map(|key| key.expose().to_owned());
    telemetry::init(NAME, flags.logging.log_format, &flags.logging.rust_log);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("{NAME}: a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let hub = match HubClient::new(&hub) {
        Ok(hub) => hub,
        Err(error) => return wrong(&SettingsError::new(format!("WS_SERVICE_URL: {error}"))),
    };
    if flags.check {
        println!("The settings are valid.");
        return ExitCode::SUCCESS;
    }
    match run(&flags, hub) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The settings of this process, as its arguments, its environment and its files say now.
fn read() -> Result<Asked<Flags>, SettingsError> {
    settings::read(std::env::args_os(), std::env::vars_os())
}

/// Reads the settings again, and puts the key and what is logged in force; `now` are those in force.
fn reread(
    now: &mut (Option<Secret>, LogFilter),
    started: &str,
    hub: &HubClient,
) -> Result<Applied, SettingsError> {
    let (new, warnings) = match read()? {
        Asked::Run { flags, warnings } => (flags, warnings),
        // The arguments are those of the start, which asked for a bridge.
        Asked::Print(_) => return Ok(Applied::default()),
    };
    hub.set_key(new.service_api_key.as_ref().map(Secret::expose))
        .map_err(|error| SettingsError::new(format!("SERVICE_API_KEY: {error}")))?;
    telemetry::set_filter(&new.logging.rust_log);
    let mut applied = Applied { warnings, ..Applied::default() };
    applied.changed("SERVICE_API_KEY", differs(&now.0, &new.service_api_key));
    applied.changed("RUST_LOG", differs(&now.1, &new.logging.rust_log));
    applied.restart("the bridge's other settings", differs(started, &others(&new)));
    *now = (new.service_api_key, new.logging.rust_log);
    Ok(applied)
}

/// What can't change while the bridge runs, for comparing.
fn others(flags: &Flags) -> String {
    let Flags { host, port, ws_service_url, bridge, logging, .. } = flags;
    format!("{host} {port} {ws_service_url} {bridge:?} {:?}", logging.log_format)
}

fn wrong(error: &SettingsError) -> ExitCode {
    eprintln!("{NAME}: {error}");
    ExitCode::from(SettingsError::EXIT_CODE)
}

fn run(flags: &Flags, hub: HubClient) -> anyhow::Result<()> {
    let _files = limits::raise_open_files();
    let shutdown = Shutdown::new();
    shutdown.follow_signals()?;
    let listener = service_kit::listen::bind(SocketAddr::new(flags.host, flags.port), ADDRESS_NAMES)?;
    // Operators' paths are for no page.
    let origins = OriginPolicy::new(None, Environment::Production)?;
    let (mut now, started) = ((flags.service_api_key.clone(), flags.logging.rust_log.clone()), others(flags));
    actix_web::rt::System::new().block_on(async move {
        let hangups = Hangups::listen()?;
        let status = format!("listening on http://{}", listener.local_addr()?);
        let client = hub.clone();
        let mut settings = Bridge::settings(hub, shutdown.token())?;
        flags.bridge.apply(&mut settings);
        let bridge = Bridge::open(settings)?;
        let (working, token) = (bridge.clone(), shutdown.token());
        let work = actix_web::rt::spawn(async move { working.run(token).await });
        let (routes, operations) = (bridge.clone(), bridge.operations());
        let reloads = Reloads::new(&operations.registry)?;
        let again = move || reread(&mut now, &started, &client);
        actix_web::rt::spawn(reload::follow(hangups, reloads, shutdown.clone(), status, again));
        let configure: rest::serve::Configure = Arc::new(move |config| routes.configure(config));
        rest::serve::serve(listener, origins, operations, configure, WORKERS, shutdown.token()).await?;
        if tokio::time::timeout(rest::settings::STOP, work).await.is_err() {
            tracing::warn!("the background work did not end in time");
        }
        Ok(())
    })
}
