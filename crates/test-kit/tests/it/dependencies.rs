//! What the crates depend on: licences, allowed edges, and what must never be there.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::files;
use crate::licence::is_permissive;

fn metadata() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = MetadataCommand::new();
    command.manifest_path(files::root().join("Cargo.toml"));
    command.other_options(["--locked", "--filter-platform", &platform].map(str::to_owned));
    command.exec().expect("cargo metadata")
}

/// The names of a crate's dependencies, those of its tests left out unless asked for.
fn direct(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    package.dependencies.iter().filter(|it| kinds.contains(&it.kind)).map(|it| it.name.clone()).collect()
}

#[test]
fn every_dependency_has_a_permissive_licence() {
    let metadata = metadata();
    let strangers: Vec<String> = (metadata.packages.iter())
        .filter(|package| !is_permissive(package.license.as_deref().unwrap_or_default()))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(strangers.is_empty(), "not permissive, or not known to be: {strangers:#?}");
}

/// What a service may use; never another service.
const SERVICE: &[&str] = &["auth", "events", "hub-client", "protocol", "rest", "service-kit", "store"];

/// The workspace's own crates, and which of them each may use; tests may use `test-kit` besides.
const EDGES: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("events", &[]),
    ("hub", &["protocol"]),
    ("journal", &["hub", "protocol"]),
    ("broker", &["hub", "protocol"]),
    ("service-kit", &[]),
    ("store", &[]),
    ("auth", &["protocol"]),
    ("hub-client", &["protocol", "store"]),
    ("rest", &["auth", "hub-client", "protocol", "service-kit", "store"]),
    ("websocket-server", &["auth", "broker", "hub", "journal", "protocol", "service-kit"]),
    ("user-service", SERVICE),
    ("job-service", SERVICE),
    ("payment-service", SERVICE),
    ("chat-service", SERVICE),
    ("notification-service", SERVICE),
    ("pubsub-bridge", &["auth", "hub-client", "protocol", "rest", "service-kit"]),
    (
        "fanfare",
        &[
            "auth",
            "chat-service",
            "hub",
            "hub-client",
            "job-service",
            "notification-service",
            "payment-service",
            "protocol",
            "pubsub-bridge",
            "rest",
            "service-kit",
            "store",
            "user-service",
            "websocket-server",
        ],
    ),
    ("loadgen", &[]),
    ("test-kit", &[]),
];

#[test]
fn crates_use_only_those_that_they_may() {
    let metadata = metadata();
    let members: BTreeMap<String, &Package> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| (package.name.to_string(), package))
        .collect();
    let known: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let present: BTreeSet<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(present, known, "a new crate belongs into EDGES, with what it may use");
    for (name, allowed) in EDGES {
        let package = members[*name];
        let own = |kinds: &[DependencyKind]| -> BTreeSet<String> {
            direct(package, kinds).into_iter().filter(|used| known.contains(used.as_str())).collect()
        };
        for used in own(&[DependencyKind::Normal, DependencyKind::Build]) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
        for used in own(&[DependencyKind::Development]) {
            assert!(
                used == "test-kit" || allowed.contains(&used.as_str()),
                "tests of {name} must not use {used}"
            );
        }
    }
}

#[test]
fn the_engine_knows_neither_http_nor_a_socket() {
    let metadata = metadata();
    for name in ["protocol", "hub"] {
        let package = metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == name);
        let used = direct(package.expect(name), &[DependencyKind::Normal, DependencyKind::Build]);
        for stranger in used {
            let socket = ["mio", "socket2", "libc", "rustix", "rustls", "hyper", "reqwest", "http"];
            let forbidden = stranger.starts_with("actix") || socket.contains(&stranger.as_str());
            assert!(!forbidden, "{name} must not use {stranger}");
        }
        for (path, text) in files::texts(&[&format!("crates/{name}/src/")], &["rs"]) {
            for part in ["actix", "std::net", "tokio::net", "mio::", "std::os::fd", "AsRawFd"] {
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let line = code.into_iter().find(|line| line.contains(part));
                assert_eq!(line, None, "{path} must not name {part}");
            }
        }
    }
}

#[test]
fn there_is_one_tls_provider() {
    // Two in one process panic at the first handshake, since neither is the default.
    let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tree.current_dir(files::root()).args([
        "tree",
        "--workspace",
        "--locked",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let output = tree.output().expect("cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = String::from_utf8_lossy(&output.stdout).into_owned();
    let named = |name: &str| built.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(named("aws-lc-rs") && !named("ring"), "ring is built beside aws-lc-rs (cargo tree -i ring)");
}
