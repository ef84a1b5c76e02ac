//! A key that signatures are verified with, and the one algorithm that it is for.
//!
//! The algorithm is fixed when the key is loaded. A token's header only says which keys are worth trying: `none` has
//! no key, and an RSA key's public bytes are never an HMAC secret, because no code path turns one into the other.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The smallest RSA modulus, in bits (RFC 7518 §3.3).
const MIN_RSA_BITS: usize = 2048;

/// The largest RSA modulus, in bits: beyond it the cryptography library refuses to verify.
const MAX_RSA_BITS: usize = 8192;

/// The algorithms that the hub verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAlgorithm {
    /// HMAC with SHA-256: a shared secret.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl KeyAlgorithm {
    /// The algorithm that a header's `alg` names, if it is one of ours. `Ed25519` is the newer name of the only curve
    /// of `EdDSA` that is used here (RFC 9864).
    pub(super) fn from_header(alg: &str) -> Option<Self> {
        match alg {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    /// Whether keys of this algorithm may come from the network. A shared secret may not.
    pub(super) fn is_asymmetric(self) -> bool {
        self != Self::Hs256
    }

    fn verifier(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// One key, with the algorithm that it is for and, where it came with one, its id.
pub(super) struct VerificationKey {
    algorithm: KeyAlgorithm,
    id: Option<Box<str>>,
    material: DecodingKey,
}

impl VerificationKey {
    /// A shared secret. The caller has seen to it that it is not empty.
    pub(super) fn shared_secret(secret: &str) -> Self {
        Self {
            algorithm: KeyAlgorithm::Hs256,
            id: None,
            material: DecodingKey::from_secret(secret.as_bytes()),
        }
    }

    /// An RSA key from its two numbers, big-endian.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, RsaError> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = modulus.first().map_or(0, |top| modulus.len() * 8 - top.leading_zeros() as usize);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(RsaError::Size(bits));
        }
        // 1 would make every signature its own message; an even one has no inverse; 33 bits are what libraries take.
        let odd = exponent.last().is_some_and(|low| low & 1 == 1);
        if !odd || exponent == [1] || exponent.len() > 5 {
            return Err(RsaError::Exponent);
        }
        let material = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Ok(Self { algorithm: KeyAlgorithm::Rs256, id: None, material })
    }

    /// A P-256 key from its uncompressed point: 4, then 32 bytes each of x and y.
    pub(super) fn p256(point: &[u8]) -> Option<Self> {
        if point.len() != 65 || point[0] != 4 {
            return None;
        }
        Some(Self { algorithm: KeyAlgorithm::Es256, id: None, material: DecodingKey::from_ec_der(point) })
    }

    /// An Ed25519 key from its 32 bytes.
    pub(super) fn ed25519(public: &[u8]) -> Option<Self> {
        if public.len() != 32 {
            return None;
        }
        Some(Self { algorithm: KeyAlgorithm::EdDsa, id: None, material: DecodingKey::from_ed_der(public) })
    }

    /// One member of a JWK Set, or why it is passed over.
    pub(super) fn from_jwk(raw: &str) -> Result<Self, SkippedJwk> {
        let jwk: Jwk = serde_json::from_str(raw).map_err(|_| SkippedJwk::Unreadable)?;
        if jwk.private.is_some() {
            return Err(SkippedJwk::Private);
        }
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig")
            || jwk.operations.as_ref().is_some_and(|all| !all.iter().any(|one| one == "verify"))
        {
            return Err(SkippedJwk::NotForSignatures);
        }
        let mut key = match (jwk.kind.as_str(), jwk.curve.as_deref()) {
            ("RSA", _) => {
                Self::rsa(&bytes(jwk.modulus)?, &bytes(jwk.exponent)?).map_err(|_| SkippedJwk::Weak)?
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(jwk.x)?, bytes(jwk.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(SkippedJwk::Unreadable);
                }
                Self::p256(&[&[4], &x[..], &y[..]].concat()).ok_or(SkippedJwk::Unreadable)?
            }
            ("OKP", Some("Ed25519")) => Self::ed25519(&bytes(jwk.x)?).ok_or(SkippedJwk::Unreadable)?,
            _ => return Err(SkippedJwk::UnsupportedType),
        };
        if jwk.algorithm.is_some_and(|alg| KeyAlgorithm::from_header(&alg) != Some(key.algorithm)) {
            return Err(SkippedJwk::UnsupportedAlgorithm);
        }
        key.id = jwk.id.map(Into::into);
        Ok(key)
    }

    pub(super) fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether `signature`, in base64url, is this key's signature of `message`. By the key's own algorithm, always.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.material, self.algorithm.verifier())
            .unwrap_or(false)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why two numbers are no RSA key that is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RsaError {
    /// The modulus has this many bits.
    Size(usize),
    /// The exponent is even, 1, or too long.
    Exponent,
}

/// Why a key of a JWK Set is passed over. Others of the same set may be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SkippedJwk {
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is for encryption")]
    NotForSignatures,
    #[error("its kty or crv is not supported (RSA, EC on P-256 and OKP on Ed25519 are)")]
    UnsupportedType,
    #[error("its alg is not supported (RS256, ES256 and EdDSA are)")]
    UnsupportedAlgorithm,
    #[error("it is an RSA key of less than 2048 or more than 8192 bits, or with a bad exponent")]
    Weak,
    #[error("it holds the private key, which everybody can read there")]
    Private,
}

/// A JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize)]
struct Jwk {
    #[serde(rename = "kty")]
    kind: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    #[serde(rename = "key_ops")]
    operations: Option<Vec<String>>,
    #[serde(rename = "alg")]
    algorithm: Option<String>,
    #[serde(rename = "kid")]
    id: Option<String>,
    #[serde(rename = "crv")]
    curve: Option<String>,
    #[serde(rename = "n")]
    modulus: Option<String>,
    #[serde(rename = "e")]
    exponent: Option<String>,
    x: Option<String>,
    y: Option<String>,
    #[serde(rename = "d")]
    private: Option<IgnoredAny>,
}

/// base64url, with or without padding: some providers pad, against RFC 7515.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn bytes(text: Option<String>) -> Result<Vec<u8>, SkippedJwk> {
    LENIENT.decode(text.ok_or(SkippedJwk::Unreadable)?).map_err(|_| SkippedJwk::Unreadable)
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests;
