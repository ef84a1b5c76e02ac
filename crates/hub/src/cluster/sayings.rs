//! What nodes tell each other of themselves and of their users, as bytes: a kind, then JSON. Kinds that a node does not know
//! it passes over (`words` has the others).

use std::collections::BTreeMap;

use protocol::UserId;
use protocol::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::presence::Own;

const HELLO: u8 = 16;
const FACTS: u8 = 17;
const WANT: u8 = 18;
const UNWANT: u8 = 19;
const LIST: u8 = 20;
const NEWS: u8 = 21;
const SOCKETS: u8 = 22;
const SOCKET: u8 = 23;

/// Users in one list, at most: with the longest ids that is half of what a text may have.
pub(super) const MOST_USERS: usize = 1_000;

/// Channels in one text, at most.
pub(super) const MOST_CHANNELS: usize = 2_000;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Its name.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// Hashes of what has to be the same on all nodes, by what it is.
    pub same: BTreeMap<String, String>,
}

/// A user in a channel: the id, whether it is a number, since when it is there; 0 is gone, and -1 a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UserText(String, bool, i64);

/// A user in a channel, as lists have it: whether a grace runs, besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListedText(String, bool, i64, bool);

/// A user in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SocketText {
    /// The namespace.
    pub space: String,
    /// The user's id.
    pub user: String,
    /// Whether that is a number.
    pub is_number: bool,
    /// Whether the node has sockets of the user.
    pub is_here: bool,
    /// The socket with which the user's being there began, in hexadecimal digits, and when that was, in milliseconds since
    /// 1970.
    pub first: (String, i64),
    /// The one that came when there last was none.
    pub last: (String, i64),
    /// Whether the others were told, and the number of the event by which they were, or were told otherwise.
    pub told: (bool, u64),
}

/// What another node says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Saying {
    /// It begins to hear, and wants to know all.
    Hello,
    /// What it is.
    Facts(Facts),
    /// It wants to know who is in these channels. The first of several texts says whether it wants no others.
    Want { is_all: bool, channels: Vec<String> },
    /// It no longer wants that.
    Unwant { channels: Vec<String> },
    /// A part of all its users in a channel.
    List { channel: String, is_first: bool, is_last: bool, users: Vec<ListedText> },
    /// What is new of its users in a channel.
    News { channel: String, users: Vec<UserText> },
    /// A part of all its users in namespaces.
    Sockets { is_first: bool, is_last: bool, users: Vec<SocketText> },
    /// What is new of these.
    Socket { users: Vec<SocketText> },
}

impl Saying {
    /// Its bytes.
    pub(super) fn bytes(&self) -> Box<[u8]> {
        let kind = match self {
            Self::Hello => HELLO,
            Self::Facts(_) => FACTS,
            Self::Want { .. } => WANT,
            Self::Unwant { .. } => UNWANT,
            Self::List { .. } => LIST,
            Self::News { .. } => NEWS,
            Self::Sockets { .. } => SOCKETS,
            Self::Socket { .. } => SOCKET,
        };
        let mut bytes = vec![kind];
        // Strings and numbers are always written.
        let _ = serde_json::to_writer(&mut bytes, self);
        bytes.into()
    }

    /// Reads one; none where it is none of these.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        (HELLO..=SOCKET).contains(&kind).then(|| serde_json::from_slice(rest).ok()).flatten()
    }
}

/// An id as another node wrote it.
pub(super) fn user_id(text: &str, is_number: bool) -> Option<UserId> {
    if is_number { UserId::from_number(text).ok() } else { UserId::from_text(text).ok() }
}

impl UserText {
    pub(super) fn new(user: &UserId, own: Own) -> Self {
        let since = match own {
            Own::Here(since) => since.as_millis().max(1),
            Own::InGrace => -1,
            Own::Gone => 0,
        };
        Self(user.as_str().to_owned(), user.is_number(), since)
    }

    pub(super) fn get(&self) -> Option<(UserId, Own)> {
        let own = match self.2 {
            0 => Own::Gone,
            -1 => Own::InGrace,
            since => Own::Here(Timestamp::from_millis(since)),
        };
        Some((user_id(&self.0, self.1)?, own))
    }
}

impl ListedText {
    pub(super) fn new((user, since, own): &(UserId, Timestamp, Own)) -> Self {
        Self(user.as_str().to_owned(), user.is_number(), since.as_millis(), *own == Own::InGrace)
    }

    pub(super) fn get(&self) -> Option<(UserId, Timestamp, Own)> {
        let since = Timestamp::from_millis(self.2);
        Some((user_id(&self.0, self.1)?, since, if self.3 { Own::InGrace } else { Own::Here(since) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_is_read_as_it_was_said() {
        let user = UserId::from_number("7").expect("id");
        let text = UserId::from_text("a \"b\"").expect("id");
        let since = Timestamp::from_millis(1_700_000_000_123);
        for own in [Own::Here(since), Own::InGrace, Own::Gone] {
            let saying = Saying::News {
                channel: "jobs".into(),
                users: vec![UserText::new(&user, own), UserText::new(&text, own)],
            };
            let Some(Saying::News { channel, users }) = Saying::read(&saying.bytes()) else {
                panic!("read as another one");
            };
            let users: Vec<_> = users.iter().filter_map(UserText::get).collect();
            assert_eq!((channel.as_str(), users), ("jobs", vec![(user.clone(), own), (text.clone(), own)]));
            assert!(user_id("7", true).is_some_and(|user| user.is_number()));
        }
        assert!(matches!(Saying::read(&Saying::Hello.bytes()), Some(Saying::Hello)));
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        for bytes in [&b""[..], b"\x01{}", b"\x10", b"\x10[", b"\x30\"Hello\"", b"\x12{\"Want\":3}"] {
            assert!(Saying::read(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn the_longest_list_fits_into_a_text() {
        let user = UserId::from_text(&"\"".repeat(194)).expect("id");
        let listed = ListedText::new(&(user, Timestamp::from_millis(i64::MAX), Own::InGrace));
        let users = vec![listed; MOST_USERS];
        let saying = Saying::List { channel: "c".repeat(200), is_first: true, is_last: true, users };
        assert!(saying.bytes().len() <= 1 << 20);
        let channels = vec!["c".repeat(200); MOST_CHANNELS];
        assert!(Saying::Want { is_all: true, channels }.bytes().len() <= 1 << 20);
    }
}
