//! What others can ask of a loop. The loop itself is tested from outside, with sockets.

use super::*;

#[test]
fn a_loop_that_has_not_turned_since_the_last_look_is_seen() {
    let handle = Prepared::new().expect("a poll").handle();
    assert!(handle.has_turned(), "one that is about to start gets its time");
    assert!(!handle.has_turned(), "it has not turned since");
    handle.ticked.store(true, Ordering::Relaxed);
    assert!(handle.has_turned());
    assert!(!handle.has_turned());
    handle.stop();
    assert!(handle.has_turned() && handle.has_turned(), "one that was told to end need not turn");
}
