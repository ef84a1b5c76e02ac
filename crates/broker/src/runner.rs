//! The broker's thread: makes links, one after the other, and tells the engine what comes of them.
//!
//! It owns a runtime of its own with this one thread, so that nothing that the servers do delays it. It begins at
//! [`connect`], has an ear from [`Runner::spawn`] on, and ends by [`Running::stop`], or when the process does.

use std::fmt;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hub::broker::{Life, Told};
use prometheus::Registry;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::broker::{RedisBroker, Wishes};
use crate::error::{ConnectError, LinkError};
use crate::link::{self, Ear, Room};
use crate::opening::{self, Opened, Seen};
use crate::resolve::Resolver;
use crate::settings::Settings;
use crate::status::{Metrics, Shown};

/// A link that was made at the start serves the engine if it comes within this time: until then nobody gives signs of life.
const FRESH: Duration = Duration::from_secs(3);

/// A link that stood for so long was a good one.
const STANDS: Duration = Duration::from_secs(5);

/// The shortest and the longest wait before a link is made again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The thread before the engine is there.
pub struct Runner {
    ear: oneshot::Sender<Ear>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// The thread at work. Dropped, it ends as by [`Running::stop`], but nobody waits for it.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Begins: tries for [`START`](crate::START) to reach Redis. Blocks as long; may be called inside a runtime.
///
/// The life is none where Redis is away: then the node starts without it, and the ear is told when it is there.
///
/// # Errors
/// Redis is there, and waiting would not help: it refuses the password or the database, or is too old.
pub fn connect(
    settings: Settings,
    registry: &Registry,
) -> Result<(Arc<RedisBroker>, Runner, Option<Life>), ConnectError> {
    let tls = if settings.url.is_tls { Some(trust(&settings)?) } else { None };
    let shown = Shown::new(Metrics::new(registry));
    let (broker, wishes) = RedisBroker::new(settings.node, shown.clone());
    let (ear, awaited) = oneshot::channel();
    let (stop, stopped) = watch::channel(false);
    let (tell, told) = mpsc::channel();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ConnectError::Thread)?;
    let begin = move || {
        let resolver = Resolver::new(settings.clone(), tls);
        let thread = Thread { settings, resolver, seen: Seen::default(), shown, is_again: false, tries: 0 };
        runtime.block_on(thread.run(wishes, awaited, stopped, &tell));
    };
    let thread =
        thread::Builder::new().name("fanfare-broker".into()).spawn(begin).map_err(ConnectError::Thread)?;
    let life = told.recv().unwrap_or(Ok(None))?;
    Ok((broker, Runner { ear, stop, thread }, life))
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

impl Runner {
    /// Gives the thread its ear, which is called from there, one call at a time.
    ///
    /// # Errors
    /// The thread has ended, which only a panic does.
    pub fn spawn(self, ear: Ear) -> io::Result<Running> {
        self.ear.send(ear).map_err(|_| io::Error::other("the broker's thread has ended"))?;
        Ok(Running { stop: self.stop, thread: self.thread })
    }
}

impl Running {
    /// Lets out what was accepted, gives the node's leases back, and ends the thread. Takes five seconds at most.
    pub fn stop(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            warn!("the broker's thread had panicked");
        }
    }
}

struct Thread {
    settings: Settings,
    resolver: Resolver,
    seen: Seen,
    shown: Shown,
    is_again: bool,
    /// Links in a row that were not made, or did not stand.
    tries: u32,
}

impl Thread {
    async fn run(
        mut self,
        wishes: Wishes,
        ear: oneshot::Receiver<Ear>,
        stop: watch::Receiver<bool>,
        tell: &mpsc::Sender<Result<Option<Life>, ConnectError>>,
    ) {
        let (first, at) = match self.first().await {
            Ok(first) => (first, Instant::now()),
            Err(error) => {
                // The caller waits for just this.
                let _gone = tell.send(Err(error));
                return;
            }
        };
        let _gone = tell.send(Ok(first.as_ref().map(|first| first.life)));
        let Ok(ear) = ear.await else { return };
        let seen = std::mem::take(&mut self.seen);
        let shown = self.shown.clone();
        let mut room = Room { wishes, ear, seen, shown, stop, lasting: Default::default() };
        let mut next = first.filter(|_| at.elapsed() < FRESH);
        loop {
            let opened = match next.take() {
                Some(opened) => opened,
                None => match self.open_again(&mut room).await {
                    Some(opened) => opened,
                    None => return,
                },
            };
            self.greet(&opened, &mut room.seen);
            let stood = Instant::now();
            let ended = link::run(&mut room, opened, &self.settings.prefix, self.settings.node).await;
            // One that ends at once is made again as one that can't be made: ever more slowly.
            self.tries = if stood.elapsed() < STANDS { self.tries.saturating_add(1) } else { 0 };
            let reason = match ended {
                Ok(()) => {
                    self.shown.down("this node has ended");
                    (room.ear)(Told::Down);
                    return;
                }
                Err(error) => error.to_string(),
            };
            warn!(place = self.settings.place(), reason, "the link to Redis has ended");
            self.shown.down(&reason);
            (room.ear)(Told::Down);
        }
    }

