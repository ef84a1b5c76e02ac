//! The keys that sign access tokens: made in the database, rotated, published.
//!
//! The life of a key: it is made and published at once, signs from a lead later (the first one at once), is followed by
//! the next after [`KEY_ROTATION`](crate::settings::KEY_ROTATION), and stays published until its last token has ended.
//! The lead is why no verifier meets a token whose key it can't know yet: the hub and the services fetch every 5 min.
//!
//! Instances that share the database have the same keys: whoever makes one holds the counter `signing_keys`, and looks
//! again before. Each reads the table at every [`Keys::period`], which is far shorter than the lead.
//!
//! A private key is in the table and in this process, never in a log line or a `Debug`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use auth::Jwks;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use service_kit::shutdown::Token;
use store::{Store, counter, now_micros};

use crate::tables::micros;
use pair::Pair;

mod pair;
#[cfg(test)]
mod tests;

/// How long a new key is published before it signs: longer than the 5 min after which verifiers fetch again.
const LEAD: Duration = Duration::from_secs(600);

/// How often the table is read.
const PERIOD: Duration = Duration::from_secs(30);

/// How long the published set may be kept by its readers: half of the lead.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The keys of this instance.
pub(crate) struct Keys {
    store: Store,
    rotation: Duration,
    /// How long a key stays published once it does not sign any more: twice the life of a token, since the clocks of
    /// two instances may differ.
    retention: Duration,
    ring: ArcSwap<Ring>,
    /// The public halves, for verifiers in this process.
    local: Arc<Jwks>,
}

/// The keys as they were last read.
#[derive(Default)]
struct Ring {
    /// By the time from which they sign.
    signers: Vec<Signer>,
    /// The JWK Set as text.
    set: String,
}

struct Signer {
    kid: String,
    key: EncodingKey,
    created_at: i64,
    signs_from: i64,
}

/// A row of the table.
struct Row {
    kid: String,
    algorithm: String,
    private_key: String,
    public_jwk: String,
    created_at: i64,
    signs_from: i64,
}

/// How the keys are, for `/health`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeysStatus {
    /// Keys that are published.
    pub(crate) published: usize,
    /// Age of the newest.
    pub(crate) newest: Duration,
    /// Whether the newest should have been followed by another: the database has been away for long.
    pub(crate) overdue: bool,
}

impl Keys {
    /// Reads the keys, and makes one where there is none that is young enough.
    ///
    /// # Errors
    /// The database fails, or holds a key that can't be used.
    pub(crate) async fn open(
        store: Store,
        rotation: Duration,
        access_lifetime: Duration,
    ) -> anyhow::Result<Arc<Self>> {
        let keys = Self {
            store,
            rotation,
            retention: access_lifetime * 2,
            ring: ArcSwap::default(),
            local: Arc::new(Jwks::local()),
        };
        keys.renew().await.context("the signing keys")?;
        Ok(Arc::new(keys))
    }

    /// The public halves, kept up to date: for verifiers in this process.
    pub(crate) fn local(&self) -> &Arc<Jwks> {
        &self.local
    }

    /// The JWK Set as text.
    pub(crate) fn set(&self) -> String {
        self.ring.load().set.clone()
    }

    /// How long readers may keep the set.
    pub(crate) fn max_age(&self) -> Duration {
        MAX_AGE.min(self.lead() / 2)
    }

    /// Signs claims with the key whose time it is.
    ///
    /// # Errors
    /// The claims can't be written, or the key can't be used.
    pub(crate) fn sign<C: Serialize>(&self, claims: &C) -> anyhow::Result<String> {
        let ring = self.ring.load();
        let now = now_micros();
        let ready = ring.signers.iter().rfind(|signer| signer.signs_from <= now);
        let signer = ready.or(ring.signers.first()).context("there is no signing key")?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(signer.kid.clone());
        Ok(jsonwebtoken::encode(&header, claims, &signer.key)?)
    }

    /// How the keys are.
    pub(crate) fn status(&self) -> KeysStatus {
        let ring = self.ring.load();
        let made = ring.signers.iter().map(|signer| signer.created_at).max().unwrap_or(0);
        let newest = Duration::from_micros(u64::try_from(now_micros() - made).unwrap_or(0));
        KeysStatus {
            published: ring.signers.len(),
            newest,
            overdue: newest > self.rotation + self.period() * 10,
        }
    }

