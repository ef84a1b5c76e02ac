//! Whether a token was signed by a key that we trust; first half of a token's way, before its claims are read.
//!
//! A [`Verifier`] holds all keys at once: a shared secret, the public keys of a file, those that this process makes
//! itself, and those that the identity provider publishes ([`super::jwks`]). Which of them are tried is decided by the *key's* algorithm. A `kid` in the
//! token's header chooses among the published keys; the keys of this machine's configuration have no id and are
//! candidates for every token of their algorithm.
//!
//! Not here: where the token stands in a handshake, and what becomes of the connection when it is refused.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::identity::{ClaimRules, VerifiedToken, object};
use super::jwks::{Jwks, JwksError, JwksSettings};
use super::key::{KeyAlgorithm, VerificationKey};
use super::pem::{self, PublicKeyError};

/// The longest token that is looked at, in bytes. A token in a URL or a header has to fit 8 KiB anyway.
pub const MAX_TOKEN: usize = 8 * 1024;

/// A shared secret below this length, in bytes, can be guessed from a single token (RFC 7518 §3.2); the start warns.
pub const SAFE_SECRET: usize = 32;

/// The largest file of public keys, in bytes.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// What tokens are verified with; from the environment, each field unset where its variable is.
#[derive(Clone)]
pub struct JwtSettings {
    /// `JWT_SECRET`: the shared secret of HS256 tokens.
    pub secret: Option<String>,
    /// `JWT_PUBLIC_KEY_FILE`: a PEM file of public keys for RS256, ES256 and EdDSA tokens.
    pub public_key_file: Option<PathBuf>,
    /// `JWKS_URL`: where the identity provider publishes its keys.
    pub jwks: Option<JwksSettings>,
    /// Keys that are made in this process ([`Jwks::local`]); they are looked at ahead of the fetched ones.
    pub local: Option<Arc<Jwks>>,
    /// `JWT_ISSUER`: the accepted `iss`. Empty: `iss` is not looked at.
    pub issuers: Vec<String>,
    /// `JWT_AUDIENCE`: what may stand in `aud`, one of which has to. Empty: `aud` is not looked at.
    pub audiences: Vec<String>,
    /// How far `nbf` may lie ahead of this machine's clock; 5 s by default, so that a token can be used on the machine
    /// next door in the second in which it was made. There is none for `exp`: a connection is closed when its token
    /// ends, so a handshake with an ended one must not succeed.
    pub clock_skew: Duration,
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self {
            secret: None,
            public_key_file: None,
            jwks: None,
            local: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            clock_skew: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for JwtSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSettings")
            .field("secret", &self.secret.as_ref().map(|_| "***"))
            .field("public_key_file", &self.public_key_file)
            .field("jwks", &self.jwks)
            .field("local", &self.local)
            .field("issuers", &self.issuers)
            .field("audiences", &self.audiences)
            .field("clock_skew", &self.clock_skew)
            .finish()
    }
}

/// Why the hub cannot start with these settings. Each message begins with the variable that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum JwtSetupError {
    /// A PEM text as HMAC secret: the public half of a key pair, known to everybody, would sign tokens.
    #[error("JWT_SECRET holds a PEM key, which is no shared secret; name its file in JWT_PUBLIC_KEY_FILE")]
    SecretIsPem,
    /// The file of public keys cannot be read.
    #[error("JWT_PUBLIC_KEY_FILE: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file of public keys is none.
    #[error("JWT_PUBLIC_KEY_FILE: {}: {source}", path.display())]
    PublicKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PublicKeyError,
    },
    /// The address of the published keys is none.
    #[error("JWKS_URL: {0}")]
    Jwks(#[from] JwksError),
}

/// Why a token is refused. None of these holds the token or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three base64url parts with JSON in them, longer than [`MAX_TOKEN`], or with a claim given twice.
    #[error("the token is not a well-formed JWT")]
    Malformed,
    /// No key for the algorithm and key id in the token's header. Also what an unsigned token (`alg: none`) gets.
    #[error("no key is configured for the token's algorithm and key id")]
    UnknownKey,
    /// There were keys to try, and none of them made this signature.
    #[error("the token's signature is not valid")]
    BadSignature,
    /// `exp` is now or in the past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// `iss` is not the configured one.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// `aud` does not name us.
    #[error("the token is for another audience")]
    WrongAudience,
    /// A claim that has to be there is not.
    #[error("the token has no `{0}` claim")]
    MissingClaim(&'static str),
    /// A claim is of the wrong type, or breaks a limit.
    #[error("the token's `{0}` claim has the wrong form")]
    InvalidClaim(&'static str),
    /// The identity provider's keys could not be fetched, so nobody can tell. The one cause that is not the peer's.
    #[error("the keys to verify the token with are not available; try again")]
    KeysUnavailable,
}

impl TokenError {
    /// A short constant name of the cause, for a metric's label or a log field.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::MissingClaim(_) => "missing_claim",
            Self::InvalidClaim(_) => "invalid_claim",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// Whether the same token may be good a little later, without anything changing at the peer.
    #[must_use]
    pub const fn is_our_fault(self) -> bool {
        matches!(self, Self::KeysUnavailable)
    }
}

/// Verifies tokens. Shared by all threads; has no state but the published keys.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<VerificationKey>,
    local: Option<Arc<Jwks>>,
    jwks: Option<Arc<Jwks>>,
    rules: ClaimRules,
    warnings: Vec<String>,
}

