//! How a process is asked to stop: the first SIGTERM or SIGINT begins an orderly end, the second ends it at once.
//!
//! What an orderly end consists of (who is told, what is waited for, for how long) is each server's affair; it
//! holds a [`Token`] and starts when [`Token::begun`] returns.

use std::sync::Arc;
use std::{io, thread};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// A signal that asks the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a supervisor, a container runtime or `kill`.
    Terminate,
    /// SIGINT: Ctrl-C in a terminal.
    Interrupt,
}

impl Signal {
    /// The exit code of a process that such a signal ended: 128 and the signal's number, as a shell tells it
    /// (143 for SIGTERM, 130 for SIGINT).
    #[must_use]
    pub const fn exit_code(self) -> i32 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }

    /// The signal's usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

/// What a signal means at the moment that it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The orderly end has begun.
    Begun,
    /// It had begun before: the process is to exit now, with this code.
    ExitNow(i32),
}

/// The process' one switch from serving to stopping. Clones share it; it never switches back.
#[derive(Debug, Clone)]
pub struct Shutdown {
    begun: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A switch that no signal moves yet.
    #[must_use]
    pub fn new() -> Self {
        Self { begun: Arc::new(watch::Sender::new(false)) }
    }

    /// A view for someone who has to stop when it is time.
    #[must_use]
    pub fn token(&self) -> Token {
        Token { begun: self.begun.subscribe() }
    }

    /// Begins the orderly end without a signal; tells whether this call was the first to.
    pub fn begin(&self) -> bool {
        self.begun.send_if_modified(|begun| !std::mem::replace(begun, true))
    }

    /// Counts a signal. It begins the orderly end, or where that has begun already (by whatever means) says to
    /// exit at once: a person who asks twice does not want to wait.
    pub fn signalled(&self, signal: Signal) -> Outcome {
        if self.begin() { Outcome::Begun } else { Outcome::ExitNow(signal.exit_code()) }
    }

    /// Lets SIGTERM and SIGINT move the switch from now on. A second signal calls [`std::process::exit`] with
    /// [`Signal::exit_code`], whatever else the process is doing.
    ///
    /// The signals are awaited on a thread of their own, so that a runtime that is stuck or busy can still be
    /// ended; the thread lives as long as the process and holds nothing but this switch.
    ///
    /// # Errors
    /// When the handlers can't be installed or the thread can't be started.
    pub fn follow_signals(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut terminate, mut interrupt) = {
            let _entered = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let shutdown = self.clone();
        let follow = async move {
            loop {
                let signal = tokio::select! {
                    Some(()) = terminate.recv() => Signal::Terminate,
                    Some(()) = interrupt.recv() => Signal::Interrupt,
                    else => return,
                };
                match shutdown.signalled(signal) {
                    Outcome::Begun => {
                        crate::notify::stopping();
                        tracing::info!(
                            signal = signal.name(),
                            "stopping in order; a second signal ends at once"
                        );
                    }
                    Outcome::ExitNow(code) => {
                        tracing::warn!(signal = signal.name(), code, "a second signal: ending at once");
                        std::process::exit(code);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned()).stack_size(256 * 1024);
        thread.spawn(move || runtime.block_on(follow)).map(drop)
    }
}

/// A view of a [`Shutdown`], cheap to clone and to ask.
#[derive(Debug, Clone)]
pub struct Token {
    begun: watch::Receiver<bool>,
}

impl Token {
    /// Whether the process is stopping.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Returns when the process begins to stop, at once if it already has. If every [`Shutdown`] is gone it
    /// returns as well, since nobody could stop this task any more.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn begun(&mut self) {
        // An error means that the switch is gone.
        let _ = self.begun.wait_for(|begun| *begun).await;
    }
}
