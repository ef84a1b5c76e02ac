//! The tag of a node (`NODE_TAG`): what ids begin with that only this node knows, so that a proxy finds it by them.
//!
//! Ids of Socket.IO sessions and tickets of `/events`: `1.AAAAAAByVn0…`. Not here: which node a tag means (`nginx/`).

use std::fmt;
use std::str::FromStr;

use service_kit::settings::values::Reason;

/// Between tag and id. In no base64url, and no query encodes it.
const SEPARATOR: char = '.';

/// Bytes of a tag at most.
const LONGEST: usize = 16;

/// 1 to 16 of `A–Z a–z 0–9 _ -`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeTag {
    bytes: [u8; LONGEST],
    length: u8,
}

impl NodeTag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only characters of ASCII came in.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl FromStr for NodeTag {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let is_in_set = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || !text.bytes().all(is_in_set) {
            return Err(Reason::from("it has characters other than A–Z a–z 0–9 _ -"));
        }
        let mut bytes = [0; LONGEST];
        let place =
            bytes.get_mut(..text.len()).ok_or_else(|| Reason::from("it has more than 16 characters"))?;
        place.copy_from_slice(text.as_bytes());
        // At most 16.
        Ok(Self { bytes, length: u8::try_from(text.len()).unwrap_or_default() })
    }
}

impl fmt::Debug for NodeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeTag({})", self.as_str())
    }
}

/// The id as clients get it: behind the node's tag, where it has one.
#[must_use]
pub(crate) fn tagged(tag: Option<NodeTag>, id: &str) -> String {
    match tag {
        Some(tag) => format!("{}{SEPARATOR}{id}", tag.as_str()),
        None => id.to_owned(),
    }
}

/// The id behind the tag, whosever tag that is: an id is known or not, whatever stands before it.
#[must_use]
pub(crate) fn untagged(text: &str) -> &str {
    text.rsplit_once(SEPARATOR).map_or(text, |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_short_and_needs_no_encoding_in_a_query() {
        for text in ["1", "node-2_A", "0123456789abcdef"] {
            assert_eq!(text.parse::<NodeTag>().expect("a tag").as_str(), text);
        }
        for text in ["", "a.b", "a b", "ä", "a/b", "0123456789abcdefg"] {
            assert!(text.parse::<NodeTag>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_comes_back_from_behind_its_tag() {
        let tag: NodeTag = "n-1".parse().expect("a tag");
        assert_eq!(tagged(Some(tag), "AAAA_-"), "n-1.AAAA_-");
        assert_eq!(tagged(None, "AAAA_-"), "AAAA_-");
        for text in ["n-1.AAAA_-", "other.AAAA_-", "AAAA_-", ".AAAA_-"] {
            assert_eq!(untagged(text), "AAAA_-", "{text}");
        }
    }
}
