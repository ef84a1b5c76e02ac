//! Push's own settings as flags and variables.

use std::time::Duration;

use service_kit::settings::SettingsError;
use service_kit::settings::values;
use url::Url;

use super::{Credentials, PushSettings};

/// Push's own flags.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct PushFlags {
    /// The service account that Firebase knows us by; without it nothing is pushed, and devices are still registered.
    ///
    /// Values: the path of the JSON file that Google gives out for a service account.
    ///
    /// Unset: push is off.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "FILE", value_parser = Credentials::at, help_heading = "Push")]
    pub firebase_credentials_path: Option<Credentials>,

    /// Where Firebase Cloud Messaging is.
    ///
    /// Values: an http or https address.
    ///
    /// Source: protocol; another is for tests.
    #[arg(long, env, value_name = "URL", default_value = super::ENDPOINT, value_parser = values::web_address, help_heading = "Push")]
    pub firebase_endpoint: Url,

    /// How long somebody has to see a notification on a screen before it is pushed.
    ///
    /// Values: a duration from 0s to 1h.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "10s", value_parser = values::duration(Duration::ZERO, Duration::from_secs(3600)), help_heading = "Push")]
    pub push_delay: Duration,

    /// How long a push is tried while Firebase does not take it; never longer than its notification lasts.
    ///
    /// Values: a duration from 1m to 28d.
    ///
    /// Source: chosen; what is older is no news.
    #[arg(long, env, value_name = "DURATION", default_value = "24h", value_parser = values::duration(Duration::from_secs(60), Duration::from_secs(28 * 86_400)), help_heading = "Push")]
    pub push_max_age: Duration,
}

impl PushFlags {
    /// Puts them into the settings.
    ///
    /// # Errors
    /// None so far: what is wrong with a flag is told when it is read.
    pub fn apply(&self, settings: &mut PushSettings) -> Result<(), SettingsError> {
        settings.credentials = self.firebase_credentials_path.clone();
        settings.endpoint = Some(self.firebase_endpoint.clone());
        settings.delay = self.push_delay;
        settings.max_age = self.push_max_age;
        Ok(())
    }
}
