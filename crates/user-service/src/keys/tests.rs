use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use auth::{JwtSettings, TokenError, Verifier};
use serde_json::{Value, json};
use store::Location;

use super::*;
use crate::tables::MIGRATIONS;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

async fn database() -> Store {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path: PathBuf = std::env::temp_dir().join(format!("fanfare-keys-{}-{number}", std::process::id()));
    let _nothing_there = std::fs::remove_dir_all(&path);
    Store::open(&Location::File(path.join("users.db")), "user_service", &[MIGRATIONS])
        .await
        .expect("a database")
}

async fn open(store: &Store) -> Arc<Keys> {
    Keys::open(store.clone(), DAY * 30, MINUTE * 15).await.expect("keys")
}

fn kids(keys: &Keys) -> Vec<String> {
    let set: Value = serde_json::from_str(&keys.set()).expect("JSON");
    let keys = set["keys"].as_array().expect("keys");
    keys.iter().map(|key| key["kid"].as_str().expect("an id").to_owned()).collect()
}

fn token(keys: &Keys) -> String {
    keys.sign(&json!({"user_id": 7, "exp": 4_000_000_000_u64})).expect("a token")
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).expect("a header").kid.expect("an id")
}

/// Makes all that is in the table so much older.
async fn age(store: &Store, by: Duration) {
    let mut transaction = store.begin().await.expect("a transaction");
    sqlx::query("UPDATE signing_keys SET created_at = created_at - $1, signs_from = signs_from - $1")
        .bind(micros(by))
        .execute(&mut *transaction)
        .await
        .expect("older keys");
    transaction.commit().await.expect("a commit");
}

/// Reads the table anew, whether or not the ids have changed.
async fn renewed(keys: &Keys) {
    keys.ring.store(Arc::default());
    keys.renew().await.expect("keys");
}

#[tokio::test]
async fn the_first_key_signs_at_once_and_the_process_knows_it() {
    let store = database().await;
    let keys = open(&store).await;
    assert_eq!(kids(&keys).len(), 1);
    let settings = JwtSettings { local: Some(Arc::clone(keys.local())), ..JwtSettings::default() };
    let verifier = Verifier::new(settings).expect("a verifier");
    assert_eq!(verifier.verify(&token(&keys)).await.expect("verified").user_id.as_str(), "7");
    let stranger = open(&database().await).await;
    assert_eq!(verifier.verify(&token(&stranger)).await.map(drop), Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn a_restart_keeps_the_key() {
    let store = database().await;
    let (before, after) = (open(&store).await, open(&store).await);
    assert_eq!(kids(&before), kids(&after));
}

#[tokio::test]
async fn instances_that_start_at_once_end_with_the_same_key() {
    let store = database().await;
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { open(&store).await })
        })
        .collect();
    let mut all = Vec::new();
    for keys in opened {
        all.push(kids(&keys.await.expect("opened")));
    }
    assert!(all.iter().all(|kids| kids.len() == 1 && *kids == all[0]), "{all:?}");
}

#[tokio::test]
async fn a_key_is_followed_by_one_that_is_published_before_it_signs() {
    let store = database().await;
    let keys = open(&store).await;
    let first = kid(&token(&keys));
    age(&store, DAY * 30).await;
    renewed(&keys).await;
    let both = kids(&keys);
    assert!(both.len() == 2 && both[0] == first, "{both:?}");
    assert_eq!(kid(&token(&keys)), first, "the new one waits until all know it");
    age(&store, LEAD).await;
    renewed(&keys).await;
    assert_eq!(kid(&token(&keys)), both[1]);
    assert_eq!(kids(&keys), both, "tokens of the old one are still in force");
    age(&store, MINUTE * 30).await;
    renewed(&keys).await;
    assert_eq!(kids(&keys), both[1..]);
}

#[tokio::test]
async fn another_instance_notices_a_new_key() {
    let store = database().await;
    let (one, other) = (open(&store).await, open(&store).await);
    age(&store, DAY * 30).await;
    one.renew().await.expect("keys");
    other.renew().await.expect("keys");
    assert_eq!(kids(&one), kids(&other));
    assert_eq!(kids(&one).len(), 2);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_stops_the_start_and_is_not_shown() {
    let store = database().await;
    let keys = open(&store).await;
    let private: String = sqlx::query_scalar("SELECT private_key FROM signing_keys")
        .fetch_one(store.reader())
        .await
        .expect("a key");
    assert!(!format!("{keys:?}").contains(&private[..20]) && !keys.set().contains(&private[20..30]));
    let mut transaction = store.begin().await.expect("a transaction");
    let broken = sqlx::query("UPDATE signing_keys SET private_key = 'c2VjcmV0LWtleQ=='");
    broken.execute(&mut *transaction).await.expect("a broken key");
    transaction.commit().await.expect("a commit");
    let error = Keys::open(store, DAY, MINUTE).await.expect_err("a broken key");
    assert!(!format!("{error:#} {error:?}").contains("c2Vj"), "{error:#}");
}

#[test]
fn a_key_id_is_the_thumbprint_of_the_key() {
    let (one, other) = (Pair::new().expect("a key"), Pair::new().expect("a key"));
    assert_ne!(one.kid, other.kid);
    assert_eq!(one.kid.len(), 43);
    let jwk: Value = serde_json::from_str(&one.jwk).expect("JSON");
    assert_eq!(jwk["kid"], one.kid);
    assert_eq!(jwk.get("d"), None, "only the public half is published");
}
