//! The main function of a service as a process of its own.
//!
//! Everything is read and checked, and the database is open, before the port is bound. A signal ends the calls that
//! run, then the background work, then the process.

use std::fmt::Debug;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use clap::{Args, CommandFactory, Parser};
use futures_util::future::LocalBoxFuture;
use service_kit::listen::AddressNames;
use service_kit::reload::{self, Applied, Hangups, Reloads, differs};
use service_kit::settings::{self, Asked, SettingsError};
use service_kit::shutdown::{Shutdown, Token};
use service_kit::{healthcheck, limits, telemetry};

use crate::operations::Operations;
use crate::serve::{self, Configure};
use crate::settings::{STOP, ServiceFlags};

/// The names by which errors about the listening address speak.
const ADDRESS_NAMES: AddressNames = AddressNames { host: "HOST", port: "PORT" };

/// Threads that answer HTTP at most; a service waits for its database, not for the processor.
const MOST_WORKERS: usize = 4;

/// What a service is called, and where it listens unless it is told otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name, as in its metrics, health and log.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Its default port (contract: services).
    pub port: &'static str,
}

/// A service that was opened: what it answers, and what it does besides.
pub struct Opened {
    /// Adds its paths to an application.
    pub configure: Configure,
    /// What operators see.
    pub operations: Operations,
    /// Its background work, which ends soon after the shutdown begins.
    pub work: LocalBoxFuture<'static, ()>,
    /// Closes its database, when nothing is answered and done any more.
    pub close: LocalBoxFuture<'static, ()>,
}

/// Opens a service from the settings of all services and its own.
pub type Open<F> = fn(ServiceFlags, F, Token) -> LocalBoxFuture<'static, anyhow::Result<Opened>>;

/// All settings of a service's process.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, disable_help_subcommand = true)]
struct Flags<F: Args> {
    #[command(flatten)]
    service: ServiceFlags,
    #[command(flatten)]
    own: F,
}

/// The command line of a service, for its help and for the generated documentation.
#[must_use]
pub fn command<F: Args>(program: Program) -> clap::Command {
    Flags::<F>::command()
        .name(program.name)
        .about(program.about)
        .mut_arg("port", |arg| arg.default_value(program.port))
}

/// Runs a service from the process' arguments and environment to its end.
pub fn launch<F: Args + Debug + 'static>(program: Program, open: Open<F>) -> ExitCode {
    let port = program.port.parse().unwrap_or_default();
    if let Some(code) = healthcheck::asked(std::env::args_os(), std::env::vars_os(), port) {
        return code;
    }
    let (flags, warnings) = match read::<F>(program) {
        Ok(Asked::Run { flags, warnings }) => (flags, warnings),
        Ok(Asked::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return wrong(program, &error),
    };
    if flags.service.check {
        println!("The settings are valid.");
        return ExitCode::SUCCESS;
    }
    let logging = &flags.service.logging;
    telemetry::init(program.name, logging.log_format, &logging.rust_log);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    match run(program, flags, open) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<SettingsError>() {
            Some(error) => wrong(program, error),
            None => {
                eprintln!("{}: {error:#}", program.name);
                ExitCode::FAILURE
            }
        },
    }
}

fn wrong(program: Program, error: &SettingsError) -> ExitCode {
    eprintln!("{}: {error}", program.name);
    ExitCode::from(SettingsError::EXIT_CODE)
}

/// The settings of this process, as its arguments, its environment and its files say now.
fn read<F: Args>(program: Program) -> Result<Asked<Flags<F>>, SettingsError> {
    let command = command::<F>(program);
    let asked = settings::read_with::<Flags<F>>(command, std::env::args_os(), std::env::vars_os())?;
    if let Asked::Run { flags, .. } = &asked {
        flags.service.check_all()?;
    }
    Ok(asked)
}

