//! PayChain's users: registration, sign-in, sessions, and the keys of access tokens (contract: services, Users).
//!
//! | module | what it is for |
//! |---|---|
//! | [`settings`] | what the service is told at its start |
//! | [`flags`] | those of them that are its own, as flags and variables |
//! | [`service`] | the service as a whole: open, its paths, its background work |
//! | `api` | the calls: what is read from a request, what is answered |
//! | `accounts` | the steps behind register, login and `/users/me` |
//! | `sessions` | families of refresh tokens: rotation, reuse, ending |
//! | `users` | the rows of users |
//! | `email` | addresses, and when two are the same |
//! | `passwords` | argon2id, one hash per core at a time |
//! | `lockout` | wrong passwords for one address |
//! | `peers` | how often one machine may sign in or register |
//! | `keys` | signing keys: made, rotated, published |
//! | `announce` | events, written with the change that they tell of |
//! | `tables` | the tables, and what is removed from them when |
//! | `counters` | what is counted |
//!
//! # What holds
//! - A refresh token is good once. Of simultaneous uses one wins; any other is reuse, and ends its family.
//! - A family ends once, and whoever ends it writes the event in the same transaction.
//! - Whether an address is known shows neither in the answer to a sign-in nor in the work done for it.
//! - Passwords are kept as argon2id hashes, refresh tokens and locked addresses as SHA-256; private keys leave the
//!   database for this process alone, and are in no log line and no `Debug`.
//!
//! Not here: which channels a user may follow (the hub's rules), jobs and money.

pub mod flags;
pub mod service;
pub mod settings;

mod accounts;
mod announce;
mod api;
mod counters;
mod email;
mod keys;
mod lockout;
mod passwords;
mod peers;
mod sessions;
mod tables;
mod users;

pub use flags::UserFlags;
pub use service::UserService;
pub use settings::Settings;
