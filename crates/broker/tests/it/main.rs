//! The broker against real servers of Debian's: what the engine is promised, and what happens when Redis fails.

mod faults;
mod figures;
mod history;
mod leases;
mod lives;
mod node;
mod order;
mod places;
