//! What the supervisor is told: systemd's readiness protocol (`sd_notify(3)`, `Type=notify`).
//!
//! Without `NOTIFY_SOCKET` in the environment, so outside of such a unit, nothing here does anything. That a message could
//! not be delivered is logged and changes nothing: the process serves all the same, and the supervisor has time limits.
//!
//! What a reload consists of, and when the end begins, is decided elsewhere ([`crate::shutdown`]).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

#[cfg(test)]
mod tests;

/// The process serves: `READY=1`, with one line that `systemctl status` shows. To be called when the ports are open and
/// requests are answered, and again at the end of every [`reloading`], also of one that changed nothing.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
}

/// The process has begun to read its configuration again: `RELOADING=1`, with the time that `Type=notify-reload` asks
/// for. [`ready`] has to follow, whatever came of it; until then the supervisor takes the reload for unfinished.
pub fn reloading() {
    let status = NotifyState::Status("reading the configuration again");
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, status]),
        // Without the time `Type=notify` still understands it.
        Err(_) => tell(&[NotifyState::Reloading, status]),
    }
}

/// The process has begun to stop: `STOPPING=1`. Told by [`crate::shutdown`] at the first signal.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// Sets the line that `systemctl status` shows, and changes nothing else.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(&line(status))]);
}

/// Tells the supervisor twice in each of its watchdog's intervals that the process is alive (`WATCHDOG=1`), until it is
/// dropped; returns at once where no watchdog is set (`WATCHDOG_USEC`).
///
/// It has to run on the runtime that it vouches for: where that is stuck, nothing is told, and the supervisor ends the
/// process and starts it anew. `is_alive` vouches for what runs on other threads; while it answers no, nothing is told.
/// It is asked once for each message and must not block.
pub async fn keep_alive(is_alive: impl Fn() -> bool) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut beats = tokio::time::interval(beat(interval));
    // After a pause (a stopped virtual machine) one message is enough.
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if is_alive() {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("a thread has not turned since the last look: the watchdog is not told");
        }
    }
}

/// Half of the watchdog's interval, as `sd_watchdog_enabled(3)` advises; never less than a millisecond.
fn beat(interval: Duration) -> Duration {
    (interval / 2).max(Duration::from_millis(1))
}

/// A message is made of lines, so a status is one.
fn line(status: &str) -> String {
    status.replace(char::is_control, " ")
}

fn tell(messages: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(messages) {
        tracing::warn!(%error, "the supervisor could not be told");
    }
}
