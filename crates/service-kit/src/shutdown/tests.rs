//! The switch without signals, and real signals sent to a copy of this test program.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal as Posix, kill_process};

use super::*;

#[test]
fn the_first_signal_begins_and_the_second_ends_with_the_shell_code() {
    let shutdown = Shutdown::new();
    let token = shutdown.token();
    assert!(!token.is_begun());
    assert_eq!(shutdown.signalled(Signal::Terminate), Outcome::Begun);
    assert!(token.is_begun());
    assert_eq!(shutdown.signalled(Signal::Terminate), Outcome::ExitNow(143));
    assert_eq!(shutdown.signalled(Signal::Interrupt), Outcome::ExitNow(130));
}

#[test]
fn a_signal_after_a_begin_without_one_ends_at_once() {
    let shutdown = Shutdown::new();
    assert!(shutdown.begin());
    assert!(!shutdown.begin(), "only the first call begins");
    assert_eq!(shutdown.signalled(Signal::Interrupt), Outcome::ExitNow(130));
}

#[tokio::test]
async fn a_token_wakes_whether_taken_before_or_after() {
    let shutdown = Shutdown::new();
    let mut early = shutdown.token();
    let waiting = tokio::spawn(async move { early.begun().await });
    shutdown.clone().begin();
    waiting.await.expect("woken");
    shutdown.token().begun().await;
}

#[tokio::test]
async fn a_token_whose_switch_is_gone_returns() {
    let mut token = Shutdown::default().token();
    token.begun().await;
}

/// What the child of the tests below runs: it says `ready`, then `begun`, and never ends by itself.
#[test]
#[ignore = "run as a child process by the tests below"]
fn child_that_drains_for_ever() {
    let shutdown = Shutdown::new();
    shutdown.follow_signals().expect("installed");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    println!("\nready");
    runtime.block_on(shutdown.token().begun());
    println!("\nbegun");
    // Blocks the thread on purpose: a second signal has to end a process whose work is stuck.
    loop {
        thread::park();
    }
}

fn end_by(first: Posix, second: Posix) -> ExitStatus {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "shutdown::tests::child_that_drains_for_ever", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let pid = Pid::from_child(&child);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut wait_for = |word: &str| {
        let found = lines.by_ref().any(|line| line.is_ok_and(|line| line == word));
        assert!(found, "the child ended before it said {word}");
    };
    wait_for("ready");
    kill_process(pid, first).expect("sent");
    wait_for("begun");
    kill_process(pid, second).expect("sent");
    child.wait().expect("ends")
}

#[test]
fn a_second_sigterm_ends_a_stuck_process_with_143() {
    assert_eq!(end_by(Posix::TERM, Posix::TERM).code(), Some(143));
}

#[test]
fn ctrl_c_during_a_drain_ends_a_stuck_process_with_130() {
    assert_eq!(end_by(Posix::TERM, Posix::INT).code(), Some(130));
}
