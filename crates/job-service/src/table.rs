//! Every statement about the table of jobs.
//!
//! A step is begun by one update that only succeeds where no step is under way, and gets the next number; whoever ends
//! it names the step and that number. So of several that try, one succeeds, and one who comes too late changes nothing.
//!
//! Not here: when a step is begun and what it is about.

use events::{JobStatus, JobType, Usd};
use rest::idempotency::Stored;
use sqlx::AssertSqlSafe;
use store::{Store, Transaction, counter};

use crate::job::{Entry, Step};

/// What [`Entry`] is read from. By name, since Postgres refuses a prepared `*` once a column is added.
macro_rules! columns {
    () => {
        "job_id, title, description, pay_cents, job_type, status, employer_id, worker_id, deadline, created_at, \
         updated_at, payment_id, step, step_reason, attempt, call_scope, call_body"
    };
}

/// A job that is to be posted.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) employer_id: i64,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) pay_amount_usd: Usd,
    pub(crate) job_type: JobType,
    pub(crate) deadline: Option<i64>,
}

/// A step of a job: what the statements that end it name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) job_id: i64,
    pub(crate) step: Step,
    pub(crate) attempt: i64,
}

/// Whose jobs a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Everyones,
    Employers(i64),
    Workers(i64),
}

/// Writes a job that nobody sees yet, in the step `holding`.
pub(crate) async fn insert(
    transaction: &mut Transaction,
    draft: &Draft,
    now: i64,
    until: i64,
) -> sqlx::Result<i64> {
    let job_id = counter(transaction, "jobs").await?;
    sqlx::query(
        "INSERT INTO jobs (job_id, title, description, pay_cents, job_type, status, employer_id, deadline,
                           created_at, updated_at, step, step_since, step_until, attempt, party_told)
         VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $8, 'holding', $8, $9, 0, 1)",
    )
    .bind(job_id)
    .bind(&draft.title)
    .bind(&draft.description)
    .bind(draft.pay_amount_usd.cents())
    .bind(draft.job_type.as_str())
    .bind(draft.employer_id)
    .bind(draft.deadline)
    .bind(now)
    .bind(until)
    .execute(&mut **transaction)
    .await?;
    Ok(job_id)
}

/// Lets everyone see a job whose money is held; none where somebody else has begun to undo the hold.
pub(crate) async fn publish(
    transaction: &mut Transaction,
    job_id: i64,
    payment_id: i64,
    now: i64,
) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(concat!(
        "UPDATE jobs SET step = NULL, step_since = NULL, step_until = NULL, payment_id = $1, created_at = $2,
                         updated_at = $2
         WHERE job_id = $3 AND step = 'holding' RETURNING ",
        columns!()
    ))
    .bind(payment_id)
    .bind(now)
    .bind(job_id)
    .fetch_optional(&mut **transaction)
    .await
}

/// Removes a job that nobody has seen.
pub(crate) async fn remove(transaction: &mut Transaction, claim: Claim) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM jobs WHERE job_id = $1 AND step = $2 AND payment_id IS NULL")
        .bind(claim.job_id)
        .bind(claim.step.as_str())
        .execute(&mut **transaction)
        .await
        .map(drop)
}

/// Gives an open job to a worker, unless it is taken, in a step, or past its deadline.
pub(crate) async fn accept(
    transaction: &mut Transaction,
    job_id: i64,
    worker_id: i64,
    now: i64,
) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(concat!(
        "UPDATE jobs SET status = 'accepted', worker_id = $1, updated_at = $2, party_told = 0
         WHERE job_id = $3 AND status = 'open' AND step IS NULL AND payment_id IS NOT NULL
               AND (deadline IS NULL OR deadline > $2)
         RETURNING ",
        columns!()
    ))
    .bind(worker_id)
    .bind(now)
    .bind(job_id)
    .fetch_optional(&mut **transaction)
    .await
}

