//! The events from outside: the generated files, and the hand-written examples.

mod examples;
mod generated;
