//! What the services' HTTP has in common, through an application that uses it.

mod callers;
mod idempotency;
