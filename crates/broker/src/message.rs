//! What comes through a channel: an event with the head that the script wrote, what a node says, and that nodes came or went.
//!
//! ```text
//! event = "E" number [" " epoch ":" offset]… "\n" publication        said = "S" node "\n" text        nodes = "N"
//! ```

use std::sync::Arc;

use hub::broker::{Event, NodeId, Shared};
use protocol::{Epoch, Position};

use crate::form::bytes::FormError;
use crate::form::read_shared;

/// A message of a channel.
#[derive(Debug)]
pub(crate) enum Message<'m> {
    /// An event.
    Event(Event),
    /// Another node says this.
    Said(NodeId, &'m [u8]),
    /// Nodes came or went.
    Nodes,
}

/// Reads messages. Keeps the last event, since a node gets one as often as it follows its streams.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    last: Option<(u64, Arc<Shared>)>,
}

impl Messages {
    /// Reads one.
    pub(crate) fn read<'m>(&mut self, bytes: &'m [u8]) -> Result<Message<'m>, FormError> {
        match bytes {
            [b'E', ..] => self.event(bytes).map(Message::Event),
            [b'N'] => Ok(Message::Nodes),
            [b'S', rest @ ..] => {
                let end = line(rest)?;
                let node = text(&rest[..end])?.parse().map_err(|_| FormError::Content("no node"))?;
                Ok(Message::Said(node, &rest[end + 1..]))
            }
            _ => Err(FormError::Version(bytes.first().copied().unwrap_or_default())),
        }
    }

    /// Reads an event.
    pub(crate) fn event(&mut self, bytes: &[u8]) -> Result<Event, FormError> {
        let rest = bytes.strip_prefix(b"E").ok_or(FormError::Content("no event"))?;
        let end = line(rest)?;
        let mut words = text(&rest[..end])?.split(' ');
        let seq = number(words.next().unwrap_or_default())?;
        let places = words.map(position).collect::<Result<Vec<_>, _>>()?;
        let event = match &self.last {
            Some((last, event)) if *last == seq => Arc::clone(event),
            _ => {
                let event = Arc::new(read_shared(&rest[end + 1..])?);
                self.last = Some((seq, Arc::clone(&event)));
                event
            }
        };
        if !places.is_empty() && places.len() != event.streams.len() {
            return Err(FormError::Content("not as many places as streams"));
        }
        Ok(Event { seq, event, places })
    }
}

fn line(bytes: &[u8]) -> Result<usize, FormError> {
    bytes.iter().position(|&byte| byte == b'\n').ok_or(FormError::CutOff)
}

fn text(bytes: &[u8]) -> Result<&str, FormError> {
    std::str::from_utf8(bytes).map_err(|_| FormError::Content("a head that is no text"))
}

/// Reads a decimal number.
pub(crate) fn number(text: &str) -> Result<u64, FormError> {
    text.parse().map_err(|_| FormError::Content("no number"))
}

fn position(text: &str) -> Result<Position, FormError> {
    let (epoch, offset) = text.split_once(':').ok_or(FormError::CutOff)?;
    Ok(Position { epoch: Epoch::from_bits(number(epoch)?), offset: number(offset)? })
}
