//! The service from outside, on both databases.

mod bulk;
mod changes;
mod creating;
mod delivery;
mod devices;
mod expiry;
mod feed;
mod harness;
mod ledger;
mod listing;
mod operations;
mod phones;
mod preferences;
mod push;
mod push_chaos;
mod push_quiet;
mod push_restart;
mod push_trouble;
mod races;
mod rules;
mod topics;