/// Begins a step that an employer asks for, unless one is under way, the state has changed, or the deadline has passed.
/// `call` is what asks for it, where its answer is to be kept.
pub(crate) async fn begin(
    transaction: &mut Transaction,
    job_id: i64,
    status: JobStatus,
    step: Step,
    now: i64,
    until: i64,
    call: Option<&Stored>,
) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(concat!(
        "UPDATE jobs SET step = $1, step_reason = $2, step_since = $3, step_until = $4, attempt = attempt + 1,
                         call_scope = $7, call_body = $8
         WHERE job_id = $5 AND status = $6 AND step IS NULL AND (deadline IS NULL OR deadline > $3)
         RETURNING ",
        columns!()
    ))
    .bind(step.as_str())
    .bind(step.reason())
    .bind(now)
    .bind(until)
    .bind(job_id)
    .bind(status.as_str())
    .bind(call.map(|call| call.scope.as_str()))
    .bind(call.map(|call| call.body.as_str()))
    .fetch_optional(&mut **transaction)
    .await
}

/// Jobs whose deadline has passed and that are in no step, those that wait longest first; then by number, so that two
/// instances lock them in one order.
pub(crate) async fn due(store: &Store, now: i64, most: i64) -> sqlx::Result<Vec<i64>> {
    ids(
        store,
        "SELECT job_id FROM jobs WHERE status IN ('open', 'accepted') AND deadline <= $1 AND step IS NULL
         ORDER BY deadline LIMIT $2",
        now,
        most,
    )
    .await
}

/// Begins the refund of a job whose deadline has passed.
pub(crate) async fn begin_expiry(
    transaction: &mut Transaction,
    job_id: i64,
    now: i64,
    until: i64,
) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(concat!(
        "UPDATE jobs SET step = 'refunding', step_reason = 'expired', step_since = $1, step_until = $2,
                         attempt = attempt + 1
         WHERE job_id = $3 AND status IN ('open', 'accepted') AND deadline <= $1 AND step IS NULL
         RETURNING ",
        columns!()
    ))
    .bind(now)
    .bind(until)
    .bind(job_id)
    .fetch_optional(&mut **transaction)
    .await
}

/// When the next job's deadline is that is in no step.
pub(crate) async fn next_deadline(store: &Store) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "SELECT deadline FROM jobs WHERE status IN ('open', 'accepted') AND deadline IS NOT NULL AND step IS NULL
         ORDER BY deadline LIMIT 1",
    )
    .fetch_optional(store.reader())
    .await
}

/// Jobs in a step whose lease has run out.
pub(crate) async fn abandoned(store: &Store, now: i64, most: i64) -> sqlx::Result<Vec<i64>> {
    ids(
        store,
        "SELECT job_id FROM jobs WHERE step IS NOT NULL AND step_until <= $1 ORDER BY step_until LIMIT $2",
        now,
        most,
    )
    .await
}

/// Takes over a step whose lease has run out. A hold that nobody finished is undone from here on.
pub(crate) async fn take_over(
    transaction: &mut Transaction,
    job_id: i64,
    now: i64,
    until: i64,
) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(concat!(
        "UPDATE jobs SET step = CASE WHEN step = 'holding' THEN 'voiding' ELSE step END, step_until = $1
         WHERE job_id = $2 AND step IS NOT NULL AND step_until <= $3 RETURNING ",
        columns!()
    ))
    .bind(until)
    .bind(job_id)
    .bind(now)
    .fetch_optional(&mut **transaction)
    .await
}

/// Ends a step whose money has moved; none where it has been ended already.
pub(crate) async fn settle(
    transaction: &mut Transaction,
    claim: Claim,
    status: JobStatus,
    reason: Option<&'static str>,
    now: i64,
) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(concat!(
        "UPDATE jobs SET status = $1, reason = $2, updated_at = $3, step = NULL, step_reason = NULL,
                         step_since = NULL, step_until = NULL, call_scope = NULL, call_body = NULL, party_told = 1
         WHERE job_id = $4 AND step = $5 AND attempt = $6 RETURNING ",
        columns!()
    ))
    .bind(status.as_str())
    .bind(reason)
    .bind(now)
    .bind(claim.job_id)
    .bind(claim.step.as_str())
    .bind(claim.attempt)
    .fetch_optional(&mut **transaction)
    .await
}

