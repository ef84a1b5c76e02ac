//! What a dropped connection can be resumed to, and the tokens that say so.
//!
//! A token names a connection and which of its tokens it is, under a MAC of this hub's secret: so an open connection
//! costs nothing here. Only what was dropped is kept, for `KEEP`, at most [`Limits::resumable`](crate::Limits) of it
//! and `MOST_BYTES`; beyond, the one that was dropped first is forgotten, and its client recovers by its positions alone.
//!
//! Not here: taking over from a connection that is still open (its shard does that).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use protocol::ConnectionId;
use protocol::timestamp::Timestamp;
use sha2::Sha256;

use crate::journal::ResumeEntry;

/// How long after a drop a connection can be resumed (contract: recovery, Frames).
pub(crate) const KEEP: Duration = Duration::from_secs(120);

/// Bytes of dropped connections that are kept, by estimate: 100,000 with a dozen channels each. Without this bound those
/// who subscribe to a hundred long names and drop would fill 2 GB, which a test measured.
const MOST_BYTES: usize = 64 << 20;

/// What an entry, and each channel of it, weighs beside its names.
const ENTRY_WEIGHT: usize = 192;
const CHANNEL_WEIGHT: usize = 32;

/// The bytes of a token before its MAC: connection, generation, shard, process.
const CLAIMS: usize = 16 + 4 + 2 + 4;

/// The bytes of the MAC that a token has: 128 bits, more than anybody can try.
const MAC: usize = 16;

/// What tells the MAC of a pid from that of a token.
const PID: &[u8] = b"pid";

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) connection: ConnectionId,
    pub(crate) generation: u32,
    /// The shard that the connection was on.
    pub(crate) shard: u16,
    /// The life of the process.
    pub(crate) process: u32,
}

/// What became of a token.
#[derive(Debug)]
pub(crate) enum Found {
    /// The connection was dropped, and is handed over.
    Dropped(ResumeEntry),
    /// It may still be open on this shard.
    Perhaps(Claims),
    /// This hub has not given it; another node of the cluster may have.
    Elsewhere(Claims),
    /// It is nobody's, used, too old, or not this user's.
    Nothing,
}

/// The dropped connections of a hub.
pub(crate) struct Resumes {
    mac: RwLock<Hmac<Sha256>>,
    process: u32,
    shards: usize,
    most: usize,
    parked: Mutex<Parked>,
}

impl std::fmt::Debug for Resumes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resumes").field("most", &self.most).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Parked {
    entries: HashMap<ConnectionId, ResumeEntry>,
    weight: usize,
    /// In the order of their drops.
    order: VecDeque<(i64, ConnectionId)>,
}

