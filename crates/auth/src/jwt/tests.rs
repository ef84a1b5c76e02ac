use serde_json::{Value, json};

use super::*;
use crate::mint::{RSA, Signer, claims, now};

const SECRET: &str = "a shared secret of more than 32 bytes";

fn verifier(settings: JwtSettings) -> Verifier {
    Verifier::new(settings).expect("verifier")
}

fn with_secret() -> Verifier {
    verifier(JwtSettings { secret: Some(SECRET.into()), ..JwtSettings::default() })
}

/// A file that is gone when the test is over.
struct TempFile(PathBuf);

impl TempFile {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fanfare-auth-{}.pem", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).expect("write");
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn with_file(text: &str) -> Result<Verifier, JwtSetupError> {
    let file = TempFile::new(text);
    Verifier::new(JwtSettings { public_key_file: Some(file.0.clone()), ..JwtSettings::default() })
}

async fn outcome(verifier: &Verifier, token: &str) -> Result<(), TokenError> {
    verifier.verify(token).await.map(drop)
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_verified_by_its_key() {
    let pem = |signer: &Signer| with_file(signer.public_pem()).expect("verifier");
    let (p256, ed25519) = (Signer::p256(), Signer::ed25519());
    for (signer, verifier) in [
        (&Signer::secret(SECRET), with_secret()),
        (&*RSA, pem(&RSA)),
        (&p256, pem(&p256)),
        (&ed25519, pem(&ed25519)),
    ] {
        let token = verifier.verify(&signer.token(&claims())).await.expect("verified");
        assert_eq!(token.user_id.as_str(), "456");
        // A key id in the header means nothing to keys that have none.
        assert_eq!(outcome(&verifier, &signer.token_with_id(Some("any"), &claims())).await, Ok(()));
    }
}

#[tokio::test]
async fn several_keys_are_held_at_once() {
    let (p256, ed25519) = (Signer::p256(), Signer::ed25519());
    let file = TempFile::new(&[RSA.public_pem(), p256.public_pem(), ed25519.public_pem()].concat());
    let verifier = verifier(JwtSettings {
        secret: Some(SECRET.into()),
        public_key_file: Some(file.0.clone()),
        ..JwtSettings::default()
    });
    for signer in [&Signer::secret(SECRET), &*RSA, &p256, &ed25519] {
        assert_eq!(outcome(&verifier, &signer.token(&claims())).await, Ok(()));
    }
    assert_eq!(outcome(&verifier, &Signer::p256().token(&claims())).await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn an_unsigned_token_has_no_key() {
    let signer = Signer::secret(SECRET);
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256 "] {
        let signed = signer.token_of_text(&json!({ "alg": alg }).to_string(), &claims().to_string());
        let (message, _) = signed.rsplit_once('.').expect("dot");
        for token in [signed.clone(), format!("{message}.")] {
            assert_eq!(outcome(&with_secret(), &token).await, Err(TokenError::UnknownKey), "{alg}");
        }
    }
    // Nor does an empty signature pass under a name that has a key.
    let signed = signer.token(&claims());
    let (message, _) = signed.rsplit_once('.').expect("dot");
    assert_eq!(outcome(&with_secret(), &format!("{message}.")).await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_public_key_is_never_taken_for_a_shared_secret() {
    let pem = RSA.public_pem();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(&base64).expect("base64");
    let only_public = with_file(pem).expect("verifier");
    let file = TempFile::new(pem);
    let both = verifier(JwtSettings {
        secret: Some(SECRET.into()),
        public_key_file: Some(file.0.clone()),
        ..JwtSettings::default()
    });
    for secret in [pem.as_bytes(), pem.trim().as_bytes(), base64.as_bytes(), &der] {
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let forged = jsonwebtoken::encode(&header, &claims(), &key).expect("token");
        assert_eq!(outcome(&only_public, &forged).await, Err(TokenError::UnknownKey));
        assert_eq!(outcome(&both, &forged).await, Err(TokenError::BadSignature));
    }
    let error = Verifier::new(JwtSettings { secret: Some(pem.into()), ..JwtSettings::default() });
    assert!(matches!(error, Err(JwtSetupError::SecretIsPem)));
}

#[tokio::test]
async fn the_name_of_another_algorithm_changes_nothing() {
    // The right signature of the right key, under the names of its relatives.
    for alg in ["RS384", "RS512", "PS256", "HS384", "HS512", "ES384"] {
        let token = RSA.token_of_text(&json!({ "alg": alg }).to_string(), &claims().to_string());
        let verifier = with_file(RSA.public_pem()).expect("verifier");
        assert_eq!(outcome(&verifier, &token).await, Err(TokenError::UnknownKey), "{alg}");
    }
    let token = RSA.token_of_text(r#"{"alg":"ES256"}"#, &claims().to_string());
    let verifier = with_file(&[RSA.public_pem(), Signer::p256().public_pem()].concat()).expect("verifier");
    assert_eq!(outcome(&verifier, &token).await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_looked_at() {
    let stranger = Signer::p256();
    let header =
        json!({ "alg": "ES256", "jwk": stranger.jwk(None), "jku": "https://evil.example", "x5c": ["AAAA"] });
    let token = stranger.token_of_text(&header.to_string(), &claims().to_string());
    let verifier = with_file(Signer::p256().public_pem()).expect("verifier");
    assert_eq!(outcome(&verifier, &token).await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_wrong_key_and_every_changed_part_are_told() {
    let verifier = with_secret();
    let stranger = Signer::secret("another shared secret of more than 32 bytes");
    assert_eq!(outcome(&verifier, &stranger.token(&claims())).await, Err(TokenError::BadSignature));

    let good = Signer::secret(SECRET).token(&claims());
    let other = Signer::secret(SECRET).token(&json!({ "user_id": 1, "exp": now() + 3600 }));
    let parts: Vec<_> = good.split('.').collect();
    let payload = other.split('.').nth(1).expect("payload");
    let swapped = format!("{}.{payload}.{}", parts[0], parts[2]);
    assert_eq!(outcome(&verifier, &swapped).await, Err(TokenError::BadSignature));
    for cut in ["", &parts[2][..10], &format!("{}=", parts[2]), &format!("{}A", parts[2])] {
        let token = format!("{}.{}.{cut}", parts[0], parts[1]);
        assert_eq!(outcome(&verifier, &token).await, Err(TokenError::BadSignature), "{cut}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_malformed() {
    let verifier = with_secret();
    let signer = Signer::secret(SECRET);
    let good = signer.token(&claims());
    let claims = claims().to_string();
    let long = json!({ "user_id": 1, "exp": now() + 60, "pad": "x".repeat(MAX_TOKEN) });
    for token in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "e30.e30.e30",
        &format!("{good}.x"),
        &format!(" {good}"),
        &format!("Bearer {good}"),
        &signer.token_of_text("[]", &claims),
        &signer.token_of_text(r#"["HS256",null,null]"#, &claims),
        &signer.token_of_text(r#"{"alg":"HS256","alg":"HS256"}"#, &claims),
        &signer.token_of_text(r#"{"alg":"HS256","kid":7}"#, &claims),
        &signer.token_of_text(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, &claims),
        &signer.token_of_text(r#"{"alg":"HS256"}"#, "not json"),
        &signer.token(&long),
        &"\u{1F980}.".repeat(3),
    ] {
        assert_eq!(outcome(&verifier, token).await, Err(TokenError::Malformed), "{token}");
    }
}

#[tokio::test]
async fn claims_are_checked_against_the_clock_after_the_signature() {
    let verifier = with_secret();
    let check = async |claims: Value| outcome(&verifier, &Signer::secret(SECRET).token(&claims)).await;
    assert_eq!(check(json!({ "sub": 1, "exp": now() + 60 })).await, Ok(()));
    assert_eq!(check(json!({ "sub": 1, "exp": now() - 1 })).await, Err(TokenError::Expired));
    let early = json!({ "sub": 1, "exp": now() + 600, "nbf": now() + 60 });
    assert_eq!(check(early).await, Err(TokenError::NotYetValid));
    assert_eq!(check(json!({ "sub": 1 })).await, Err(TokenError::MissingClaim("exp")));
    // An expired token of somebody else tells nothing but that it is not ours.
    let foreign = Signer::secret("another shared secret of more than 32 bytes").token(&json!({ "exp": 1 }));
    assert_eq!(outcome(&verifier, &foreign).await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn issuer_and_audience_come_from_the_settings() {
    let settings = |issuer: &str, audience: &str| JwtSettings {
        secret: Some(SECRET.into()),
        issuers: vec![issuer.into()],
        audiences: vec![audience.into()],
        ..JwtSettings::default()
    };
    let token = |iss: &str, aud: &str| {
        Signer::secret(SECRET).token(&json!({ "sub": 1, "exp": now() + 60, "iss": iss, "aud": aud }))
    };
    let strict = verifier(settings("me", "you"));
    assert_eq!(outcome(&strict, &token("me", "you")).await, Ok(()));
    assert_eq!(outcome(&strict, &token("he", "you")).await, Err(TokenError::WrongIssuer));
    assert_eq!(outcome(&strict, &token("me", "she")).await, Err(TokenError::WrongAudience));
    assert_eq!(outcome(&with_secret(), &token("he", "she")).await, Ok(()));
}

#[tokio::test]
async fn without_keys_every_token_is_of_an_unknown_one() {
    let none = verifier(JwtSettings { secret: Some(String::new()), ..JwtSettings::default() });
    assert!(!none.has_keys() && with_secret().has_keys());
    assert_eq!(outcome(&none, &Signer::secret(SECRET).token(&claims())).await, Err(TokenError::UnknownKey));
}

#[test]
fn wrong_settings_are_named_and_weak_ones_warned_of() {
    let file = JwtSettings { public_key_file: Some("/does/not/exist.pem".into()), ..JwtSettings::default() };
    let error = Verifier::new(file).expect_err("no file").to_string();
    assert!(error.starts_with("JWT_PUBLIC_KEY_FILE: cannot read /does/not/exist.pem"), "{error}");

    let private = rcgen::KeyPair::generate().expect("pair").serialize_pem();
    let error = with_file(&private).expect_err("private").to_string();
    assert!(error.contains("it holds a private key"), "{error}");
    let error = with_file(&" ".repeat(65 * 1024)).expect_err("large").to_string();
    assert!(error.contains("larger than 64 KiB"), "{error}");

    let short = verifier(JwtSettings { secret: Some("hunter2".into()), ..JwtSettings::default() });
    assert_eq!(short.warnings().len(), 1);
    assert!(!short.warnings()[0].contains("hunter2"));
    assert!(with_secret().warnings().is_empty());
}

#[test]
fn secrets_are_not_shown() {
    let settings = JwtSettings { secret: Some(SECRET.into()), ..JwtSettings::default() };
    let shown = format!("{settings:?} {:?}", verifier(settings.clone()));
    assert!(shown.contains("***") && !shown.contains(SECRET), "{shown}");
}

#[test]
fn verification_may_run_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    is_send(with_secret().verify(""));
}
