//! The main function of a service as a process of its own.
//!
//! Everything is read and checked, and the database is open, before the port is bound. A signal ends the calls that
//! run, then the background work, then the process.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use clap::{Args, CommandFactory, Parser};
use futures_util::future::LocalBoxFuture;
use service_kit::listen::AddressNames;
use service_kit::settings::{self, Asked, SettingsError};
use service_kit::shutdown::{Shutdown, Token};
use service_kit::{limits, telemetry};

use crate::operations::Operations;
use crate::serve::{self, Configure};
use crate::settings::{SECRETS, STOP, ServiceFlags};

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
pub fn launch<F: Args>(program: Program, open: Open<F>) -> ExitCode {
    let asked = settings::read_with::<Flags<F>>(
        command::<F>(program),
        std::env::args_os(),
        std::env::vars_os(),
        SECRETS,
    );
    let flags = match asked {
        Ok(Asked::Run(flags)) => flags,
        Ok(Asked::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return wrong(program, &error),
    };
    if let Err(error) = flags.service.check_all() {
        return wrong(program, &error);
    }
    if flags.service.check {
        println!("The settings are valid.");
        return ExitCode::SUCCESS;
    }
    let logging = &flags.service.logging;
    telemetry::init(program.name, logging.log_format, &logging.rust_log);
    match run(flags, open) {
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

fn run<F: Args>(flags: Flags<F>, open: Open<F>) -> anyhow::Result<()> {
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
        let opened = open(service, own, shutdown.token()).await?;
        let listener = service_kit::listen::bind(address, ADDRESS_NAMES)?;
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