impl Resumes {
    pub(crate) fn new(secret: &[u8; 32], process: u32, shards: usize, most: usize) -> Self {
        // A key of any length is taken; an all-zero MAC would only make tokens that nobody accepts elsewhere.
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(secret)
            .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Default::default()));
        Self { mac: RwLock::new(mac), process, shards, most, parked: Mutex::default() }
    }

    /// Makes tokens with this from now on: that of the cluster, once it is known.
    pub(crate) fn set_secret(&self, secret: &[u8; 32]) {
        if let Ok(mac) = <Hmac<Sha256> as Mac>::new_from_slice(secret) {
            *self.mac.write().unwrap_or_else(PoisonError::into_inner) = mac;
        }
    }

    fn mac(&self) -> Hmac<Sha256> {
        self.mac.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that are kept, which are kept no longer.
    pub(crate) fn take_all(&self) -> Vec<ResumeEntry> {
        let mut parked = self.parked();
        let all = std::mem::take(&mut *parked);
        all.entries.into_values().collect()
    }

    fn parked(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token of a connection.
    pub(crate) fn token(&self, connection: ConnectionId, generation: u32, shard: usize) -> String {
        let mut bytes = Vec::with_capacity(CLAIMS + MAC);
        bytes.extend_from_slice(&connection.as_u128().to_be_bytes());
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(shard).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&self.process.to_be_bytes());
        let mac = self.mac().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac[..MAC]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a socket shows when it comes back (Socket.IO's connection state recovery): the same over all its lives, since its
    /// client compares it. It is taken from its user alone.
    pub(crate) fn pid(&self, connection: ConnectionId) -> String {
        let id = connection.as_u128().to_be_bytes();
        let mac = self.mac().chain_update(PID).chain_update(id).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([&id[..], &mac[..MAC]].concat())
    }

    /// The socket of a pid, if this hub has given it.
    pub(crate) fn socket_of(&self, pid: &str) -> Option<ConnectionId> {
        let bytes = URL_SAFE_NO_PAD.decode(pid).ok().filter(|bytes| bytes.len() == 16 + MAC)?;
        let (id, mac) = bytes.split_first_chunk::<16>()?;
        // Compares in constant time.
        self.mac().chain_update(PID).chain_update(id).verify_truncated_left(mac).ok()?;
        Some(ConnectionId::from_random(u128::from_be_bytes(*id)))
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == CLAIMS + MAC)?;
        let (claims, mac) = bytes.split_at(CLAIMS);
        // Compares in constant time.
        self.mac().chain_update(claims).verify_truncated_left(mac).ok()?;
        let (connection, rest) = claims.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (process, _) = rest.split_first_chunk()?;
        Some(Claims {
            connection: ConnectionId::from_random(u128::from_be_bytes(*connection)),
            generation: u32::from_be_bytes(*generation),
            shard: u16::from_be_bytes(*shard),
            process: u32::from_be_bytes(*process),
        })
    }

    /// Looks a token up; what was dropped is handed over, once.
    pub(crate) fn find(&self, token: &str, user: Option<&str>, now: Timestamp) -> Found {
        let Some(claims) = self.claims(token) else { return Found::Nothing };
        if let Some(entry) = self.take(claims.connection, claims.generation, user, now) {
            return Found::Dropped(entry);
        }
        if claims.process == self.process && usize::from(claims.shard) < self.shards {
            return Found::Perhaps(claims);
        }
        if claims.process != self.process {
            return Found::Elsewhere(claims);
        }
        Found::Nothing
    }

    /// What a dropped connection had whose client comes back by its id. It is not handed over: a tab and its duplicate have
    /// the same id.
    pub(crate) fn look_up(
        &self,
        connection: ConnectionId,
        user: Option<&str>,
        now: Timestamp,
    ) -> Option<ResumeEntry> {
        let parked = self.parked();
        let entry = parked.entries.get(&connection)?;
        let is_in_time = entry.dropped.is_none_or(|at| age(at, now) <= keep_ms());
        let is_meant = entry.arrived.is_some() && !entry.is_of_socket() && entry.user.as_deref() == user;
        (is_meant && is_in_time).then(|| entry.clone())
    }

    /// Hands a dropped socket over to its user, once.
    pub(crate) fn take_socket(
        &self,
        socket: ConnectionId,
        user: Option<&str>,
        now: Timestamp,
    ) -> Option<ResumeEntry> {
        let mut parked = self.parked();
        let entry = parked.entries.get(&socket)?;
        let is_in_time = entry.dropped.is_none_or(|at| age(at, now) <= keep_ms());
        if !entry.is_of_socket() || entry.user.as_deref() != user || !is_in_time {
            return None;
        }
        parked.remove(socket)
    }

    /// Hands a dropped connection over to its user, once.
    pub(crate) fn take(
        &self,
        connection: ConnectionId,
        generation: u32,
        user: Option<&str>,
        now: Timestamp,
    ) -> Option<ResumeEntry> {
        let mut parked = self.parked();
        let entry = parked.entries.get(&connection)?;
        let is_in_time = entry.dropped.is_none_or(|at| age(at, now) <= keep_ms());
        if entry.generation != generation || entry.user.as_deref() != user || !is_in_time {
            return None;
        }
        parked.remove(connection)
    }

    /// Keeps a dropped connection. Returns those that are forgotten for it.
    pub(crate) fn park(&self, mut entry: ResumeEntry, now: Timestamp) -> Vec<ConnectionId> {
        let mut parked = self.parked();
        let at = entry.dropped.get_or_insert(now).as_millis();
        parked.order.push_back((at, entry.connection));
        parked.remove(entry.connection);
        parked.weight += weight(&entry);
        parked.entries.insert(entry.connection, entry);
        let mut forgotten = parked.forget_old(now);
        while parked.entries.len() > self.most || parked.weight > MOST_BYTES {
            let Some((at, oldest)) = parked.order.pop_front() else { break };
            if parked.remove_dropped(oldest, at) {
                forgotten.push(oldest);
            }
        }
        forgotten
    }

    /// Forgets those whose time is over. Returns them.
    pub(crate) fn expire(&self, now: Timestamp) -> Vec<ConnectionId> {
        self.parked().forget_old(now)
    }

    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.parked().entries.len()
    }
}

