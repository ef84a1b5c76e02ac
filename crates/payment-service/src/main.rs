//! The payment service as a process.

use std::process::ExitCode;
use std::sync::Arc;

use payment_service::{PaymentFlags, PaymentService, Settings};
use rest::settings::ServiceFlags;
use rest::{Opened, Program};
use service_kit::settings::SettingsError;
use service_kit::shutdown::Token;

const PROGRAM: Program = Program {
    name: "payment-service",
    about: "PayChain's escrow ledger: hold, release, refund",
    port: "8082",
};

fn main() -> ExitCode {
    rest::launch::<PaymentFlags>(PROGRAM, |flags, own, shutdown| Box::pin(open(flags, own, shutdown)))
}

async fn open(flags: ServiceFlags, own: PaymentFlags, shutdown: Token) -> anyhow::Result<Opened> {
    if flags.service_api_key.is_none() {
        let line = "SERVICE_API_KEY: without it no service could hold, release or refund; set the same for all services";
        return Err(SettingsError::new(line).into());
    }
    let location = flags.location(PROGRAM.name);
    let mut settings = Settings::new(location, flags.hub()?, flags.callers()?, shutdown.clone());
    settings.environment = flags.environment;
    settings.demo_balance = own.demo_balance_usd;
    settings.payments_channel = own.payments_channel;
    let service = PaymentService::open(settings).await?;
    let (routes, closing) = (service.clone(), service.clone());
    Ok(Opened {
        configure: Arc::new(move |config| routes.configure(config)),
        operations: service.operations(),
        work: Box::pin(async move { service.run(shutdown).await }),
        close: Box::pin(async move { closing.close().await }),
    })
}
