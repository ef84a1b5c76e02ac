//! How often one machine may sign in or register.
//!
//! Each peer has a budget of a minute's calls that refills evenly (the generic cell rate algorithm: one instant per
//! peer, at which its budget is whole again). Peers on this machine are not limited. An IPv6 network of 64 bits is one
//! peer, since one machine has all its addresses.
//!
//! Overload: at most [`MAX_PEERS`] peers are remembered, about 1 MB. Beyond that those whose budget is whole are
//! forgotten; where there are none, new peers pass uncounted, and argon2's queue is what protects the processor.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Peers that are remembered at once.
const MAX_PEERS: usize = 10_000;

/// The span that the limit is for.
const SPAN: Duration = Duration::from_secs(60);

/// The budgets of all peers of this process.
#[derive(Debug)]
pub(crate) struct Peers {
    limit: Option<NonZeroU32>,
    whole_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Peers {
    pub(crate) fn new(limit: Option<NonZeroU32>) -> Self {
        Self { limit, whole_at: Mutex::default() }
    }

    /// Takes a call from a peer's budget.
    ///
    /// # Errors
    /// The budget is used up; when there is some again.
    pub(crate) fn admit(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let (Some(limit), Some(peer)) = (self.limit, peer.and_then(counted)) else { return Ok(()) };
        let each = SPAN / limit.get();
        let mut all = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_PEERS && !all.contains_key(&peer) {
            all.retain(|_, whole_at| *whole_at > now);
            if all.len() >= MAX_PEERS {
                return Ok(());
            }
        }
        let whole_at = all.get(&peer).map_or(now, |known| (*known).max(now));
        // One call less than the span: the last call of the budget is still in it.
        let most = SPAN.saturating_sub(each);
        let owed = whole_at - now;
        if owed > most {
            return Err(owed - most);
        }
        all.insert(peer, whole_at + each);
        Ok(())
    }
}

/// The peer that an address counts for; `None` for this machine.
fn counted(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))))
        }
        address => Some(address),
    }
}