impl Parked {
    fn remove(&mut self, connection: ConnectionId) -> Option<ResumeEntry> {
        let entry = self.entries.remove(&connection)?;
        self.weight = self.weight.saturating_sub(weight(&entry));
        Some(entry)
    }

    /// Removes one that dropped then. One that came back and dropped again is kept for its own time.
    fn remove_dropped(&mut self, connection: ConnectionId, at: i64) -> bool {
        let is_it = |entry: &ResumeEntry| entry.dropped.is_some_and(|dropped| dropped.as_millis() == at);
        self.entries.get(&connection).is_some_and(is_it) && self.remove(connection).is_some()
    }

    fn forget_old(&mut self, now: Timestamp) -> Vec<ConnectionId> {
        let mut forgotten = Vec::new();
        while let Some(&(at, connection)) = self.order.front() {
            if now.as_millis().saturating_sub(at) <= keep_ms() {
                break;
            }
            self.order.pop_front();
            if self.remove_dropped(connection, at) {
                forgotten.push(connection);
            }
        }
        forgotten
    }
}

/// What an entry takes up, about.
fn weight(entry: &ResumeEntry) -> usize {
    let user = entry.user.as_ref().map_or(0, |user| user.len());
    let arrived = entry.arrived.iter().flatten().map(|(name, _)| CHANNEL_WEIGHT + name.len()).sum::<usize>();
    ENTRY_WEIGHT
        + arrived
        + user
        + entry.channels.iter().map(|channel| CHANNEL_WEIGHT + channel.len()).sum::<usize>()
}

fn age(at: Timestamp, now: Timestamp) -> i64 {
    now.as_millis().saturating_sub(at.as_millis())
}

