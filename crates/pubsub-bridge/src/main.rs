//! The bridge as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    pubsub_bridge::process::main()
}
