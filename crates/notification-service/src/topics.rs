//! Topics: names that users follow, and that a service can write to in place of a user.
//!
//! They are ours, not Firebase's: what is sent to a topic is in each follower's inbox, and goes by their preferences.

use events::AnyUserId;
use store::{Migration, Transaction};

use crate::notification::{read, written};

pub(crate) mod http;

/// The tables of topics.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 322,
    name: "topics",
    sql: "CREATE TABLE topic_followers (
              topic TEXT NOT NULL,
              user_key TEXT NOT NULL,
              user_id TEXT NOT NULL,
              created_at BIGINT NOT NULL,
              PRIMARY KEY (topic, user_key)
          );
          CREATE INDEX topic_followers_by_user ON topic_followers (user_key);",
}];

/// Topics that one user may follow; chosen.
pub(crate) const MOST_TOPICS: i64 = 100;

/// The longest name, in characters.
const MOST_NAME: usize = 200;

/// How many users follow a topic.
///
/// # Errors
/// What the database says.
pub(crate) async fn count(transaction: &mut Transaction, topic: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT COUNT(*) FROM topic_followers WHERE topic = $1")
        .bind(topic)
        .fetch_one(&mut **transaction)
        .await
}

/// The next followers of a topic: those whose ids' texts lie behind `after`, in the order of these texts, at most
/// `most`. From the beginning with an empty `after`.
///
/// # Errors
/// What the database says.
pub(crate) async fn subscribers(
    transaction: &mut Transaction,
    topic: &str,
    after: &str,
    most: i64,
) -> sqlx::Result<Vec<AnyUserId>> {
    let users: Vec<String> = sqlx::query_scalar(
        "SELECT user_id FROM topic_followers WHERE topic = $1 AND user_key > $2 ORDER BY user_key LIMIT $3",
    )
    .bind(topic)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **transaction)
    .await?;
    users.iter().map(|user| read(user)).collect()
}

/// A topic's name in a member: 1 to 200 of Firebase's own characters.
///
/// # Errors
/// What it must be.
pub(crate) fn name(raw: &str) -> Result<String, String> {
    let name: String = serde_json::from_str(raw).unwrap_or_default();
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
    if name.is_empty() || name.len() > MOST_NAME || !name.bytes().all(is_good) {
        return Err(format!("must have 1 to {MOST_NAME} of the characters A-Z a-z 0-9 - _ . ~ %"));
    }
    Ok(name)
}

/// What came of following.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Followed {
    Yes,
    TooMany,
}

/// Lets a user follow a topic; one who does already goes on.
async fn follow(
    transaction: &mut Transaction,
    user: &AnyUserId,
    topic: &str,
    now: i64,
) -> sqlx::Result<Followed> {
    let user_key = user.text();
    // No two go beyond the bound at once.
    crate::push::hold(transaction).await?;
    sqlx::query(
        "INSERT INTO topic_followers (topic, user_key, user_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (topic, user_key) DO UPDATE SET user_id = excluded.user_id",
    )
    .bind(topic)
    .bind(user_key.as_ref())
    .bind(written(user))
    .bind(now)
    .execute(&mut **transaction)
    .await?;
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM topic_followers WHERE user_key = $1")
        .bind(user_key.as_ref())
        .fetch_one(&mut **transaction)
        .await?;
    Ok(if count > MOST_TOPICS { Followed::TooMany } else { Followed::Yes })
}

async fn leave(transaction: &mut Transaction, user_key: &str, topic: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM topic_followers WHERE topic = $1 AND user_key = $2")
        .bind(topic)
        .bind(user_key)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_name_has_the_characters_that_firebase_takes() {
        assert_eq!(name("\"news-1_a.b~c%\"").as_deref(), Ok("news-1_a.b~c%"));
        for raw in ["\"\"", "7", "null", "\"a b\"", "\"a/b\"", "\"ä\"", "\"a\\u0000\""] {
            assert!(name(raw).is_err(), "{raw}");
        }
        assert!(name(&format!("\"{}\"", "x".repeat(201))).is_err());
    }
}
