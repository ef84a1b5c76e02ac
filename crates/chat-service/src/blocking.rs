//! The block list: whose messages and whose typing a user does not want.

use actix_web::http::StatusCode;
use events::AnyUserId;
use rest::Failure;
use sqlx::{Any, Executor};
use store::{Store, counter, now_micros};

use crate::desk::Desk;
use crate::message::{Block, read, written};

/// The most that a user may block; chosen, far beyond what people do by hand.
pub(crate) const MOST_BLOCKS: i64 = 1_000;

/// Whether `owner` has blocked `other`.
pub(crate) async fn is_blocked<'e>(
    database: impl Executor<'e, Database = Any>,
    owner: &AnyUserId,
    other: &AnyUserId,
) -> sqlx::Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT block_id FROM blocks WHERE owner = $1 AND blocked = $2")
            .bind(owner.text().into_owned())
            .bind(other.text().into_owned())
            .fetch_optional(database)
            .await?;
    Ok(found.is_some())
}

/// Blocks of a user with ids below `before`, newest first.
pub(crate) async fn list(store: &Store, owner: &str, before: i64, most: i64) -> sqlx::Result<Vec<Block>> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT blocked_user, created_at, block_id FROM blocks WHERE owner = $1 AND block_id < $2
         ORDER BY block_id DESC LIMIT $3",
    )
    .bind(owner)
    .bind(before)
    .bind(most)
    .fetch_all(store.reader())
    .await?;
    rows.into_iter().map(block).collect()
}

/// One block.
pub(crate) async fn find(store: &Store, owner: &str, other: &str) -> sqlx::Result<Option<Block>> {
    let row: Option<(String, i64, i64)> = sqlx::query_as(
        "SELECT blocked_user, created_at, block_id FROM blocks WHERE owner = $1 AND blocked = $2",
    )
    .bind(owner)
    .bind(other)
    .fetch_optional(store.reader())
    .await?;
    row.map(block).transpose()
}

fn block((user, created_at, block_id): (String, i64, i64)) -> sqlx::Result<Block> {
    Ok(Block { user_id: read(&user)?, created_at, block_id })
}

impl Desk {
    /// Blocks somebody; one who is blocked already stays so, since when that was.
    ///
    /// # Errors
    /// 422 for oneself, 409 `too_many_blocks`.
    pub(crate) async fn block(&self, owner: &AnyUserId, other: &AnyUserId) -> Result<Block, Failure> {
        if owner == other {
            let detail = "nobody can block themselves";
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail));
        }
        let mut transaction = self.store.begin().await?;
        // Locks out other blocks until the commit, so that no two go beyond the bound at once.
        let block_id = counter(&mut transaction, "blocks").await?;
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM blocks WHERE owner = $1 AND blocked <> $2")
            .bind(owner.text().as_ref())
            .bind(other.text().as_ref())
            .fetch_one(&mut *transaction)
            .await?;
        if count >= MOST_BLOCKS {
            let detail = format!("at most {MOST_BLOCKS} users can be blocked");
            return Err(Failure::new(StatusCode::CONFLICT, "too_many_blocks", detail));
        }
        let row: (String, i64, i64) = sqlx::query_as(
            "INSERT INTO blocks (owner, blocked, blocked_user, block_id, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (owner, blocked) DO UPDATE SET block_id = blocks.block_id
             RETURNING blocked_user, created_at, block_id",
        )
        .bind(owner.text().as_ref())
        .bind(other.text().as_ref())
        .bind(written(other))
        .bind(block_id)
        .bind(now_micros())
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(block(row)?)
    }

    /// Blocks somebody no more; one who was not blocked is none.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn unblock(&self, owner: &AnyUserId, other: &AnyUserId) -> Result<(), Failure> {
        let mut transaction = self.store.begin().await?;
        sqlx::query("DELETE FROM blocks WHERE owner = $1 AND blocked = $2")
            .bind(owner.text().as_ref())
            .bind(other.text().as_ref())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
