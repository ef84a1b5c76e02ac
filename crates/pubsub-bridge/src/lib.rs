//! From Google Cloud Pub/Sub to the hub: every message of a topic is published on the channel `receipts`, and is
//! acknowledged only once the hub has taken it (contract: receipts).
//!
//! | module | what it is |
//! |---|---|
//! | `service` | the bridge as a whole: settings, health, work, drain |
//! | `session` | connected, subscribed, streams open, messages extended; and again when it ends |
//! | `link`, `setup` | the calls to Pub/Sub; what has to be there before anything is pulled |
//! | `ledger`, `message` | what is held, and what it waits for; what comes again is recognised |
//! | `event` | a message's data as a publication, or why it can be none |
//! | `poster` | batches to the hub, one at a time |
//! | `acks`, `dead` | acknowledgements; messages that can never be published |
//! | `flags`, [`names`], [`process`] | settings; the process of its own |
//!
//! # What is promised
//! A message is acknowledged after the hub's 200, or as a dead letter. Hub away: messages are held within bounds and
//! extended, the others wait in Pub/Sub. Pub/Sub away: what is held goes to the hub, and is acknowledged later. A bridge
//! that dies: what it held comes again, and the hub recognises what it has had. `docs/pubsub-bridge.md` has the limits
//! of that.

mod acks;
mod dead;
mod event;
mod flags;
mod ledger;
mod link;
mod message;
mod metrics;
pub mod names;
mod poster;
pub mod process;
mod service;
mod session;
mod setup;

pub use event::CHANNEL;
pub use flags::BridgeFlags;
pub use service::{Bridge, NAME, Settings};
