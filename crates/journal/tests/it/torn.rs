//! A log that ends anywhere, or has a wrong byte: what was written last is there whole or not at all, all else is.

use std::fs;
use std::path::Path;

use hub::journal::{Group, Journal, Stored};
use journal::SqliteJournal;

use crate::directory::Scratch;
use crate::workload::{Random, Workload};

/// A store that was killed, and what it held after each of its commits.
struct Killed {
    database: Vec<u8>,
    log: Vec<u8>,
    /// What it held, and how long the log was then.
    after: Vec<(Stored, usize)>,
}

impl Killed {
    fn new(scratch: &Path, commits: usize) -> Self {
        let (mut journal, Stored { secret, .. }) = SqliteJournal::open(scratch).expect("a store");
        let log = || fs::read(scratch.join("hub.db-wal")).expect("the log");
        let mut workload = Workload::new(5);
        let mut after = vec![(workload.model.stored(secret), log().len())];
        for number in 1..=commits {
            let mut group = workload.group();
            if number == commits {
                // Short, since each of its bytes is a case.
                group = Group { seq: group.seq, entries: group.entries, ..Group::default() };
                group.entries.truncate(1);
            }
            journal.commit(&group).expect("room");
            workload.model.accept(&group);
            after.push((workload.model.stored(secret), log().len()));
        }
        let database = fs::read(scratch.join("hub.db")).expect("the database");
        Self { database, log: log(), after }
    }

    /// What a store is found to hold that has this log.
    fn with_log(&self, directory: &Path, log: &[u8]) -> Stored {
        fs::write(directory.join("hub.db"), &self.database).expect("a file");
        fs::write(directory.join("hub.db-wal"), log).expect("a file");
        let (journal, stored) = SqliteJournal::open(directory).expect("the store");
        drop(journal);
        stored
    }
}

#[test]
fn a_last_record_that_is_torn_anywhere_is_there_whole_or_not_at_all() {
    let (scratch, torn) = (Scratch::in_memory(), Scratch::in_memory());
    let killed = Killed::new(scratch.path(), 8);
    let [.., (before, from), (after, to)] = &killed.after[..] else { panic!("two commits") };
    assert_eq!(killed.with_log(torn.path(), &killed.log), *after);
    for cut in *from..*to {
        assert_eq!(killed.with_log(torn.path(), &killed.log[..cut]), *before, "cut at {cut}");
    }
}

#[test]
fn a_last_record_with_a_wrong_byte_anywhere_is_there_whole_or_not_at_all() {
    let (scratch, torn) = (Scratch::in_memory(), Scratch::in_memory());
    let killed = Killed::new(scratch.path(), 8);
    let [.., (before, from), (after, to)] = &killed.after[..] else { panic!("two commits") };
    let mut random = Random::new(5);
    for wrong in *from..*to {
        let mut log = killed.log.clone();
        log[wrong] ^= random.below(255) as u8 + 1;
        let stored = killed.with_log(torn.path(), &log);
        assert!(stored == *before || stored == *after, "a wrong byte at {wrong}");
    }
}

#[test]
fn a_log_that_ends_anywhere_has_all_commits_up_to_there() {
    let (scratch, torn) = (Scratch::in_memory(), Scratch::in_memory());
    let killed = Killed::new(scratch.path(), 30);
    let mut random = Random::new(6);
    for _ in 0..300 {
        let cut = random.below(killed.log.len() as u64) as usize;
        let whole = killed.after.iter().rev().find(|(_, length)| *length <= cut);
        let (expected, _) = whole.unwrap_or(&killed.after[0]);
        assert_eq!(killed.with_log(torn.path(), &killed.log[..cut]), *expected, "cut at {cut}");
    }
}
