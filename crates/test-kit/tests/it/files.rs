//! How the repository's files look: one reading long, numbered where a message walks through them, no registry's name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file fits one reading.
const LONGEST: usize = 600;

/// The files that a message walks through, in the order in which it does.
const WALK: &[(char, &str)] = &[
    ('①', "crates/websocket-server/src/publish.rs"),
    ('②', "crates/hub/src/hub.rs"),
    ('③', "crates/hub/src/shard.rs"),
    ('④', "crates/hub/src/outbox.rs"),
    ('⑤', "crates/hub/src/dialects.rs"),
    ('⑥', "crates/websocket-server/src/socket.rs"),
];

/// The repository.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository")
}

/// The paths of all files that belong to the repository, new ones included.
pub(crate) fn paths() -> Vec<String> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let output = git.output().expect("git");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).expect("paths in UTF-8");
    let present = paths.split('\0').filter(|path| !path.is_empty() && root().join(path).is_file());
    present.map(str::to_owned).collect()
}

/// The text files with one of these endings (all without any) under one of these folders, with their paths.
pub(crate) fn texts(under: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    let wanted = |path: &String| {
        let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        (under.is_empty() || under.iter().any(|folder| path.starts_with(folder)))
            && (endings.is_empty() || endings.contains(&ending))
    };
    let read = |path: String| Some((fs::read_to_string(root().join(&path)).ok()?, path));
    paths().into_iter().filter(wanted).filter_map(read).map(|(text, path)| (path, text)).collect()
}

#[test]
fn every_source_file_fits_one_reading() {
    let endings = ["rs", "js", "mjs", "ts", "tsx", "css", "py", "sh"];
    let long: Vec<String> = (texts(&[], &endings).into_iter())
        // Written by programs, and read by them.
        .filter(|(path, _)| !path.contains("/generated/"))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{path}: {lines}"))
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:#?}");
}

#[test]
fn the_files_of_the_walk_carry_their_number_in_the_first_line() {
    for (number, path) in WALK {
        let text = fs::read_to_string(root().join(path)).expect(path);
        let first = text.lines().next().unwrap_or_default();
        assert!(first.contains(*number), "{path} begins {first:?}, not with {number}");
    }
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for (number, path) in WALK {
        let told = architecture.lines().any(|line| line.contains(*number) && line.contains(path));
        assert!(told, "ARCHITECTURE.md tells nothing of {number} {path}");
    }
}

#[test]
fn no_file_names_a_package_registry() {
    // In two parts each, so that this file names none either.
    let hosts = [
        ("crates", ".io"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("proxy.golang", ".org"),
        ("sum.golang", ".org"),
        ("debian", ".org"),
        ("maven", ".org"),
        ("docker", ".io"),
    ];
    let named: Vec<String> = (texts(&[], &[]).into_iter())
        // Lock files; Go's modules are named after hosts.
        .filter(|(path, _)| !["Cargo.lock", "go.mod", "go.sum"].iter().any(|lock| path.ends_with(lock)))
        .flat_map(|(path, text)| {
            let found = hosts
                .iter()
                .map(|(name, end)| format!("{name}{end}"))
                .filter(move |host| text.contains(host));
            found.map(move |host| format!("{path}: {host}")).collect::<Vec<_>>()
        })
        .collect();
    assert!(named.is_empty(), "{named:#?}");
}