    /// The first link, if it can be made in time.
    async fn first(&mut self) -> Result<Option<Opened>, ConnectError> {
        let end = Instant::now() + self.settings.patience;
        let mut tries = 0;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let seen = &self.seen;
            let error = match timeout(left, opening::open(&self.settings, &mut self.resolver, seen)).await {
                Ok(Ok(opened)) => {
                    self.seen.life = Some((opened.life.life, opened.life.seq));
                    self.seen.secret = Some(opened.life.secret);
                    self.seen.run.clone_from(&opened.run);
                    return Ok(Some(opened));
                }
                Ok(Err(LinkError::Start(error))) => return Err(error),
                Ok(Err(error)) => error.to_string(),
                Err(_) => LinkError::Silent(self.settings.patience.as_secs()).to_string(),
            };
            self.shown.down(&error);
            sleep(backoff(tries).min(left)).await;
            tries += 1;
        }
        let reason = self.shown.get().reason.unwrap_or_default();
        warn!(place = self.settings.place(), reason, "Redis can't be reached: starting without it");
        self.is_again = true;
        Ok(None)
    }

    /// A link, however long it takes; none if the node is to stop. Wishes are refused meanwhile.
    async fn open_again(&mut self, room: &mut Room) -> Option<Opened> {
        loop {
            if *room.stop.borrow() {
                room.drop_waiting();
                return None;
            }
            let opened = {
                let pause = backoff(self.tries);
                let seen = std::mem::take(&mut room.seen);
                let opening = async {
                    sleep(pause).await;
                    let opened = opening::open(&self.settings, &mut self.resolver, &seen).await;
                    (opened, seen)
                };
                tokio::pin!(opening);
                loop {
                    tokio::select! {
                        (opened, seen) = &mut opening => {
                            room.seen = seen;
                            break opened;
                        }
                        Some(wish) = room.wishes.queue.recv() => room.refuse(wish),
                        Some(ticket) = room.wishes.refused.recv() => room.overloaded(ticket),
                        _ = room.stop.changed() => {
                            room.drop_waiting();
                            return None;
                        }
                    }
                }
            };
            match opened {
                Ok(opened) => return Some(opened),
                Err(error) => {
                    let reason = error.to_string();
                    if self.shown.get().reason.as_ref() != Some(&reason) {
                        warn!(place = self.settings.place(), reason, "Redis can't be reached");
                    }
                    self.shown.down(&reason);
                }
            }
            self.tries = self.tries.saturating_add(1);
        }
    }

    fn greet(&mut self, opened: &Opened, seen: &mut Seen) {
        let Opened { life, durable, address, nodes, .. } = opened;
        if seen.life.is_some_and(|(before, _)| before != life.life) {
            self.shown.metrics.lives.inc();
            warn!(%address, "Redis has forgotten something: all streams begin anew");
        }
        seen.life = Some((life.life, life.seq));
        seen.secret = Some(life.secret);
        seen.run.clone_from(&opened.run);
        self.shown.up(*durable, nodes.len(), self.is_again);
        self.is_again = true;
        info!(%address, node = self.settings.node, nodes = nodes.len(), "connected to Redis");
        match durable {
            Some(true) => {}
            Some(false) => warn!(
                %address,
                "Redis may lose what it took: durable streams need appendonly yes, appendfsync always and noeviction"
            ),
            None => {
                warn!(%address, "Redis does not tell whether it keeps what it took (CONFIG GET is forbidden)")
            }
        }
    }
}

/// Full jitter: anything up to a bound that doubles with each try.
fn backoff(tries: u32) -> Duration {
    let bound = BACKOFF.0.saturating_mul(1 << tries.min(6)).min(BACKOFF.1);
    bound.mul_f64(f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX))
}

/// Whom a Redis with TLS is believed.
fn trust(settings: &Settings) -> Result<Arc<rustls::ClientConfig>, ConnectError> {
    let wrong = |error: &dyn fmt::Display| ConnectError::Authorities(error.to_string());
    let mut roots = rustls::RootCertStore::empty();
    if let Some(file) = &settings.authority {
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(ConnectError::Authorities("there are none".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
