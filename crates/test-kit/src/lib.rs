//! What Fanfare's tests share: real servers on free ports, clients of several kinds, and waiting without sleeping.
//!
//! | module | gives |
//! |---|---|
//! | [`server`] | the real binary as a child process on a port of its own |
//! | [`client`] | a well-behaved WebSocket client |
//! | [`raw`] | a client that may send any bytes, well-formed or not |
//! | [`follower`] | what a client that recovers knows, and its judgement of every event |
//! | [`http`] | one HTTP/1.1 request and its answer |
//! | [`postgres`] | a Postgres server of Debian's |
//! | [`redis`] | Redis servers of Debian's: one, a replica, sentinels, a cluster |
//! | [`pubsub`] | Google's in-memory Pub/Sub |
//! | [`proxy`] | a network that can be cut |
//! | [`token`] | signers of JWTs, and their public keys as PEM and JWK |
//! | [`tls`] | a certificate of its own, and trust in it |
//! | [`fixture`] | an HTTP server that answers with what the test says, for JWK Sets |
//! | [`firebase`] | Google's HTTP for push, as far as a sender sees it |
//! | [`wait`] | waiting for a condition |
//! | [`directory`] | a directory that goes with its test |
//! | [`ports`] | ports for servers that listen later, or again |
//! | [`limits`] | room for many sockets |
//! | [`lateness`] | tests of time limits on a machine that may be late |
//!
//! Everything here blocks, so that a test reads from top to bottom and needs no runtime. Every wait has a deadline
//! ([`wait::PATIENCE`]) and **panics** when it passes, at the line of the test that waited, telling what came
//! instead: these are helpers of tests, and a failed expectation is a failed test.
//!
//! Deliberately not here: anything that knows the engine. The crate depends on none of the workspace's own crates,
//! so what it checks is what a stranger's client would see.

pub mod client;
pub mod directory;
pub mod firebase;
pub mod fixture;
pub mod follower;
pub mod http;
pub mod lateness;
pub mod limits;
pub mod ports;
pub mod postgres;
pub mod proxy;
pub mod pubsub;
pub mod raw;
pub mod redis;
pub mod server;
mod stream;
pub mod tls;
pub mod token;
pub mod wait;

pub use client::{Client, Dial, Refused};
pub use directory::Directory;
pub use firebase::Firebase;
pub use fixture::Fixture;
pub use follower::Follower;
pub use lateness::on_time;
pub use ports::{free_address, free_port};
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use pubsub::PubSub;
pub use raw::{Frame, RawClient};
pub use redis::{Redis, RedisOptions};
pub use server::{Finished, Launch, Server};
pub use tls::Certificate;
pub use token::Signer;
pub use wait::eventually;
