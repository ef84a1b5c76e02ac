//! The service's own settings as flags and variables; those that every service has are `rest::settings::ServiceFlags`.

use std::num::NonZeroUsize;
use std::time::Duration;

use service_kit::settings::values::{self, OrOff};

use crate::service::Settings;

/// The chat service's own flags.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct ChatFlags {
    /// The longest chat message, in bytes of UTF-8.
    ///
    /// Values: a size from 1 to 32KiB.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "SIZE", default_value = "4KiB", value_parser = values::size(1, 32 * 1024), help_heading = "Chat")]
    pub chat_max_message: usize,

    /// Messages that one user may send in any 10 s, counted in each instance.
    ///
    /// Values: a whole number from 1 to 100000, or 0 for no limit.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "COUNT", default_value = "300", value_parser = values::count_or_off(100_000), help_heading = "Chat")]
    pub chat_rate_limit: OrOff<NonZeroUsize>,

    /// How long somebody counts as typing after the last that was heard of it.
    ///
    /// Values: a duration from 100ms to 60s.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "DURATION", default_value = "6s", value_parser = values::duration(Duration::from_millis(100), Duration::from_secs(60)), help_heading = "Chat")]
    pub chat_typing_timeout: Duration,
}

impl ChatFlags {
    /// Puts them into the settings.
    pub fn apply(&self, settings: &mut Settings) {
        settings.max_message = self.chat_max_message;
        settings.rate_limit = self.chat_rate_limit.on();
        settings.typing_timeout = self.chat_typing_timeout;
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
        chat: ChatFlags,
    }

    fn flags(env: &[(&str, &str)]) -> Result<ChatFlags, String> {
        let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        match read::<Program>([OsString::from("chat-service")], env) {
            Ok(Asked::Run { flags: program, .. }) => Ok(program.chat),
            Ok(Asked::Print(text)) => Err(text),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_contracts_numbers_are_the_defaults_and_can_be_set() {
        let defaults = flags(&[]).expect("defaults");
        assert_eq!(defaults.chat_max_message, 4096);
        assert_eq!(defaults.chat_rate_limit.on(), NonZeroUsize::new(300));
        assert_eq!(defaults.chat_typing_timeout, Duration::from_secs(6));
        assert_eq!(flags(&[("CHAT_RATE_LIMIT", "0")]).expect("off").chat_rate_limit.on(), None);
        for (name, value) in
            [("CHAT_MAX_MESSAGE", "1MiB"), ("CHAT_RATE_LIMIT", "many"), ("CHAT_TYPING_TIMEOUT", "1h")]
        {
            let error = flags(&[(name, value)]).expect_err("out of bounds");
            assert!(error.starts_with(name), "{error}");
        }
        assert_eq!(gaps(&Program::command()), Vec::<String>::new());
    }
}
