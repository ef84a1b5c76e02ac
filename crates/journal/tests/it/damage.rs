//! Bytes that the disk gives back wrongly: told, never shown, and no reason not to start.

use std::fs;
use std::path::Path;

use hub::journal::{Journal, Stored};
use journal::{OpenError, SqliteJournal};

use crate::directory::Scratch;
use crate::workload::{Random, Workload};

/// A store that was closed, so that all is in one file, and what is in it.
fn closed(scratch: &Path) -> (Vec<u8>, Stored) {
    let (mut journal, Stored { secret, .. }) = SqliteJournal::open(scratch).expect("a store");
    let mut workload = Workload::new(8);
    for group in workload.accepted(60) {
        journal.commit(&group).expect("room");
    }
    drop(journal);
    assert!(!scratch.join("hub.db-wal").exists(), "the log is gone when a store is closed");
    (fs::read(scratch.join("hub.db")).expect("the database"), workload.model.stored(secret))
}

/// Opens a store with this database, twice: the second time nothing is damaged any longer.
fn opened(directory: &Path, database: &[u8]) -> Result<Stored, OpenError> {
    let _ = fs::remove_file(directory.join("hub.damaged.db"));
    fs::write(directory.join("hub.db"), database).expect("a file");
    let (journal, stored) = SqliteJournal::open(directory)?;
    drop(journal);
    let (_journal, again) = SqliteJournal::open(directory).expect("the store that was made of it");
    assert!(!again.is_damaged);
    let same = Stored { is_damaged: stored.is_damaged, last_seq: stored.last_seq, ..again };
    assert_eq!(same, stored);
    Ok(stored)
}

fn within<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    part.iter().all(|one| whole.contains(one))
}

#[test]
fn a_wrong_byte_anywhere_never_leaves_a_hole_in_a_stream() {
    let (scratch, damaged) = (Scratch::in_memory(), Scratch::in_memory());
    let (database, whole) = closed(scratch.path());
    let mut random = Random::new(9);
    let (mut given_up, mut refused) = (0, 0);
    for _ in 0..600 {
        let at = random.below(database.len() as u64) as usize;
        let mut wrong = database.clone();
        wrong[at] ^= random.below(255) as u8 + 1;
        let stored = match opened(damaged.path(), &wrong) {
            Ok(stored) => stored,
            // Without its head a file is not known as a store any longer, and it is not for us to move it away.
            Err(error) => {
                assert!(at < 100, "a wrong byte at {at}: {error}");
                refused += 1;
                continue;
            }
        };
        if stored.is_damaged {
            assert!(stored.groups.is_empty() && stored.ends.is_empty(), "a wrong byte at {at}");
            assert!(stored.resets > whole.resets || stored.secret != whole.secret, "a wrong byte at {at}");
            given_up += 1;
        } else {
            assert_eq!((&stored.groups, &stored.ends), (&whole.groups, &whole.ends), "a wrong byte at {at}");
            assert_eq!((stored.resets, stored.secret), (whole.resets, whole.secret), "a wrong byte at {at}");
        }
        assert!(within(&stored.keys, &whole.keys), "a wrong byte at {at}");
        assert!(within(&stored.retained, &whole.retained), "a wrong byte at {at}");
        assert!(within(&stored.resumes, &whole.resumes), "a wrong byte at {at}");
    }
    assert!(given_up > 100 && refused < 30, "{given_up} given up, {refused} refused");
}

#[test]
fn a_wrong_byte_in_the_data_of_a_group_costs_history_and_nothing_else() {
    let scratch = Scratch::in_memory();
    let (mut database, whole) = closed(scratch.path());
    let (_, entries) = &whole.groups[2];
    let data = entries[0].data.as_bytes();
    let at = database.windows(data.len()).position(|window| window == data).expect("the data");
    database[at + data.len() / 2] ^= 1;
    let stored = opened(scratch.path(), &database).expect("the store");
    let expected = Stored {
        is_damaged: true,
        resets: whole.resets + 1,
        groups: Vec::new(),
        ends: Vec::new(),
        last_seq: stored.last_seq,
        ..whole
    };
    assert_eq!(stored, expected);
    assert!(stored.last_seq >= whole.last_seq);
    assert_eq!(fs::read(scratch.path().join("hub.damaged.db")).expect("kept"), database);
}

#[test]
fn a_damaged_key_or_connection_costs_only_itself() {
    let scratch = Scratch::in_memory();
    let (mut database, whole) = closed(scratch.path());
    let connection = whole.resumes[1].connection.as_u128().to_be_bytes();
    // It stands in its row twice, as what it is found by and in the blob.
    let mut places = (0..database.len() - 16).filter(|at| database[*at..*at + 16] == connection);
    let (_, at) = (places.next().expect("the key"), places.next().expect("the blob"));
    database[at + 5] ^= 1;
    let stored = opened(scratch.path(), &database).expect("the store");
    let mut expected = whole.clone();
    expected.resumes.remove(1);
    expected.last_seq = stored.last_seq;
    assert_eq!(stored, expected);
}

#[test]
fn a_change_of_names_that_was_cut_off_is_finished_at_the_next_start() {
    let (scratch, other) = (Scratch::in_memory(), Scratch::in_memory());
    let (database, whole) = closed(scratch.path());
    let path = |name: &str| other.path().join(name);
    // What may be there between one step and the next, beside the new database: the damaged one with its log, ...
    for left in [&["hub.db", "hub.db-wal"][..], &["hub.db", "hub.damaged.db-wal"], &["hub.damaged.db"], &[]] {
        for name in ["hub.db", "hub.db-wal", "hub.damaged.db", "hub.damaged.db-wal"] {
            let _ = fs::remove_file(path(name));
        }
        for name in left {
            fs::write(path(name), "damaged").expect("a file");
        }
        fs::write(path("hub.salvaged.db"), &database).expect("a file");
        let (_journal, stored) = SqliteJournal::open(other.path()).expect("the new one");
        assert_eq!(stored, whole, "with {left:?}");
        assert!(!path("hub.salvaged.db").exists());
    }
}
