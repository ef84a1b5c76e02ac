//! Socket.IO namespaces: which of them a publication reaches, and whose sockets are in them.
//!
//! A namespace's sockets follow streams of their own: `@/chat` for all of them, `@/chat:user:7` for a user's. A publication
//! that names no namespace is put into those of each namespace whose type list names its type, beside the streams that it
//! is for; so what a socket missed, and how many get it, is told as everywhere.
//!
//! **Presence.** A user is there from the first socket in a namespace until [`Limits::offline_grace`](crate::Limits) after
//! the last one ended, so that a reload is no absence; in a cluster on any node (`cluster/sockets`). Bounds: one entry for each user with a socket in such a namespace,
//! and those in their grace.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::channel::split_namespace;
use protocol::publication::Audience;
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Publication, PublicationId, Stream, Target, UserId};
use serde_json::json;

use crate::endpoint::{Endpoint, EndpointIndex, USER_OFFLINE, USER_ONLINE};
use crate::hub::Hub;
use crate::outgoing::Outgoing;
use crate::shard::Now;
use crate::wire::NamespaceIndex;

/// The namespaces of a hub.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    /// By their index: the name, the endpoint, and whether it tells who comes and goes.
    all: Vec<(Box<str>, EndpointIndex, bool)>,
    /// The namespaces that a type reaches.
    by_type: HashMap<Box<str>, Vec<NamespaceIndex>>,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    users: HashMap<(NamespaceIndex, Box<str>), There>,
    /// When the next grace ends, at the earliest; 0 where none runs.
    due: u64,
}

/// A user in a namespace.
#[derive(Debug)]
struct There {
    sockets: u32,
    /// When the last one ended.
    gone: Option<u64>,
    /// As tokens have the id: a number stays one.
    user: UserId,
    /// Whether the others were told.
    is_told: bool,
    /// The first socket, which is not told of itself. Nor are the user's others: the engine knows them by the user.
    first: ConnectionId,
}

impl Namespaces {
    /// Those of a hub's endpoints, which get their index here.
    pub(crate) fn of(endpoints: &mut [Endpoint]) -> Self {
        let mut namespaces = Self::default();
        for (place, endpoint) in endpoints.iter_mut().enumerate() {
            let Some(namespace) = &mut endpoint.namespace else { continue };
            let Ok(index) = NamespaceIndex::try_from(namespaces.all.len()) else { continue };
            namespace.index = index;
            for kind in &namespace.types {
                let of_type = namespaces.by_type.entry(kind.clone()).or_default();
                if !of_type.contains(&index) {
                    of_type.push(index);
                }
            }
            let place = EndpointIndex::try_from(place).unwrap_or(EndpointIndex::MAX);
            namespaces.all.push((namespace.name.clone(), place, namespace.tells_presence()));
        }
        namespaces
    }

    /// Their names, by their index.
    pub(crate) fn names(&self) -> Box<[Box<str>]> {
        self.all.iter().map(|(name, ..)| name.clone()).collect()
    }

    /// The endpoint of a namespace.
    pub(crate) fn find(&self, name: &str) -> Option<EndpointIndex> {
        self.all.iter().find(|(known, ..)| **known == *name).map(|(_, endpoint, _)| *endpoint)
    }

    pub(crate) fn index(&self, name: &str) -> Option<NamespaceIndex> {
        let place = self.all.iter().position(|(known, ..)| **known == *name)?;
        NamespaceIndex::try_from(place).ok()
    }

    /// Adds to a target what it is in the namespaces that the type reaches. What is of a namespace that is not here
    /// reaches nobody, and is not kept.
    pub(crate) fn route(&self, target: Target, event_type: &str) -> Target {
        let reached = self.by_type.get(event_type).map_or(&[][..], Vec::as_slice);
        let names = || reached.iter().map(|&index| &*self.all[usize::from(index)].0);
        match target {
            Target::Everyone if reached.is_empty() => Target::Everyone,
            Target::Everyone => {
                let mut streams: Vec<Stream> =
                    [Stream::all()].into_iter().chain(names().map(Stream::namespace)).collect();
                streams.sort_unstable();
                Target::Named(Audience { streams, connection: None })
            }
            Target::Named(mut audience) => {
                let is_known = |stream: &Stream| {
                    split_namespace(stream.as_str()).is_none_or(|(name, _)| self.find(name).is_some())
                };
                audience.streams.retain(is_known);
                if !reached.is_empty() {
                    let users: Vec<Stream> = audience
                        .streams
                        .iter()
                        .filter(|stream| stream.as_str().starts_with(protocol::channel::USER_PREFIX))
                        .flat_map(|stream| names().map(|name| stream.in_namespace(name)))
                        .collect();
                    audience.streams.extend(users);
                    audience.streams.sort_unstable();
                    audience.streams.dedup();
                }
                Target::Named(audience)
            }
        }
    }

