//! What can be said without a supervisor; real messages of real processes are in deploy/tests.

use super::*;

#[test]
fn the_watchdog_is_told_twice_in_its_interval() {
    assert_eq!(beat(Duration::from_secs(30)), Duration::from_secs(15));
    assert_eq!(beat(Duration::ZERO), Duration::from_millis(1), "an interval of nothing does not spin");
}

#[test]
fn a_status_is_one_line_whatever_is_in_it() {
    assert_eq!(line("listening\nSTOPPING=1\r\0"), "listening STOPPING=1  ");
}

#[tokio::test]
async fn without_a_supervisor_nothing_is_told_and_nobody_waits() {
    assert!(std::env::var_os("NOTIFY_SOCKET").is_none(), "the tests run without one");
    ready("listening");
    reloading();
    stopping();
    status("idle");
    keep_alive(|| unreachable!("no watchdog is set")).await;
}
