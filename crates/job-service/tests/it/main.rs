//! The service from outside, with its payment service and its database at the mercy of the tests.

mod calls;
mod chaos;
mod deadlines;
mod document;
mod harness;
mod payment;
mod races;
mod repeats;
mod saga;
