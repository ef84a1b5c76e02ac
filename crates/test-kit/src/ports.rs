//! Ports for servers that listen later, or again after they were killed.
//!
//! A port that the system gives (`bind` to port 0) may go to somebody else between the question and its use, and whenever its server is
//! down: to another test's server, or to any connection that goes out. So ports are taken from below the range that the system gives
//! from (`net.ipv4.ip_local_port_range`): there nobody comes by chance but another caller of [`free_port`].

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// The first port that is given. Well-known services are below it.
const FIRST: u16 = 10_000;
/// With fewer ports than these below the system's range, the system is asked instead.
const ENOUGH: u16 = 1_000;
/// Linux' own first port, where its setting can't be read.
const USUAL: u16 = 32_768;

/// What this process was given before: a server that is down for a while still counts on its port.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port of 127.0.0.1 on which nobody listens, and which nobody is given by chance.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listens =
        |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    let count = first_of_the_system().saturating_sub(FIRST);
    if count >= ENOUGH {
        for _ in 0..100 {
            let port = FIRST + u16::try_from(random() % u64::from(count)).expect("less than a port's most");
            if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) && listens(port).is_ok() {
                return port;
            }
        }
    }
    listens(0).expect("a free port").port()
}

/// 127.0.0.1 with a [`free_port`].
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// The first port that the system gives to whom does not ask for a certain one.
fn first_of_the_system() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range.ok().and_then(|range| range.split_whitespace().next()?.parse().ok());
    first.unwrap_or(USUAL)
}

/// Another number each time, in each process.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_below_those_of_the_system_and_another_each_time() {
        let first = first_of_the_system();
        let mut ports: Vec<u16> = (0..8).map(|_| free_port()).collect();
        if first >= FIRST + ENOUGH {
            assert!(ports.iter().all(|port| (FIRST..first).contains(port)), "{ports:?}");
        }
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 8, "{ports:?}");
    }
}
