//! The hub as a process.

use std::process::ExitCode;

use service_kit::reload::{self, Hangups, Reloads};
use service_kit::shutdown::Shutdown;
use service_kit::{healthcheck, limits, notify, telemetry};
use websocket_server::Server;
use websocket_server::config::{self, Config, Launch, SettingsError};

fn main() -> ExitCode {
    if let Some(code) = healthcheck::asked(std::env::args_os(), std::env::vars_os(), config::PORT) {
        return code;
    }
    let config = match config::launch(std::env::args_os(), std::env::vars_os()) {
        Ok(Launch::Serve(config)) => config,
        Ok(Launch::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("websocket-server: {error}");
            return ExitCode::from(SettingsError::EXIT_CODE);
        }
    };
    telemetry::init("websocket-server", config.logging.format, &config.logging.filter);
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("websocket-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config) -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let open_files = limits::raise_open_files().unwrap_or_else(|_| limits::open_files());
    let shutdown = Shutdown::new();
    shutdown.follow_signals()?;
    actix_rt::System::new().block_on(async {
        let hangups = Hangups::listen()?;
        let server = Server::start(config, open_files)?;
        let (address, scheme) =
            (server.address(), if config.listen.tls.is_some() { "https" } else { "http" });
        tracing::info!("{}", server.notice());
        tracing::info!("listening on {scheme}://{address}");
        // For whoever started the process: the one line that says that it answers, and where.
        println!("listening on {scheme}://{address}");
        server.announce_own();
        let status = format!("listening on {scheme}://{address}");
        notify::ready(&status);
        let (reloads, reloader) = (Reloads::new(server.registry())?, server.reloader());
        let read = move || match config::launch(std::env::args_os(), std::env::vars_os())? {
            Launch::Serve(config) => reloader.apply(*config),
            // The arguments are those of the start, which asked for a server.
            Launch::Print(_) => Ok(reload::Applied::default()),
        };
        actix_rt::spawn(reload::follow(hangups, reloads, shutdown.clone(), status, read));
        actix_rt::spawn(notify::keep_alive(server.vitals()));
        server.run(shutdown.token()).await
    })
}
