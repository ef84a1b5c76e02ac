//! The notification service as a process.

use std::process::ExitCode;
use std::sync::Arc;

use notification_service::{BUILT_IN_RULES, NAME, NotificationFlags, NotificationService, Settings};
use rest::settings::ServiceFlags;
use rest::{Opened, Program};
use service_kit::shutdown::Token;

const PROGRAM: Program =
    Program { name: NAME, about: "Notifications: stored, told, read, pushed to phones", port: "8084" };

fn main() -> ExitCode {
    if std::env::args_os().skip(1).any(|argument| argument == "--print-rules") {
        print!("{BUILT_IN_RULES}");
        return ExitCode::SUCCESS;
    }
    rest::launch::<NotificationFlags>(PROGRAM, |flags, own, shutdown| Box::pin(open(flags, own, shutdown)))
}

async fn open(flags: ServiceFlags, own: NotificationFlags, shutdown: Token) -> anyhow::Result<Opened> {
    if flags.service_api_key.is_none() {
        tracing::warn!("SERVICE_API_KEY is unset: users alone can create notifications, each for themselves");
    }
    let location = flags.location(PROGRAM.name);
    let mut settings = Settings::new(location, flags.hub()?, flags.callers()?, shutdown.clone());
    own.apply(&mut settings)?;
    let service = NotificationService::open(settings).await?;
    let (routes, closing) = (service.clone(), service.clone());
    Ok(Opened {
        configure: Arc::new(move |config| routes.configure(config)),
        operations: service.operations(),
        work: Box::pin(async move { service.run(shutdown).await }),
        close: Box::pin(async move { closing.close().await }),
    })
}