fn keep_ms() -> i64 {
    i64::try_from(KEEP.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn id(n: u128) -> ConnectionId {
        ConnectionId::from_random(n)
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + ms)
    }

    fn entry(n: u128, user: Option<&str>, dropped: i64) -> ResumeEntry {
        ResumeEntry {
            connection: id(n),
            generation: 3,
            user: user.map(Into::into),
            channels: vec!["jobs".into()],
            dropped: Some(at(dropped)),
            arrived: None,
        }
    }

    #[test]
    fn a_token_works_once_for_its_user_and_in_its_time() {
        let resumes = Resumes::new(&SECRET, 1, 2, 10);
        let token = resumes.token(id(1), 3, 0);
        for now in [0, 120_000] {
            resumes.park(entry(1, Some("7"), 0), at(0));
            assert!(matches!(resumes.find(&token, Some("8"), at(now)), Found::Perhaps(_)), "foreign");
            assert!(matches!(resumes.find(&token, None, at(now)), Found::Perhaps(_)), "anonymous");
            assert!(matches!(resumes.find(&token, Some("7"), at(now)), Found::Dropped(_)));
            assert!(matches!(resumes.find(&token, Some("7"), at(now)), Found::Perhaps(_)), "used");
        }
        resumes.park(entry(1, Some("7"), 0), at(0));
        assert!(!matches!(resumes.find(&token, Some("7"), at(120_001)), Found::Dropped(_)), "too old");
        let older = resumes.token(id(1), 2, 0);
        assert!(!matches!(resumes.find(&older, Some("7"), at(0)), Found::Dropped(_)), "an older token");
    }

    #[test]
    fn a_token_that_was_changed_or_made_up_is_nothing() {
        let resumes = Resumes::new(&SECRET, 1, 2, 10);
        resumes.park(entry(1, None, 0), at(0));
        let token = resumes.token(id(1), 3, 0);
        for place in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            assert!(matches!(resumes.find(&other, None, at(0)), Found::Nothing), "{place}");
        }
        for text in ["", "x", &"A".repeat(56), &"A".repeat(100_000)] {
            assert!(matches!(resumes.find(text, None, at(0)), Found::Nothing));
        }
        let other_secret = Resumes::new(&[8; 32], 1, 2, 10);
        assert!(matches!(other_secret.find(&token, None, at(0)), Found::Nothing));
        let restarted = Resumes::new(&SECRET, 2, 2, 10);
        assert!(
            matches!(restarted.find(&token, None, at(0)), Found::Elsewhere(_)),
            "not known after a restart"
        );
        restarted.park(entry(1, None, 0), at(0));
        assert!(matches!(restarted.find(&token, None, at(0)), Found::Dropped(_)), "known after a restart");
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_as_well() {
        let resumes = Resumes::new(&SECRET, 1, 2, 100_000);
        let channels: Vec<Box<str>> = (0..100).map(|n| format!("{n:0200}").into()).collect();
        let mut forgotten = 0;
        for n in 0..4_000 {
            forgotten +=
                resumes.park(ResumeEntry { channels: channels.clone(), ..entry(n, None, 0) }, at(0)).len();
        }
        let each = weight(&ResumeEntry { channels, ..entry(0, None, 0) });
        assert_eq!((resumes.len(), resumes.len() + forgotten), (MOST_BYTES / each, 4_000));
        assert_eq!(resumes.expire(at(120_001)).len(), MOST_BYTES / each);
        assert_eq!(resumes.parked().weight, 0);
    }

    #[test]
    fn one_that_came_back_and_dropped_again_is_kept_for_its_own_time() {
        let resumes = Resumes::new(&SECRET, 1, 2, 2);
        resumes.park(entry(1, Some("7"), 0), at(0));
        assert!(resumes.take(id(1), 3, Some("7"), at(1_000)).is_some());
        resumes.park(entry(1, Some("7"), 100_000), at(100_000));
        assert!(resumes.expire(at(120_001)).is_empty(), "it is not as old as its first drop");
        assert!(resumes.take(id(1), 3, Some("7"), at(200_000)).is_some());
        resumes.park(entry(1, Some("7"), 210_000), at(210_000));
        assert_eq!(resumes.expire(at(330_001)), [id(1)]);
        assert_eq!(resumes.len(), 0);
    }

    #[test]
    fn the_one_that_was_dropped_first_is_forgotten_when_there_are_too_many() {
        let resumes = Resumes::new(&SECRET, 1, 2, 2);
        assert!(resumes.park(entry(1, None, 0), at(0)).is_empty());
        assert!(resumes.park(entry(2, None, 1), at(1)).is_empty());
        assert_eq!(resumes.park(entry(3, None, 2), at(2)), [id(1)]);
        assert_eq!(resumes.expire(at(120_002)), [id(2)]);
        assert_eq!(resumes.len(), 1);
    }
}
