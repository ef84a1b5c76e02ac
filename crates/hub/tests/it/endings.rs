//! Sessions that end in the simulation: which publications end them, and whom that closes by the model.

use protocol::publication::CloseSessions;
use protocol::{Stream, UserId};

use crate::client::{Audience, Client};
use crate::world::World;

impl World {
    /// Now and then a publication for users ends sessions of theirs.
    pub(crate) fn sessions_to_close(&mut self, audience: &Audience) -> Option<Box<CloseSessions>> {
        let users: Vec<&str> =
            audience.streams.iter().filter_map(|name| name.strip_prefix("user:")).collect();
        if users.is_empty() || !self.random.percent(8) {
            return None;
        }
        let users = users.iter().map(|user| Stream::user(&UserId::from_text(user).expect("id"))).collect();
        let sessions: &[&str] = if self.random.percent(30) { &["a", "b"] } else { &["a"] };
        Some(Box::new(CloseSessions {
            users,
            sessions: sessions.iter().map(|&session| session.into()).collect(),
        }))
    }

    /// The clients that a publication closes.
    pub(crate) fn doomed(&self, closing: Option<&CloseSessions>) -> Vec<usize> {
        let Some(closing) = closing else { return Vec::new() };
        let is_meant = |client: &Client| {
            let user = client.user.as_ref().map(|user| format!("user:{user}"));
            user.is_some_and(|user| closing.users.iter().any(|stream| stream.as_str() == user))
                && client.session.is_some_and(|session| closing.has(session))
        };
        self.open_clients().into_iter().filter(|&index| is_meant(&self.clients[index])).collect()
    }
}
