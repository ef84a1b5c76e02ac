//! The bridge from outside: its real binary between Google's in-memory Pub/Sub and the real hub.

mod delivery;
mod operations;
mod outages;
mod poison;
mod python;
mod settings;
mod stopping;
mod survival;
mod up;
mod world;
