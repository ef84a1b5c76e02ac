//! ② A publication that has its place goes into history, and to the shards that have an audience for it.
//!
//! Not here: the order in which that happens, and what waits for the disk before it (`hub`, `commit`).

use std::sync::Arc;

use protocol::publication::{CloseSessions, ConnectionTarget};
use protocol::{ConnectionId, Stream, Target};

use crate::cluster::CountTo;
use crate::encoded::Encoded;
use crate::feeds::plain;
use crate::hub::Hub;
use crate::inbox::{Closing, Delivery, Message, Named, Reply, Tally, To, Union};
use crate::order::{Order, Streams};
use crate::outgoing::{Outgoing, Recipients};
use crate::registry::StreamEntry;

impl Hub {
    /// Puts a publication that has its place into history and into the inboxes. From here on clients see it.
    pub(crate) fn release(
        &self,
        order: &mut Order,
        outgoing: Outgoing,
        encoded: Arc<Encoded>,
        streams: &Streams,
        count: Option<CountTo>,
    ) -> Recipients {
        let Outgoing { target, except, close_sessions, is_transient, namespace, retain, key, .. } = outgoing;
        order.history.append_to(&encoded, streams);
        order.released = encoded.seq();
        if encoded.group() > 0 {
            order.durable = encoded.seq();
        }
        encoded.set_durable(order.durable);
        if let Some(retain) = retain {
            order.retain(&retain, &encoded);
        }
        self.metrics().publications.inc();
        self.feeds().tell(&encoded);
        let reply = Reply { key, id: encoded.publication().id, is_for_one: is_for_one(&target), count };
        let closing = close_sessions.map(|sessions| self.closing(*sessions));
        let audience = match target {
            Target::Everyone => {
                let entry = Arc::clone(self.registry().everyone());
                return match closing {
                    None if !is_transient => self.to_stream(encoded, Some(entry), except, reply),
                    _ => self.to_union(encoded, vec![entry], None, except, closing, reply),
                };
            }
            Target::Named(audience) => audience,
        };
        let mut followed = self.followed(&audience.streams);
        // Of several streams a recovering connection is told exactly those that it follows, and of what is in none that it is
        // its own alone.
        let is_one = followed.len() <= 1 && plain(&audience.streams) <= 1 && !is_transient;
        match (audience.connection, &closing) {
            (None | Some(ConnectionTarget::Unknown), None) if is_one => {
                self.to_stream(encoded, followed.pop(), except, reply)
            }
            (connection, _) => {
                let connection = connection.and_then(|target| match (target, &namespace) {
                    (ConnectionTarget::Id(id), None) => Some(Named { id, within: None }),
                    (ConnectionTarget::Id(id), Some(namespace)) => {
                        Some(Named { id, within: Some(self.namespaces().index(namespace)?) })
                    }
                    (ConnectionTarget::Unknown, _) => None,
                });
                self.to_union(encoded, followed, connection, except, closing, reply)
            }
        }
    }

    /// The entries of those streams that anybody follows.
    pub(crate) fn followed(&self, streams: &[Stream]) -> Vec<Arc<StreamEntry>> {
        let found = streams.iter().filter_map(|stream| self.registry().get(stream.as_str()));
        found.filter(|entry| entry.followers() > 0).collect()
    }

    /// A user's connections follow the user's stream, so its entry knows their shards.
    fn closing(&self, sessions: CloseSessions) -> Closing {
        let users: Vec<Stream> =
            sessions.users.iter().flat_map(|user| self.namespaces().of_user(user)).collect();
        Closing { users: self.followed(&users), sessions }
    }

    fn to_stream(
        &self,
        encoded: Arc<Encoded>,
        entry: Option<Arc<StreamEntry>>,
        except: Option<ConnectionId>,
        reply: Reply,
    ) -> Recipients {
        if let (Some(entry), Some(_)) = (&entry, except) {
            // Whether the one that is left out is among the followers only the shards know.
            return self.to_union(encoded, vec![Arc::clone(entry)], None, except, None, reply);
        }
        let count = entry.as_ref().map_or(0, |entry| entry.followers());
        if let Some(entry) = entry {
            self.deliver(&entry, &encoded, except);
        }
        reply.answer(count);
        Recipients::Counted(count)
    }

    /// Queues something to the shards that have followers of a stream. The caller holds the order's lock.
    pub(crate) fn deliver(
        &self,
        entry: &Arc<StreamEntry>,
        encoded: &Arc<Encoded>,
        except: Option<ConnectionId>,
    ) {
        for (shard, inbox) in self.inboxes().iter().enumerate() {
            if entry.is_on(shard) {
                let to = To::Stream(Arc::clone(entry));
                inbox.push([Message::Deliver(Delivery { encoded: Arc::clone(encoded), to, except })]);
            }
        }
    }

    fn to_union(
        &self,
        encoded: Arc<Encoded>,
        streams: Vec<Arc<StreamEntry>>,
        connection: Option<Named>,
        except: Option<ConnectionId>,
        closing: Option<Closing>,
        reply: Reply,
    ) -> Recipients {
        let closes = |shard| closing.iter().flat_map(|closing| &closing.users).any(|user| user.is_on(shard));
        let visited: Vec<bool> = (0..self.shards())
            .map(|shard| {
                connection.is_some() || streams.iter().any(|entry| entry.is_on(shard)) || closes(shard)
            })
            .collect();
        let reports = visited.iter().filter(|&&visit| visit).count();
        if reports == 0 {
            reply.answer(0);
            return Recipients::Counted(0);
        }
        let (tally, counting) = Tally::new(reports, reply);
        let union = Arc::new(Union { streams, connection, closing, tally });
        for (inbox, _) in self.inboxes().iter().zip(&visited).filter(|&(_, &visit)| visit) {
            let to = To::Union(Arc::clone(&union));
            inbox.push([Message::Deliver(Delivery { encoded: Arc::clone(&encoded), to, except })]);
        }
        Recipients::Counting(counting)
    }
}

/// Whether only a connection is named, which may be unknown.
pub(crate) fn is_for_one(target: &Target) -> bool {
    matches!(target, Target::Named(audience) if audience.streams.is_empty() && audience.connection.is_some())
}
