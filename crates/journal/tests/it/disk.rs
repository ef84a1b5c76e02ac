//! A child process that writes groups behind `tests/faults/disk.c`, and the disk as a power cut leaves it.
//!
//! The model of the disk: a sync puts on it what was written to the file before, a sync of the directory the names. What
//! was not synced is there or not, write by write, or torn at sectors. After a sync that failed the system forgets what
//! it had to write: some of it is there, and no later sync helps, as on Linux. A name that was removed may come back.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hub::journal::{Group, Journal, JournalError, Stored};
use journal::SqliteJournal;

use crate::workload::{Model, Random, Workload};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What the child's disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It is full now and then.
    Full,
    /// No file can become longer now and then.
    Tight,
    /// Its syncs fail now and then.
    Broken,
    /// It is full when the store is opened, and for three groups.
    FullAtStart,
    /// Its syncs fail as long as that.
    BrokenAtStart,
}

/// What a child is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    /// How many groups it tries.
    pub(crate) groups: usize,
    pub(crate) fault: Fault,
}

impl Fault {
    /// The name of the flag, and whether it is there from the start.
    fn flag(self) -> (&'static str, bool) {
        match self {
            Self::None => ("none", false),
            Self::Full => ("full", false),
            Self::Tight => ("tight", false),
            Self::Broken => ("broken", false),
            Self::FullAtStart => ("full", true),
            Self::BrokenAtStart => ("broken", true),
        }
    }
}

/// How often the child's log is checkpointed, in bytes: often, since that is where the most can go wrong.
const CHECKPOINT_BYTES: u64 = 48 << 10;

/// Not a test but the program of the child processes; without their environment it does nothing.
#[test]
fn a_child_writes_groups_until_it_is_done() {
    let Ok(task) = std::env::var("JOURNAL_WRITER") else { return };
    let mut words = task.split(' ');
    let mut word = || words.next().expect("a word");
    let (directory, faults) = (PathBuf::from(word()), PathBuf::from(word()));
    let seed = word().parse().expect("a seed");
    let groups: usize = word().parse().expect("a number");
    let (told, fault) = (word(), word());
    let from_the_start = faults.join(fault).exists();
    let mut expected = Expected::new(seed);
    let mut random = Random::new(seed ^ told.len() as u64);
    told.chars().filter_map(Answer::of_letter).for_each(|answer| expected.answered(answer));
    // One write each, so that it is one record.
    let say = |answer: Answer, expected: &mut Expected| {
        std::io::stderr().write_all(&[b'=', answer.letter() as u8, b'\n']).expect("stderr");
        expected.answered(answer);
    };
    let (mut journal, stored) = SqliteJournal::open_with(&directory, CHECKPOINT_BYTES).expect("a store");
    let found = |expected: &Expected, stored: &Stored| {
        expected.allowed().position(|model| model.stored(stored.secret) == *stored)
    };
    let which = found(&expected, &stored).and_then(|found| u8::try_from(found).ok());
    say(Answer::Found(which.expect("what was accepted")), &mut expected);
    let flag = faults.join(fault);
    for number in 0..groups {
        if fault != "none" {
            match number % 12 {
                _ if from_the_start && number == 3 => fs::remove_file(&flag).expect("the flag"),
                _ if from_the_start => {}
                // It ends with the fault there, so that the next child begins after a failure.
                5 | 10 => fs::write(&flag, random.below(6).to_string()).expect("a flag"),
                0 | 8 => drop(fs::remove_file(&flag)),
                _ => {}
            }
        }
        if number % 24 == 9 {
            // Closed and opened in one process, after failures and what was accepted after them.
            drop(journal);
            let opened = SqliteJournal::open_with(&directory, CHECKPOINT_BYTES).expect("the store");
            assert_eq!(found(&expected, &opened.1), Some(0), "something refused, or something missing");
            journal = opened.0;
        }
        let answer = match journal.commit(&expected.next) {
            Ok(()) => Answer::Accepted,
            Err(JournalError::Full(_)) => Answer::Full,
            Err(JournalError::Failed(_)) => Answer::Broken,
        };
        say(answer, &mut expected);
    }
    // As by a kill: nothing is closed.
    std::process::exit(0);
}

fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/disk.c");
        let [unfinished, library] = [format!("disk-{}.so", std::process::id()), "disk.so".to_owned()]
            .map(|name| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).args([&unfinished, &source]);
        let done = compiler.status().expect("a C compiler, which Rust needs as well");
        assert!(done.success(), "cc {}", source.display());
        fs::rename(&unfinished, &library).expect("a file");
        library
    })
}

/// How a group was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    Full,
    Broken,
    /// A child has opened the store, and found this one of the [`Expected::allowed`].
    Found(u8),
}

/// One thing that the child did.
#[derive(Debug, Clone)]
enum Event {
    Write { name: String, at: usize, data: Range<usize> },
    Truncate { name: String, length: usize },
    Sync { name: String, done: bool },
    SyncNames { done: bool },
    Unlink { name: String },
    Answered(Answer),
}

/// What children did, one after the other in one directory.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    bytes: Vec<u8>,
    events: Vec<Event>,
}

impl Recording {
    /// Runs a child for each task, in a directory `store` below `scratch`, where its files remain.
    pub(crate) fn of(scratch: &Path, seed: u64, tasks: &[Task]) -> Self {
        let scratch = scratch.canonicalize().expect("a directory");
        let (store, faults, record) = (scratch.join("store"), scratch.join("faults"), scratch.join("record"));
        for directory in [&store, &faults] {
            fs::create_dir_all(directory).expect("a directory");
        }
        let mut recording = Self::default();
        for Task { groups, fault } in tasks {
            for flag in ["full", "tight", "broken"] {
                let _ = fs::remove_file(faults.join(flag));
            }
            let told: String = recording.answers().map(|answer| answer.letter()).collect();
            let (fault, from_the_start) = fault.flag();
            if from_the_start {
                fs::write(faults.join(fault), "0").expect("a flag");
            }
            let (store, faults) = (store.display(), faults.display());
            let mut child = Command::new(std::env::current_exe().expect("this test"));
            child.args(["--exact", "disk::a_child_writes_groups_until_it_is_done", "--nocapture"]);
            child.env("JOURNAL_WRITER", format!("{store} {faults} {seed} {groups} -{told} {fault}"));
            child.env("DISK_UNDER", store.to_string()).env("DISK_FAULTS", faults.to_string());
            child.env("DISK_RECORD", &record).env("LD_PRELOAD", library());
            let output = child.output().expect("a child");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            recording = Self::read(&record);
        }
        recording
    }

    fn read(record: &Path) -> Self {
        let bytes = fs::read(record).expect("a record");
        let mut events = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let head = &bytes[at..at + 16];
            let name_length = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let offset = u64::from_le_bytes(head[8..].try_into().expect("eight bytes")) as usize;
            let (kind, done) = (head[0], head[1] == 0);
            let data = at + 16 + name_length..at + 16 + name_length + length;
            let name = String::from_utf8(bytes[at + 16..data.start].to_vec()).expect("a name");
            at = data.end;
            events.push(match kind {
                b'W' => Event::Write { name, at: offset, data },
                b'T' => Event::Truncate { name, length: offset },
                b'S' => Event::Sync { name, done },
                b'D' => Event::SyncNames { done },
                b'U' => Event::Unlink { name },
                b'O' => {
                    let &[b'=', letter, b'\n'] = &bytes[data] else { continue };
                    Event::Answered(Answer::of_letter(letter.into()).expect("an answer"))
                }
                _ => panic!("a record of kind {kind}"),
            });
        }
        Self { bytes, events }
    }

    /// How many things the children did.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// How the groups were answered.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Answer> {
        self.events.iter().filter_map(|event| match event {
            Event::Answered(answer) => Some(*answer),
            _ => None,
        })
    }

    /// Carries out the event with this number.
    pub(crate) fn play(&self, number: usize, disk: &mut Disk, random: &mut Random) -> Option<Answer> {
        match &self.events[number] {
            Event::Write { name, at, data } => {
                let change = Change::Write { at: *at, data: data.clone() };
                disk.file(name).pending.push(change);
            }
            Event::Truncate { name, length } => disk.file(name).pending.push(Change::Truncate(*length)),
            Event::Sync { name, done } => disk.file(name).sync(*done, &self.bytes, random),
            Event::SyncNames { done: true } => disk.durable = disk.names.clone(),
            Event::SyncNames { done: false } => {}
            Event::Unlink { name } => drop(disk.names.remove(name)),
            Event::Answered(answer) => return Some(*answer),
        }
        None
    }

    /// Writes the disk as it is after a power cut at this moment.
    pub(crate) fn cut(&self, disk: &Disk, random: &mut Random, into: &Path) {
        fs::create_dir_all(into).expect("a directory");
        let mut names: Vec<&String> = disk.names.keys().chain(disk.durable.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let of = if random.one_in(2) { disk.names.get(name) } else { disk.durable.get(name) };
            let Some(&number) = of else { continue };
            let mut file = disk.files[number].clone();
            file.sync(false, &self.bytes, random);
            fs::write(into.join(name), &file.content).expect("a file");
        }
    }
}

