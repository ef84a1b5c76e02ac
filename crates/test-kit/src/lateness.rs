//! Tests of time limits on a machine that may be late.

use std::fs::File;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Directory;

/// How often a test is run, at most.
const ATTEMPTS: u32 = 5;

/// Runs a test of time limits. Where it fails and the machine was late meanwhile by more than `tolerated` in all, the failure tells
/// of the machine and not of the product: the test is run again, and in the end it has to succeed. On a machine that is on time a
/// failure fails at once.
///
/// # Panics
/// As the test does.
pub fn on_time(tolerated: Duration, test: impl Fn()) {
    for _ in 1..ATTEMPTS {
        let lateness = Lateness::start();
        let ended = panic::catch_unwind(AssertUnwindSafe(&test));
        let late = lateness.end();
        let Err(failure) = ended else { return };
        if late <= tolerated {
            panic::resume_unwind(failure);
        }
        println!("the machine was {late:?} late: once more");
    }
    test();
}

/// Measures how late a thread is that only waits and syncs a file.
struct Lateness {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Lateness {
    fn start() -> Self {
        const STEP: Duration = Duration::from_millis(20);
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let directory = Directory::new();
            let file = File::create(directory.path().join("synced")).expect("a file");
            let mut late = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::sleep(STEP);
                let _later_then = (&file).write_all(b"x").and_then(|()| file.sync_all());
                // As much again is how machines are that nobody else uses.
                late += begun.elapsed().saturating_sub(2 * STEP);
            }
            late
        });
        Self { over, thread }
    }

    /// How late it was in all.
    fn end(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a measured time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_failure_on_a_machine_that_is_on_time_fails_at_once() {
        let runs = AtomicU32::new(0);
        let failed = panic::catch_unwind(AssertUnwindSafe(|| {
            on_time(Duration::MAX, || {
                runs.fetch_add(1, Ordering::Relaxed);
                panic!("too late");
            });
        }));
        assert!(failed.is_err());
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }
}
