//! What the HTTP of PayChain's services has in common (contract: services, Everywhere): one way to read a body, to name
//! what is wrong with it, to page a list, to keep an answer by its idempotency key, to know the caller, and to run.
//!
//! | module | what it is for |
//! |---|---|
//! | [`body`] | a request's bytes, within their limits |
//! | [`form`] | a JSON object member by member, so that every wrong one is named at once |
//! | [`list`] | pages with opaque cursors |
//! | [`caller`] | who calls: a user by token, or a service by its key |
//! | [`idempotency`] | the first success again for a repeated POST |
//! | [`followers`] | what follows other settings while a service runs |
//! | [`failure`] | what a handler answers when it can't do what was asked |
//! | [`rate`] | how many things one user may create in a while |
//! | [`trace`] | the trace id that follows an event from here into the hub |
//! | [`instant`] | times as the contract writes them |
//! | [`operations`] | health, metrics, OpenAPI and its page |
//! | [`mod@launch`] | the main function of a service's process |
//! | [`settings`] | what every service is told at its start |
//! | [`relaying`] | the event relay inside a service |
//! | [`serve`] | a service as a process of its own |
//!
//! Not here: any resource, table or rule of a service.

pub mod body;
pub mod caller;
pub mod failure;
pub mod followers;
pub mod form;
pub mod idempotency;
pub mod instant;
pub mod launch;
pub mod list;
pub mod metrics;
pub mod operations;
pub mod rate;
pub mod relaying;
pub mod serve;
pub mod settings;
pub mod trace;

pub use caller::{Caller, Callers, User};
pub use failure::Failure;
pub use form::{Form, Wrong};
pub use launch::{Opened, Program, launch};
pub use operations::{Health, Operations};
pub use rate::RateLimit;
pub use relaying::Relaying;
