//! Whose a socket is that wants to be in a namespace: the token in what its CONNECT gives as `auth`.
//!
//! Not here: what a token must look like (`auth`), and what becomes of the socket (`engines`).

use std::sync::Arc;

use protocol::ConnectionId;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::asked::{Asked, Verified};
use crate::access;
use crate::cluster::prepare;
use crate::state::State;

/// Tokens that wait for verification; one more is refused to its client, as one that cannot be told.
pub(crate) const WISHES: usize = 1024;

/// A token, and whose socket it is to be.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The reactor that asks.
    pub reactor: usize,
    /// The place of its session.
    pub session: u32,
    /// The socket.
    pub socket: ConnectionId,
    /// The token.
    pub token: Token,
}

/// A token, which is in no log.
pub(crate) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The token in the JSON that a CONNECT gives.
#[must_use]
pub(crate) fn token(auth: &str) -> Option<Token> {
    #[derive(Deserialize)]
    struct Auth<'a> {
        #[serde(borrow)]
        token: Option<&'a RawValue>,
    }
    let raw = serde_json::from_str::<Auth<'_>>(auth).ok()?.token?;
    let token: String = serde_json::from_str(raw.get()).ok()?;
    (!token.is_empty()).then_some(Token(token))
}

/// Verifies tokens, and tells the reactors.
pub(crate) async fn verify(state: Arc<State>, mut wishes: mpsc::Receiver<Wish>) {
    while let Some(Wish { reactor, session, socket, token }) = wishes.recv().await {
        let state = Arc::clone(&state);
        // Each on its own: one that waits for a JWKS must not hold up the others.
        actix_rt::spawn(async move {
            let outcome = match state.access().verifier.verify(&token.0).await {
                Ok(token) => {
                    let identity = access::identity(token);
                    prepare(&state.hub, None, Some(&identity.user)).await;
                    Verified::Good(Box::new(identity))
                }
                Err(error) => {
                    state.metrics.handshakes_refused.with_label_values(&[error.cause()]).inc();
                    tracing::debug!(cause = error.cause(), "a token was refused");
                    if error.is_our_fault() { Verified::Unknown } else { Verified::Bad }
                }
            };
            state.reactors[reactor].ask(Asked::Verified { session, socket, outcome });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_in_the_member_of_that_name_alone() {
        let found = |auth: &str| token(auth).map(|token| token.0);
        assert_eq!(found(r#"{"token":"abc","recover":true}"#).as_deref(), Some("abc"));
        assert_eq!(found(r#"{"token":"a\u0062c"}"#).as_deref(), Some("abc"));
        for wrong in [
            "{}",
            r#"{"token":null}"#,
            r#"{"token":""}"#,
            r#"{"token":7}"#,
            r#"{"token":["abc"]}"#,
            r#"{"token":{"token":"abc"}}"#,
            r#"{"Token":"abc"}"#,
            r#"{"auth":{"token":"abc"}}"#,
            r#"{"token":"abc","token":"def"}"#,
        ] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{:?}", token(r#"{"token":"abc"}"#)), "Some(***)");
    }
}
