//! Opening a database, and the two ways into it: reading and changing.

use std::str::FromStr as _;
use std::sync::Once;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyPool, AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::error::OpenError;
use crate::location::Location;
use crate::migration::{Migration, migrator};

/// Reading connections on SQLite, and all connections on Postgres: enough for the statements of two cores' requests to
/// overlap, few enough that six services stay below Postgres' usual 100.
const CONNECTIONS: u32 = 8;

/// How long a call waits for a connection or for SQLite's one writer; then it is refused for the moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often opening is tried again where two processes made the same file's tables at once.
const MIGRATION_ATTEMPTS: u32 = 5;

/// A pool of connections to either kind of database.
pub type Pool = AnyPool;

/// A transaction that may change something; rolled back when it is dropped.
pub type Transaction = sqlx::Transaction<'static, Any>;

/// Which kind of database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite in a file.
    Sqlite,
    /// A Postgres server.
    Postgres,
}

/// An open database whose tables are up to date. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    writer: Pool,
    reader: Pool,
}

impl Store {
    /// Opens the database and brings its tables up to date. `schema` names the service's schema on Postgres, in
    /// lower-case letters and underscores; `migrations` are all lists of steps that the service has.
    ///
    /// # Errors
    /// [`OpenError`].
    ///
    /// # Panics
    /// When `schema` has other characters.
    pub async fn open(
        location: &Location,
        schema: &'static str,
        migrations: &[&[Migration]],
    ) -> Result<Self, OpenError> {
        assert!(
            schema.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "a schema is a plain name"
        );
        install_drivers();
        let connect = |source| OpenError::Connect { location: location.clone(), source };
        let store = match location {
            Location::File(path) => {
                if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
                    std::fs::create_dir_all(directory)
                        .map_err(|source| OpenError::Directory { path: directory.to_owned(), source })?;
                }
                let url = quiet(&location.url()).map_err(connect)?;
                let writer = sqlite(1, "OFF").connect_with(url.clone()).await.map_err(connect)?;
                let reader = sqlite(CONNECTIONS, "ON").connect_with(url).await.map_err(connect)?;
                Self { engine: Engine::Sqlite, writer, reader }
            }
            Location::Postgres(url) => {
                let url = quiet(url).map_err(connect)?;
                let pool = postgres(schema).connect_with(url).await.map_err(connect)?;
                Self { engine: Engine::Postgres, writer: pool.clone(), reader: pool }
            }
        };
        let migrator = migrator(migrations);
        let mut attempt = 1;
        while let Err(source) = migrator.run(&store.writer).await {
            // SQLite has no lock around all steps: another process may have been a moment ahead with one of them.
            if store.engine == Engine::Postgres || attempt == MIGRATION_ATTEMPTS {
                return Err(OpenError::Migrate { location: location.clone(), source });
            }
            tracing::debug!(error = %source, attempt, "bringing the tables up to date failed; trying again");
            tokio::time::sleep(Duration::from_millis(100) * attempt).await;
            attempt += 1;
        }
        Ok(store)
    }

    /// Which kind it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Begins a transaction that may change something. On SQLite it has the database to itself from here on, and waits
    /// up to 5 s for that.
    ///
    /// # Errors
    /// The database is away or busy.
    pub async fn begin(&self) -> sqlx::Result<Transaction> {
        match self.engine {
            Engine::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await,
            Engine::Postgres => self.writer.begin().await,
        }
    }

    /// Begins a transaction that only reads, and in which all statements see the same state.
    ///
    /// # Errors
    /// The database is away or busy.
    pub async fn snapshot(&self) -> sqlx::Result<Transaction> {
        match self.engine {
            Engine::Sqlite => self.reader.begin().await,
            Engine::Postgres => {
                self.reader.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
            }
        }
    }

    /// For statements that only read, each on its own.
    #[must_use]
    pub fn reader(&self) -> &Pool {
        &self.reader
    }

    /// Whether the database answers.
    pub async fn answers(&self) -> bool {
        tokio::time::timeout(PATIENCE, sqlx::query("SELECT 1").execute(&self.reader))
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    /// Closes all connections once their statements are done.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Without the driver's log of statements: one that writes hundreds of rows is a line of 100 KB.
fn quiet(url: &str) -> sqlx::Result<AnyConnectOptions> {
    AnyConnectOptions::from_str(url).map(AnyConnectOptions::disable_statement_logging)
}

fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}

/// SQLite: WAL, so that readers and the writer don't wait for each other; FULL, so that a commit survives a power cut.
fn sqlite(connections: u32, query_only: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let busy = PATIENCE.as_millis();
                let pragmas = format!(
                    "PRAGMA busy_timeout = {busy}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                     PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA query_only = {query_only};"
                );
                connection.execute(sqlx::raw_sql(AssertSqlSafe(pragmas))).await.map(drop)
            })
        })
}

/// Postgres: the service's schema, and bounds on what a lost or stuck caller can hold.
fn postgres(schema: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE).after_connect(
        move |connection, _| {
            Box::pin(async move {
                let patience = PATIENCE.as_millis();
                let settings = format!(
                    "SET client_min_messages = warning; SET lock_timeout = {patience};
                     SET statement_timeout = 60000; SET idle_in_transaction_session_timeout = 30000;
                     SELECT pg_advisory_lock(7021956012); CREATE SCHEMA IF NOT EXISTS {schema};
                     SELECT pg_advisory_unlock(7021956012); SET search_path TO {schema};"
                );
                connection.execute(sqlx::raw_sql(AssertSqlSafe(settings))).await.map(drop)
            })
        },
    )
}
