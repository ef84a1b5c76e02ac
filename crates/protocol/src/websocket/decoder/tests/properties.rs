//! What holds for any stream, valid or not, however the network cuts it.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::websocket::compress;

/// A message or control frame, and how its client puts it on the wire.
#[derive(Debug, Clone)]
struct Sent {
    message: Owned,
    compressed: bool,
    /// Where the payload is cut into fragments; for control frames unused.
    cuts: Vec<Index>,
    /// Pings between the fragments.
    pings: bool,
    mask: [u8; 4],
}

impl Sent {
    /// Appends the frames, and what a server has to see of them.
    fn write(&self, wire: &mut Vec<u8>, expected: &mut Vec<Owned>) {
        let (opcode, payload) = match &self.message {
            Owned::Text(text) => (Opcode::Text, text.as_bytes()),
            Owned::Binary(bytes) => (Opcode::Binary, &bytes[..]),
            Owned::Ping(bytes) => (Opcode::Ping, &bytes[..]),
            Owned::Pong(bytes) => (Opcode::Pong, &bytes[..]),
            Owned::Close(_) => unreachable!("not generated"),
        };
        if opcode.is_control() {
            wire.extend(masked_frame(opcode, true, false, payload, self.mask));
            expected.push(self.message.clone());
            return;
        }
        let payload = if self.compressed { compress(payload) } else { payload.to_vec() };
        let mut ends: Vec<usize> = self.cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        ends.push(payload.len());
        ends.sort_unstable();
        let mut start = 0;
        for (at, &end) in ends.iter().enumerate() {
            let last = at + 1 == ends.len();
            let (opcode, rsv1) =
                if at == 0 { (opcode, self.compressed) } else { (Opcode::Continuation, false) };
            wire.extend(masked_frame(opcode, last, rsv1, &payload[start..end], self.mask));
            start = end;
            if self.pings && !last {
                wire.extend(masked_frame(Opcode::Ping, true, false, &[at as u8], self.mask));
                expected.push(Owned::Ping(vec![at as u8]));
            }
        }
        expected.push(self.message.clone());
    }
}

fn message() -> impl Strategy<Value = Owned> {
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        3 => "\\PC{0,80}".prop_map(Owned::Text),
        1 => "[a-z]{100,400}".prop_map(Owned::Text),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Owned::Binary),
        1 => control().prop_map(Owned::Ping),
        1 => control().prop_map(Owned::Pong),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    (message(), any::<bool>(), prop::collection::vec(any::<Index>(), 0..4), any::<bool>(), any::<[u8; 4]>())
        .prop_map(|(message, compressed, cuts, pings, mask)| Sent { message, compressed, cuts, pings, mask })
}

/// Cuts a stream at the given places and feeds the pieces.
fn feed_cut(limits: Limits, wire: &[u8], cuts: &[Index]) -> (Vec<Owned>, Result<(), CodecError>, Decoder) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    ends.push(wire.len());
    ends.sort_unstable();
    let mut client = Client::new(limits);
    let mut start = 0;
    let mut result = Ok(());
    for end in ends {
        result = client.send(&wire[start..end]);
        start = end;
        if result.is_err() || matches!(client.seen.last(), Some(Owned::Close(_))) {
            break;
        }
    }
    (client.seen, result, client.decoder)
}

/// Bytes that get past the first checks often enough to reach the later ones.
fn nearly_valid() -> impl Strategy<Value = Vec<u8>> {
    let frame = (
        prop::sample::select(vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0x41, 0xF3]),
        prop::sample::select(vec![0x80, 0x81, 0x85, 0x90, 0xFD, 0xFE, 0xFF, 0x05]),
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(first, second, rest)| [&[first, second][..], &rest].concat());
    prop::collection::vec(frame, 0..6).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn any_split_of_a_valid_stream_gives_the_same_messages(
        stream in prop::collection::vec(sent(), 0..6),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for sent in &stream {
            sent.write(&mut wire, &mut expected);
        }
        let (seen, result, decoder) = feed_cut(DEFLATE, &wire, &cuts);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(&seen, &expected);
        prop_assert!(decoder.is_idle());

        let mut slowly = Client::new(DEFLATE);
        prop_assert_eq!(slowly.send_slowly(&wire), Ok(()));
        prop_assert_eq!(slowly.seen, expected);
        prop_assert!(slowly.decoder.is_idle());
    }

    #[test]
    fn the_decoder_is_idle_after_every_message(stream in prop::collection::vec(sent(), 1..6)) {
        let mut client = Client::new(DEFLATE);
        for sent in &stream {
            let mut wire = Vec::new();
            sent.write(&mut wire, &mut Vec::new());
            client.send(&wire[..wire.len() - 1]).unwrap();
            prop_assert!(!client.decoder.is_idle());
            client.send(&wire[wire.len() - 1..]).unwrap();
            prop_assert!(client.decoder.is_idle());
            prop_assert_eq!(client.decoder.buffered(), 0);
        }
    }

    #[test]
    fn any_split_of_any_stream_gives_the_same_messages_and_the_same_error(
        wire in prop_oneof![nearly_valid(), prop::collection::vec(any::<u8>(), 0..200)],
        cuts in prop::collection::vec(any::<Index>(), 0..8),
        deflate in any::<bool>(),
    ) {
        let limits = Limits { max_message: 100, deflate };
        let (seen, result, decoder) = feed_cut(limits, &wire, &[]);
        let (seen_cut, result_cut, decoder_cut) = feed_cut(limits, &wire, &cuts);
        prop_assert_eq!(seen, seen_cut);
        prop_assert_eq!(result, result_cut);
        prop_assert_eq!(decoder.is_idle(), decoder_cut.is_idle());
        prop_assert!(decoder_cut.buffered() <= size_of::<State>() + 125 + wire_limit(100, true));
    }

    #[test]
    fn a_damaged_valid_stream_never_panics_nor_exceeds_its_limit(
        stream in prop::collection::vec(sent(), 1..4),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let mut wire = Vec::new();
        for sent in &stream {
            sent.write(&mut wire, &mut Vec::new());
        }
        for (at, byte) in &damage {
            let at = at.index(wire.len());
            wire[at] = *byte;
        }
        let limits = Limits { max_message: 500, deflate: true };
        let (seen, _, _) = feed_cut(limits, &wire, &cuts);
        for message in seen {
            match message {
                Owned::Text(text) => prop_assert!(text.len() <= 500),
                Owned::Binary(bytes) => prop_assert!(bytes.len() <= 500),
                Owned::Ping(bytes) | Owned::Pong(bytes) => prop_assert!(bytes.len() <= 125),
                Owned::Close(_) => {}
            }
        }
    }
}
