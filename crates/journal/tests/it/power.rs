//! Power cuts at every moment: what was acknowledged is there, whole, and of the rest each group whole or not at all.
//!
//! Each test prints its seed; `JOURNAL_SEED` repeats it. `JOURNAL_CUTS` makes it longer.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use hub::journal::Journal;
use journal::SqliteJournal;

use crate::directory::Scratch;
use crate::disk::{Disk, Expected, Fault, Recording, Task};
use crate::workload::Random;

/// How many power cuts a test makes of one recording, about.
const CUTS: u64 = 150;

fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn seed() -> u64 {
    let seed = given("JOURNAL_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        u64::from(now.subsec_nanos())
    });
    println!("JOURNAL_SEED={seed}");
    seed
}

/// Cuts the power at so many moments while these children write.
fn cut(tasks: &[Fault]) {
    let (seed, cuts) = (seed(), given("JOURNAL_CUTS").unwrap_or(CUTS));
    let scratch = Scratch::new();
    let memory = Scratch::in_memory();
    let tasks: Vec<Task> = tasks.iter().map(|fault| Task { groups: 72, fault: *fault }).collect();
    let recording = Recording::of(scratch.path(), seed, &tasks);
    let random = &mut Random::new(seed);
    let (mut disk, mut expected) = (Disk::default(), Expected::new(seed));
    let mut secret = None;
    let mut any = false;
    for number in 0..recording.len() {
        if let Some(answer) = recording.play(number, &mut disk, random) {
            expected.answered(answer);
            any = true;
        }
        if random.below(recording.len() as u64) >= cuts {
            continue;
        }
        let into = memory.path().join(number.to_string());
        recording.cut(&disk, random, &into);
        let (mut journal, stored) = SqliteJournal::open(&into).expect("the store");
        // Before the first answer it may be that there was no store yet.
        if any {
            assert_eq!(
                *secret.get_or_insert(stored.secret),
                stored.secret,
                "cut after {number}: another store"
            );
        }
        let mut allowed = expected.allowed().filter(|model| model.stored(stored.secret) == stored);
        let Some(mut model) = allowed.next() else {
            let accepted = expected.accepted().stored(stored.secret);
            let missing = accepted.groups.iter().filter(|group| !stored.groups.contains(group)).count();
            let strange = stored.groups.iter().filter(|group| !accepted.groups.contains(group)).count();
            panic!(
                "cut after {number} of {}: {missing} groups missing, {strange} too many, damaged: {}",
                recording.len(),
                stored.is_damaged
            );
        };
        // And it goes on from there.
        let group = expected.following(stored.last_seq);
        journal.commit(&group).expect("room");
        model.accept(&group);
        drop(journal);
        let (_journal, again) = SqliteJournal::open(&into).expect("the store");
        assert_eq!(again, model.stored(stored.secret), "cut after {number}, gone on");
        fs::remove_dir_all(&into).expect("the directory");
    }
    assert!(any);
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    cut(&[Fault::None, Fault::None]);
}

#[test]
fn a_power_cut_after_failed_syncs_loses_nothing_that_was_acknowledged() {
    // The second child begins with what the system's cache has of the first's failed writes, and the disk has not.
    cut(&[Fault::Broken, Fault::None, Fault::Broken]);
}

#[test]
fn a_power_cut_on_a_full_disk_loses_nothing_that_was_acknowledged() {
    cut(&[Fault::Full, Fault::Tight]);
}
