//! The pieces of the opening handshake that are the WebSocket protocol's own (RFC 6455 §4, RFC 7692 §7.1).
//!
//! Not here: HTTP itself, `Upgrade` and `Connection`, the origin, the path and who may connect.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest as _, Sha1};

/// The value of `Sec-WebSocket-Version` that is spoken here; also the answer to any other (RFC 6455 §4.4).
pub const VERSION: &str = "13";

/// What a server appends to the key before hashing (RFC 6455 §1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Clients make keys of random bytes; unused bits in the last character do no harm.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The length of a key in bytes, and in characters.
const KEY_BYTES: usize = 16;
const KEY_CHARACTERS: usize = 24;

const DEFLATE: &str = "permessage-deflate";
const RESPONSE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const RESPONSE_WITH_WINDOW: &str = "permessage-deflate; server_no_context_takeover; \
                                    client_no_context_takeover; server_max_window_bits=15";

/// The longest header value that is looked at, in bytes; browsers send 50.
const MAX_HEADER_VALUE: usize = 4096;

/// How many extensions are looked at in all; browsers offer one.
const MAX_EXTENSIONS: usize = 16;

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub fn accept_key(sec_websocket_key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(sec_websocket_key.as_bytes());
    hash.update(KEY_SUFFIX.as_bytes());
    STANDARD.encode(hash.finalize())
}

/// Whether a `Sec-WebSocket-Key` is what RFC 6455 §4.1 asks for: 16 bytes in base64.
pub fn check_key(sec_websocket_key: &str) -> bool {
    let mut key = [0; KEY_CHARACTERS];
    sec_websocket_key.len() == KEY_CHARACTERS
        && KEY_BASE64.decode_slice(sec_websocket_key, &mut key) == Ok(KEY_BYTES)
}

/// Whether a `Sec-WebSocket-Version` is [`VERSION`].
pub fn check_version(sec_websocket_version: &str) -> bool {
    sec_websocket_version == VERSION
}

/// Chooses permessage-deflate among the values of the `Sec-WebSocket-Extensions` headers, and returns the
/// value of the answer's header; `None` when no offer can be accepted (RFC 7692 §5.1 and §7.1).
///
/// The first acceptable offer counts. The answer always names both `no_context_takeover` parameters, so that
/// no connection holds a window. A smaller window for the server is declined (its frames are shared by all
/// connections); `server_max_window_bits=15` is accepted and, as §7.1.2.1 demands, repeated in the answer;
/// any `client_max_window_bits` is accepted and left unanswered, since a full window inflates everything.
///
/// A header that is not a list of extensions (RFC 6455 §9.1) is ignored from there on: it costs the client
/// compression, not the connection. So are a value beyond 4 KiB and extensions beyond the sixteenth.
pub fn negotiate_deflate<'a>(offers: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let mut left = MAX_EXTENSIONS;
    for value in offers.filter(|value| value.len() <= MAX_HEADER_VALUE) {
        let mut cursor = Cursor { rest: value };
        loop {
            cursor.skip_empty_elements();
            if cursor.rest.is_empty() {
                break;
            }
            if left == 0 {
                return None;
            }
            left -= 1;
            match extension(&mut cursor) {
                Ok(Some(response)) => return Some(response),
                Ok(None) => {}
                Err(NotAList) => break,
            }
        }
    }
    None
}

/// The header is not an `extension-list`.
struct NotAList;

/// Reads one extension with its parameters, and judges it.
fn extension(cursor: &mut Cursor<'_>) -> Result<Option<&'static str>, NotAList> {
    let is_deflate = cursor.token()?.eq_ignore_ascii_case(DEFLATE);
    let mut offer = Offer::default();
    let mut acceptable = is_deflate;
    while cursor.eat(';') {
        let name = cursor.token()?;
        let value = if cursor.eat('=') { Some(cursor.value()?) } else { None };
        // The rest of a refused offer is still read, to find where the next one starts.
        acceptable = acceptable && offer.accept(name, value.as_deref());
    }
    if !cursor.rest.is_empty() && !cursor.eat(',') {
        return Err(NotAList);
    }
    Ok(acceptable.then_some(if offer.server_window { RESPONSE_WITH_WINDOW } else { RESPONSE }))
}

/// Which parameters an offer has named; each may come once (RFC 7692 §7.1).
#[derive(Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_window: bool,
    client_window: bool,
}

impl Offer {
    /// Takes one parameter in; false when the offer has to be declined for it.
    fn accept(&mut self, name: &str, value: Option<&str>) -> bool {
        let (seen, admissible) = if name.eq_ignore_ascii_case("server_no_context_takeover") {
            (&mut self.server_no_context_takeover, value.is_none())
        } else if name.eq_ignore_ascii_case("client_no_context_takeover") {
            (&mut self.client_no_context_takeover, value.is_none())
        } else if name.eq_ignore_ascii_case("server_max_window_bits") {
            (&mut self.server_window, value == Some("15"))
        } else if name.eq_ignore_ascii_case("client_max_window_bits") {
            (&mut self.client_window, value.is_none_or(is_window_bits))
        } else {
            return false;
        };
        let first = !*seen;
        *seen = true;
        first && admissible
    }
}

/// A decimal from 8 to 15 without leading zeros (RFC 7692 §7.1.2).
fn is_window_bits(value: &str) -> bool {
    matches!(value, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// What is left of a header value.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// The `#rule` of HTTP allows empty elements between commas.
    fn skip_empty_elements(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
    }

    /// Takes a separator with the spaces around it.
    fn eat(&mut self, separator: char) -> bool {
        self.skip_spaces();
        let found = self.rest.strip_prefix(separator);
        if let Some(rest) = found {
            self.rest = rest;
            self.skip_spaces();
        }
        found.is_some()
    }

    fn token(&mut self) -> Result<&'a str, NotAList> {
        let end = self.rest.find(|c| !is_token_character(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        if token.is_empty() { Err(NotAList) } else { Ok(token) }
    }

    /// A token, or a quoted string that is a token once unquoted (RFC 6455 §9.1).
    fn value(&mut self) -> Result<Cow<'a, str>, NotAList> {
        let Some(quoted) = self.rest.strip_prefix('"') else { return self.token().map(Cow::Borrowed) };
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return if value.is_empty() { Err(NotAList) } else { Ok(Cow::Owned(value)) };
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                _ => value.push(character),
            }
            if !value.ends_with(is_token_character) {
                break;
            }
        }
        Err(NotAList)
    }
}

/// RFC 9110 §5.6.2.
fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

#[cfg(test)]
mod tests;
