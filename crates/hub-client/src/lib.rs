//! A typed client of the hub's publish API, and the event relay that carries a service's events to it without loss.
//!
//! [`HubClient`] publishes one message, or a batch. [`relay`] is for services whose events must not be lost: they write
//! each event as a row in the transaction that makes the change, and [`Relay::run`] posts the rows. The other way, a
//! service reads events of others from a [feed](HubClient::feed).
//!
//! Not here: what the events are (the crate `events`), and what the hub does with them.

mod client;
mod error;
mod feed;
mod message;
pub mod relay;

pub use client::{HubClient, HubSettings, ItemAnswer, Published};
pub use error::PublishError;
pub use feed::{FeedEvent, FeedPage, FeedPosition, MOST_PAGE_BYTES};
pub use message::Message;
pub use relay::{Backlog, Relay, RelayHandle, RelayMetrics};
