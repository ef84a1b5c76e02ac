//! The store from outside: real files, real SQLite, and disks that fail.

mod damage;
mod directory;
mod disk;
mod faults;
mod log;
mod power;
mod store;
mod torn;
mod workload;