    /// Keeps the keys up to date until the shutdown begins.
    pub(crate) async fn run(&self, mut shutdown: Token) {
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(self.period()) => {}
            }
            if let Err(error) = self.renew().await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the signing keys can't be renewed, keeping those that are there"
                );
            }
        }
    }

    fn lead(&self) -> Duration {
        LEAD.min(self.rotation / 10)
    }

    /// How often the table is read.
    fn period(&self) -> Duration {
        PERIOD.min(self.lead() / 2)
    }

    /// Makes a key where it is time, removes those that are done, and reads what there is.
    async fn renew(&self) -> anyhow::Result<()> {
        let mut rows = rows(self.store.reader()).await?;
        let now = now_micros();
        let due = |rows: &[Row]| rows.iter().all(|row| row.created_at + micros(self.rotation) <= now);
        let done = |rows: &[Row]| self.done(rows, now);
        if due(&rows) || !done(&rows).is_empty() {
            let mut transaction = self.store.begin().await?;
            // From here on this instance is the only one that changes the table.
            counter(&mut transaction, "signing_keys").await?;
            rows = rows_in(&mut transaction).await?;
            if due(&rows) {
                let row = make(now, if rows.is_empty() { now } else { now + micros(self.lead()) })?;
                insert(&mut transaction, &row).await?;
            }
            for kid in done(&rows) {
                sqlx::query("DELETE FROM signing_keys WHERE kid = $1")
                    .bind(kid)
                    .execute(&mut *transaction)
                    .await?;
            }
            rows = rows_in(&mut transaction).await?;
            transaction.commit().await?;
        }
        self.take(rows)
    }

    /// The keys whose successor has signed for so long that all their tokens have ended.
    fn done(&self, rows: &[Row], now: i64) -> Vec<String> {
        let pairs = rows.iter().zip(rows.iter().skip(1));
        let done = pairs.filter(|(_, next)| next.signs_from + micros(self.retention) <= now);
        done.map(|(row, _)| row.kid.clone()).collect()
    }

    fn take(&self, rows: Vec<Row>) -> anyhow::Result<()> {
        let known: Vec<String> = self.ring.load().signers.iter().map(|signer| signer.kid.clone()).collect();
        if rows.iter().map(|row| &row.kid).eq(known.iter()) {
            return Ok(());
        }
        let jwks: Vec<&str> = rows.iter().map(|row| row.public_jwk.as_str()).collect();
        let set = format!("{{\"keys\":[{}]}}", jwks.join(","));
        let signers = rows.iter().map(signer).collect::<anyhow::Result<Vec<Signer>>>()?;
        self.local.feed(&set)?;
        let kids: Vec<&str> = rows.iter().map(|row| row.kid.as_str()).collect();
        tracing::info!(?kids, "the signing keys have changed");
        self.ring.store(Arc::new(Ring { signers, set }));
        Ok(())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<String> = self.ring.load().signers.iter().map(|signer| signer.kid.clone()).collect();
        f.debug_struct("Keys").field("kids", &kids).field("rotation", &self.rotation).finish_non_exhaustive()
    }
}

fn signer(row: &Row) -> anyhow::Result<Signer> {
    let Row { kid, algorithm, private_key, created_at, signs_from, .. } = row;
    anyhow::ensure!(
        algorithm == pair::ALGORITHM,
        "the key {kid} is for {algorithm}, which is not known here"
    );
    let private = STANDARD.decode(private_key).with_context(|| format!("the key {kid} is not in base64"))?;
    pair::check(&private).with_context(|| format!("the key {kid} can't be used"))?;
    let key = EncodingKey::from_ed_der(&private);
    Ok(Signer { kid: kid.clone(), key, created_at: *created_at, signs_from: *signs_from })
}

fn make(now: i64, signs_from: i64) -> anyhow::Result<Row> {
    let Pair { kid, private, jwk } = Pair::new()?;
    Ok(Row {
        kid,
        algorithm: pair::ALGORITHM.to_owned(),
        private_key: STANDARD.encode(private),
        public_jwk: jwk,
        created_at: now,
        signs_from,
    })
}

const SELECT: &str =
    "SELECT kid, algorithm, private_key, public_jwk, created_at, signs_from FROM signing_keys
     ORDER BY signs_from, kid";

/// A row as the database gives it.
type Columns = (String, String, String, String, i64, i64);

async fn rows(reader: &store::Pool) -> sqlx::Result<Vec<Row>> {
    let rows: Vec<Columns> = sqlx::query_as(SELECT).fetch_all(reader).await?;
    Ok(rows.into_iter().map(Row::from).collect())
}

async fn rows_in(transaction: &mut store::Transaction) -> sqlx::Result<Vec<Row>> {
    let rows: Vec<Columns> = sqlx::query_as(SELECT).fetch_all(&mut **transaction).await?;
    Ok(rows.into_iter().map(Row::from).collect())
}

impl From<Columns> for Row {
    fn from((kid, algorithm, private_key, public_jwk, created_at, signs_from): Columns) -> Self {
        Self { kid, algorithm, private_key, public_jwk, created_at, signs_from }
    }
}

async fn insert(transaction: &mut store::Transaction, row: &Row) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO signing_keys (kid, algorithm, private_key, public_jwk, created_at, signs_from)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&row.kid)
    .bind(&row.algorithm)
    .bind(&row.private_key)
    .bind(&row.public_jwk)
    .bind(row.created_at)
    .bind(row.signs_from)
    .execute(&mut **transaction)
    .await
    .map(drop)
}
