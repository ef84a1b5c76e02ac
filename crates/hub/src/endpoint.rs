//! Where clients come in: a world, what its connections get unasked, and their bounds.
//!
//! Not here: path, port, and who may connect (the server's), and how a world speaks (`dialects`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::ChannelName;
use protocol::timestamp::TimestampFormat;

use crate::dialects::{self, Dialect};
use crate::limits::Limits;
use crate::tunable::{Dial, EndpointBounds};
use crate::wire::NamespaceIndex;
use crate::wire::{Packing, Wire};

/// An endpoint's place in its hub.
pub type EndpointIndex = u8;

/// Whose a connection may say that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// Its token's user.
    #[default]
    Own,
    /// Anybody: those who reach the endpoint are trusted (policy `off`).
    Anyone,
}

/// A Socket.IO namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name, which begins with a slash.
    pub name: Box<str>,
    /// The types of events that reach it where the publisher names no namespace.
    pub types: Vec<Box<str>>,
    /// Its place among those of its hub, which sets it.
    pub(crate) index: NamespaceIndex,
}

impl Namespace {
    /// A namespace that events of these types reach.
    #[must_use]
    pub fn new(name: &str, types: &[&str]) -> Self {
        Self { name: name.into(), types: types.iter().map(|kind| (*kind).into()).collect(), index: 0 }
    }

    /// Whether its sockets are told who comes and goes (contract: socketio).
    #[must_use]
    pub fn tells_presence(&self) -> bool {
        self.types.iter().any(|kind| matches!(&**kind, USER_ONLINE | USER_OFFLINE))
    }
}

/// The event of a user's first socket in a namespace.
pub(crate) const USER_ONLINE: &str = "user_online";

/// The event of the last one's end.
pub(crate) const USER_OFFLINE: &str = "user_offline";

/// Where clients of one world come in.
#[derive(Debug)]
pub struct Endpoint {
    /// Its name, for metrics.
    pub name: Box<str>,
    /// The world.
    pub dialect: Dialect,
    /// The form of its events' times, where events are flat; else they are envelopes.
    pub flat: Option<TimestampFormat>,
    /// Whether its connections get what has no target.
    pub everyone: bool,
    /// Whether a connection is its user's from the beginning.
    pub own_user: bool,
    /// Channels that its connections follow unasked, if the rules let them.
    pub channels: Vec<ChannelName>,
    /// The namespace, where the world is that of Socket.IO.
    pub namespace: Option<Namespace>,
    /// Client frames in any window; none is no limit.
    pub rate: Dial,
    /// How often the server pings.
    pub ping_interval: Duration,
    /// How long a connection may be silent.
    pub ping_timeout: Duration,
    /// Connections of one user; none is no limit. The one too many is closed 4029.
    pub connections_per_user: Dial,
    /// How many each user has, where there is a limit.
    users: Mutex<HashMap<Box<str>, u32>>,
}

impl Endpoint {
    /// An endpoint of a world with its defaults.
    #[must_use]
    pub fn new(dialect: Dialect, limits: &Limits) -> Self {
        let defaults = dialect.defaults();
        Self {
            name: dialect.name().into(),
            dialect,
            flat: defaults.flat,
            everyone: defaults.everyone,
            own_user: defaults.own_user,
            channels: defaults.channels.iter().filter_map(|name| ChannelName::new(name).ok()).collect(),
            namespace: None,
            rate: Dial::new(limits.rate),
            ping_interval: defaults.ping_interval.map_or(limits.ping_interval, Duration::from_secs),
            ping_timeout: limits.ping_timeout,
            connections_per_user: Dial::new(defaults.connections_per_user.or(limits.connections_per_user)),
            users: Mutex::default(),
        }
    }

    /// A Socket.IO namespace. Its sockets are not limited in what they send unless somebody says so (contract: socketio).
    #[must_use]
    pub fn of_namespace(namespace: Namespace, limits: &Limits) -> Self {
        let name = format!("{} {}", Dialect::SOCKETIO.name(), namespace.name).into();
        Self {
            name,
            namespace: Some(namespace),
            rate: Dial::new(None),
            ..Self::new(Dialect::SOCKETIO, limits)
        }
    }

