//! The service's own settings as flags and variables, beside those that every service has (`rest::settings`).

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use service_kit::settings::values::{self, OrOff};

use crate::settings::Settings;

/// The user service's own flags.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct UserFlags {
    /// Sign-ins and registrations that one address may send in a minute; peers on this machine are not limited. Behind
    /// a proxy all users come from the proxy's address: limit there, and set 0 here.
    ///
    /// Values: a whole number from 1 to 1000000, or 0 for no limit.
    ///
    /// Source: chosen; one a second is more than people type.
    #[arg(long, env, value_name = "COUNT", default_value = "60", value_parser = values::count_or_off(1_000_000), help_heading = "Users")]
    pub login_rate_limit: OrOff<NonZeroUsize>,

    /// How long a key signs access tokens before another takes over. The old one is published until its tokens have
    /// ended.
    ///
    /// Values: a duration from 1h to 365d.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "DURATION", default_value = "30d", value_parser = values::duration(Duration::from_secs(3600), Duration::from_secs(365 * 86_400)), help_heading = "Users")]
    pub key_rotation: Duration,

    /// How long an access token is good, in whole seconds. What was signed out before is let in until it ends.
    ///
    /// Values: a duration from 5s to 1d.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "15m", value_parser = values::duration(Duration::from_secs(5), Duration::from_secs(86_400)), help_heading = "Users")]
    pub access_token_ttl: Duration,

    /// How long a refresh token is good, so after how long without a visit a user has to sign in again.
    ///
    /// Values: a duration from 1m to 365d.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "30d", value_parser = values::duration(Duration::from_secs(60), Duration::from_secs(365 * 86_400)), help_heading = "Users")]
    pub refresh_token_ttl: Duration,
}

impl UserFlags {
    /// Puts them into the settings.
    pub fn apply(&self, settings: &mut Settings) {
        let limit = self.login_rate_limit.on();
        settings.login_rate_limit = limit.map(|limit| NonZeroU32::try_from(limit).unwrap_or(NonZeroU32::MAX));
        settings.key_rotation = self.key_rotation;
        settings.access_lifetime = self.access_token_ttl;
        settings.refresh_lifetime = self.refresh_token_ttl;
    }
}
