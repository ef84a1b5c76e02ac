//! A notification for all who follow a topic: a job in a row of its own, carried out 500 followers at a time. How far it is
//! stands in the transaction that creates their notifications, so each follower gets one, whatever dies when.

use std::time::Duration;

use actix_web::http::StatusCode;
use rest::idempotency::Fresh;
use rest::{Failure, Form};
use serde_json::json;
use service_kit::shutdown::Token;
use store::counter;

use crate::desk::Desk;
use crate::forms::{self, Content};
use crate::notification::Maker;
use crate::{inbox, topics};

/// Followers that one transaction writes to.
const FOLLOWERS: i64 = 500;

/// How often jobs are looked for where nobody says that there is one: for those of another instance.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait after a job failed.
const PAUSE: Duration = Duration::from_secs(1);

impl Desk {
    /// Stores the job; the answer to who asked for it.
    ///
    /// # Errors
    /// What the database says, and 409 where another instance makes this very call.
    pub(crate) async fn create_for_topic(
        &self,
        topic: &str,
        content: &Content,
        fresh: &Fresh,
        now: i64,
    ) -> Result<(StatusCode, String), Failure> {
        let mut transaction = self.store.begin().await?;
        let job_id = counter(&mut transaction, "topic_jobs").await?;
        let recipients = topics::count(&mut transaction, topic).await?;
        sqlx::query(
            "INSERT INTO topic_jobs (job_id, topic, draft, after_user, created, created_at)
             VALUES ($1, $2, $3, '', 0, $4)",
        )
        .bind(job_id)
        .bind(topic)
        .bind(content.to_json()?)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        let answer = json!({"topic": topic, "recipients": recipients}).to_string();
        fresh.keep(&mut transaction, StatusCode::CREATED, &answer).await?;
        transaction.commit().await?;
        self.topics.notify_one();
        Ok((StatusCode::CREATED, answer))
    }
}

/// Carries out jobs, one after the other, until `shutdown` begins.
pub(crate) async fn run(desk: &Desk, mut shutdown: Token) {
    while !shutdown.is_begun() {
        let wait = match step(desk).await {
            Ok(true) => continue,
            Ok(false) => LOOK,
            Err(error) => {
                tracing::warn!(%error, "a topic's notifications wait: it is tried again");
                PAUSE
            }
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = desk.topics.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Writes to the next followers of the oldest job; whether there was one.
async fn step(desk: &Desk) -> Result<bool, Failure> {
    let oldest: Option<i64> =
        sqlx::query_scalar("SELECT MIN(job_id) FROM topic_jobs").fetch_one(desk.store.reader()).await?;
    let Some(job_id) = oldest else { return Ok(false) };
    let now = desk.clock.now();
    let mut transaction = desk.store.begin().await?;
    // An update that changes nothing locks the row on Postgres: of two instances one waits for the other.
    let found: Option<(String, String, String)> = sqlx::query_as(
        "UPDATE topic_jobs SET created = created WHERE job_id = $1 RETURNING topic, draft, after_user",
    )
    .bind(job_id)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some((topic, draft, after)) = found else { return Ok(true) };
    let mut members = Form::parse(draft.as_bytes())?;
    // Its time was in the future when the job was taken, and may be over by now.
    let content = forms::content(&mut members, i64::MIN);
    members.finish()?;
    let content = content?;
    let users = match content.is_over(now) {
        true => Vec::new(),
        false => topics::subscribers(&mut transaction, &topic, &after, FOLLOWERS).await?,
    };
    let is_last = users.len() < usize::try_from(FOLLOWERS).unwrap_or(usize::MAX);
    let after = users.last().map(|user| user.text().into_owned()).unwrap_or_default();
    let drafts = users.into_iter().map(|user| content.to(user, Maker::Topic)).collect();
    let made = inbox::store_many(desk, &mut transaction, drafts, now).await?;
    if is_last {
        sqlx::query("DELETE FROM topic_jobs WHERE job_id = $1")
            .bind(job_id)
            .execute(&mut *transaction)
            .await?;
    } else {
        sqlx::query("UPDATE topic_jobs SET after_user = $1, created = created + $2 WHERE job_id = $3")
            .bind(after)
            .bind(FOLLOWERS)
            .bind(job_id)
            .execute(&mut *transaction)
            .await?;
    }
    made.announce(&mut transaction).await?;
    transaction.commit().await?;
    inbox::told(desk, &made.stored);
    Ok(true)
}
