//! Events, written in the transaction that makes the change that they tell of.

use events::{
    Audience, Event, SessionRevoked, UserId, UserLoggedIn, UserLoggedOut, UserRegistered, UserType,
};
use hub_client::{Message, relay};
use rest::Failure;
use service_kit::problem::Problem;
use store::Transaction;

use crate::users::User;

/// What happened to a user.
#[derive(Debug)]
pub(crate) enum News {
    /// Registered, which signs in too.
    Registered,
    /// Signed in.
    LoggedIn,
    /// Signed out of this session.
    LoggedOut(String),
    /// These sessions were ended.
    Revoked(Vec<String>),
}

/// Writes the event's row. It comes last in its transaction; after the commit the relay is to be woken.
///
/// The hub closes the connections of the sessions that were ended behind the event.
///
/// # Errors
/// The database fails, or the row of the user holds what no user can be.
pub(crate) async fn announce(
    transaction: &mut Transaction,
    user: &User,
    news: News,
    now: i64,
) -> Result<(), Failure> {
    let wrong =
        |what: &dyn std::fmt::Display| Failure(Problem::internal(format!("user {}: {what}", user.user_id)));
    let user_id = UserId::new(user.user_id).map_err(|error| wrong(&error))?;
    let user_type: UserType = user.user_type.parse().map_err(|error| wrong(&error))?;
    let event: Event = match news {
        News::Registered => UserRegistered { user_id, user_type }.into(),
        News::LoggedIn => UserLoggedIn { user_id, user_type }.into(),
        News::LoggedOut(_) => UserLoggedOut { user_id, user_type }.into(),
        News::Revoked(_) => SessionRevoked { user_id, user_type }.into(),
    };
    let mut message = Message::new(event.event_type(), event.data());
    message.user_ids = match event.audience() {
        Audience::Named { users, .. } => Some(users.into_iter().map(|user| user.get().into()).collect()),
        // No event of a user is everyone's.
        Audience::Everyone => Some(Vec::new()),
    };
    message.timestamp = Some(rest::instant::show(now));
    message.traceparent = rest::trace::current();
    message.close_sessions = match news {
        News::Registered | News::LoggedIn => None,
        News::LoggedOut(session) => Some(vec![session]),
        News::Revoked(sessions) => Some(sessions),
    };
    relay::enqueue(transaction, &format!("user:{user_id}"), &message).await?;
    Ok(())
}
