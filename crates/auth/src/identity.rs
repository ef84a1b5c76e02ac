//! What a verified token says: the claims, read once into types and checked against the clock.
//!
//! Second half of a token's way; [`super::jwt`] has checked the signature before anything here looks at a claim. Not
//! here: the rules that use the identity (the engine's), and telling a client that its token is about to end.

use std::time::Duration;

use protocol::id::check_session;
use protocol::{ChannelPattern, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::jwt::TokenError;

/// The most patterns in the `channels` claim: as many as a connection may have channels (contract: channels, Limits).
pub const MAX_CHANNEL_PATTERNS: usize = 100;

/// The longest `user_type`, in bytes.
pub const MAX_USER_TYPE: usize = 100;

/// The latest end of a token that is kept; what is later is cut to it. It is 9999-12-30T22:00:00Z, the last second
/// that a timestamp on the wire can show, so that nobody who calculates with an expiry has to think of overflow.
pub const LATEST_EXPIRY: u64 = 253_402_207_200;

/// Who a token speaks for, after its signature and its claims have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The user: the `user_id` claim, else `sub`. A number stays a number, and `456` and `"456"` are equal.
    pub user_id: UserId,
    /// The `user_type` claim (`employer`, `worker`, …).
    pub user_type: Option<Box<str>>,
    /// The `channels` claim: what the user may follow. `None` where the token says nothing about it; an empty list
    /// allows no channel.
    pub channels: Option<Vec<ChannelPattern>>,
    /// The `sid` claim: the sign-in that the token belongs to, 1 to 64 bytes of visible ASCII. Who ends a session has its
    /// connections closed by it.
    pub session: Option<Box<str>>,
    /// When the token ends, in seconds since 1970; from that second on it is not valid. At most [`LATEST_EXPIRY`].
    pub expires_at: u64,
}

/// What the claims of every token are checked against.
#[derive(Debug, Clone, Default)]
pub(super) struct ClaimRules {
    /// The accepted `iss`. Empty: any, or none.
    pub(super) issuers: Vec<String>,
    /// One of these must stand in `aud`. Empty: any, or none.
    pub(super) audiences: Vec<String>,
    /// How far `nbf` may lie ahead of our clock.
    pub(super) clock_skew: Duration,
}

/// The claims that mean something here, as they stand in the token. A claim that is there twice is an error, so that
/// no other reader of the same token can see another user in it.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow, default)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sub: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    exp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    nbf: Option<&'a RawValue>,
    #[serde(borrow, default)]
    iss: Option<&'a RawValue>,
    #[serde(borrow, default)]
    aud: Option<&'a RawValue>,
}

/// `aud` is one name or a list of names (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl ClaimRules {
    /// Reads and checks the claims of a token whose signature is good; `now` is in seconds since 1970.
    ///
    /// An expired token is told so whatever else is wrong with it: that is what its client can act on.
    pub(super) fn check(&self, payload: &[u8], now: u64) -> Result<VerifiedToken, TokenError> {
        let claims: Claims<'_> = object(payload).ok_or(TokenError::Malformed)?;

        let expires_at =
            seconds(claims.exp.ok_or(TokenError::MissingClaim("exp"))?, "exp")?.min(LATEST_EXPIRY);
        // RFC 7519 §4.1.4: not accepted on or after that time.
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        if let Some(raw) = claims.nbf
            && seconds(raw, "nbf")? > now.saturating_add(self.clock_skew.as_secs())
        {
            return Err(TokenError::NotYetValid);
        }
        self.check_issuer(claims.iss)?;
        self.check_audience(claims.aud)?;

        let (name, raw) = match (claims.user_id, claims.sub) {
            (Some(raw), _) => ("user_id", raw),
            (None, Some(raw)) => ("sub", raw),
            (None, None) => return Err(TokenError::MissingClaim("user_id")),
        };
        Ok(VerifiedToken {
            user_id: UserId::from_json(raw.get()).map_err(|_| TokenError::InvalidClaim(name))?,
            user_type: claims.user_type.map(user_type).transpose()?,
            channels: claims.channels.map(channels).transpose()?,
            session: claims.sid.map(session).transpose()?,
            expires_at,
        })
    }

    fn check_issuer(&self, raw: Option<&RawValue>) -> Result<(), TokenError> {
        if self.issuers.is_empty() {
            return Ok(());
        }
        let raw = raw.ok_or(TokenError::MissingClaim("iss"))?;
        let given: String = serde_json::from_str(raw.get()).map_err(|_| TokenError::InvalidClaim("iss"))?;
        if self.issuers.contains(&given) { Ok(()) } else { Err(TokenError::WrongIssuer) }
    }

    fn check_audience(&self, raw: Option<&RawValue>) -> Result<(), TokenError> {
        if self.audiences.is_empty() {
            return Ok(());
        }
        let raw = raw.ok_or(TokenError::MissingClaim("aud"))?;
        let named = match serde_json::from_str(raw.get()).map_err(|_| TokenError::InvalidClaim("aud"))? {
            Audience::One(one) => self.audiences.contains(&one),
            Audience::Many(many) => many.iter().any(|one| self.audiences.contains(one)),
        };
        if named { Ok(()) } else { Err(TokenError::WrongAudience) }
    }
}

/// Reads a JSON object, and nothing else: serde alone would also take the members from an array, by their places.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// A NumericDate: seconds since 1970, perhaps with a fraction, which is dropped. What lies before 1970 is 0.
fn seconds(raw: &RawValue, claim: &'static str) -> Result<u64, TokenError> {
    let number: serde_json::Number =
        serde_json::from_str(raw.get()).map_err(|_| TokenError::InvalidClaim(claim))?;
    if let Some(whole) = number.as_u64() {
        return Ok(whole);
    }
    let number = number.as_f64().filter(|n| n.is_finite()).ok_or(TokenError::InvalidClaim(claim))?;
    // `as` saturates: a negative time becomes 0 and one beyond all clocks the largest number.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating is what is meant"
    )]
    Ok(number as u64)
}

fn user_type(raw: &RawValue) -> Result<Box<str>, TokenError> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| TokenError::InvalidClaim("user_type"))?;
    if text.is_empty() || text.len() > MAX_USER_TYPE || text.chars().any(char::is_control) {
        return Err(TokenError::InvalidClaim("user_type"));
    }
    Ok(text.into())
}

fn session(raw: &RawValue) -> Result<Box<str>, TokenError> {
    let text: Box<str> = serde_json::from_str(raw.get()).map_err(|_| TokenError::InvalidClaim("sid"))?;
    check_session(&text).map_err(|_| TokenError::InvalidClaim("sid"))?;
    Ok(text)
}

fn channels(raw: &RawValue) -> Result<Vec<ChannelPattern>, TokenError> {
    let wrong = TokenError::InvalidClaim("channels");
    let Ok(patterns) = serde_json::from_str::<Vec<String>>(raw.get()) else { return Err(wrong) };
    if patterns.len() > MAX_CHANNEL_PATTERNS {
        return Err(wrong);
    }
    patterns.iter().map(|pattern| ChannelPattern::new(pattern).map_err(|_| wrong)).collect()
}

#[cfg(test)]
mod tests;