/// Reads the settings again, and puts in force what can change: keys, and what is logged. `now` are those in force; of what
/// can't change they stay those of the start.
fn reread<F: Args + Debug>(
    program: Program,
    now: &mut ServiceFlags,
    own: &str,
) -> Result<Applied, SettingsError> {
    let (Flags { service: mut new, own: new_own }, warnings) = match read::<F>(program)? {
        Asked::Run { flags, warnings } => (flags, warnings),
        // The arguments are those of the start, which asked for a service.
        Asked::Print(_) => return Ok(Applied::default()),
    };
    let mut applied = Applied { warnings, ..Applied::default() };
    applied.restart("JWT_ISSUER", differs(&now.jwt_issuer, &new.jwt_issuer));
    applied.restart("JWT_AUDIENCE", differs(&now.jwt_audience, &new.jwt_audience));
    // What tokens are made with and what they are checked for stay the same.
    new.jwt_issuer.clone_from(&now.jwt_issuer);
    new.jwt_audience.clone_from(&now.jwt_audience);
    now.followers.follow(&new)?;
    applied.changed("JWT_SECRET", differs(&now.jwt_secret, &new.jwt_secret));
    applied.changed("JWT_PUBLIC_KEY_FILE", differs(&now.jwt_public_key_file, &new.jwt_public_key_file));
    applied.changed("SERVICE_API_KEY", differs(&now.service_api_key, &new.service_api_key));
    applied.changed("RUST_LOG", differs(&now.logging.rust_log, &new.logging.rust_log));
    telemetry::set_filter(&new.logging.rust_log);
    applied.restart("HOST, PORT", differs(&now.address(), &new.address()));
    applied.restart("CORS_ALLOWED_ORIGINS", differs(&now.cors_allowed_origins, &new.cors_allowed_origins));
    applied.restart("JWKS_URL", differs(&now.jwks_url, &new.jwks_url));
    applied.restart("WS_SERVICE_URL", differs(&now.ws_service_url, &new.ws_service_url));
    applied.restart("USER_SERVICE_URL", differs(&now.user_service_url, &new.user_service_url));
    applied.restart("DATABASE_URL", differs(&now.database_url, &new.database_url));
    applied.restart("FANFARE_DATA", differs(&now.fanfare_data, &new.fanfare_data));
    applied.restart("FANFARE_ENV", differs(&now.environment, &new.environment));
    applied.restart("LOG_FORMAT", differs(&now.logging.log_format, &new.logging.log_format));
    applied.restart("the service's own settings", differs(own, &format!("{new_own:?}")));
    now.jwt_secret = new.jwt_secret;
    now.jwt_public_key_file = new.jwt_public_key_file;
    now.service_api_key = new.service_api_key;
    now.logging.rust_log = new.logging.rust_log;
    Ok(applied)
}

fn run<F: Args + Debug + 'static>(program: Program, flags: Flags<F>, open: Open<F>) -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let _files = limits::raise_open_files();
    let shutdown = Shutdown::new();
    shutdown.follow_signals()?;
    let Flags { service, own } = flags;
    let (address, origins) = (service.address(), service.origins()?);
    let workers = available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    actix_web::rt::System::new().block_on(async move {
        let hangups = Hangups::listen()?;
        let (mut now, own_now) = (service.clone(), format!("{own:?}"));
        let opened = open(service, own, shutdown.token()).await?;
        let listener = service_kit::listen::bind(address, ADDRESS_NAMES)?;
        let reloads = Reloads::new(&opened.operations.registry)?;
        let status = format!("listening on http://{}", listener.local_addr()?);
        let again = move || reread::<F>(program, &mut now, &own_now);
        actix_web::rt::spawn(reload::follow(hangups, reloads, shutdown.clone(), status, again));
        let work = actix_web::rt::spawn(opened.work);
        let configure = Arc::clone(&opened.configure);
        serve::serve(listener, origins, opened.operations, configure, workers, shutdown.token()).await?;
        if tokio::time::timeout(STOP, work).await.is_err() {
            tracing::warn!("the background work did not end in time");
        }
        if tokio::time::timeout(STOP, opened.close).await.is_err() {
            tracing::warn!("the database did not close in time");
        }
        Ok(())
    })
}