/// Ends a step whose money has not moved and never will.
pub(crate) async fn clear(transaction: &mut Transaction, claim: Claim) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE jobs SET step = NULL, step_reason = NULL, step_since = NULL, step_until = NULL, call_scope = NULL,
                         call_body = NULL
         WHERE job_id = $1 AND step = $2 AND attempt = $3",
    )
    .bind(claim.job_id)
    .bind(claim.step.as_str())
    .bind(claim.attempt)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

/// Leaves a step to whoever looks for abandoned ones from `until` on.
pub(crate) async fn leave(transaction: &mut Transaction, claim: Claim, until: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE jobs SET step_until = $1 WHERE job_id = $2 AND step = $3 AND attempt = $4")
        .bind(until)
        .bind(claim.job_id)
        .bind(claim.step.as_str())
        .bind(claim.attempt)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

/// Jobs whose payment does not know the worker yet.
pub(crate) async fn untold(store: &Store, most: i64) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM jobs WHERE party_told = 0 ORDER BY job_id LIMIT $1"))
        .bind(most)
        .fetch_all(store.reader())
        .await
}

/// Remembers that the payment knows the worker.
pub(crate) async fn told(transaction: &mut Transaction, job_id: i64, worker_id: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE jobs SET party_told = 1 WHERE job_id = $1 AND worker_id = $2")
        .bind(job_id)
        .bind(worker_id)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

/// A job that everyone may see.
pub(crate) async fn find(store: &Store, job_id: i64) -> sqlx::Result<Option<Entry>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM jobs WHERE job_id = $1 AND payment_id IS NOT NULL"))
        .bind(job_id)
        .fetch_optional(store.reader())
        .await
}

/// Jobs that everyone may see, newest first, of ids below `before`.
pub(crate) async fn list(
    store: &Store,
    whose: Whose,
    status: Option<JobStatus>,
    job_type: Option<JobType>,
    before: i64,
    most: i64,
) -> sqlx::Result<Vec<Entry>> {
    let mut sql =
        concat!("SELECT ", columns!(), " FROM jobs WHERE payment_id IS NOT NULL AND job_id < $1").to_owned();
    let mut values = 2;
    let mut condition = |column: &'static str| {
        values += 1;
        sql.push_str(&format!(" AND {column} = ${values}"));
    };
    let user = match whose {
        Whose::Everyones => None,
        Whose::Employers(id) => Some(("employer_id", id)),
        Whose::Workers(id) => Some(("worker_id", id)),
    };
    if let Some((column, _)) = user {
        condition(column);
    }
    if status.is_some() {
        condition("status");
    }
    if job_type.is_some() {
        condition("job_type");
    }
    sql.push_str(" ORDER BY job_id DESC LIMIT $2");
    // Only the words above are in the text; what callers send is bound.
    let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(before).bind(most);
    if let Some((_, id)) = user {
        query = query.bind(id);
    }
    if let Some(status) = status {
        query = query.bind(status.as_str());
    }
    if let Some(job_type) = job_type {
        query = query.bind(job_type.as_str());
    }
    query.fetch_all(store.reader()).await
}

/// How many steps are under way, and since when the oldest is.
pub(crate) async fn steps(store: &Store) -> sqlx::Result<(i64, Option<i64>)> {
    sqlx::query_as("SELECT COUNT(*), MIN(step_since) FROM jobs WHERE step IS NOT NULL")
        .fetch_one(store.reader())
        .await
}

async fn ids(store: &Store, sql: &'static str, now: i64, most: i64) -> sqlx::Result<Vec<i64>> {
    let mut ids: Vec<i64> = sqlx::query_scalar(sql).bind(now).bind(most).fetch_all(store.reader()).await?;
    ids.sort_unstable();
    Ok(ids)
}
