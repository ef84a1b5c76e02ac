//! Passwords: argon2id hashes, as many at once as there are cores.
//!
//! A hash is made slow on purpose: 19 MiB and some 20 ms of one core. It runs on the blocking pool, so that calls that
//! need none are answered meanwhile. Overload: one permit per core; who has waited [`WAIT`] for one gets 503 `busy`.
//! `fanfare_password_hashes_total` counts the hashes.
//!
//! The memory comes with the permit and goes back with it: never more than cores × 19 MiB, which are kept for the next
//! hash once they were needed. Given back to the allocator after each hash, they would stay in the arena of each thread
//! of the pool that ever made one (measured with glibc: 700 MiB after 60 sign-ins at once).
//!
//! For an address that nobody has, a hash that no password has is compared all the same, so that neither the answer nor
//! the time shows which addresses are known.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use prometheus::IntCounter;
use rest::Failure;
use service_kit::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[cfg(test)]
mod tests;

/// Memory of a hash in KiB: 19 MiB, OWASP's minimum for two passes and one lane (Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 * 1024;

/// Passes over the memory, from the same table.
const PASSES: u32 = 2;

/// Lanes, from the same table.
const LANES: u32 = 1;

/// Bytes of a new hash's salt (RFC 9106 §3.1).
const SALT_BYTES: usize = 16;

/// How long a call waits for its turn: as long as for the database.
const WAIT: Duration = Duration::from_secs(5);

/// Told to those who waited in vain.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Hashes passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    idle: Idle,
    argon2: Argon2<'static>,
    /// A hash of a text that nobody knows.
    nobodys: Arc<str>,
    hashes: IntCounter,
}

/// The memory of one hash; empty before its first.
type Blocks = Vec<Block>;

/// Memory that no turn has. With that of the turns there are at most as many as permits.
type Idle = Arc<Mutex<Vec<Blocks>>>;

/// A turn to hash one password. Without `Debug`, since what is left of a password is in it.
pub(crate) struct Turn {
    blocks: Blocks,
    idle: Idle,
    #[expect(dead_code, reason = "held, and given back when dropped")]
    permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    /// The memory goes back first, and the permit, as a field, after it.
    fn drop(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        if !blocks.is_empty() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
        }
    }
}

impl Passwords {
    /// Prepares for `at_once` hashes at the same time; makes one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new(at_once: NonZeroUsize, hashes: IntCounter) -> anyhow::Result<Self> {
        let parameters = Params::new(MEMORY_KIB, PASSES, LANES, None).context("argon2")?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let mut unknown = [0; 32];
        getrandom::fill(&mut unknown)?;
        let mut blocks = Blocks::new();
        let nobodys = make(&argon2, &unknown, &mut blocks)?.into();
        let permits = Arc::new(Semaphore::new(at_once.get()));
        Ok(Self { permits, idle: Arc::new(Mutex::new(vec![blocks])), argon2, nobodys, hashes })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 503 `busy` after [`WAIT`].
    pub(crate) async fn turn(&self) -> Result<Turn, Failure> {
        match tokio::time::timeout(WAIT, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => {
                let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                Ok(Turn { blocks: kept.unwrap_or_default(), idle: Arc::clone(&self.idle), permit })
            }
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
        let made = self.blocking(turn, move |blocks| make(&argon2, password.as_bytes(), blocks));
        made.await?.map_err(|error| Failure(Problem::internal(format!("a new hash: {error:#}"))))
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
        let compared = self.blocking(turn, move |blocks| is_made_from(&kept, password.as_bytes(), blocks));
        let right =
            compared.await?.map_err(|error| Failure(Problem::internal(format!("a kept hash: {error:#}"))))?;
        Ok(right && somebodys)
    }

    /// Runs one hash on the blocking pool. The turn ends with the hash, also where the caller has gone.
    async fn blocking<T: Send + 'static>(
        &self,
        mut turn: Turn,
        work: impl FnOnce(&mut Blocks) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.hashes.inc();
        let task = tokio::task::spawn_blocking(move || work(&mut turn.blocks));
        task.await.map_err(|error| Failure(Problem::internal(format!("a hash ended early: {error}"))))
    }
}

/// A new hash as it is kept: a PHC string.
fn make(argon2: &Argon2<'_>, password: &[u8], blocks: &mut Blocks) -> anyhow::Result<String> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)?;
    let hash = run(argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN, blocks)?;
    let kept = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).context("argon2's parameters")?,
        salt: Some(Salt::new(&salt).context("a salt")?),
        hash: Some(hash),
    };
    Ok(kept.to_string())
}

/// Whether a kept hash is of this password, made again with the hash's own parameters.
fn is_made_from(kept: &str, password: &[u8], blocks: &mut Blocks) -> anyhow::Result<bool> {
    let kept = PasswordHash::new(kept)?;
    let (Some(salt), Some(hash)) = (&kept.salt, &kept.hash) else { anyhow::bail!("no salt or no hash") };
    let algorithm = Algorithm::try_from(kept.algorithm.as_str())?;
    let version = kept.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&kept)?);
    let made = run(&argon2, password, salt, hash.len(), blocks)?;
    // Outputs are compared in a time that does not depend on where they differ.
    Ok(made == *hash)
}

/// One hash, in memory that is there or is made here.
fn run(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    length: usize,
    blocks: &mut Blocks,
) -> anyhow::Result<Output> {
    let wanted = argon2.params().block_count();
    if blocks.len() < wanted {
        *blocks = vec![Block::new(); wanted];
    }
    let mut bytes = [0; Output::MAX_LENGTH];
    let bytes = bytes.get_mut(..length).context("a hash that is too long")?;
    argon2.hash_password_into_with_memory(password, salt, bytes, blocks)?;
    Ok(Output::new(bytes)?)
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords")
            .field("permits", &self.permits.available_permits())
            .finish_non_exhaustive()
    }
}
