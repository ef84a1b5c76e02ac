use super::*;
use crate::key::KeyAlgorithm;
use crate::mint::{RSA, Signer};

fn block(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    match length {
        0..=0x7f => [&[tag, length as u8], content].concat(),
        0x80..=0xff => [&[tag, 0x81, length as u8], content].concat(),
        _ => [&[tag, 0x82, (length >> 8) as u8, length as u8], content].concat(),
    }
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = [&[0], key].concat();
    element(Der::SEQUENCE, &[element(Der::SEQUENCE, algorithm), element(Der::BIT_STRING, &bits)].concat())
}

fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    element(Der::SEQUENCE, &[element(Der::INTEGER, modulus), element(Der::INTEGER, exponent)].concat())
}

fn algorithms(text: &str) -> Result<Vec<KeyAlgorithm>, PublicKeyError> {
    public_keys(text).map(|keys| keys.iter().map(VerificationKey::algorithm).collect())
}

#[test]
fn the_kind_of_a_key_is_told_by_what_is_in_the_file() {
    assert_eq!(algorithms(RSA.public_pem()), Ok(vec![KeyAlgorithm::Rs256]));
    assert_eq!(algorithms(Signer::p256().public_pem()), Ok(vec![KeyAlgorithm::Es256]));
    assert_eq!(algorithms(Signer::ed25519().public_pem()), Ok(vec![KeyAlgorithm::EdDsa]));
    let plain = block("RSA PUBLIC KEY", &pkcs1(&[&[0], &[0xff; 256][..]].concat(), &[1, 0, 1]));
    assert_eq!(algorithms(&plain), Ok(vec![KeyAlgorithm::Rs256]));
}

#[test]
fn a_file_may_hold_several_keys_with_text_around_them() {
    let text =
        format!("old:\r\n{}\nnew:\n{}", RSA.public_pem().replace('\n', "\r\n"), Signer::p256().public_pem());
    assert_eq!(algorithms(&text), Ok(vec![KeyAlgorithm::Rs256, KeyAlgorithm::Es256]));
    assert_eq!(algorithms(&Signer::ed25519().public_pem().repeat(17)), Err(PublicKeyError::TooMany));
}

#[test]
fn what_is_no_public_key_is_refused_by_name() {
    for (text, error) in [
        (String::new(), PublicKeyError::NoKey),
        ("hello".to_owned(), PublicKeyError::NoKey),
        (rcgen::KeyPair::generate().expect("pair").serialize_pem(), PublicKeyError::PrivateKey),
        (block("ENCRYPTED PRIVATE KEY", b""), PublicKeyError::PrivateKey),
        (block("CERTIFICATE", b""), PublicKeyError::Certificate),
        (block("DH PARAMETERS", b""), PublicKeyError::OtherBlock),
        ("-----BEGIN PUBLIC KEY-----\nAAAA".to_owned(), PublicKeyError::Damaged),
        ("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----".to_owned(), PublicKeyError::Damaged),
        (block("PUBLIC KEY", b""), PublicKeyError::Damaged),
    ] {
        assert_eq!(algorithms(&text), Err(error), "{text}");
    }
}

#[test]
fn keys_for_other_algorithms_are_refused() {
    let secp256k1 = [&P256[..9], &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a]].concat();
    let rsa_pss = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    let ed448 = &[0x06, 0x03, 0x2b, 0x65, 0x71];
    for algorithm in [&secp256k1[..], rsa_pss, ed448] {
        let text = block("PUBLIC KEY", &spki(algorithm, &[4; 65]));
        assert_eq!(algorithms(&text), Err(PublicKeyError::UnsupportedKind));
    }
}

#[test]
fn weak_and_odd_rsa_keys_are_refused() {
    let refused = |modulus: &[u8], exponent: &[u8]| {
        let inner = pkcs1(modulus, exponent);
        let plain = algorithms(&block("RSA PUBLIC KEY", &inner));
        assert_eq!(plain, algorithms(&block("PUBLIC KEY", &spki(RSA_NULL, &inner))));
        assert_eq!(plain, algorithms(&block("PUBLIC KEY", &spki(super::RSA, &inner))));
        plain
    };
    let long = [&[0], &[0xff; 256][..]].concat();
    assert_eq!(refused(&long[..129], &[3]), Err(PublicKeyError::RsaSize(1024)));
    assert_eq!(refused(&long, &[1]), Err(PublicKeyError::RsaExponent));
    assert_eq!(refused(&long[1..], &[3]), Err(PublicKeyError::Damaged), "negative");
    assert_eq!(refused(&long, &[]), Err(PublicKeyError::Damaged));
}

#[test]
fn every_cut_and_every_tail_of_a_key_is_damage_and_never_a_panic() {
    let der = spki(ED25519, &[7; 32]);
    assert!(from_spki(&der).is_ok());
    for end in 0..der.len() {
        assert_eq!(from_spki(&der[..end]).map(drop), Err(PublicKeyError::Damaged));
    }
    assert_eq!(from_spki(&[&der[..], &[0]].concat()).map(drop), Err(PublicKeyError::Damaged));
    assert_eq!(from_spki(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).map(drop), Err(PublicKeyError::Damaged));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(der: Vec<u8>) {
        let _ = from_spki(&der);
        let _ = from_pkcs1(&der);
    }
}
