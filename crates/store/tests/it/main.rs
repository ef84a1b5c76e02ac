//! The store on SQLite and on a real Postgres.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use store::{Engine, Location, LocationError, Migration, OpenError, Store, Trouble, counter};
use test_kit::Postgres;

const NAMES: &[Migration] = &[Migration {
    version: 100,
    name: "names",
    sql: "CREATE TABLE names (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, note TEXT);
          CREATE INDEX names_by_note ON names (note) WHERE note IS NOT NULL;",
}];

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

fn directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("fanfare-store {}-{number}", std::process::id()));
    let _nothing_there = std::fs::remove_dir_all(&path);
    path
}

/// Both kinds; the path has characters that a URL would not.
fn locations() -> [Location; 2] {
    [Location::File(directory().join("100%25 näme?#.db")), Location::Postgres(Postgres::shared().database())]
}

async fn open(location: &Location) -> Store {
    Store::open(location, "names", &[NAMES]).await.expect("a store")
}

async fn insert(store: &Store, name: &str) -> sqlx::Result<i64> {
    let mut transaction = store.begin().await?;
    let id = counter(&mut transaction, "names").await?;
    sqlx::query("INSERT INTO names (id, name, note) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(name)
        .bind(None::<String>)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(id)
}

async fn ids(store: &Store) -> Vec<i64> {
    sqlx::query_scalar("SELECT id FROM names ORDER BY id").fetch_all(store.reader()).await.expect("ids")
}

#[test]
fn what_is_committed_is_there_after_opening_again_and_what_is_rolled_back_is_not() {
    run(async {
        for location in locations() {
            let store = open(&location).await;
            assert_eq!(insert(&store, "a 'quoted' ☃ name").await.expect("an id"), 1);
            let mut transaction = store.begin().await.expect("a transaction");
            assert_eq!(counter(&mut transaction, "names").await.expect("a number"), 2);
            drop(transaction);
            assert_eq!(
                insert(&store, "b").await.expect("an id"),
                2,
                "a number that was not kept is given again"
            );
            store.close().await;
            let again = open(&location).await;
            assert_eq!(ids(&again).await, [1, 2]);
            assert!(again.answers().await);
        }
    });
}

#[test]
fn writers_of_two_instances_get_different_numbers_and_lose_nothing() {
    run(async {
        for location in locations() {
            let (one, two) = (open(&location).await, open(&location).await);
            let each = |store: Store, name: &'static str| async move {
                for n in 0..50 {
                    insert(&store, &format!("{name}{n}")).await.expect("an id");
                }
            };
            let tasks = [("a", one.clone()), ("b", two.clone()), ("c", one.clone()), ("d", two)]
                .map(|(name, store)| tokio::spawn(each(store, name)));
            for task in tasks {
                task.await.expect("a writer");
            }
            assert_eq!(ids(&one).await, (1..=200).collect::<Vec<i64>>());
        }
    });
}

#[test]
fn two_instances_that_start_at_once_make_the_tables_once() {
    run(async {
        for location in locations() {
            let starts: Vec<_> = (0..4)
                .map(|_| {
                    let location = location.clone();
                    tokio::spawn(async move { open(&location).await })
                })
                .collect();
            let mut stores = Vec::new();
            for start in starts {
                stores.push(start.await.expect("a start"));
            }
            let mut given = BTreeSet::new();
            for (n, store) in stores.iter().enumerate() {
                given.insert(insert(store, &n.to_string()).await.expect("an id"));
            }
            assert_eq!(given.len(), 4);
        }
    });
}

#[test]
fn a_second_row_of_the_same_name_is_told_as_such() {
    run(async {
        for location in locations() {
            let store = open(&location).await;
            insert(&store, "once").await.expect("an id");
            let error = insert(&store, "once").await.expect_err("a duplicate");
            assert_eq!(Trouble::of(&error), Trouble::Duplicate, "{error}");
            let wrong = sqlx::query("SELECT nothing FROM nowhere").execute(store.reader()).await;
            assert_eq!(Trouble::of(&wrong.expect_err("no such table")), Trouble::Fault);
        }
    });
}

#[test]
fn services_that_share_a_postgres_do_not_see_each_other() {
    run(async {
        let location = Location::Postgres(Postgres::shared().database());
        let one = Store::open(&location, "service_one", &[NAMES]).await.expect("a store");
        let two = Store::open(&location, "service_two", &[NAMES]).await.expect("a store");
        assert_eq!((one.engine(), two.engine()), (Engine::Postgres, Engine::Postgres));
        insert(&one, "mine").await.expect("an id");
        assert_eq!((ids(&one).await.len(), ids(&two).await.len()), (1, 0));
    });
}

#[test]
fn a_postgres_that_is_away_is_told_as_away_and_used_again_when_it_is_back() {
    run(async {
        let postgres = Postgres::start();
        let store = open(&Location::Postgres(postgres.database())).await;
        insert(&store, "before").await.expect("an id");
        postgres.kill();
        let error = insert(&store, "meanwhile").await.expect_err("nobody there");
        assert_eq!(Trouble::of(&error), Trouble::Unavailable, "{error:?}");
        assert!(!store.answers().await);
        postgres.resume();
        insert(&store, "after").await.expect("an id");
        assert_eq!(ids(&store).await.len(), 2);
    });
}

#[test]
fn somebody_else_at_the_address_is_told_as_away() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        }
    });
    run(async {
        let location = Location::parse(&format!("postgres://anna@{address}/fanfare")).expect("a URL");
        match Store::open(&location, "names", &[NAMES]).await.expect_err("no database") {
            OpenError::Connect { source, .. } => {
                assert_eq!(Trouble::of(&source), Trouble::Unavailable, "{source:?}");
            }
            other => panic!("{other}"),
        }
    });
}

#[test]
fn a_reader_can_change_nothing_in_sqlite() {
    run(async {
        let store = open(&Location::File(directory().join("store.db"))).await;
        assert!(sqlx::query("DELETE FROM names").execute(store.reader()).await.is_err());
    });
}

#[test]
fn a_location_is_read_and_never_shows_its_password() {
    let parsed =
        Location::parse("postgres://anna:p@ss@db.internal:5432/fanfare?sslmode=require").expect("a URL");
    assert_eq!(parsed.to_string(), "postgres://db.internal:5432/fanfare");
    assert_eq!(format!("{parsed:?}"), parsed.to_string());
    assert_eq!(Location::parse("sqlite:/var/lib/x.db"), Ok(Location::File("/var/lib/x.db".into())));
    assert_eq!(Location::parse("sqlite://x.db"), Ok(Location::File("x.db".into())));
    assert_eq!(Location::parse("mysql://x"), Err(LocationError::Scheme));
    for wrong in ["sqlite:", "sqlite::memory:", "sqlite:x.db?mode=ro"] {
        assert_eq!(Location::parse(wrong), Err(LocationError::File), "{wrong}");
    }
}
