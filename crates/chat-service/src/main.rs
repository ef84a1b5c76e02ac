//! The chat service as a process.

use std::process::ExitCode;
use std::sync::Arc;

use chat_service::{ChatFlags, ChatService, NAME, Settings};
use rest::settings::ServiceFlags;
use rest::{Opened, Program};
use service_kit::shutdown::Token;

const PROGRAM: Program =
    Program { name: NAME, about: "Messages between two users: stored first, then told", port: "8086" };

fn main() -> ExitCode {
    rest::launch::<ChatFlags>(PROGRAM, |flags, own, shutdown| Box::pin(open(flags, own, shutdown)))
}

async fn open(flags: ServiceFlags, own: ChatFlags, shutdown: Token) -> anyhow::Result<Opened> {
    if flags.service_api_key.is_none() {
        tracing::warn!(
            "SERVICE_API_KEY is unset: nothing that clients send over the hub is taken, only REST"
        );
    }
    let location = flags.location(PROGRAM.name);
    let mut settings = Settings::new(location, flags.hub()?, flags.callers()?, shutdown.clone());
    own.apply(&mut settings);
    let service = ChatService::open(settings).await?;
    let (routes, closing) = (service.clone(), service.clone());
    Ok(Opened {
        configure: Arc::new(move |config| routes.configure(config)),
        operations: service.operations(),
        work: Box::pin(async move { service.run(shutdown).await }),
        close: Box::pin(async move { closing.close().await }),
    })
}
