//! Gives memory back to the system after bursts of connections.
//!
//! Each handshake takes some kilobytes of HTTP parser for a moment, from the heap of whichever worker had it. glibc
//! keeps what is freed; after thousands of handshakes that is more than the connections themselves take. So when
//! connections have come or gone, whole free pages are returned, at most every few seconds, from a thread that
//! has nothing else to do.

use std::sync::Arc;
use std::time::Duration;

use hub::Hub;

/// How often it is looked whether connections have come or gone.
const INTERVAL: Duration = Duration::from_secs(1);

/// Opened and ended connections after which returning memory is worth the time, some milliseconds.
const WORTH: u64 = 256;

/// Returns free memory when enough connections have come or gone, and once more when all is quiet again. Ends with
/// the runtime.
pub(crate) async fn give_back(hub: Arc<Hub>) {
    let (mut trimmed_at, mut before) = (Moved::default(), Moved::default());
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = Moved::of(&hub);
        let quiet = now == before;
        if now.since(trimmed_at) >= WORTH || (quiet && now != trimmed_at) {
            trimmed_at = now;
            // On a thread of its own: it takes the locks of all heaps, one after the other.
            let _ = tokio::task::spawn_blocking(trim).await;
        }
        before = now;
    }
}

/// How many connections were ever opened, and are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Moved {
    opened: u64,
    open: u64,
}

impl Moved {
    fn of(hub: &Hub) -> Self {
        Self { opened: hub.metrics().connections_opened.get(), open: hub.connections() as u64 }
    }

    fn since(self, earlier: Self) -> u64 {
        self.opened.abs_diff(earlier.opened) + self.open.abs_diff(earlier.open)
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc offers this to C only")]
fn trim() {
    // SAFETY: malloc_trim takes a number, touches only free memory of the allocator, and may be called from any
    // thread at any time (malloc_trim(3), "MT-Safe").
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

#[cfg(test)]
mod tests {
    /// Would crash or hang if the call were not as safe as its documentation says.
    #[test]
    fn memory_is_given_back_while_other_threads_allocate() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let kept: Vec<Vec<u8>> = (0..2000).map(|n| vec![1; n]).collect();
                    assert_eq!(kept.iter().map(Vec::len).sum::<usize>(), 1_999_000);
                });
            }
            (0..50).for_each(|_| super::trim());
        });
    }
}
