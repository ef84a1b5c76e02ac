//! Push: what no device showed in time is sent to phones and browsers, over Firebase Cloud Messaging.
//!
//! | module | what it is |
//! |---|---|
//! | `flags`, `credentials` | how it is set up |
//! | `table` | the tables; a push planned with its notification, and withdrawn with it |
//! | `plan` | a push that is due: not needed, held by quiet hours, in a digest, or to the user's devices |
//! | `send` | a message to a device: claimed, sent, settled |
//! | `run`, `circuit` | the background work |
//! | `client`, `access`, `reply` | Google's HTTP |
//! | `message`, `words` | what is sent |
//! | `trace` | what became of a notification's push |
//! | `http`, `openapi`, `metrics` | paths and figures |
//!
//! # What holds
//! - A notification and its push are planned in one transaction, and so are its withdrawal and whatever took it away. So no
//!   crash loses one of them.
//! - A message to a device is sent at least once: claimed for [`send::LEASE`], sent, and settled with its outcome. Only a
//!   crash, or a broken connection, between Google's answer and our commit leads to a repeat, and the tag that it has in
//!   common with the first makes it one on the device.
//! - What was read, deleted or expired is taken back from every device that got it or may have got it.
//! - No transaction is open during a call of Google's. A Firebase that is away delays nothing but pushes.
//!
//! Not here: devices ([`crate::devices`]), preferences and quiet hours ([`crate::preferences`], [`crate::quiet`]), and whether
//! somebody has had a notification ([`crate::ledger`]).

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use prometheus::Registry;
use rest::metrics::resource;
use store::Migration;
use tokio::sync::Notify;
use url::Url;

mod access;
mod circuit;
mod client;
mod credentials;
mod flags;
pub(crate) mod http;
mod message;
mod metrics;
pub(crate) mod openapi;
mod plan;
mod reply;
mod run;
mod send;
mod table;
mod trace;
mod words;

pub use credentials::Credentials;
pub(crate) use flags::PushFlags;
pub(crate) use message::Platform;
pub(crate) use openapi::Description;
pub(crate) use run::run;
pub(crate) use table::{Which, forget_device, hold, look_again, schedule, withdraw};
pub(crate) use trace::trace;

/// The tables of push.
pub(crate) const MIGRATIONS: &[Migration] = table::MIGRATIONS;

/// Where Firebase is.
pub(crate) const ENDPOINT: &str = "https://fcm.googleapis.com";

/// How long somebody has to see a notification on a screen before it is pushed (contract: socketio, Push REST).
pub(crate) const DELAY: Duration = Duration::from_secs(10);

/// How long a push is tried; later it would be no news. Chosen.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// How push is set up.
#[derive(Debug, Clone)]
pub struct PushSettings {
    /// As whom Firebase knows us; without, nothing is pushed.
    pub credentials: Option<Credentials>,
    /// Where Firebase is; [`ENDPOINT`] by default.
    pub endpoint: Option<Url>,
    /// How long a push waits for a device to show the notification; [`DELAY`] by default.
    pub delay: Duration,
    /// How long a push is tried, from when it is due; [`MAX_AGE`] by default, and never longer than the notification lasts.
    pub max_age: Duration,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self { credentials: None, endpoint: None, delay: DELAY, max_age: MAX_AGE }
    }
}

/// What push needs at the desk. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    firebase: Option<client::Firebase>,
    /// In microseconds.
    delay: i64,
    max_age: i64,
    metrics: metrics::Metrics,
    wake: Arc<Notify>,
}

impl Push {
    /// Makes it ready; nothing runs yet. Says so where it is off.
    ///
    /// # Errors
    /// The HTTP client can't be made.
    pub(crate) fn new(settings: PushSettings, registry: &Registry) -> anyhow::Result<Self> {
        let endpoint = settings.endpoint.map_or_else(|| Url::parse(ENDPOINT), Ok)?;
        let firebase = match settings.credentials {
            Some(credentials) => {
                tracing::info!(project = credentials.project_id(), "push is on");
                Some(client::Firebase::new(credentials, &endpoint)?)
            }
            None => {
                tracing::info!(
                    "push is off: FIREBASE_CREDENTIALS_PATH is unset; devices are still registered"
                );
                None
            }
        };
        Ok(Self {
            firebase,
            delay: micros(settings.delay),
            max_age: micros(settings.max_age),
            metrics: metrics::Metrics::new(registry)?,
            wake: Arc::default(),
        })
    }

    /// To be called where there may be something to push at once; what is due later is found by itself.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The parameters of a list in a statement: `$1, $2, $3`.
pub(crate) fn places(count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    for n in 1..=count {
        text.push_str(if n > 1 { ", $" } else { "$" });
        text.push_str(&n.to_string());
    }
    text
}

/// Adds the paths of devices and topics to the scope `/api/fcm`.
pub(crate) fn configure(config: &mut ServiceConfig) {
    use crate::{devices, topics};
    config
        .service(resource("/register-device", "POST").route(web::post().to(devices::http::register)))
        .service(resource("/unregister-device", "POST").route(web::post().to(devices::http::unregister)))
        .service(resource("/unregister-all", "POST").route(web::post().to(devices::http::unregister_all)))
        .service(resource("/device-list", "GET").route(web::get().to(devices::http::list)))
        .service(resource("/subscribe-topic", "POST").route(web::post().to(topics::http::subscribe)))
        .service(resource("/unsubscribe-topic", "POST").route(web::post().to(topics::http::unsubscribe)));
}
