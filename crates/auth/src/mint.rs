//! Keys and tokens for the tests, made anew in each run; none is stored.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A signer of tokens.
pub(super) struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    public_pem: String,
    public_raw: Vec<u8>,
}

/// One RSA key for all tests, since making one takes a while.
pub(super) static RSA: LazyLock<Signer> =
    LazyLock::new(|| Signer::pair(&rcgen::PKCS_RSA_SHA256, Algorithm::RS256));

impl Signer {
    pub(super) fn secret(secret: &str) -> Self {
        let key = EncodingKey::from_secret(secret.as_bytes());
        Self { algorithm: Algorithm::HS256, key, public_pem: String::new(), public_raw: Vec::new() }
    }

    pub(super) fn p256() -> Self {
        Self::pair(&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256)
    }

    pub(super) fn ed25519() -> Self {
        Self::pair(&rcgen::PKCS_ED25519, Algorithm::EdDSA)
    }

    fn pair(kind: &'static rcgen::SignatureAlgorithm, algorithm: Algorithm) -> Self {
        let pair = rcgen::KeyPair::generate_for(kind).expect("key pair");
        let pem = pair.serialize_pem();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        Self {
            algorithm,
            key: key.expect("key"),
            public_pem: pair.public_key_pem(),
            public_raw: pair.public_key_raw().to_vec(),
        }
    }

    pub(super) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The public key as a member of a JWK Set.
    pub(super) fn jwk(&self, id: Option<&str>) -> Value {
        let mut jwk = match self.algorithm {
            Algorithm::EdDSA => {
                let x = URL_SAFE_NO_PAD.encode(&self.public_raw);
                json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x })
            }
            _ => {
                let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("JWK");
                serde_json::to_value(jwk).expect("JSON")
            }
        };
        if let Some(id) = id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with_id(None, claims)
    }

    pub(super) fn token_with_id(&self, id: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = id.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).expect("token")
    }

    /// A token with exactly this text as its header and its claims, rightly signed.
    pub(super) fn token_of_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm);
        format!("{message}.{}", signature.expect("signature"))
    }
}

/// The claims of a user whose token is good for an hour.
pub(super) fn claims() -> Value {
    json!({ "user_id": 456, "exp": now() + 3600 })
}

pub(super) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_secs()
}
