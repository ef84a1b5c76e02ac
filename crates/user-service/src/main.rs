//! The user service as a process.

use std::process::ExitCode;
use std::sync::Arc;

use rest::settings::ServiceFlags;
use rest::{Opened, Program};
use service_kit::shutdown::Token;
use user_service::{Settings, UserFlags, UserService};

const PROGRAM: Program = Program {
    name: "user-service",
    about: "PayChain's users: registration, sign-in, sessions",
    port: "8083",
};

fn main() -> ExitCode {
    rest::launch::<UserFlags>(PROGRAM, |flags, own, shutdown| Box::pin(open(flags, own, shutdown)))
}

async fn open(flags: ServiceFlags, own: UserFlags, shutdown: Token) -> anyhow::Result<Opened> {
    let mut settings = Settings::new(flags.location(PROGRAM.name), flags.hub()?, shutdown.clone());
    settings.jwt = flags.jwt();
    settings.service_key = flags.service_api_key.clone();
    own.apply(&mut settings);
    let service = UserService::open(settings).await?;
    flags.renew(service.callers());
    let (routes, closing) = (service.clone(), service.clone());
    Ok(Opened {
        configure: Arc::new(move |config| routes.configure(config)),
        operations: service.operations(),
        work: Box::pin(async move { service.run(shutdown).await }),
        close: Box::pin(async move { closing.close().await }),
    })
}
