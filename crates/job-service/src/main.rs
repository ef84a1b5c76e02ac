//! The job service as a process.

use std::process::ExitCode;
use std::sync::Arc;

use job_service::{JobFlags, JobService, PaymentSettings, Settings};
use rest::settings::ServiceFlags;
use rest::{Opened, Program};
use service_kit::shutdown::Token;

const PROGRAM: Program = Program {
    name: "job-service",
    about: "PayChain's jobs: posted, accepted, completed, refunded",
    port: "8081",
};

fn main() -> ExitCode {
    rest::launch::<JobFlags>(PROGRAM, |flags, own, shutdown| Box::pin(open(flags, own, shutdown)))
}

async fn open(flags: ServiceFlags, own: JobFlags, shutdown: Token) -> anyhow::Result<Opened> {
    let (key, follow) = (flags.service_api_key.clone(), flags.followers.clone());
    let service = JobService::open(Settings {
        location: flags.location(PROGRAM.name),
        hub: flags.hub()?,
        callers: flags.callers()?,
        payment: PaymentSettings::new(own.payment_service_url.as_str(), key),
        shutdown: shutdown.clone(),
    })
    .await?;
    let paying = service.clone();
    follow.add(move |flags: &ServiceFlags| {
        let (service, key) = (paying.clone(), flags.service_api_key.clone());
        Ok(move || service.set_payment_key(key.as_ref()))
    });
    let (routes, closing) = (service.clone(), service.clone());
    Ok(Opened {
        configure: Arc::new(move |config| routes.configure(config)),
        operations: service.operations(),
        work: Box::pin(async move { service.run(shutdown).await }),
        close: Box::pin(async move { closing.close().await }),
    })
}
