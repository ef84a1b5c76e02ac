//! Notifications: what matters to a person is stored for them, told to all of their devices at once, and pushed to the
//! phone where no device showed it.
//!
//! | module | what it is |
//! |---|---|
//! | `http`, `http/*` | the inbox by REST: lists, reading, deleting, creating one, for a topic, in bulk |
//! | `hooks` | what clients send over the hub: `mark_read`, `mark_all_read`, `delete` |
//! | `forms` | what callers send, read into types |
//! | `desk`, `clock` | what all calls need |
//! | `inbox`, `inbox/*` | what the calls do: creating, changing, expiring, retention, topics' jobs |
//! | `table`, `schema`, `notification` | the rows |
//! | `announce` | the events |
//! | `preferences`, `quiet` | what a user wants in which category, and when they want quiet |
//! | `push`, `devices`, `topics` | phones and browsers that are reached by Firebase Cloud Messaging |
//! | `ledger` | what became of each notification |
//! | `rules` | notifications made from events of the hub |
//!
//! # What holds
//! - A notification, its user's counts and the row of its event are one transaction, and so is every later change. So who
//!   was told that it was created finds it stored, and the relay brings it to the user whatever dies.
//! - Ids rise in the order of commits, since the counter is locked to the end of the transaction.
//! - Nothing is counted by looking at notifications: what a user has, and has not read, stands in the row of the inbox.
//! - An expired notification is neither listed nor counted from that moment on, whenever the sweep comes to it.
//!
//! Not here: sockets and who is there, which are the hub's; names of users, which are the user service's.

mod announce;
mod clock;
mod counts;
mod desk;
mod devices;
mod flags;
mod forms;
mod hooks;
mod http;
mod inbox;
mod ledger;
mod metrics;
mod notification;
mod openapi;
mod preferences;
mod push;
mod quiet;
mod rules;
mod schema;
mod service;
mod table;
mod topics;

pub use clock::Clock;
pub use flags::NotificationFlags;
pub use push::{Credentials, PushSettings};
pub use rules::{BUILT_IN_RULES, FEED, RulesSettings};
pub use service::{NAME, NotificationService, Settings};