impl Verifier {
    /// Loads all keys that the settings name. Published ones come later, by [`Jwks::run`], which the caller has to
    /// spawn where [`jwks`](Self::jwks) gives one.
    ///
    /// # Errors
    /// Says which variable is wrong, and never what a secret is.
    pub fn new(settings: JwtSettings) -> Result<Self, JwtSetupError> {
        let mut keys = Vec::new();
        let mut warnings = Vec::new();
        // An empty variable is the same as an unset one (contract: channels, Environment).
        if let Some(secret) = settings.secret.filter(|secret| !secret.is_empty()) {
            if secret.trim_start().starts_with("-----BEGIN ") {
                return Err(JwtSetupError::SecretIsPem);
            }
            if secret.len() < SAFE_SECRET {
                warnings.push(format!(
                    "JWT_SECRET has fewer than {SAFE_SECRET} bytes: whoever sees one token can guess it and sign others"
                ));
            }
            keys.push(VerificationKey::shared_secret(&secret));
        }
        if let Some(path) = settings.public_key_file {
            let text = match read_bounded(&path) {
                Ok(text) => text,
                Err(source) => return Err(JwtSetupError::Unreadable { path, source }),
            };
            match pem::public_keys(&text) {
                Ok(read) => keys.extend(read),
                Err(source) => return Err(JwtSetupError::PublicKey { path, source }),
            }
        }
        let jwks = settings.jwks.map(Jwks::new).transpose()?.map(Arc::new);
        if let Some(jwks) = &jwks {
            warnings.extend(jwks.warning());
        }
        let rules = ClaimRules {
            issuers: settings.issuers,
            audiences: settings.audiences,
            clock_skew: settings.clock_skew,
        };
        Ok(Self { keys, local: settings.local, jwks, rules, warnings })
    }

    /// A verifier by other settings that goes on with the published keys of this one, which are not fetched anew: those of
    /// `settings` are not looked at.
    ///
    /// # Errors
    /// As [`Verifier::new`].
    pub fn renewed(&self, settings: JwtSettings) -> Result<Self, JwtSetupError> {
        let renewed = Self::new(JwtSettings { jwks: None, local: self.local.clone(), ..settings })?;
        Ok(Self { jwks: self.jwks.clone(), ..renewed })
    }

    /// Whether there is anything to verify with. Without it there are no identities (contract: channels).
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || self.local.is_some() || self.jwks.is_some()
    }

    /// The published keys, where `JWKS_URL` is set: to spawn [`Jwks::run`] on, and for the metrics.
    #[must_use]
    pub fn jwks(&self) -> Option<&Arc<Jwks>> {
        self.jwks.as_ref()
    }

    /// What the start log should warn of.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Verifies a token: its signature, then its claims against this machine's clock.
    ///
    /// Takes microseconds, except where a published key has to be fetched first: then as long as that fetch, which
    /// all callers share, and never longer than its time limit and a second.
    ///
    /// # Errors
    /// The cause; see [`TokenError`].
    ///
    /// # Cancel safety
    /// May be dropped at any point; the fetch that it waited for goes on for the others.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        let token = SignedToken::parse(token)?;
        self.check_signature(&token).await?;
        let payload = URL_SAFE_NO_PAD.decode(token.payload).map_err(|_| TokenError::Malformed)?;
        // A clock before 1970 makes every `nbf` lie ahead, so it lets nobody in too early.
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        self.rules.check(&payload, now)
    }

    async fn check_signature(&self, token: &SignedToken<'_>) -> Result<(), TokenError> {
        // Ends here for `none` and everything else that no key of ours can be for.
        let algorithm = token.algorithm.ok_or(TokenError::UnknownKey)?;
        let mut tried = false;
        for key in self.keys.iter().filter(|key| key.algorithm() == algorithm) {
            tried = true;
            if token.is_signed_by(key) {
                return Ok(());
            }
        }
        let mut outcome = Err(if tried { TokenError::BadSignature } else { TokenError::UnknownKey });
        if algorithm.is_asymmetric() {
            // Our own keys first, since they never wait.
            for set in [&self.local, &self.jwks].into_iter().flatten() {
                match set.check(token, algorithm).await {
                    Ok(()) => return Ok(()),
                    Err(TokenError::UnknownKey) => {}
                    error => outcome = error,
                }
            }
        }
        outcome
    }
}

/// A token taken apart, nothing of it verified.
pub(super) struct SignedToken<'a> {
    /// What the signature is over: header, dot, payload.
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// `None` where the header names one that is not ours.
    algorithm: Option<KeyAlgorithm>,
    key_id: Option<String>,
}

/// The members of a token's header (RFC 7515 §4.1) that mean something here. Those that carry a key or an address of
/// one (`jwk`, `jku`, `x5c`, `x5u`) are not read at all.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that a reader has to understand. We know none, so a token that names any is refused.
    crit: Option<IgnoredAny>,
}

impl<'a> SignedToken<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        if payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
        let header: Header = object(&header).ok_or(TokenError::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        Ok(Self {
            message,
            payload,
            signature,
            algorithm: KeyAlgorithm::from_header(&header.alg),
            key_id: header.kid,
        })
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub(super) fn is_signed_by(&self, key: &VerificationKey) -> bool {
        key.verifies(self.message, self.signature)
    }
}

fn read_bounded(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(MAX_KEY_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_KEY_FILE {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 64 KiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