    /// The name of its namespace.
    #[must_use]
    pub(crate) fn namespace_name(&self) -> &str {
        self.namespace.as_ref().map_or("/", |namespace| &namespace.name)
    }

    /// The wire of a new connection.
    #[must_use]
    pub fn wire(&self, packing: Packing) -> Wire {
        if let Some(namespace) = &self.namespace {
            return Wire::Namespace(namespace.index);
        }
        dialects::wire(self.flat, packing)
    }

    /// Places that users have at the moment, where there is a limit.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Takes one more place for a user; there are `times` as many as the limit says.
    pub(crate) fn take_place(&self, user: &str, times: u32) -> bool {
        let Some(most) = self.connections_per_user.get() else { return true };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        match users.get_mut(user) {
            Some(count) if *count >= most.saturating_mul(times) => return false,
            Some(count) => *count += 1,
            None if most == 0 => return false,
            None => drop(users.insert(user.into(), 1)),
        }
        true
    }

    /// Puts other bounds in force.
    pub(crate) fn set_bounds(&self, bounds: EndpointBounds) {
        self.rate.set(bounds.rate);
        self.connections_per_user.set(bounds.connections_per_user);
        if bounds.connections_per_user.is_none() {
            // Who leaves is no longer counted, so a later bound begins anew.
            self.users.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Gives a user's place back.
    pub(crate) fn give_place_back(&self, user: &str) {
        if self.connections_per_user.get().is_none() {
            return;
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                users.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_so_many_places_and_they_come_back() {
        let endpoint = Endpoint::new(Dialect::DASHBOARD, &Limits::default());
        for _ in 0..5 {
            assert!(endpoint.take_place("7", 1));
        }
        assert!(!endpoint.take_place("7", 1));
        assert!(endpoint.take_place("8", 1), "another user's are that user's");
        endpoint.give_place_back("7");
        assert!(endpoint.take_place("7", 1));
        for _ in 0..5 {
            assert!(endpoint.take_place("7", 2), "who comes back may find its old connection still counted");
        }
        assert!(!endpoint.take_place("7", 2));
        for _ in 0..10 {
            endpoint.give_place_back("7");
        }
        assert_eq!(endpoint.users.lock().expect("not poisoned").len(), 1);
    }

    #[test]
    fn a_bound_that_is_taken_away_and_set_again_counts_anew() {
        let endpoint = Endpoint::new(Dialect::DASHBOARD, &Limits::default());
        let bound = |connections_per_user| EndpointBounds { rate: None, connections_per_user };
        assert!(endpoint.take_place("7", 1) && endpoint.take_place("7", 1));
        endpoint.set_bounds(bound(Some(2)));
        assert!(!endpoint.take_place("7", 1), "those that are there count");
        endpoint.set_bounds(bound(None));
        assert!(endpoint.take_place("7", 1));
        endpoint.set_bounds(bound(Some(1)));
        assert!(endpoint.take_place("7", 1) && !endpoint.take_place("7", 1));
        for _ in 0..4 {
            endpoint.give_place_back("7");
        }
        assert_eq!(endpoint.places(), 0, "those that were never counted take nothing away");
    }

    #[test]
    fn each_world_has_its_defaults() {
        let limits = Limits::default();
        let tasks = Endpoint::new(Dialect::TASKS, &limits);
        assert_eq!(
            (tasks.connections_per_user.get(), tasks.everyone, tasks.own_user),
            (Some(10), false, true)
        );
        let receipts = Endpoint::new(Dialect::RECEIPTS, &limits);
        assert_eq!(receipts.channels.iter().map(ChannelName::as_str).collect::<Vec<_>>(), ["receipts"]);
        assert!(!receipts.everyone && !receipts.own_user);
        let dashboard = Endpoint::new(Dialect::DASHBOARD, &limits);
        assert!(dashboard.everyone && !dashboard.own_user);
        assert_eq!(dashboard.ping_interval, Duration::from_secs(30));
        assert_eq!(
            Dialect::names().collect::<Vec<_>>(),
            ["channels", "dashboard", "tasks", "receipts", "socketio"]
        );
        assert_eq!(Dialect::named("tasks"), Some(Dialect::TASKS));
        assert_eq!(Dialect::named("smoke signals"), None);
    }
}
