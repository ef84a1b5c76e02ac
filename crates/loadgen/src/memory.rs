//! What a client remembers that wants to miss nothing: its positions in its streams, and the token that resumes its connection.
//!
//! Not in it: when it comes back ([`crate::comeback`]), and how it is connected ([`crate::fleet`]).

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde_json::Value;

/// Where the members of an event's place stand at the latest, counted from its end: a name of 200 bytes twice, and numbers.
const TAIL: usize = 600;
const OFFSET: &[u8] = b",\"offset\":";
const CHANNEL: &[u8] = b",\"channel\":\"";

/// The last event of one stream that the client has had.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    stream: String,
    epoch: String,
    offset: u64,
}

/// How a client asks for what it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    /// `subscribe` with positions, or without where it has none.
    Subscribe,
    /// `resume` with token and positions, where it has a token.
    Resume,
}

/// What an answer said about a client's streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Streams in which all that was missed follows.
    pub(crate) recovered: u64,
    /// Streams in which it is not known what was missed.
    pub(crate) gaps: u64,
}

/// One client's memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    places: Vec<Place>,
    token: Option<String>,
}

impl Memory {
    /// The first frame of a connection; a token is used up by it.
    pub(crate) fn request(&mut self, channel: &str, how: Return) -> String {
        let mut text = match self.token.take().filter(|_| how == Return::Resume) {
            Some(token) => format!("{{\"type\":\"resume\",\"token\":\"{token}\""),
            None => {
                format!("{{\"type\":\"subscribe\",\"channels\":[\"{channel}\"],\"recoverable\":true")
            }
        };
        text.push_str(",\"positions\":{");
        for (at, Place { stream, epoch, offset }) in self.places.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\"{stream}\":{{\"epoch\":\"{epoch}\",\"offset\":{offset}}}");
        }
        text.push_str("}}");
        text
    }

    /// Takes the answer to it, `subscribed` or `resumed`.
    ///
    /// # Errors
    /// It is not the answer of a server that offers recovery.
    pub(crate) fn learn(&mut self, payload: &[u8]) -> anyhow::Result<Told> {
        let answer: Value = serde_json::from_slice(payload)?;
        let data = &answer["data"];
        let Some(positions) = data["positions"].as_object() else {
            anyhow::bail!("the server offers no recovery")
        };
        self.token = data["resume"].as_str().map(str::to_owned);
        let mut told = Told::default();
        for (stream, position) in positions {
            let epoch = position["epoch"].as_str().unwrap_or_default().to_owned();
            let offset = position["offset"].as_u64().unwrap_or_default();
            match position["recovered"].as_bool() {
                Some(true) => {
                    told.recovered += 1;
                    continue;
                }
                Some(false) => told.gaps += 1,
                None => {}
            }
            match self.places.iter_mut().find(|place| place.stream == *stream) {
                Some(place) => (place.epoch, place.offset) = (epoch, offset),
                None => self.places.push(Place { stream: stream.clone(), epoch, offset }),
            }
        }
        Ok(told)
    }

    /// Moves on with an event; says whether it is the one that comes next in its stream.
    #[inline]
    pub(crate) fn follow(&mut self, payload: &[u8]) -> bool {
        let Some((stream, offset)) = place_of(payload) else { return false };
        let place = self.places.iter_mut().find(|place| place.stream.as_bytes() == stream);
        let Some(place) = place else { return false };
        let is_next = offset == place.offset + 1;
        place.offset = offset;
        is_next
    }
}

/// Stream and offset of an event, from the members that stand behind its data.
fn place_of(payload: &[u8]) -> Option<(&[u8], u64)> {
    let tail = &payload[payload.len().saturating_sub(TAIL)..];
    let offset_at = memchr::memmem::rfind(tail, OFFSET)?;
    let channel_at = memchr::memmem::rfind(&tail[..offset_at], CHANNEL)? + CHANNEL.len();
    let stream = tail[channel_at..offset_at].strip_suffix(b"\"")?;
    let digits = tail[offset_at + OFFSET.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let offset = digits.fold(0u64, |value, byte| value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')));
    Some((stream, offset))
}
