//! Tests of the engine from outside: through its hub and its shards, with links and a clock of their own.

mod bench;
mod bounds;
mod changing;
mod client;
mod cluster;
mod cluster_presence;
mod cluster_sockets;
mod company;
mod deliveries;
mod endings;
mod heap;
mod keeping;
mod link;
mod random;
mod recovering;
mod recovery;
mod returning;
mod sessions;
mod simulation;
mod sockets;
mod wire;
mod world;
