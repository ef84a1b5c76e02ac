//! A payment: the money of one job, and who may see it. What happens to it is in [`crate::payments`].

use events::{JobId, PaymentId, PaymentStatus, Usd, UserId};
use rest::list::Page;
use serde::Serialize;
use sqlx::{Any, Executor};
use store::Transaction;

use crate::provider::Escrow;

/// A payment as it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Payment {
    /// Its id.
    #[schema(value_type = i64)]
    pub payment_id: PaymentId,
    /// The job that it pays for.
    #[schema(value_type = i64)]
    pub job_id: JobId,
    /// Who pays.
    #[schema(value_type = i64)]
    pub employer_id: UserId,
    /// Who is paid; null until the job is accepted.
    #[schema(value_type = Option<i64>, required = true)]
    pub worker_id: Option<UserId>,
    /// How much, in US dollars.
    #[schema(value_type = f64)]
    pub amount_usd: Usd,
    /// Where the money is: `held`, `released`, `refunded`.
    #[schema(value_type = String, pattern = "^(held|released|refunded)$")]
    pub status: PaymentStatus,
    /// When the money was held.
    #[serde(serialize_with = "rest::instant::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: i64,
    /// When it last changed.
    #[serde(serialize_with = "rest::instant::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: i64,
}

/// The columns of a payment, in the order of [`Row`].
macro_rules! columns {
    () => {
        "payment_id, job_id, employer_id, worker_id, amount, status, created_at, updated_at"
    };
}

type Row = (i64, i64, i64, Option<i64>, i64, String, i64, i64);

fn read(row: Row) -> sqlx::Result<Payment> {
    let (payment_id, job_id, employer_id, worker_id, cents, status, created_at, updated_at) = row;
    let id = |error: events::IdError| sqlx::Error::Decode(error.into());
    Ok(Payment {
        payment_id: PaymentId::new(payment_id).map_err(id)?,
        job_id: JobId::new(job_id).map_err(id)?,
        employer_id: UserId::new(employer_id).map_err(id)?,
        worker_id: worker_id.map(UserId::new).transpose().map_err(id)?,
        amount_usd: Usd::from_cents(cents),
        status: status.parse().map_err(|_| sqlx::Error::Decode(format!("a payment is {status}").into()))?,
        created_at,
        updated_at,
    })
}

impl Payment {
    /// The payment of this id.
    pub(crate) async fn find<'e>(
        database: impl Executor<'e, Database = Any>,
        id: PaymentId,
    ) -> sqlx::Result<Option<Self>> {
        let row = sqlx::query_as(concat!("SELECT ", columns!(), " FROM payments WHERE payment_id = $1"))
            .bind(id.get())
            .fetch_optional(database)
            .await?;
        row.map(read).transpose()
    }

    /// The payment of this job.
    pub(crate) async fn of_job<'e>(
        database: impl Executor<'e, Database = Any>,
        job: JobId,
    ) -> sqlx::Result<Option<Self>> {
        let row = sqlx::query_as(concat!("SELECT ", columns!(), " FROM payments WHERE job_id = $1"))
            .bind(job.get())
            .fetch_optional(database)
            .await?;
        row.map(read).transpose()
    }

    /// A page of the payments that a user is a party of, newest first.
    pub(crate) async fn of_party<'e>(
        database: impl Executor<'e, Database = Any>,
        user: UserId,
        page: &Page,
    ) -> sqlx::Result<Vec<Self>> {
        // Two walks along an index, so that a page costs a page however many payments there are.
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM (SELECT * FROM payments WHERE employer_id = $1 AND payment_id < $2
                 ORDER BY payment_id DESC LIMIT $3) AS paid
             UNION SELECT ",
            columns!(),
            " FROM (SELECT * FROM payments WHERE worker_id = $1 AND payment_id < $2
                 ORDER BY payment_id DESC LIMIT $3) AS earned
             ORDER BY payment_id DESC LIMIT $3"
        ))
        .bind(user.get())
        .bind(page.before)
        .bind(page.rows())
        .fetch_all(database)
        .await?;
        rows.into_iter().map(read).collect()
    }

    /// Writes a new one.
    pub(crate) async fn insert(&self, transaction: &mut Transaction) -> sqlx::Result<()> {
        sqlx::query(concat!(
            "INSERT INTO payments (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        ))
        .bind(self.payment_id.get())
        .bind(self.job_id.get())
        .bind(self.employer_id.get())
        .bind(self.worker_id.map(UserId::get))
        .bind(self.amount_usd.cents())
        .bind(self.status.as_str())
        .bind(self.created_at)
        .bind(self.updated_at)
        .execute(&mut **transaction)
        .await
        .map(drop)
    }

    /// Writes what may change of one: worker, status, time of the change.
    pub(crate) async fn update(&self, transaction: &mut Transaction) -> sqlx::Result<()> {
        sqlx::query("UPDATE payments SET worker_id = $1, status = $2, updated_at = $3 WHERE payment_id = $4")
            .bind(self.worker_id.map(UserId::get))
            .bind(self.status.as_str())
            .bind(self.updated_at)
            .bind(self.payment_id.get())
            .execute(&mut **transaction)
            .await
            .map(drop)
    }

    /// Whether this user pays or is paid. A party that is not there is nobody.
    #[must_use]
    pub fn has_party(&self, user: UserId) -> bool {
        self.employer_id == user || self.worker_id == Some(user)
    }

    /// Its money, to be moved at the time of its last change.
    pub(crate) fn escrow(&self) -> Escrow {
        Escrow {
            payment: self.payment_id,
            job: self.job_id,
            employer: self.employer_id,
            amount: self.amount_usd,
            at: self.updated_at,
        }
    }
}
