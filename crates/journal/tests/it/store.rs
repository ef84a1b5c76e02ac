//! What is written is there afterwards, in one process at a time, for its owner alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use hub::journal::{Group, Journal, JournalError, Stored};
use journal::{OpenError, SqliteJournal};

use crate::directory::{Scratch, copy};
use crate::workload::Workload;

#[test]
fn a_new_store_is_empty_and_has_a_secret_of_its_own() {
    let (one, other) = (Scratch::new(), Scratch::new());
    let (journal, stored) = SqliteJournal::open(one.path()).expect("a store");
    assert_eq!(stored, Stored { secret: stored.secret, ..Stored::default() });
    assert_ne!(stored.secret, [0; 32]);
    drop(journal);
    let (_journal, again) = SqliteJournal::open(one.path()).expect("the store");
    assert_eq!(again, stored);
    let (_journal, stranger) = SqliteJournal::open(other.path()).expect("a store");
    assert_ne!(stranger.secret, stored.secret);
}

#[test]
fn what_was_committed_is_there_after_a_close_and_after_a_kill() {
    let (scratch, killed) = (Scratch::new(), Scratch::new());
    let mut workload = Workload::new(1);
    let mut secret = None;
    for round in 0..8 {
        let (mut journal, stored) = SqliteJournal::open(scratch.path()).expect("a store");
        let secret = *secret.get_or_insert(stored.secret);
        assert_eq!(stored, workload.model.stored(secret), "round {round}");
        for group in workload.accepted(40) {
            journal.commit(&group).expect("room");
        }
        let copied = killed.path().join(round.to_string());
        copy(scratch.path(), &copied);
        let (_journal, found) = SqliteJournal::open(&copied).expect("the copy");
        assert_eq!(found, workload.model.stored(secret), "killed in round {round}");
    }
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let scratch = Scratch::new();
    let first = SqliteJournal::open(scratch.path()).expect("a store");
    let refused = SqliteJournal::open(scratch.path()).expect_err("in use");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    drop(first);
    SqliteJournal::open(scratch.path()).expect("free");
}

#[test]
fn a_store_that_somebody_looks_into_is_in_use_and_can_be_looked_into_when_it_is_closed() {
    let scratch = Scratch::new();
    drop(SqliteJournal::open(scratch.path()).expect("a store"));
    let look = || {
        let database = rusqlite::Connection::open(scratch.path().join("hub.db")).expect("a database");
        let count = database.query_one("SELECT count(*) FROM groups", (), |row| row.get::<_, i64>(0));
        (count, database)
    };
    let (count, looking) = look();
    assert_eq!(count, Ok(0));
    let refused = SqliteJournal::open(scratch.path()).expect_err("in use");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    drop(looking);
    let _journal = SqliteJournal::open(scratch.path()).expect("free");
    let (count, _) = look();
    assert_eq!(count.expect_err("locked").sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
}

#[test]
fn directory_and_files_are_for_their_owner_alone() {
    let scratch = Scratch::new();
    let directory = scratch.path().join("deep/data");
    let (_journal, _) = SqliteJournal::open(&directory).expect("a store");
    let mode = |name: &str| {
        let metadata = fs::metadata(directory.join(name)).expect(name);
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(fs::metadata(scratch.path().join("deep")).expect("deep").permissions().mode() & 0o777, 0o700);
    assert_eq!(
        (mode("."), mode("hub.db"), mode("hub.db-wal"), mode("hub.lock")),
        (0o700, 0o600, 0o600, 0o600)
    );
}

#[test]
fn a_group_that_is_refused_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let mut workload = Workload::new(2);
    let (mut journal, Stored { secret, .. }) = SqliteJournal::open(scratch.path()).expect("a store");
    for group in workload.accepted(20) {
        journal.commit(&group).expect("room");
    }
    let (seq, entries) = workload.model.stored(secret).groups.pop().expect("groups");
    // A number that is taken: no engine does that, and SQLite finds it in the middle of the transaction.
    let group = Group { seq, entries, remove: vec![1, 2, 3], resets: Some(99), ..workload.group() };
    let refused = journal.commit(&Group { remove: Vec::new(), ..group }).expect_err("taken");
    assert!(matches!(refused, JournalError::Failed(_)), "{refused}");
    for group in workload.accepted(1) {
        journal.commit(&group).expect("room");
    }
    drop(journal);
    let (_journal, stored) = SqliteJournal::open(scratch.path()).expect("the store");
    assert_eq!(stored, workload.model.stored(secret));
}

#[test]
fn an_empty_group_is_not_written() {
    let scratch = Scratch::new();
    let (mut journal, stored) = SqliteJournal::open(scratch.path()).expect("a store");
    journal.commit(&Group { seq: 7, ..Group::default() }).expect("nothing to do");
    drop(journal);
    let (_journal, again) = SqliteJournal::open(scratch.path()).expect("the store");
    assert_eq!(again, stored);
}

#[test]
fn the_log_stays_bounded_and_so_does_a_database_whose_groups_are_removed() {
    let scratch = Scratch::new();
    let every = 256 << 10;
    let (mut journal, _) = SqliteJournal::open_with(scratch.path(), every).expect("a store");
    let mut workload = Workload::new(3);
    let length = |name: &str| fs::metadata(scratch.path().join(name)).expect(name).len();
    let (mut log, mut database) = (0, 0);
    for round in 0..600 {
        for group in workload.accepted(1) {
            journal.commit(&group).expect("room");
        }
        log = log.max(length("hub.db-wal"));
        if round > 100 {
            database = database.max(length("hub.db"));
        }
    }
    // What a group has in the log is only estimated: pages above the rows come on top.
    assert!(log < 3 * every, "the log grew to {log} bytes");
    assert!(database < 2 << 20, "the database grew to {database} bytes");
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    let scratch = Scratch::new();
    let file = scratch.path().join("hub.db");
    fs::write(&file, "my notes, longer than the head of a database, which has a hundred bytes ".repeat(9))
        .expect("a file");
    let before = fs::read(&file).expect("the file");
    let refused = SqliteJournal::open(scratch.path()).expect_err("foreign");
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
    assert_eq!(fs::read(&file).expect("the file"), before);
}

#[test]
fn a_database_of_somebody_else_and_one_of_a_newer_version_are_refused() {
    let scratch = Scratch::new();
    drop(SqliteJournal::open(scratch.path()).expect("a store"));
    let database = || rusqlite::Connection::open(scratch.path().join("hub.db")).expect("a database");
    database().pragma_update(None, "user_version", 2).expect("a version");
    let refused = SqliteJournal::open(scratch.path()).expect_err("newer");
    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused}");
    database().pragma_update(None, "application_id", 1).expect("an id");
    let refused = SqliteJournal::open(scratch.path()).expect_err("foreign");
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
}

#[test]
fn names_are_kept_once_in_memory() {
    let scratch = Scratch::new();
    let mut workload = Workload::new(4);
    let (mut journal, _) = SqliteJournal::open(scratch.path()).expect("a store");
    for group in workload.accepted(12) {
        journal.commit(&group).expect("room");
    }
    drop(journal);
    let (_journal, stored) = SqliteJournal::open(scratch.path()).expect("the store");
    let entries = stored.groups.iter().flat_map(|(_, entries)| entries);
    let places = entries.flat_map(|entry| &entry.places).filter(|place| &*place.stream == "jobs");
    let streams: Vec<&Arc<str>> = places.map(|place| &place.stream).collect();
    assert!(streams.len() > 1 && streams.iter().all(|stream| Arc::ptr_eq(stream, streams[0])));
}
