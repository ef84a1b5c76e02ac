//! Many notifications in one call: 500 at a time, each chunk a transaction of its own with the answer to it.
//!
//! Of a call with a key the answer to a chunk is kept in the transaction that creates its notifications. So a repeat after
//! whatever happened gives the same ids for what was created, and creates the rest.

use actix_web::http::StatusCode;
use events::AnyUserId;
use rest::Failure;
use rest::idempotency::KEPT;
use serde::Serialize;
use serde_json::json;
use service_kit::problem::Problem;
use store::{Trouble, now_micros};

use crate::desk::Desk;
use crate::inbox::{self, Made};
use crate::notification::{Draft, Stored};
use crate::table::AT_ONCE;

/// Items of a chunk: what one transaction creates.
pub(crate) const CHUNK: usize = AT_ONCE;

/// The code of a call with the key of another.
const OTHER_CALL: &str = "idempotency_key_reused";

/// What a caller wants made, or why it can't be.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Good(Box<Draft>),
    Bad(Option<AnyUserId>, Box<Problem>),
}

/// What identifies a chunk of a call with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Caller, path and key, as a digest.
    pub(crate) scope: String,
    /// The number of the chunk's first item.
    pub(crate) first: i64,
    /// What the call said, as a digest.
    pub(crate) body: String,
}

/// How many items came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    pub(crate) created: i64,
    pub(crate) filtered: i64,
    pub(crate) refused: i64,
}

/// A line of the answer for each item, and how many came to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) lines: String,
    pub(crate) outcome: Outcome,
    /// Whether the key is another call's: then what follows is refused as well.
    pub(crate) is_other_call: bool,
}

impl Answer {
    /// 422 for a call with the key of another.
    pub(crate) fn other_call() -> Problem {
        let detail = "the key was used with another body; use a new key for another call";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, OTHER_CALL, detail)
    }

    fn new(items: usize) -> Self {
        Self { lines: String::with_capacity(items * 64), outcome: Outcome::default(), is_other_call: false }
    }

    fn stored(&mut self, stored: &Stored) {
        #[derive(Serialize)]
        struct Line<'a> {
            success: bool,
            user_id: &'a AnyUserId,
            id: i64,
        }
        self.line(&Line { success: true, user_id: &stored.user, id: stored.id });
        match stored.filtered {
            None => self.outcome.created += 1,
            Some(_) => self.outcome.filtered += 1,
        }
    }

    fn refused(&mut self, user: Option<&AnyUserId>, problem: &Problem) {
        let status = problem.status().as_u16();
        self.line(&json!({"success": false, "user_id": user, "status": status, "error": problem}));
        self.outcome.refused += 1;
    }

    fn line(&mut self, line: &impl Serialize) {
        // Strings, numbers and truths: it can always be written.
        self.lines.push_str(&serde_json::to_string(line).unwrap_or_default());
        self.lines.push('\n');
    }

    /// A line for the end of a call that can't be read on.
    pub(crate) fn of_call(problem: &Problem) -> Self {
        let mut answer = Self::new(1);
        answer.refused(None, problem);
        answer
    }

    /// All items refused for one reason, but those that were bad before.
    pub(crate) fn of_failure(items: &[Item], problem: &Problem) -> Self {
        let mut answer = Self::new(items.len());
        answer.is_other_call = problem.code() == OTHER_CALL;
        for item in items {
            match item {
                Item::Good(draft) => answer.refused(Some(&draft.user), problem),
                Item::Bad(user, own) => answer.refused(user.as_ref(), own),
            }
        }
        answer
    }
}

impl Desk {
    /// Creates a chunk's notifications, or gives the first answer again.
    pub(crate) async fn create_chunk(&self, items: &[Item], key: Option<&Key>) -> Answer {
        match self.try_chunk(items, key).await {
            Ok(answer) => answer,
            Err(Failure(problem)) => {
                if problem.status().is_server_error() {
                    tracing::warn!(%problem, "a part of a bulk call failed");
                }
                Answer::of_failure(items, &problem)
            }
        }
    }

    async fn try_chunk(&self, items: &[Item], key: Option<&Key>) -> Result<Answer, Failure> {
        if let Some(key) = key
            && let Some(answer) = self.kept_chunk(key).await?
        {
            return Ok(answer);
        }
        let good = |item: &Item| match item {
            Item::Good(draft) => Some(Draft::clone(draft)),
            Item::Bad(..) => None,
        };
        let drafts = items.iter().filter_map(good).collect();
        let now = self.clock.now();
        let mut transaction = self.store.begin().await?;
        let made = inbox::store_many(self, &mut transaction, drafts, now).await?;
        let answer = answer(items, &made);
        if let Some(key) = key {
            let kept = sqlx::query(
                "INSERT INTO bulk_chunks (scope, first, body, answer, created, filtered, refused, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(&key.scope)
            .bind(key.first)
            .bind(&key.body)
            .bind(&answer.lines)
            .bind(answer.outcome.created)
            .bind(answer.outcome.filtered)
            .bind(answer.outcome.refused)
            .bind(now_micros())
            .execute(&mut *transaction)
            .await;
            match kept {
                Ok(_) => {}
                // Another instance was first with this very call.
                Err(error) if Trouble::of(&error) == Trouble::Duplicate => {
                    transaction.rollback().await?;
                    return self.kept_chunk(key).await?.ok_or_else(|| error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        made.announce(&mut transaction).await?;
        transaction.commit().await?;
        inbox::told(self, &made.stored);
        Ok(answer)
    }

    /// Whether a part of a call with this key is kept.
    pub(crate) async fn has_begun(&self, scope: &str) -> Result<bool, Failure> {
        let found: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM bulk_chunks WHERE scope = $1")
            .bind(scope)
            .fetch_one(self.store.reader())
            .await?;
        Ok(found > 0)
    }

    /// The answer that is kept for a chunk; 422 where the call said something else.
    async fn kept_chunk(&self, key: &Key) -> Result<Option<Answer>, Failure> {
        let since = now_micros() - i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        let found: Option<(String, String, i64, i64, i64)> = sqlx::query_as(
            "SELECT body, answer, created, filtered, refused FROM bulk_chunks
             WHERE scope = $1 AND first = $2 AND created_at > $3",
        )
        .bind(&key.scope)
        .bind(key.first)
        .bind(since)
        .fetch_optional(self.store.reader())
        .await?;
        let Some((body, lines, created, filtered, refused)) = found else { return Ok(None) };
        if body != key.body {
            return Err(Failure(Answer::other_call()));
        }
        let outcome = Outcome { created, filtered, refused };
        Ok(Some(Answer { lines, outcome, is_other_call: false }))
    }
}

fn answer(items: &[Item], made: &Made) -> Answer {
    let mut answer = Answer::new(items.len());
    let mut stored = made.stored.iter();
    for item in items {
        match item {
            Item::Good(_) => stored.by_ref().take(1).for_each(|one| answer.stored(one)),
            Item::Bad(user, problem) => answer.refused(user.as_ref(), problem),
        }
    }
    answer
}
