//! One Ed25519 key: making it, and how its public half is written (RFC 8037).

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The algorithm of every key that is made here.
pub(super) const ALGORITHM: &str = "EdDSA";

/// A new key. Without `Debug`, since the private half is in it.
pub(super) struct Pair {
    /// Its id: the thumbprint of the public half (RFC 7638).
    pub(super) kid: String,
    /// The private half in PKCS #8.
    pub(super) private: Vec<u8>,
    /// The public half as a JSON Web Key.
    pub(super) jwk: String,
}

impl Pair {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn new() -> anyhow::Result<Self> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok().context("no key can be made")?;
        let x = URL_SAFE_NO_PAD.encode(check(document.as_ref())?);
        let required = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(required.as_bytes()));
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": ALGORITHM, "use": "sig", "kid": kid, "x": x});
        Ok(Self { kid, private: document.as_ref().to_vec(), jwk: jwk.to_string() })
    }
}

/// The public half of a private one.
///
/// # Errors
/// It is no Ed25519 key in PKCS #8.
pub(super) fn check(private: &[u8]) -> anyhow::Result<Vec<u8>> {
    let pair = Ed25519KeyPair::from_pkcs8(private).ok().context("it is no Ed25519 key in PKCS #8")?;
    Ok(pair.public_key().as_ref().to_vec())
}
