//! How many things of one kind one user may create in any 10 s, counted in this process.
//!
//! Exact: the times of what a user created within the window are kept, so it never matters where a window begins.
//!
//! Overload: what is kept is as much as this process takes in one window; users without anything in it are forgotten
//! when the next window begins, and beyond [`MOST_USERS`] those who are new wait for that.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use service_kit::problem::Problem;

use crate::failure::Failure;

/// The window (contract: socketio, Client → server, where it is that of chat).
pub const WINDOW: Duration = Duration::from_secs(10);

/// Users whose things are counted at once; chosen, far beyond what one database writes in a window.
const MOST_USERS: usize = 100_000;

/// What all users created within the window. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// What is counted, as refusals name it: `messages`.
    things: &'static str,
    most: Option<NonZeroUsize>,
    users: Arc<Mutex<Users>>,
}

#[derive(Debug, Default)]
struct Users {
    times: HashMap<Box<str>, VecDeque<Instant>>,
    swept: Option<Instant>,
}

impl RateLimit {
    /// So many of them in any [`WINDOW`]; any number without. `things` is how refusals name them, such as `messages`.
    #[must_use]
    pub fn new(things: &'static str, most: Option<NonZeroUsize>) -> Self {
        Self { things, most, users: Arc::default() }
    }

    /// Counts one.
    ///
    /// # Errors
    /// 429 `rate_limited`, with the time after which one passes; it is not counted then.
    pub fn count(&self, user: &str, now: Instant) -> Result<(), Failure> {
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
        let detail = format!("at most {most} {} in {} s", self.things, WINDOW.as_secs());
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Err(Failure(problem.retry_after(wait)))
    }
}

impl Users {
    /// Forgets those without anything in the window, once in each.
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
    fn a_user_creates_so_many_in_any_window_and_no_other_pays_for_it() {
        let limit = RateLimit::new("messages", NonZeroUsize::new(3));
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
    fn who_creates_no_more_is_forgotten() {
        let limit = RateLimit::new("messages", NonZeroUsize::new(3));
        let start = Instant::now();
        for user in 0..1_000 {
            assert!(limit.count(&user.to_string(), start).is_ok());
        }
        assert!(limit.count("anna", start + WINDOW).is_ok());
        assert_eq!(limit.users.lock().expect("no panic").times.len(), 1);
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let limit = RateLimit::new("messages", None);
        for _ in 0..1_000 {
            assert!(limit.count("anna", Instant::now()).is_ok());
        }
        assert!(limit.users.lock().expect("no panic").times.is_empty());
    }
}
