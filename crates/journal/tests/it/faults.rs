//! Disks that are full or fail: groups are refused with the reason, and taken again when it is over.

use journal::SqliteJournal;

use crate::directory::Scratch;
use crate::disk::{Answer, Expected, Fault, Recording, Task};

/// Runs children on such a disk, and checks that the real files hold in the end what they must.
fn answers(faults: &[Fault], seed: u64) -> Vec<Answer> {
    let scratch = Scratch::new();
    let tasks: Vec<Task> = faults.iter().map(|fault| Task { groups: 72, fault: *fault }).collect();
    let recording = Recording::of(scratch.path(), seed, &tasks);
    let mut expected = Expected::new(seed);
    recording.answers().for_each(|answer| expected.answered(answer));
    let (_journal, stored) = SqliteJournal::open(&scratch.path().join("store")).expect("the store");
    assert!(expected.allowed().any(|model| model.stored(stored.secret) == stored));
    recording.answers().collect()
}

fn count(answers: &[Answer], which: Answer) -> usize {
    answers.iter().filter(|answer| **answer == which).count()
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    let answers = answers(&[Fault::Full], 11);
    assert!(count(&answers, Answer::Full) > 10, "{answers:?}");
    // The fault is there for at most five groups of twelve; while it is, some still fit.
    assert!(count(&answers, Answer::Accepted) >= 42, "{answers:?}");
    assert_eq!(count(&answers, Answer::Broken), 0, "{answers:?}");
}

#[test]
fn where_no_file_can_grow_what_fits_into_their_room_is_taken() {
    let answers = answers(&[Fault::Tight], 11);
    assert!(count(&answers, Answer::Full) > 0, "{answers:?}");
    assert!(count(&answers, Answer::Accepted) > 60, "{answers:?}");
}

#[test]
fn failing_syncs_refuse_and_what_was_refused_never_comes_back() {
    let answers = answers(&[Fault::Broken], 12);
    assert!(count(&answers, Answer::Broken) > 10, "{answers:?}");
    assert!(count(&answers, Answer::Accepted) >= 42, "{answers:?}");
    assert_eq!(count(&answers, Answer::Full), 0, "{answers:?}");
}

#[test]
fn a_store_opens_on_a_full_disk_and_on_one_that_fails_and_refuses_until_that_is_over() {
    for (fault, refusal) in [(Fault::FullAtStart, Answer::Full), (Fault::BrokenAtStart, Answer::Broken)] {
        let answers = answers(&[Fault::None, fault], 13);
        // After 72 groups, and what each child found.
        assert_eq!(answers[74..77], [refusal; 3], "{answers:?}");
        assert!(answers[77..].iter().all(|answer| *answer == Answer::Accepted), "{answers:?}");
    }
}
