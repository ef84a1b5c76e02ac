//! The payment service from outside: a real server on a free port, a real database of either kind, a hub that listens.

mod announcements;
mod harness;
mod internal;
mod operations;
mod races;
mod refusals;
mod reload;
mod repeats;
mod users;
