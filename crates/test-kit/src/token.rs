//! Signers of JWTs: keys made anew in each run, none stored.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A key that signs tokens.
#[derive(Clone)]
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    public_pem: String,
    public_raw: Vec<u8>,
}

impl Signer {
    /// HS256 by a shared secret.
    #[must_use]
    pub fn hs256(secret: &str) -> Self {
        let key = EncodingKey::from_secret(secret.as_bytes());
        Self { algorithm: Algorithm::HS256, key, public_pem: String::new(), public_raw: Vec::new() }
    }

    /// RS256. One key for the whole process, since making one takes a while.
    #[must_use]
    pub fn rs256() -> Self {
        static KEY: OnceLock<Signer> = OnceLock::new();
        KEY.get_or_init(|| Self::pair(&rcgen::PKCS_RSA_SHA256, Algorithm::RS256)).clone()
    }

    /// ES256 by a new P-256 key.
    #[must_use]
    pub fn es256() -> Self {
        Self::pair(&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256)
    }

    /// `EdDSA` by a new Ed25519 key.
    #[must_use]
    pub fn eddsa() -> Self {
        Self::pair(&rcgen::PKCS_ED25519, Algorithm::EdDSA)
    }

    fn pair(kind: &'static rcgen::SignatureAlgorithm, algorithm: Algorithm) -> Self {
        let pair = rcgen::KeyPair::generate_for(kind).expect("a key pair");
        let pem = pair.serialize_pem();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        let public_raw = pair.public_key_raw().to_vec();
        Self { algorithm, key: key.expect("a key"), public_pem: pair.public_key_pem(), public_raw }
    }

    /// The public key in PEM; empty for a shared secret.
    #[must_use]
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The public key as a member of a JWK Set, with `kid` where one is given.
    #[must_use]
    pub fn jwk(&self, kid: Option<&str>) -> Value {
        let mut jwk = if self.algorithm == Algorithm::EdDSA {
            let x = URL_SAFE_NO_PAD.encode(&self.public_raw);
            json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x })
        } else {
            let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a JWK");
            serde_json::to_value(jwk).expect("JSON")
        };
        if let Some(kid) = kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    /// A token with these claims, as they are: nothing is added.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with_kid(None, claims)
    }

    /// A token whose header names a key.
    #[must_use]
    pub fn token_with_kid(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).expect("a token")
    }

    /// A token of a user, good for an hour; `user` is a string or a number.
    #[must_use]
    pub fn user(&self, user: impl Into<Value>) -> String {
        self.token(&json!({ "user_id": user.into(), "exp": in_seconds(3600) }))
    }

    /// A token of a user of one type (`employer`, `worker`, …), good for an hour.
    #[must_use]
    pub fn user_of_type(&self, user: impl Into<Value>, user_type: &str) -> String {
        self.token(&json!({ "user_id": user.into(), "user_type": user_type, "exp": in_seconds(3600) }))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A token that claims `alg: none` and carries no signature: every verifier must refuse it.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The time so many seconds from now (or before now), as a claim tells it.
#[must_use]
pub fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_secs();
    i64::try_from(now).unwrap_or(i64::MAX).saturating_add(seconds)
}
