//! `fanfare`: the hub and all services as one process, and the operator's commands for the shell.

use std::ffi::OsString;
use std::process::ExitCode;

mod app;
mod command;
mod demo;
mod docs;
mod publish;
mod stats;
mod tail;
mod token;
mod up;
mod why;

/// What `fanfare --help` says.
const HELP: &str = "\
Fanfare: a self-hosted hub for real-time notifications.

Usage: fanfare <COMMAND>

Commands:
  up                     Run the hub and all services on one port, with SQLite in a directory
  publish TYPE [DATA]    Publish an event
  tail [CHANNEL]...      Print events as they come, one a line
  stats                  Show how many are connected, and where
  why                    Tell what became of an event for a user
  token                  Make an access token, to try things out

fanfare <COMMAND> --help tells more about each.
";

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let word = if args.len() > 1 { args.remove(1) } else { OsString::from("--help") };
    if let Some(program) = args.first_mut() {
        *program = format!("fanfare {}", word.to_string_lossy()).into();
    }
    match word.to_str() {
        Some("up") => up::main(args),
        Some("publish") => publish::main(args),
        Some("tail") => tail::main(args),
        Some("stats") => stats::main(args),
        Some("why") => why::main(args),
        Some("token") => token::main(args),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some("--version" | "-V") => {
            println!("fanfare {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("fanfare: there is no command {:?}; fanfare --help lists all", word.to_string_lossy());
            ExitCode::from(2)
        }
    }
}
