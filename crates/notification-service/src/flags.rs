//! The service's own settings as flags and variables; those that every service has are `rest::settings::ServiceFlags`,
//! those of push and of the rules stand with them.

use std::num::NonZeroUsize;
use std::time::Duration;

use service_kit::settings::SettingsError;
use service_kit::settings::values::{self, OrOff};

use crate::push::PushFlags;
use crate::rules::RulesFlags;
use crate::service::Settings;

/// The notification service's own flags.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct NotificationFlags {
    /// How long a notification is kept, read or not, deleted or not.
    ///
    /// Values: a duration from 1h to 3650d.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "DURATION", default_value = "90d", value_parser = values::duration(Duration::from_secs(3_600), Duration::from_secs(3_650 * 86_400)), help_heading = "Notifications")]
    pub notification_retention: Duration,

    /// Notifications that are kept for one user; beyond it the oldest go.
    ///
    /// Values: a whole number from 1 to 1000000.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "COUNT", default_value = "100000", value_parser = values::count(1_000_000), help_heading = "Notifications")]
    pub notification_max_per_user: NonZeroUsize,

    /// Notifications that a user may create for themselves in any 10 s, counted in each instance; services are not
    /// limited.
    ///
    /// Values: a whole number from 1 to 100000, or 0 for no limit.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "COUNT", default_value = "100", value_parser = values::count_or_off(100_000), help_heading = "Notifications")]
    pub notification_rate_limit: OrOff<NonZeroUsize>,

    /// How phones are reached.
    #[command(flatten)]
    pub push: PushFlags,

    /// What is made from events.
    #[command(flatten)]
    pub rules: RulesFlags,
}

impl NotificationFlags {
    /// Puts them into the settings.
    ///
    /// # Errors
    /// One that can't be used.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), SettingsError> {
        settings.retention = self.notification_retention;
        settings.per_user = self.notification_max_per_user;
        settings.rate_limit = self.notification_rate_limit.on();
        self.push.apply(&mut settings.push)?;
        self.rules.apply(&mut settings.rules)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{CommandFactory as _, Parser};
    use service_kit::settings::{Asked, gaps, read};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        notification: NotificationFlags,
    }

    fn flags(env: &[(&str, &str)]) -> Result<NotificationFlags, String> {
        let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        match read::<Program>([OsString::from("notification-service")], env) {
            Ok(Asked::Run { flags: program, .. }) => Ok(program.notification),
            Ok(Asked::Print(text)) => Err(text),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_settings_and_can_be_set() {
        let defaults = flags(&[]).expect("defaults");
        assert_eq!(defaults.notification_retention, Duration::from_secs(90 * 86_400));
        assert_eq!(defaults.notification_max_per_user.get(), 100_000);
        assert_eq!(defaults.notification_rate_limit.on(), NonZeroUsize::new(100));
        assert_eq!(
            flags(&[("NOTIFICATION_RATE_LIMIT", "0")]).expect("off").notification_rate_limit.on(),
            None
        );
        for (name, value) in [
            ("NOTIFICATION_RETENTION", "1s"),
            ("NOTIFICATION_MAX_PER_USER", "0"),
            ("NOTIFICATION_RATE_LIMIT", "many"),
        ] {
            let error = flags(&[(name, value)]).expect_err("out of bounds");
            assert!(error.starts_with(name), "{error}");
        }
        assert_eq!(gaps(&Program::command()), Vec::<String>::new());
    }
}
