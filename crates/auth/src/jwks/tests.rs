use std::net::SocketAddr;
use std::sync::Mutex;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::jwt::{JwtSettings, Verifier};
use crate::mint::{RSA, Signer, claims};

/// An identity provider on a real port, whose answer can be changed and held back.
struct Provider {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    requests: watch::Receiver<usize>,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Provider {
    async fn new(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address");
        let answer = Arc::new(Mutex::new(ok(&set(keys))));
        let (count, requests) = watch::channel(0);
        let (open, is_open) = watch::channel(true);
        let shared = answer.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("accept");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                count.send_modify(|count| *count += 1);
                is_open.clone().wait_for(|open| *open).await.expect("provider");
                let answer = shared.lock().expect("answer").clone();
                // The client may have given up.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, answer, requests, open, task }
    }

    fn publish(&self, keys: &[Value]) {
        self.answer_with(ok(&set(keys)));
    }

    fn answer_with(&self, answer: String) {
        *self.answer.lock().expect("answer") = answer;
    }

    fn requests(&self) -> usize {
        *self.requests.borrow()
    }

    async fn requested(&self, times: usize) {
        self.requests.clone().wait_for(|count| *count >= times).await.expect("provider");
    }

    fn settings(&self) -> JwksSettings {
        JwksSettings {
            refresh: Duration::from_secs(3600),
            cooldown: Duration::ZERO,
            ..JwksSettings::new(format!("http://{}/keys", self.address))
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A hub's verifier with the task that fetches for it.
struct Hub {
    verifier: Arc<Verifier>,
    task: JoinHandle<()>,
}

impl Hub {
    fn new(settings: JwksSettings) -> Self {
        let settings = JwtSettings { jwks: Some(settings), ..JwtSettings::default() };
        let verifier = Arc::new(Verifier::new(settings).expect("verifier"));
        let jwks = verifier.jwks().expect("JWKS").clone();
        Self { verifier, task: tokio::spawn(async move { jwks.run().await }) }
    }

    async fn check(&self, signer: &Signer, id: Option<&str>) -> Result<(), TokenError> {
        self.verifier.verify(&signer.token_with_id(id, &claims())).await.map(drop)
    }

    fn status(&self) -> JwksStatus {
        self.verifier.jwks().expect("JWKS").status()
    }

    /// Waits until so many fetches have ended.
    async fn fetched(&self, times: u64) {
        let mut progress = self.verifier.jwks().expect("JWKS").progress.subscribe();
        progress.wait_for(|progress| progress.fetches >= times).await.expect("progress");
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn tokens_of_all_published_kinds_are_verified_with_and_without_a_key_id() {
    let (p256, ed25519, other) = (Signer::p256(), Signer::ed25519(), Signer::p256());
    let keys = [RSA.jwk(Some("r")), p256.jwk(Some("e")), other.jwk(Some("o")), ed25519.jwk(None)];
    let provider = Provider::new(&keys).await;
    let hub = Hub::new(provider.settings());
    for (signer, id) in [
        (&*RSA, Some("r")),
        (&*RSA, None),
        (&p256, Some("e")),
        (&other, Some("o")),
        (&other, None),
        (&ed25519, None),
        // The key has no id, so any may be meant.
        (&ed25519, Some("x")),
    ] {
        assert_eq!(hub.check(signer, id).await, Ok(()), "{id:?}");
    }
    assert_eq!(provider.requests(), 1);
    assert_eq!(hub.status(), JwksStatus { keys: 4, fetches: 1, failures: 0, stale: false });
}

#[tokio::test]
async fn a_key_id_chooses_the_key_and_the_key_its_algorithm() {
    let (one, two) = (Signer::p256(), Signer::p256());
    let provider = Provider::new(&[one.jwk(Some("1")), two.jwk(Some("2")), RSA.jwk(Some("r"))]).await;
    let hub = Hub::new(provider.settings());
    assert_eq!(hub.check(&one, Some("2")).await, Err(TokenError::BadSignature));
    assert_eq!(hub.check(&one, Some("r")).await, Err(TokenError::UnknownKey));
    assert_eq!(hub.check(&Signer::p256(), None).await, Err(TokenError::BadSignature));
    assert_eq!(hub.check(&Signer::ed25519(), None).await, Err(TokenError::UnknownKey));
    assert_eq!(hub.check(&Signer::secret("shared"), Some("1")).await, Err(TokenError::UnknownKey));
    assert_eq!(provider.requests(), 1, "none of these could be helped by a fetch");
}

#[tokio::test]
async fn a_published_shared_secret_verifies_nothing() {
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "s" });
    let provider = Provider::new(&[RSA.jwk(None), secret]).await;
    let hub = Hub::new(provider.settings());
    hub.fetched(1).await;
    assert_eq!(hub.check(&Signer::secret("secret"), Some("s")).await, Err(TokenError::UnknownKey));
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_at_its_first_token_and_a_withdrawn_one_is_gone() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let provider = Provider::new(&[old.jwk(Some("old"))]).await;
    let hub = Hub::new(provider.settings());
    assert_eq!(hub.check(&old, Some("old")).await, Ok(()));
    provider.publish(&[new.jwk(Some("new"))]);
    assert_eq!(hub.check(&new, Some("new")).await, Ok(()));
    assert_eq!(provider.requests(), 2);
    assert_eq!(hub.check(&old, Some("old")).await, Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn a_crowd_with_a_new_key_costs_one_fetch() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let provider = Provider::new(&[old.jwk(Some("old"))]).await;
    let hub = Hub::new(provider.settings());
    hub.fetched(1).await;
    provider.publish(&[old.jwk(Some("old")), new.jwk(Some("new"))]);

    provider.open.send_replace(false);
    let crowd = join_all((0..50).map(|_| hub.check(&new, Some("new"))));
    let door = async {
        provider.requested(2).await;
        // Whoever has its key does not wait for the others.
        assert_eq!(hub.check(&old, Some("old")).await, Ok(()));
        provider.open.send_replace(true);
    };
    let (outcomes, ()) = tokio::join!(crowd, door);
    assert_eq!(outcomes, vec![Ok(()); 50]);
    assert_eq!((provider.requests(), hub.status().fetches), (2, 2));
}

#[tokio::test]
async fn a_handshake_that_goes_away_does_not_take_the_fetch_with_it() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let provider = Provider::new(&[old.jwk(Some("old"))]).await;
    let hub = Hub::new(provider.settings());
    hub.fetched(1).await;
    provider.publish(&[new.jwk(Some("new"))]);
    provider.open.send_replace(false);
    tokio::select! {
        _ = hub.check(&new, Some("new")) => panic!("the provider has not answered"),
        () = provider.requested(2) => {}
    }
    provider.open.send_replace(true);
    hub.fetched(2).await;
    assert_eq!(hub.check(&new, Some("new")).await, Ok(()));
    assert_eq!(provider.requests(), 2);
}

#[tokio::test]
async fn invented_key_ids_do_not_reach_the_provider_during_the_cooldown() {
    let provider = Provider::new(&[RSA.jwk(Some("r"))]).await;
    let hub = Hub::new(JwksSettings { cooldown: Duration::from_secs(3600), ..provider.settings() });
    hub.fetched(1).await;
    let stranger = Signer::p256();
    for n in 0..20 {
        assert_eq!(hub.check(&stranger, Some(&format!("k{n}"))).await, Err(TokenError::UnknownKey));
    }
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn a_fetch_that_fails_keeps_the_last_good_keys() {
    let (signer, stranger) = (Signer::p256(), Signer::p256());
    let provider = Provider::new(&[signer.jwk(Some("k"))]).await;
    let hub = Hub::new(provider.settings());
    hub.fetched(1).await;
    let mut large = stranger.jwk(Some("x"));
    large["pad"] = json!("x".repeat(MAX_BODY));
    let answers = [
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        ok("<html>"),
        ok("{}"),
        ok(r#"{"keys":[]}"#),
        ok(&set(&[json!({ "kty": "oct", "k": "c2VjcmV0" })])),
        ok(&set(&[large])),
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(),
        "garbage".to_owned(),
        String::new(),
    ];
    for (failures, answer) in (1..).zip(answers) {
        let told: String = answer.chars().take(80).collect();
        provider.answer_with(answer);
        // With no cooldown the fetches that fail follow one another; take one that began after the change.
        assert_eq!(hub.check(&stranger, Some("x")).await, Err(TokenError::KeysUnavailable), "{told}");
        assert_eq!(hub.check(&signer, Some("k")).await, Ok(()), "{told}");
        let status = hub.status();
        assert!(status.keys == 1 && status.stale && status.failures >= failures, "{told}: {status:?}");
    }
    provider.publish(&[signer.jwk(Some("k")), stranger.jwk(Some("x"))]);
    let mut progress = hub.verifier.jwks().expect("JWKS").progress.subscribe();
    progress.wait_for(|progress| !progress.stale).await.expect("progress");
    assert_eq!(hub.check(&stranger, Some("x")).await, Ok(()));
    assert!(!hub.status().stale);
}

#[tokio::test]
async fn keys_are_fetched_again_without_being_asked_for() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let provider = Provider::new(&[old.jwk(None)]).await;
    let hub = Hub::new(JwksSettings { refresh: Duration::from_millis(5), ..provider.settings() });
    hub.fetched(1).await;
    provider.publish(&[new.jwk(None)]);
    hub.fetched(hub.status().fetches + 2).await;
    assert_eq!(hub.check(&new, None).await, Ok(()));
    assert_eq!(hub.check(&old, None).await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_makes_keys_unavailable_and_is_tried_again() {
    let signer = Signer::p256();
    let provider = Provider::new(&[signer.jwk(None)]).await;
    provider.open.send_replace(false);
    let hub = Hub::new(JwksSettings { timeout: Duration::from_millis(20), ..provider.settings() });
    assert_eq!(hub.check(&signer, None).await, Err(TokenError::KeysUnavailable));
    assert!(hub.status().stale);
    provider.open.send_replace(true);
    let mut progress = hub.verifier.jwks().expect("JWKS").progress.subscribe();
    progress.wait_for(|progress| !progress.stale).await.expect("progress");
    assert_eq!(hub.check(&signer, None).await, Ok(()));
}

#[tokio::test]
async fn a_handshake_before_the_first_fetch_waits_for_it() {
    let signer = Signer::p256();
    let provider = Provider::new(&[signer.jwk(None)]).await;
    let hub = Hub::new(JwksSettings { cooldown: Duration::from_secs(3600), ..provider.settings() });
    assert_eq!(hub.check(&signer, None).await, Ok(()));
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn configured_keys_work_while_the_provider_does_not() {
    let secret = "a shared secret of more than 32 bytes";
    let provider = Provider::new(&[]).await;
    let settings = JwtSettings {
        jwks: Some(provider.settings()),
        secret: Some(secret.into()),
        ..JwtSettings::default()
    };
    let verifier = Verifier::new(settings).expect("verifier");
    let token = Signer::secret(secret).token_with_id(Some("unknown"), &claims());
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(provider.requests(), 0);
}

#[tokio::test]
async fn keys_of_this_process_are_handed_over_and_an_unknown_one_is_refused_at_once() {
    let (old, new, stranger) = (Signer::ed25519(), Signer::ed25519(), Signer::ed25519());
    let local = Arc::new(Jwks::local());
    let settings = JwtSettings { local: Some(Arc::clone(&local)), ..JwtSettings::default() };
    let verifier = Verifier::new(settings).expect("verifier");
    assert!(verifier.has_keys() && verifier.jwks().is_none());
    let check = async |signer: &Signer, id| {
        verifier.verify(&signer.token_with_id(Some(id), &claims())).await.map(drop)
    };
    assert_eq!(check(&old, "old").await, Err(TokenError::KeysUnavailable), "nobody can tell yet");
    local.feed(&set(&[old.jwk(Some("old"))])).expect("keys");
    assert_eq!(check(&old, "old").await, Ok(()));
    assert_eq!(check(&new, "new").await, Err(TokenError::UnknownKey));
    assert_eq!(check(&stranger, "old").await, Err(TokenError::BadSignature));
    assert!(matches!(local.feed("{}"), Err(FeedError::NotASet)));
    assert!(matches!(local.feed(r#"{"keys":[]}"#), Err(FeedError::NoKeys)));
    assert_eq!(check(&old, "old").await, Ok(()), "what cannot be read changes nothing");
    local.feed(&set(&[new.jwk(Some("new"))])).expect("keys");
    assert_eq!(check(&new, "new").await, Ok(()));
    assert_eq!(check(&old, "old").await, Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn keys_of_this_process_and_fetched_ones_are_held_at_once() {
    let (own, theirs) = (Signer::ed25519(), Signer::p256());
    let provider = Provider::new(&[theirs.jwk(Some("theirs"))]).await;
    let local = Arc::new(Jwks::local());
    local.feed(&set(&[own.jwk(Some("own"))])).expect("keys");
    let jwks = Some(provider.settings());
    let settings = JwtSettings { jwks, local: Some(local), ..JwtSettings::default() };
    let verifier = Verifier::new(settings).expect("verifier");
    assert!(verifier.verify(&own.token_with_id(Some("own"), &claims())).await.is_ok());
    assert_eq!(provider.requests(), 0, "our own keys need nobody");
    let fetched = Arc::clone(verifier.jwks().expect("JWKS"));
    let task = tokio::spawn(async move { fetched.run().await });
    assert!(verifier.verify(&theirs.token_with_id(Some("theirs"), &claims())).await.is_ok());
    task.abort();
}

#[test]
fn a_set_is_read_up_to_its_hundredth_key() {
    let (first, last) = (Signer::p256(), Signer::p256());
    let mut keys = vec![first.jwk(Some("a")); 100];
    keys.push(last.jwk(Some("b")));
    let read = parse(set(&keys).as_bytes()).expect("set");
    assert_eq!(read.len(), 100);
    assert!(read.iter().all(|key| key.id() == Some("a")));
}

#[test]
fn an_address_is_checked_at_the_start() {
    for (url, message) in [
        ("", "not a URL"),
        ("id.example.com/keys", "not a URL"),
        ("ftp://id.example.com/keys", "its scheme is `ftp`"),
        ("file:///etc/passwd", "its scheme is `file`"),
    ] {
        let error = Jwks::new(JwksSettings::new(url)).expect_err(url).to_string();
        assert!(error.starts_with(message), "{url}: {error}");
    }
}

#[test]
fn https_needs_the_provider_of_the_process_and_nothing_else() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // A machine without certificate authorities is told so; it is no panic.
    match Jwks::new(JwksSettings::new("https://id.example.com/keys")) {
        Ok(jwks) => assert_eq!(jwks.warning(), None),
        Err(error) => assert!(matches!(error, JwksError::Client(_)), "{error}"),
    }
}

#[test]
fn unencrypted_keys_are_warned_of_only_across_public_networks() {
    let warning = |url: &str| Jwks::new(JwksSettings::new(url)).expect(url).warning();
    for url in [
        "http://localhost:1/k",
        "http://127.0.0.1/k",
        "http://[::1]/k",
        "http://user-service:8000/k",
        "http://10.1.2.3/k",
    ] {
        assert_eq!(warning(url), None, "{url}");
    }
    let told = warning("http://u:p@id.example.com:81/k?key=s").expect("warning");
    assert!(told.contains("(http://id.example.com:81/k)"), "{told}");
}

#[test]
fn passwords_in_an_address_are_not_shown() {
    let settings = JwksSettings::new("http://user:hunter2@localhost:1/k?token=hunter2");
    let shown = format!("{settings:?} {:?}", Jwks::new(settings.clone()).expect("JWKS"));
    assert!(!shown.contains("hunter2") && shown.contains("http://localhost:1/k"), "{shown}");
}
