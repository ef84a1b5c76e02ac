use serde_json::json;

use super::*;
use crate::mint::{RSA, Signer};

#[test]
fn a_published_key_keeps_its_id_and_gets_its_algorithm_from_its_kind() {
    for (signer, algorithm) in [
        (&*RSA, KeyAlgorithm::Rs256),
        (&Signer::p256(), KeyAlgorithm::Es256),
        (&Signer::ed25519(), KeyAlgorithm::EdDsa),
    ] {
        let mut jwk = signer.jwk(Some("k"));
        for alg in [true, false] {
            if !alg {
                jwk.as_object_mut().expect("object").remove("alg");
            }
            let key = VerificationKey::from_jwk(&jwk.to_string()).expect("key");
            assert_eq!((key.algorithm(), key.id()), (algorithm, Some("k")));
        }
    }
}

#[test]
fn published_keys_that_are_not_for_us_are_passed_over_by_cause() {
    let changed = |member: &str, value: serde_json::Value| {
        let mut jwk = RSA.jwk(None);
        jwk[member] = value;
        VerificationKey::from_jwk(&jwk.to_string()).map(drop)
    };
    assert_eq!(changed("use", json!("sig")), Ok(()));
    assert_eq!(changed("use", json!("enc")), Err(SkippedJwk::NotForSignatures));
    assert_eq!(changed("key_ops", json!(["verify"])), Ok(()));
    assert_eq!(changed("key_ops", json!(["encrypt"])), Err(SkippedJwk::NotForSignatures));
    for alg in ["RS512", "PS256", "HS256", "ES256", "none"] {
        assert_eq!(changed("alg", json!(alg)), Err(SkippedJwk::UnsupportedAlgorithm), "{alg}");
    }
    assert_eq!(changed("kty", json!("EC")), Err(SkippedJwk::UnsupportedType));
    assert_eq!(changed("d", json!("AAAA")), Err(SkippedJwk::Private));
    assert_eq!(changed("n", json!("not base64!")), Err(SkippedJwk::Unreadable));
    assert_eq!(changed("n", json!(null)), Err(SkippedJwk::Unreadable));
    assert_eq!(changed("e", json!("AQ")), Err(SkippedJwk::Weak));
    // A leading zero makes no modulus longer.
    let short = [vec![0; 200], vec![0xff; 128]].concat();
    assert_eq!(changed("n", json!(LENIENT.encode(short))), Err(SkippedJwk::Weak));

    for jwk in [
        json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }),
        json!({ "kty": "EC", "crv": "P-384", "x": "", "y": "" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "", "y": "" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "" }),
        json!({ "kty": "future" }),
    ] {
        let skipped = VerificationKey::from_jwk(&jwk.to_string()).map(drop);
        assert_eq!(skipped, Err(SkippedJwk::UnsupportedType), "{jwk}");
    }
    let mut point = Signer::p256().jwk(None);
    point["x"] = json!("AAAA");
    assert_eq!(VerificationKey::from_jwk(&point.to_string()).map(drop), Err(SkippedJwk::Unreadable));
    assert_eq!(VerificationKey::from_jwk("7").map(drop), Err(SkippedJwk::Unreadable));
}

#[test]
fn rsa_numbers_outside_the_limits_are_refused() {
    let modulus = |bytes| vec![0xff; bytes];
    assert_eq!(VerificationKey::rsa(&modulus(255), &[3]).map(drop), Err(RsaError::Size(2040)));
    assert_eq!(VerificationKey::rsa(&modulus(1025), &[3]).map(drop), Err(RsaError::Size(8200)));
    assert_eq!(VerificationKey::rsa(&[], &[3]).map(drop), Err(RsaError::Size(0)));
    for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0, 0, 0, 1]] {
        assert_eq!(VerificationKey::rsa(&modulus(256), exponent).map(drop), Err(RsaError::Exponent));
    }
}

#[test]
fn a_key_shows_its_algorithm_and_not_its_material() {
    let shown = format!("{:?}", VerificationKey::shared_secret("hunter2hunter2"));
    assert_eq!(shown, "VerificationKey { algorithm: Hs256, id: None, .. }");
}
