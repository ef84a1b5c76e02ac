//! What the log of the process tells.

use std::io;
use std::sync::{Arc, Mutex};

use hub::journal::{Group, Journal};
use journal::SqliteJournal;

use crate::directory::Scratch;
use crate::workload::Workload;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failure_is_told_once_and_so_is_its_end() {
    let scratch = Scratch::new();
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut workload = Workload::new(14);
        let (mut journal, _) = SqliteJournal::open(scratch.path()).expect("a store");
        let mut group = workload.group();
        while group.entries.is_empty() {
            group = workload.group();
        }
        journal.commit(&group).expect("room");
        for _ in 0..2 {
            // A number that is taken.
            (0..3).for_each(|_| drop(journal.commit(&group).expect_err("taken")));
            let other = Group { seq: group.seq + 100, ..Group::default() };
            let mut other = Group { resets: Some(1), ..other };
            for seq in 0..3 {
                other.seq += seq;
                journal.commit(&other).expect("room");
            }
        }
    });
    let text = String::from_utf8(lines.0.lock().expect("lines").clone()).expect("text");
    let told = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!((told("ERROR"), told("takes no publications")), (2, 2), "{text}");
    assert_eq!((told("INFO"), told("takes publications again")), (2, 2), "{text}");
}
