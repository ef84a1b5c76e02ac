//! Public keys from a PEM file, the kind of each told by what is in it.
//!
//! Reads `PUBLIC KEY` (SubjectPublicKeyInfo, RFC 5280 §4.1.2.7) for RSA, P-256 and Ed25519, and `RSA PUBLIC KEY`
//! (PKCS #1). A file may hold several keys, so that one can follow another. Everything else is refused by name, above
//! all a private key: the hub has no use for one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::{RsaError, VerificationKey};

/// The most keys of one file.
const MAX_KEYS: usize = 16;

/// Why a file is not one of public keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// There is no PEM block.
    #[error("it holds no PEM block (-----BEGIN PUBLIC KEY-----)")]
    NoKey,
    /// A block has no end, or what is inside is not base64 or not DER.
    #[error("its PEM block is damaged")]
    Damaged,
    /// More keys than are of use.
    #[error("it holds more than 16 keys")]
    TooMany,
    /// The file is the signer's, not the verifier's.
    #[error("it holds a private key; put the public one there (openssl pkey -in key.pem -pubout)")]
    PrivateKey,
    /// A certificate, whose validity nobody here would check.
    #[error("it holds a certificate; put its public key there (openssl x509 -in cert.pem -pubkey -noout)")]
    Certificate,
    /// Another kind of PEM block.
    #[error("it holds a PEM block that is no public key")]
    OtherBlock,
    /// A key for an algorithm that is not verified here.
    #[error("its key is of an unsupported kind; RSA, EC on P-256 and Ed25519 are supported")]
    UnsupportedKind,
    /// A short or overlong RSA modulus.
    #[error("its RSA key has {0} bits; 2048 to 8192 are accepted")]
    RsaSize(usize),
    /// An RSA exponent that is even, 1, or too long.
    #[error("its RSA key has an unusable exponent")]
    RsaExponent,
}

// The AlgorithmIdentifiers, in DER, without the outer SEQUENCE.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]; // rsaEncryption
const RSA_NULL: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, // id-ecPublicKey
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, // secp256r1
];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// All public keys of a PEM text; at least one.
pub(super) fn public_keys(text: &str) -> Result<Vec<VerificationKey>, PublicKeyError> {
    const BEGIN: &str = "-----BEGIN ";
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (label, after) = rest[at + BEGIN.len()..].split_once("-----").ok_or(PublicKeyError::Damaged)?;
        let (body, after) =
            after.split_once(&format!("-----END {label}-----")).ok_or(PublicKeyError::Damaged)?;
        rest = after;
        let der = |body: &str| {
            let base64: String = body.split_ascii_whitespace().collect();
            STANDARD.decode(base64).map_err(|_| PublicKeyError::Damaged)
        };
        keys.push(match label {
            "PUBLIC KEY" => from_spki(&der(body)?)?,
            "RSA PUBLIC KEY" => from_pkcs1(&der(body)?)?,
            "CERTIFICATE" => return Err(PublicKeyError::Certificate),
            _ if label.ends_with("PRIVATE KEY") => return Err(PublicKeyError::PrivateKey),
            _ => return Err(PublicKeyError::OtherBlock),
        });
        if keys.len() > MAX_KEYS {
            return Err(PublicKeyError::TooMany);
        }
    }
    if keys.is_empty() { Err(PublicKeyError::NoKey) } else { Ok(keys) }
}

/// `SEQUENCE { AlgorithmIdentifier, BIT STRING }`.
fn from_spki(der: &[u8]) -> Result<VerificationKey, PublicKeyError> {
    let mut outer = Der(der);
    let mut info = Der(outer.only(Der::SEQUENCE)?);
    let algorithm = info.next(Der::SEQUENCE)?;
    let bits = info.only(Der::BIT_STRING)?;
    // The first byte counts the unused bits of the last one; keys are whole bytes.
    let [0, key @ ..] = bits else { return Err(PublicKeyError::Damaged) };
    match algorithm {
        RSA | RSA_NULL => from_pkcs1(key),
        P256 => VerificationKey::p256(key).ok_or(PublicKeyError::Damaged),
        ED25519 => VerificationKey::ed25519(key).ok_or(PublicKeyError::Damaged),
        _ => Err(PublicKeyError::UnsupportedKind),
    }
}

/// `SEQUENCE { INTEGER modulus, INTEGER exponent }` (RFC 8017 A.1.1).
fn from_pkcs1(der: &[u8]) -> Result<VerificationKey, PublicKeyError> {
    let mut numbers = Der(Der(der).only(Der::SEQUENCE)?);
    let modulus = numbers.next(Der::INTEGER)?;
    let exponent = numbers.only(Der::INTEGER)?;
    // A set top bit is a negative number.
    if [modulus, exponent].iter().any(|number| number.first().is_none_or(|top| top & 0x80 != 0)) {
        return Err(PublicKeyError::Damaged);
    }
    VerificationKey::rsa(modulus, exponent).map_err(|error| match error {
        RsaError::Size(bits) => PublicKeyError::RsaSize(bits),
        RsaError::Exponent => PublicKeyError::RsaExponent,
    })
}

/// As much of DER as a public key needs: elements one after another, each with a definite length.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    const SEQUENCE: u8 = 0x30;

    /// The content of the next element, which must have this tag.
    fn next(&mut self, tag: u8) -> Result<&'a [u8], PublicKeyError> {
        self.element(tag).ok_or(PublicKeyError::Damaged)
    }

    /// The content of the last element; nothing may follow it.
    fn only(&mut self, tag: u8) -> Result<&'a [u8], PublicKeyError> {
        let content = self.next(tag)?;
        if self.0.is_empty() { Ok(content) } else { Err(PublicKeyError::Damaged) }
    }

    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], rest) = self.0.split_first_chunk::<2>()?;
        if found != tag {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => rest.split_first().map(|(&low, rest)| (usize::from(low), rest))?,
            0x82 => rest
                .split_first_chunk::<2>()
                .map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
            // Nothing of 64 KiB is a key.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }
}

#[cfg(test)]
mod tests;
