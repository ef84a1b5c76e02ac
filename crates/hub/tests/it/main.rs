//! Tests of the engine from outside: through its hub and its shards, with links and a clock of their own.

mod bounds;
mod client;
mod heap;
mod link;
mod random;
mod simulation;
mod wire;
mod world;
