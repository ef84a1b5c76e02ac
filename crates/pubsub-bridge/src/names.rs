//! What Pub/Sub calls things: projects, topics, subscriptions, and where an emulator is. Parsed once, from settings.
//!
//! Not here: whether they exist ([`crate::setup`]).

use std::fmt;

use service_kit::settings::values::Reason;

/// The longest id of a topic or subscription (Pub/Sub: resource names).
const MOST_NAME: usize = 255;

/// The longest id of a project that is taken: those of Google Cloud have at most 30 characters behind a domain.
const MOST_PROJECT: usize = 100;

/// A project's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project(String);

/// The id of a topic or of a subscription, without its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// Where an emulator listens, `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator(String);

impl Project {
    /// Reads a project's id.
    ///
    /// # Errors
    /// It can be none.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte);
        if text.is_empty() || text.len() > MOST_PROJECT || !text.bytes().all(known) {
            return Err("it is no project id".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The full name of a topic of this project.
    #[must_use]
    pub fn topic(&self, name: &Name) -> String {
        format!("projects/{self}/topics/{name}")
    }

    /// The full name of a subscription of this project.
    #[must_use]
    pub fn subscription(&self, name: &Name) -> String {
        format!("projects/{self}/subscriptions/{name}")
    }
}

impl Name {
    /// Reads an id by Pub/Sub's rules: 3 to 255 characters, a letter first, then letters, digits and `-_.~+%`, not
    /// beginning with `goog`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+%".contains(&byte);
        if text.contains('/') {
            return Err("it has a slash in it: the project stands in PUBSUB_PROJECT".to_owned());
        }
        if !(3..=MOST_NAME).contains(&text.len()) {
            return Err("it has not 3 to 255 characters".to_owned());
        }
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.bytes().all(known) {
            return Err("it has characters that no id has".to_owned());
        }
        if text.starts_with("goog") {
            return Err("ids that begin with goog are Google's own".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Emulator {
    /// Reads `host:port`, with or without `http://`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let reason = || "it is no host:port".to_owned();
        let url = url::Url::parse(&format!("http://{text}")).map_err(|_| reason())?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let named = url.username().is_empty() && url.password().is_none();
        let (host, port) = text.rsplit_once(':').ok_or_else(reason)?;
        if !plain || !named || host.is_empty() || port.parse::<u16>().is_err() {
            return Err(reason());
        }
        Ok(Self(text.to_owned()))
    }

    /// Its address over HTTP.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_rules_of_pub_sub() {
        for good in ["receipt-updates", "abc", "a.b~c+d%e_f", &"a".repeat(255)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "ab", "1abc", "goog-x", "projects/p/topics/t", "with space", "ü-topic", &"a".repeat(256)]
        {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
        let project = Project::parse("example.com:my-project").expect("a project");
        let name = Name::parse("receipts").expect("a name");
        assert_eq!(project.topic(&name), "projects/example.com:my-project/topics/receipts");
        assert!(Project::parse("a/b").is_err() && Project::parse("").is_err());
    }

    #[test]
    fn an_emulator_is_a_host_and_a_port() {
        for good in ["localhost:8085", "127.0.0.1:1", "[::1]:8085", "http://pubsub:8085/"] {
            assert!(Emulator::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "localhost:",
            ":8085",
            "localhost:x",
            "u:p@host:1",
            "host:1/path",
            "https://h:1",
        ] {
            assert!(Emulator::parse(bad).is_err(), "{bad}");
        }
    }
}