    /// The streams that are a user's own: that of all connections, and those of the sockets in each namespace.
    pub(crate) fn of_user(&self, user: &Stream) -> Vec<Stream> {
        let inside = self.all.iter().map(|(name, ..)| user.in_namespace(name));
        [user.clone()].into_iter().chain(inside).collect()
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The namespace of a stream that its user's sockets follow, where it tells who comes and goes.
    fn telling(&self, stream: &str) -> Option<NamespaceIndex> {
        let (name, _) = split_namespace(stream)?;
        self.telling_space(name)
    }

    /// A namespace, where it tells who comes and goes.
    pub(crate) fn telling_space(&self, name: &str) -> Option<NamespaceIndex> {
        self.index(name).filter(|&index| self.all[usize::from(index)].2)
    }
}

impl Hub {
    /// The endpoint of a Socket.IO namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<EndpointIndex> {
        self.namespaces().find(name)
    }

    /// A user's socket follows this stream of its own from now on.
    pub(crate) fn user_came(&self, stream: &str, user: &UserId, socket: ConnectionId, now: Now) {
        let Some(namespace) = self.namespaces().telling(stream) else { return };
        if self.is_clustered {
            self.socket_came(namespace, user, socket, now);
            return;
        }
        let mut present = self.namespaces().present();
        let there = present.users.entry((namespace, user.as_str().into())).or_insert_with(|| There {
            sockets: 0,
            gone: None,
            user: user.clone(),
            is_told: false,
            first: socket,
        });
        there.sockets += 1;
        there.gone = None;
        if there.is_told {
            return;
        }
        there.is_told = self.tell_one(namespace, USER_ONLINE, user, there.first, now.wall);
        if !there.is_told {
            // The hub takes nothing at the moment: later.
            let due = now.ms + 1;
            present.due = if present.due == 0 { due } else { present.due.min(due) };
        }
    }

    /// It follows it no longer.
    pub(crate) fn user_went(&self, stream: &str, user: &str, now: Now) {
        let Some(namespace) = self.namespaces().telling(stream) else { return };
        if self.is_clustered {
            self.socket_went(namespace, user, now);
            return;
        }
        let mut present = self.namespaces().present();
        let Some(there) = present.users.get_mut(&(namespace, user.into())) else { return };
        there.sockets = there.sockets.saturating_sub(1);
        if there.sockets == 0 {
            there.gone = Some(now.ms);
            let due = now.ms + self.offline_grace_ms();
            present.due = if present.due == 0 { due } else { present.due.min(due) };
        }
    }

    pub(crate) fn offline_grace_ms(&self) -> u64 {
        u64::try_from(self.limits().offline_grace.as_millis()).unwrap_or(u64::MAX)
    }

    /// Tells of those whose grace is over. To be called a few times a second.
    pub(crate) fn tell_absences(&self, now: Now) {
        let namespaces = self.namespaces();
        let mut present = namespaces.present();
        if present.due == 0 || present.due > now.ms {
            return;
        }
        let (mut due, grace) = (0, self.offline_grace_ms());
        present.users.retain(|(namespace, _), there| {
            let Some(gone) = there.gone else {
                if !there.is_told && !self.is_draining() {
                    let (user, first) = (&there.user, there.first);
                    there.is_told = self.tell_one(*namespace, USER_ONLINE, user, first, now.wall);
                    due = if there.is_told { due } else { now.ms + 1 };
                }
                return true;
            };
            let ends = gone + grace;
            // Those of whom nobody heard are not missed. Where the hub takes nothing at the moment they are told of later.
            if ends <= now.ms
                && (!there.is_told
                    || self.tell_one(*namespace, USER_OFFLINE, &there.user, there.first, now.wall)
                    || self.is_draining())
            {
                return false;
            }
            let again = ends.max(now.ms + 1);
            due = if due == 0 { again } else { again.min(due) };
            true
        });
        present.due = due;
        if present.users.capacity() > 1024 && present.users.len() < present.users.capacity() / 4 {
            present.users.shrink_to_fit();
        }
    }

    fn tell_one(
        &self,
        namespace: NamespaceIndex,
        kind: &str,
        user: &UserId,
        except: ConnectionId,
        now: Timestamp,
    ) -> bool {
        let Some((name, ..)) = self.namespaces().all.get(usize::from(namespace)) else { return true };
        let publication = presence_event(kind, user, now);
        let target = Target::Named(Audience { streams: vec![Stream::namespace(name)], connection: None });
        let outgoing = Outgoing { except: Some(except), ..Outgoing::new(publication, target, now) };
        self.publish_routed(outgoing).is_ok()
    }
}

/// The event that tells that a user came or went.
pub(crate) fn presence_event(kind: &str, user: &UserId, now: Timestamp) -> Publication {
    let id = if user.is_number() { user.as_str().to_owned() } else { protocol::flat::string(user.as_str()) };
    let data = format!("{{\"user_id\":{id},\"timestamp\":{}}}", json!(now.to_string()));
    Publication { id: PublicationId::now(), event_type: kind.into(), data: data.into(), timestamp: now }
}

#[cfg(test)]
mod tests;
