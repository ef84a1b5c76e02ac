//! How many messages one user may send in any 10 s (contract: socketio, 300), counted in this process.
//!
//! Exact: the times of a user's messages within the window are kept, so it never matters where a window begins.
//!
//! Overload: what is kept is as much as this process takes in one window; users without a message in it are forgotten
//! when the next window begins, and beyond [`MOST_USERS`] those who are new wait for that.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use rest::Failure;
use service_kit::problem::Problem;

/// The window (contract: socketio, Client → server).
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// Users whose messages are counted at once; chosen, far beyond what one database writes in a window.
const MOST_USERS: usize = 100_000;

/// The messages of all users within the window. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RateLimit {
    most: Option<NonZeroUsize>,
    users: Arc<Mutex<Users>>,
}

#[derive(Debug, Default)]
struct Users {
    times: HashMap<Box<str>, VecDeque<Instant>>,
    swept: Option<Instant>,
}

impl RateLimit {
    /// So many messages in any [`WINDOW`]; any number without.
    pub(crate) fn new(most: Option<NonZeroUsize>) -> Self {
        Self { most, users: Arc::default() }
    }

    /// Counts a message.
    ///
    /// # Errors
    /// 429 `rate_limited`, with the time after which one passes; it is not counted then.
    pub(crate) fn count(&self, user: &str, now: Instant) -> Result<(), Failure> {
        let Some(most) = self.most else { return Ok(()) };
        let users = &mut *self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.sweep(now);
        let room = users.times.len() < MOST_USERS;
        let wait = match users.times.get_mut(user) {
            None if !room => Some(Duration::from_secs(1)),
            None => {
                users.times.insert(user.into(), VecDeque::from([now]));
                None
            }
            Some(times) => {
                forget(times, now);
                match times.front() {
                    Some(first) if times.len() >= most.get() => {
                        Some(WINDOW.saturating_sub(now.duration_since(*first)))
                    }
                    _ => {
                        times.push_back(now);
                        None
                    }
                }
            }
        };
        let Some(wait) = wait else { return Ok(()) };
        let detail = format!("at most {most} messages in {} s", WINDOW.as_secs());
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Err(Failure(problem.retry_after(wait)))
    }
}

impl Users {
    /// Forgets those without a message in the window, once in each.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|at| now.duration_since(at) < WINDOW) {
            return;
        }
        self.swept = Some(now);
        self.times.retain(|_, times| {
            forget(times, now);
            !times.is_empty()
        });
    }
}

fn forget(times: &mut VecDeque<Instant>, now: Instant) {
    while times.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_sends_so_many_in_any_window_and_no_other_pays_for_it() {
        let limit = RateLimit::new(NonZeroUsize::new(3));
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        for millis in [0, 4_000, 9_000] {
            assert!(limit.count("anna", at(millis)).is_ok());
        }
        let Failure(problem) = limit.count("anna", at(9_500)).expect_err("one too many");
        assert_eq!((problem.status().as_u16(), problem.code()), (429, "rate_limited"));
        assert!(problem.headers().contains(&("retry-after", "1".to_owned())), "{:?}", problem.headers());
        assert!(limit.count("ben", at(9_500)).is_ok());
        assert!(limit.count("anna", at(10_000)).is_ok(), "the first has left the window");
        assert!(limit.count("anna", at(10_001)).is_err(), "the refused one was not counted, the others were");
        assert!(limit.count("anna", at(14_000)).is_ok());
    }

    #[test]
    fn who_sends_no_more_is_forgotten() {
        let limit = RateLimit::new(NonZeroUsize::new(3));
        let start = Instant::now();
        for user in 0..1_000 {
            assert!(limit.count(&user.to_string(), start).is_ok());
        }
        assert!(limit.count("anna", start + WINDOW).is_ok());
        assert_eq!(limit.users.lock().expect("no panic").times.len(), 1);
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let limit = RateLimit::new(None);
        for _ in 0..1_000 {
            assert!(limit.count("anna", Instant::now()).is_ok());
        }
        assert!(limit.users.lock().expect("no panic").times.is_empty());
    }
}
