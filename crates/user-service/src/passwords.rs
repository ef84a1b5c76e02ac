//! Passwords: argon2id hashes, as many at once as there are cores.
//!
//! A hash is made slow on purpose: 19 MiB and some 20 ms of one core. It runs on the blocking pool, so that calls that
//! need none are answered meanwhile. Overload: one permit per core, so memory is bounded by cores × 19 MiB; who has
//! waited [`WAIT`] for one gets 503 `busy`. `fanfare_password_hashes_total` counts the hashes.
//!
//! For an address that nobody has, a hash that no password has is compared all the same, so that neither the answer nor
//! the time shows which addresses are known.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use prometheus::IntCounter;
use rest::Failure;
use service_kit::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory of a hash in KiB: 19 MiB, OWASP's minimum for two passes and one lane (Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 * 1024;

/// Passes over the memory, from the same table.
const PASSES: u32 = 2;

/// Lanes, from the same table.
const LANES: u32 = 1;

/// How long a call waits for its turn: as long as for the database.
const WAIT: Duration = Duration::from_secs(5);

/// Told to those who waited in vain.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Hashes passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    argon2: Argon2<'static>,
    /// A hash of a text that nobody knows.
    nobodys: Arc<str>,
    hashes: IntCounter,
}

/// A turn to hash one password.
#[derive(Debug)]
pub(crate) struct Turn(
    #[expect(dead_code, reason = "held, and given back when dropped")] OwnedSemaphorePermit,
);

impl Passwords {
    /// Prepares for `at_once` hashes at the same time; makes one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new(at_once: NonZeroUsize, hashes: IntCounter) -> anyhow::Result<Self> {
        let wrong = |error| anyhow::anyhow!("argon2: {error}");
        let parameters = Params::new(MEMORY_KIB, PASSES, LANES, None);
        let parameters = parameters.map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let mut unknown = [0; 32];
        getrandom::fill(&mut unknown)?;
        let nobodys = argon2.hash_password(&unknown).map_err(wrong)?.to_string().into();
        Ok(Self { permits: Arc::new(Semaphore::new(at_once.get())), argon2, nobodys, hashes })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 503 `busy` after [`WAIT`].
    pub(crate) async fn turn(&self) -> Result<Turn, Failure> {
        match tokio::time::timeout(WAIT, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn(permit)),
            _ => {
                let problem = Problem::unavailable("busy", "no password can be hashed in time", RETRY_AFTER);
                Err(Failure(problem.title("Too many people are signing in at the moment")))
            }
        }
    }

    /// The hash that is kept of a password.
    ///
    /// # Errors
    /// 500 where the system has no randomness.
    pub(crate) async fn hash(&self, turn: Turn, password: String) -> Result<String, Failure> {
        let argon2 = self.argon2.clone();
        let made = self.blocking(turn, move || argon2.hash_password(password.as_bytes()));
        let hash = made.await?.map_err(|error| Failure(Problem::internal(format!("argon2: {error}"))))?;
        Ok(hash.to_string())
    }

    /// Whether a password is the one of this hash; never for `None`, which takes as long.
    ///
    /// # Errors
    /// 500 where the hash can't be read.
    pub(crate) async fn is_right(
        &self,
        turn: Turn,
        password: String,
        kept: Option<String>,
    ) -> Result<bool, Failure> {
        let somebodys = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobodys.as_ref().to_owned());
        let argon2 = self.argon2.clone();
        let compared = self.blocking(turn, move || {
            let hash = PasswordHash::new(&kept).map_err(|error| error.to_string())?;
            Ok::<_, String>(argon2.verify_password(password.as_bytes(), &hash).is_ok())
        });
        let right =
            compared.await?.map_err(|error| Failure(Problem::internal(format!("a kept hash: {error}"))))?;
        Ok(right && somebodys)
    }

    /// Runs one hash on the blocking pool. The turn ends with the hash, also where the caller has gone.
    async fn blocking<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.hashes.inc();
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        task.await.map_err(|error| Failure(Problem::internal(format!("a hash ended early: {error}"))))
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords")
            .field("permits", &self.permits.available_permits())
            .finish_non_exhaustive()
    }
}
