//! Tests of the decoder: what it delivers, what it refuses, and what it holds meanwhile.

mod properties;
mod rules;

use std::ops::ControlFlow;

use super::*;
use crate::websocket::masked_frame;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const LIMITS: Limits = Limits { max_message: 1 << 16, deflate: false };
const DEFLATE: Limits = Limits { deflate: true, ..LIMITS };

/// An [`Incoming`] that owns what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Incoming<'_>> for Owned {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text.to_owned()),
            Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Incoming::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Incoming::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Incoming::Close(close) => Self::Close(close.map(|(code, reason)| (code, reason.to_owned()))),
        }
    }
}

/// A decoder with everything it has delivered.
struct Client {
    limits: Limits,
    decoder: Decoder,
    seen: Vec<Owned>,
}

impl Client {
    fn new(limits: Limits) -> Self {
        Self { limits, decoder: Decoder::default(), seen: Vec::new() }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let seen = &mut self.seen;
        self.decoder.feed(&self.limits, &mut bytes.to_vec(), &mut |incoming| {
            seen.push(incoming.into());
            ControlFlow::Continue(())
        })
    }

    /// Sends byte by byte; on an error says how many bytes it took.
    fn send_slowly(&mut self, bytes: &[u8]) -> Result<(), (CodecError, usize)> {
        for (at, byte) in bytes.iter().enumerate() {
            self.send(&[*byte]).map_err(|error| (error, at + 1))?;
        }
        Ok(())
    }
}

fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    masked_frame(opcode, fin, false, payload, MASK)
}

fn text(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Text, true, payload)
}

fn deflated(fin: bool, payload: &[u8]) -> Vec<u8> {
    masked_frame(Opcode::Text, fin, true, payload, MASK)
}

/// What a stream gives, fed at once; fed byte by byte it has to give the same, and end as idle.
#[track_caller]
fn decode_with(limits: Limits, bytes: &[u8]) -> (Vec<Owned>, Result<(), CodecError>) {
    let mut at_once = Client::new(limits);
    let result = at_once.send(bytes);
    if !matches!(at_once.seen.last(), Some(Owned::Close(_))) {
        let mut slowly = Client::new(limits);
        assert_eq!(slowly.send_slowly(bytes).map_err(|(error, _)| error), result);
        assert_eq!(slowly.seen, at_once.seen);
        assert_eq!(slowly.decoder.buffered(), 0);
    }
    assert!(at_once.decoder.is_idle());
    assert_eq!(at_once.decoder.buffered(), 0);
    (at_once.seen, result)
}

#[track_caller]
fn decode(bytes: &[u8]) -> Vec<Owned> {
    let (seen, result) = decode_with(DEFLATE, bytes);
    assert_eq!(result, Ok(()));
    seen
}

#[track_caller]
fn refused(bytes: &[u8]) -> CodecError {
    refused_with(DEFLATE, bytes)
}

#[track_caller]
fn refused_with(limits: Limits, bytes: &[u8]) -> CodecError {
    decode_with(limits, bytes).1.expect_err("a violation")
}

fn owned(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}