/// What the disk has, and what it is still to get.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
}

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, data: Range<usize> },
    Truncate(usize),
}

impl Disk {
    fn file(&mut self, name: &str) -> &mut File {
        let next = self.files.len();
        let number = *self.names.entry(name.to_owned()).or_insert(next);
        if number == next {
            self.files.push(File::default());
        }
        &mut self.files[number]
    }
}

impl File {
    /// Puts on the disk what is to be written: all of it, or, where it fails, what chance wants.
    fn sync(&mut self, done: bool, bytes: &[u8], random: &mut Random) {
        for change in std::mem::take(&mut self.pending) {
            let fate = if done { 0 } else { random.below(3) };
            match change {
                _ if fate == 1 => {}
                Change::Truncate(length) => self.content.resize(length, 0),
                Change::Write { at, data } => {
                    let end = at + data.len();
                    self.content.resize(self.content.len().max(end), 0);
                    let mut from = at;
                    while from < end {
                        let to = end.min((from / SECTOR + 1) * SECTOR);
                        if fate == 0 || random.one_in(2) {
                            let source = data.start + from - at..data.start + to - at;
                            self.content[from..to].copy_from_slice(&bytes[source]);
                        }
                        from = to;
                    }
                }
            }
        }
    }
}

impl Answer {
    fn letter(self) -> char {
        match self {
            Self::Accepted => 'a',
            Self::Full => 'f',
            Self::Broken => 'b',
            Self::Found(number) => char::from(b'0' + number),
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        match letter {
            'a' => Some(Self::Accepted),
            'f' => Some(Self::Full),
            'b' => Some(Self::Broken),
            _ => letter.to_digit(10).and_then(|digit| u8::try_from(digit).ok()).map(Self::Found),
        }
    }
}

/// What a store may hold as the answers come: what was accepted, and at most one of the groups that were refused since,
/// or of the one that is being written.
#[derive(Debug)]
pub(crate) struct Expected {
    workload: Workload,
    next: Group,
    refused: Vec<Group>,
}

impl Expected {
    pub(crate) fn new(seed: u64) -> Self {
        let mut workload = Workload::new(seed);
        let next = workload.group();
        Self { workload, next, refused: Vec::new() }
    }

    pub(crate) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Accepted => {
                self.workload.model.accept(&self.next);
                self.refused.clear();
            }
            Answer::Full | Answer::Broken => self.refused.push(self.next.clone()),
            Answer::Found(which) => {
                let found = usize::from(which).checked_sub(1);
                found.into_iter().for_each(|refused| self.workload.model.accept(&self.refused[refused]));
                self.refused.clear();
            }
        }
        self.next = self.workload.group();
    }

    /// What was accepted.
    pub(crate) fn accepted(&self) -> &Model {
        &self.workload.model
    }

    /// A group that comes after all that a store holds.
    pub(crate) fn following(&self, seq: u64) -> Group {
        Group { seq: seq + 1, entries: Vec::new(), ..self.workload.clone().group() }
    }

    /// All that a store may hold.
    pub(crate) fn allowed(&self) -> impl Iterator<Item = Model> {
        let more = self.refused.iter().chain([&self.next]).map(|group| {
            let mut model = self.workload.model.clone();
            model.accept(group);
            model
        });
        [self.workload.model.clone()].into_iter().chain(more)
    }
}
