//! What the shell's commands share: where the hub is, with which key, and how a command ends.

use std::ffi::OsString;
use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;

use clap::Parser;
use service_kit::arguments::Secret;
use service_kit::settings::{self, Asked, SettingsError, values};
use url::Url;

/// Where the hub is, and who asks.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct HubFlags {
    /// The hub.
    ///
    /// Values: an http or https address.
    #[arg(long, env = "WS_SERVICE_URL", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = values::web_address)]
    pub(crate) url: Url,

    /// The API key, where the hub wants one.
    ///
    /// Values: one of the hub's keys.
    ///
    /// Secret: better in a file, which SERVICE_API_KEY_FILE names, than in a flag, which every user of the machine can read.
    #[arg(long, env = "SERVICE_API_KEY", value_name = "KEY", value_parser = values::secret)]
    pub(crate) key: Option<Secret>,
}

impl HubFlags {
    /// A path of the hub.
    pub(crate) fn at(&self, path: &str) -> Url {
        rest::settings::at(&self.url, path)
    }
}

/// Reads a command's flags; an answer to print, or a mistake, is the end of it.
pub(crate) fn read<F: Parser>(args: Vec<OsString>) -> Result<F, ExitCode> {
    let name = args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match settings::read::<F>(args, std::env::vars_os()) {
        Ok(Asked::Run { flags, warnings }) => {
            for warning in warnings {
                eprintln!("{name}: {warning}");
            }
            Ok(flags)
        }
        Ok(Asked::Print(text)) => {
            print!("{text}");
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            Err(ExitCode::from(SettingsError::EXIT_CODE))
        }
    }
}

/// Says why a command failed.
pub(crate) fn failed(name: &str, error: impl Display) -> ExitCode {
    eprintln!("fanfare {name}: {error}");
    ExitCode::FAILURE
}

/// The one TLS provider of the process.
pub(crate) fn provide_tls() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))
}

/// Runs a command that waits for answers.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    provide_tls()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
