//! The rows of users.

use rest::Failure;
use serde::Serialize;
use service_kit::problem::Problem;
use store::{Store, Transaction, Trouble, counter};
use utoipa::ToSchema;

use actix_web::http::StatusCode;
use events::UserType;

use crate::email::Email;

/// A user, as the user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct User {
    /// The id: a number below 2^53.
    pub(crate) user_id: i64,
    /// The address as it was given.
    pub(crate) email: String,
    /// The name.
    pub(crate) name: String,
    /// `employer` or `worker`.
    pub(crate) user_type: String,
    /// When the user registered: UTC with milliseconds and `Z`.
    #[serde(serialize_with = "rest::instant::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: i64,
}

/// A user who is about to be.
#[derive(Debug)]
pub(crate) struct NewUser {
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) user_type: UserType,
    pub(crate) password_hash: String,
}

/// 409 `email_taken`.
pub(crate) fn taken() -> Failure {
    Failure::new(StatusCode::CONFLICT, "email_taken", "this address is registered already; sign in with it")
}

/// Writes a user.
///
/// # Errors
/// 409 `email_taken`, also where another registers with the address at the same time.
pub(crate) async fn insert(transaction: &mut Transaction, new: NewUser, now: i64) -> Result<User, Failure> {
    let user_id = counter(transaction, "users").await?;
    if user_id > rest::form::MAX_ID {
        return Err(Failure(Problem::internal("there are no ids left for users")));
    }
    let user = User {
        user_id,
        email: new.email.as_str().to_owned(),
        name: new.name,
        user_type: new.user_type.as_str().to_owned(),
        created_at: now,
    };
    let written = sqlx::query(
        "INSERT INTO users (user_id, email, email_key, name, user_type, password_hash, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(user.user_id)
    .bind(&user.email)
    .bind(new.email.key())
    .bind(&user.name)
    .bind(&user.user_type)
    .bind(new.password_hash)
    .bind(user.created_at)
    .execute(&mut **transaction)
    .await;
    match written {
        Ok(_) => Ok(user),
        Err(error) if Trouble::of(&error) == Trouble::Duplicate => Err(taken()),
        Err(error) => Err(error.into()),
    }
}

/// Whether somebody has an address.
pub(crate) async fn is_taken(store: &Store, email: &Email) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar("SELECT user_id FROM users WHERE email_key = $1")
        .bind(email.key())
        .fetch_optional(store.reader())
        .await?;
    Ok(found.is_some())
}

/// The user with this address, and the hash of the password.
pub(crate) async fn by_email(store: &Store, email: &Email) -> sqlx::Result<Option<(User, String)>> {
    let found: Option<(i64, String, String, String, i64, String)> = sqlx::query_as(
        "SELECT user_id, email, name, user_type, created_at, password_hash FROM users WHERE email_key = $1",
    )
    .bind(email.key())
    .fetch_optional(store.reader())
    .await?;
    Ok(found.map(|(user_id, email, name, user_type, created_at, hash)| {
        (User { user_id, email, name, user_type, created_at }, hash)
    }))
}

/// The user with this id.
pub(crate) async fn by_id(
    executor: impl sqlx::Executor<'_, Database = sqlx::Any>,
    user_id: i64,
) -> sqlx::Result<Option<User>> {
    let found: Option<Columns> =
        sqlx::query_as("SELECT user_id, email, name, user_type, created_at FROM users WHERE user_id = $1")
            .bind(user_id)
            .fetch_optional(executor)
            .await?;
    Ok(found.map(User::from))
}

/// Locks a user's row until the transaction ends, and reads it.
pub(crate) async fn lock(transaction: &mut Transaction, user_id: i64) -> sqlx::Result<Option<User>> {
    let found: Option<Columns> = sqlx::query_as(
        "UPDATE users SET created_at = created_at WHERE user_id = $1
         RETURNING user_id, email, name, user_type, created_at",
    )
    .bind(user_id)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(found.map(User::from))
}

/// Gives a user another name.
pub(crate) async fn rename(
    transaction: &mut Transaction,
    user_id: i64,
    name: &str,
) -> sqlx::Result<Option<User>> {
    let found: Option<Columns> = sqlx::query_as(
        "UPDATE users SET name = $1 WHERE user_id = $2 RETURNING user_id, email, name, user_type, created_at",
    )
    .bind(name)
    .bind(user_id)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(found.map(User::from))
}

/// A user as the database gives them.
type Columns = (i64, String, String, String, i64);

impl From<Columns> for User {
    fn from((user_id, email, name, user_type, created_at): Columns) -> Self {
        Self { user_id, email, name, user_type, created_at }
    }
}
