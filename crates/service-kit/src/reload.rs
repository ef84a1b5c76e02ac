//! Reading the configuration again while the process runs: SIGHUP.
//!
//! What is read again are files: the configuration file, secrets in files, certificates, and the environment file
//! ([`crate::settings::given`]); the environment of a process itself can't change. A reload is all or nothing: what is read
//! is checked as a whole, as at a start, before anything of it holds. What is wrong is one line of the log, and all stays as
//! it was. Each program decides what it can change ([`Applied`]), and names what needs a restart.
//!
//! SIGHUP also says that a terminal was closed. A process that had one and has it no longer stops, as it would without a
//! handler; one that was started under `nohup` goes on.

use std::fs::File;
use std::io;
use std::time::SystemTime;

use prometheus::{Gauge, IntCounterVec, Opts, Registry};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::notify;
use crate::settings::SettingsError;
use crate::shutdown::Shutdown;

#[cfg(test)]
mod tests;

/// What came of a reload that was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What is different now, by the names of the settings.
    pub changed: Vec<String>,
    /// What is different in the files and holds only after a restart, by the names of the settings.
    pub restart: Vec<String>,
    /// What the log has to say about the new configuration, as at a start.
    pub warnings: Vec<String>,
}

impl Applied {
    /// Notes a setting where it `differs`.
    pub fn changed(&mut self, name: &str, differs: Differs) {
        if differs == Differs::Yes {
            self.changed.push(name.to_owned());
        }
    }

    /// Notes a setting that needs a restart, where it `differs`.
    pub fn restart(&mut self, name: &str, differs: Differs) {
        if differs == Differs::Yes {
            self.restart.push(name.to_owned());
        }
    }
}

/// Whether a setting is another than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Compares a setting with what it was.
pub fn differs<T: PartialEq + ?Sized>(before: &T, now: &T) -> Differs {
    if before == now { Differs::No } else { Differs::Yes }
}

/// The hangups of this process.
#[derive(Debug)]
pub struct Hangups {
    signal: Signal,
    terminal: Terminal,
}

/// What the process had at its start, as far as a hangup is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terminal {
    /// A controlling terminal, whose end is the process' end.
    Watched,
    /// None, or one whose end it was told to ignore.
    Unwatched,
}

/// What a hangup says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    /// Somebody wants the configuration to be read again.
    Reload,
    /// The terminal is gone.
    TerminalGone,
}

impl Hangups {
    /// From now on SIGHUP does not end the process. To be called inside the runtime, before anything is opened: hangups
    /// that come before they are awaited are one.
    ///
    /// # Errors
    /// The handler can't be installed.
    pub fn listen() -> io::Result<Self> {
        // Looked at first: a handler takes the place of what was ignored.
        let is_ignored =
            std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status));
        let watched = !is_ignored && has_terminal();
        let terminal = if watched { Terminal::Watched } else { Terminal::Unwatched };
        Ok(Self { signal: signal(SignalKind::hangup())?, terminal })
    }

    /// Waits for the next one; `None` where there can't be any more.
    ///
    /// # Cancel safety
    /// Cancel safe: a hangup that was not told yet is told at the next call.
    pub async fn next(&mut self) -> Option<Hangup> {
        self.signal.recv().await?;
        let is_gone = self.terminal == Terminal::Watched && !has_terminal();
        Some(if is_gone { Hangup::TerminalGone } else { Hangup::Reload })
    }
}

fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether the text of `/proc/self/status` has SIGHUP, the first signal, among those that are ignored.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// How many reloads there were, and when the last was.
#[derive(Debug, Clone)]
pub struct Reloads {
    outcomes: IntCounterVec,
    last: Gauge,
}

impl Reloads {
    /// Makes the counters; the start counts as the first configuration in force.
    ///
    /// # Errors
    /// They are registered already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let outcomes = IntCounterVec::new(
            Opts::new("fanfare_config_reloads_total", "Reloads of the configuration (SIGHUP), by outcome"),
            &["outcome"],
        )?;
        for outcome in ["applied", "refused"] {
            outcomes.with_label_values(&[outcome]);
        }
        let last = Gauge::new(
            "fanfare_config_last_reload_timestamp_seconds",
            "When the configuration in force was read, in Unix time",
        )?;
        registry.register(Box::new(outcomes.clone()))?;
        registry.register(Box::new(last.clone()))?;
        let reloads = Self { outcomes, last };
        reloads.set_last();
        Ok(reloads)
    }

    fn set_last(&self) {
        self.last.set(SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64()));
    }

    /// Counts what came of one, and says it in the log.
    pub fn told(&self, outcome: &Result<Applied, SettingsError>) {
        match outcome {
            Ok(applied) => {
                for warning in &applied.warnings {
                    tracing::warn!("{warning}");
                }
                let changed = if applied.changed.is_empty() {
                    "nothing".to_owned()
                } else {
                    applied.changed.join(", ")
                };
                tracing::info!(changed, "the configuration was read again");
                if !applied.restart.is_empty() {
                    let settings = applied.restart.join(", ");
                    tracing::warn!(settings, "these settings differ now, and each needs a restart");
                }
                self.set_last();
                self.outcomes.with_label_values(&["applied"]).inc();
            }
            Err(error) => {
                tracing::error!("the configuration was read again and refused, nothing changed: {error}");
                self.outcomes.with_label_values(&["refused"]).inc();
            }
        }
    }
}

/// Reads the configuration again at each hangup, until the runtime ends. `read` reads, checks and applies; it may block for
/// as long as reading a few files takes. `status` is what the supervisor shows while the process serves.
pub async fn follow(
    mut hangups: Hangups,
    reloads: Reloads,
    shutdown: Shutdown,
    status: String,
    mut read: impl FnMut() -> Result<Applied, SettingsError>,
) {
    let mut stopping = shutdown.token();
    loop {
        let hangup = tokio::select! {
            hangup = hangups.next() => hangup,
            // A process that stops has no use for another configuration.
            () = stopping.begun() => return,
        };
        match hangup {
            None => return,
            Some(Hangup::TerminalGone) => {
                tracing::info!("the terminal is gone: stopping in order");
                shutdown.begin();
            }
            Some(Hangup::Reload) => {
                notify::reloading();
                reloads.told(&read());
                notify::ready(&status);
            }
        }
    }
}
