//! What passes, what is counted, and that racing threads share one budget.

use std::thread;

use super::*;

#[test]
fn each_second_has_its_budget_and_tells_what_the_last_suppressed() {
    let limiter = LogLimiter::new(2);
    let answers: Vec<_> =
        [0, 0, 0, 0, 1, 1, 1, 9].into_iter().map(|second| limiter.allow_in(second)).collect();
    assert_eq!(answers, [Some(0), Some(0), None, None, Some(2), Some(0), None, Some(1)]);
    assert_eq!(limiter.suppressed(), 0);
}

#[test]
fn a_late_thread_counts_in_the_newer_second() {
    let limiter = LogLimiter::new(1);
    assert_eq!(limiter.allow_in(5), Some(0));
    assert_eq!(limiter.allow_in(4), None, "it must not open second 5 again");
    assert_eq!(limiter.allow_in(5), None);
}

#[test]
fn none_means_none() {
    let limiter = LogLimiter::new(0);
    assert_eq!((limiter.allow_in(0), limiter.allow_in(1), limiter.suppressed()), (None, None, 2));
}

#[test]
fn racing_threads_get_the_budget_once_and_every_line_is_counted() {
    let limiter = LogLimiter::new(100);
    let passed: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..1_000).filter(|_| limiter.allow_in(7).is_some()).count()))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(passed, 100);
    // What was suppressed while others still passed was told by those; here that is at most everything else.
    let told_or_kept = limiter.suppressed();
    assert!(told_or_kept <= 3_900, "{told_or_kept}");
}

#[test]
fn the_first_line_passes() {
    assert_eq!(LogLimiter::new(1).allow(), Some(0));
}
