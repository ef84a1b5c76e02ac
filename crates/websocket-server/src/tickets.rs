//! Tickets: each stands for a token once, for a client that can send no header.
//!
//! In memory of this process alone. Bounds: [`MOST`] that are not used yet, each for [`LIFE`]; one too many takes the
//! place of the oldest, whose holder is answered 401 and asks for another. Not here: the HTTP around them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::Identity;

use crate::config::node_tag::{NodeTag, tagged, untagged};

/// How long a ticket is good (protocol, Server-sent events): a page uses it at once.
pub(crate) const LIFE: Duration = Duration::from_secs(30);

/// Tickets at once: 333 new clients per second that all come late.
const MOST: usize = 10_000;

/// Bytes of a ticket: 256 bits, which nobody guesses.
const BYTES: usize = 32;

type Secret = [u8; BYTES];

/// The tickets that are not used yet.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    unused: Mutex<Unused>,
    /// What tickets begin with.
    node: Option<NodeTag>,
}

#[derive(Debug, Default)]
struct Unused {
    numbers: HashMap<Secret, u64>,
    /// By number, so that the oldest is the first.
    tickets: BTreeMap<u64, Ticket>,
    next: u64,
}

#[derive(Debug)]
struct Ticket {
    secret: Secret,
    identity: Identity,
    until: Instant,
}

/// What becomes of a ticket that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is used, and gone.
    Up,
    /// It stays.
    Not,
}

impl Unused {
    fn forget(&mut self, number: u64) -> Option<Identity> {
        let ticket = self.tickets.remove(&number)?;
        self.numbers.remove(&ticket.secret);
        Some(ticket.identity)
    }

    /// Forgets the oldest while they are too old, or more than `most`.
    fn trim(&mut self, most: usize, now: Instant) {
        while let Some((&number, oldest)) = self.tickets.first_key_value()
            && (oldest.until <= now || self.tickets.len() > most)
        {
            self.forget(number);
        }
    }
}

impl Tickets {
    /// None yet, of that node.
    pub(crate) fn new(node: Option<NodeTag>) -> Self {
        Self { unused: Mutex::default(), node }
    }

    /// A ticket for that identity.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn issue(&self, identity: Identity, now: Instant) -> io::Result<String> {
        let mut secret = [0; BYTES];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        unused.trim(MOST - 1, now);
        let number = unused.next;
        unused.next += 1;
        unused.numbers.insert(secret, number);
        unused.tickets.insert(number, Ticket { secret, identity, until: now + LIFE });
        Ok(tagged(self.node, &URL_SAFE_NO_PAD.encode(secret)))
    }

    /// Whose ticket it is; none where it is used, too old, or none of ours.
    pub(crate) fn redeem(&self, text: &str, how: Use, now: Instant) -> Option<Identity> {
        let secret: Secret = URL_SAFE_NO_PAD.decode(untagged(text)).ok()?.try_into().ok()?;
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        unused.trim(MOST, now);
        let number = *unused.numbers.get(&secret)?;
        match how {
            Use::Up => unused.forget(number),
            Use::Not => unused.tickets.get(&number).map(|ticket| ticket.identity.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::UserId;

    use super::*;

    fn identity(user: &str) -> Identity {
        Identity {
            user: UserId::from_text(user).expect("an id"),
            user_type: None,
            channels: None,
            session: Some("s-1".into()),
            expires_at: 4_000_000_000,
        }
    }

    #[test]
    fn a_ticket_is_good_once_and_for_its_user() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let text = tickets.issue(identity("7"), now).expect("a ticket");
        assert_eq!(text.len(), 43);
        assert_eq!(tickets.redeem(&text, Use::Not, now), Some(identity("7")));
        assert_eq!(tickets.redeem(&text, Use::Up, now), Some(identity("7")));
        assert_eq!(tickets.redeem(&text, Use::Up, now), None);
        let tickets = Tickets::new(Some("2".parse().expect("a tag")));
        let text = tickets.issue(identity("7"), now).expect("a ticket");
        assert!(text.starts_with("2."), "{text}");
        assert_eq!(tickets.redeem(&text, Use::Up, now), Some(identity("7")), "with the tag of its node");
    }

    #[test]
    fn what_is_too_old_or_no_ticket_is_refused() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let text = tickets.issue(identity("7"), now).expect("a ticket");
        for other in ["", "x", "====", &text[1..], &format!("{text}A"), &"A".repeat(43)] {
            assert_eq!(tickets.redeem(other, Use::Up, now), None, "{other}");
        }
        assert_eq!(tickets.redeem(&text, Use::Up, now + LIFE), None);
    }

    #[test]
    fn of_too_many_the_oldest_goes() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let texts: Vec<String> =
            (0..=MOST).map(|_| tickets.issue(identity("7"), now).expect("a ticket")).collect();
        assert_eq!(tickets.redeem(&texts[0], Use::Up, now), None);
        assert!(tickets.redeem(&texts[1], Use::Up, now).is_some());
        assert!(tickets.redeem(&texts[MOST], Use::Up, now).is_some());
        let unused = tickets.unused.lock().expect("the lock");
        assert_eq!((unused.numbers.len(), unused.tickets.len()), (MOST - 2, MOST - 2));
    }
}
