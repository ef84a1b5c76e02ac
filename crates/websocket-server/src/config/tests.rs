//! The configuration from outside: defaults, every wrong value, what wins over what, and what goes together.

use std::io::Write as _;
use std::path::Path;

use super::*;

fn owned(env: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    env.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn launched(args: &[&str], env: &[(&str, &str)]) -> Result<Launch, SettingsError> {
    let args = std::iter::once(&"websocket-server").chain(args).map(OsString::from);
    launch(args, owned(env))
}

fn load(args: &[&str], env: &[(&str, &str)]) -> Config {
    let args = std::iter::once(&"websocket-server").chain(args).map(OsString::from);
    Config::load(args, owned(env)).unwrap_or_else(|error| panic!("is valid: {error}"))
}

/// The one line that refuses it.
fn line(args: &[&str], env: &[(&str, &str)]) -> String {
    let Err(error) = launched(args, env) else { panic!("{args:?} {env:?} is accepted") };
    let line = error.to_string();
    assert!(!line.is_empty() && !line.contains('\n') && line.chars().count() < 500, "{line:?}");
    line
}

fn printed(args: &[&str]) -> String {
    match launched(args, &[]).expect("is valid") {
        Launch::Print(text) => text,
        Launch::Serve(_) => panic!("{args:?} serves"),
    }
}

/// A file with this text, in a folder that goes away with the value.
struct TextFile {
    folder: PathBuf,
    path: String,
}

impl TextFile {
    fn new(text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("configuration-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("fanfare.toml");
        std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
        Self { path: path.to_str().expect("UTF-8").to_owned(), folder }
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn defaults_are_those_of_the_protocol() {
    let config = load(&[], &[]);
    assert_eq!(config.listen.address, ([127, 0, 0, 1], 8080).into());
    assert!(config.listen.tls.is_none());
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.browsers.origins, Origins::Loopback);
    assert!(config.browsers.allowed_hosts.is_empty() && config.auth.api_keys.is_empty());
    let limits = &config.limits;
    assert_eq!(limits.rate.map(NonZeroU32::get), Some(100));
    assert_eq!((limits.message, limits.body), (65_536, 1_048_576));
    assert_eq!((limits.connections_wanted, limits.connections_per_user), (None, None));
    assert_eq!(limits.channels.get(), 100);
    assert_eq!((limits.outbox_bytes, limits.outbox_frames.get()), (1_048_576, 1_024));
    assert_eq!((limits.ping_interval.as_secs(), limits.ping_timeout.as_secs()), (25, 60));
    assert_eq!(limits.handshake.as_secs(), 10);
    assert_eq!(limits.request.as_secs(), 30);
    assert_eq!(limits.deflate_from, Some(1_024));
    assert_eq!((limits.queue_bytes, limits.queue_publications.get()), (64 << 20, 65_536));
    assert_eq!((config.idempotency.ttl.as_secs(), config.idempotency.keys.get()), (600, 100_000));
    let storage = &config.storage;
    assert_eq!((storage.history_bytes, storage.history_streams.get()), (128 << 20, 100_000));
    assert_eq!((storage.retained_bytes, storage.presence_grace.as_secs()), (16 << 20, 5));
    assert_eq!(storage.directory, None);
    assert_eq!((config.drain.spread.as_secs(), config.drain.timeout.as_secs()), (2, 30));
    assert_eq!(
        (config.logging.filter.to_string().as_str(), config.logging.format),
        ("info", LogFormat::Text)
    );
    assert_eq!(config.protocol_test, ProtocolTest::Off);
    let two = NonZeroUsize::new(2).expect("not zero");
    assert_eq!((config.threads.shards(two), config.threads.workers(two)), (two, two));
    assert_eq!(config.warnings, [Warning::NoIdentities, Warning::LoopbackPublishing]);
}

/// A value that each variable refuses, for all that refuse any, and a word of the line that must come.
const WRONG: [(&str, &str, &str); 62] = [
    ("REDIS_URL", "http://localhost", "redis://"),
    ("REDIS_PREFIX", "a b", "characters"),
    ("REDIS_CA_FILE", "/no/such/file", "no such file"),
    ("NODE_NAME", "a b", "characters"),
    ("NODE_TAG", "a.b", "characters"),
    ("HOST", "example.com", "IP address"),
    ("PORT", "65536", "0 to 65535"),
    ("DASHBOARD_PORT", "on", "or off"),
    ("RECEIPTS_PORT", "-1", "or off"),
    ("TLS_CERT_FILE", "/no/such/file", "no such file"),
    ("TLS_KEY_FILE", "/", "directory"),
    ("SHARDS", "0", "1 to 64"),
    ("WORKERS", "many", "1 to 256"),
    ("CORS_ALLOWED_ORIGINS", "https://a.example/path", "separated by commas"),
    ("ALLOWED_HOSTS", "a b", "separated by commas"),
    ("JWT_PUBLIC_KEY_FILE", "/no/such/file", "no such file"),
    ("JWKS_URL", "ftp://keys.example/", "neither http nor https"),
    ("JWT_ISSUER", ",", "lists nothing"),
    ("JWT_AUDIENCE", " , ", "lists nothing"),
    ("WS_AUTH", "maybe", "off, optional or required"),
    ("DASHBOARD_AUTH", "signed-in", "off, optional or required"),
    ("SESSION_CHECK_URL", "example.com/me", "http or https"),
    ("FANFARE_API_KEYS", "bad name:k3y-of-8", "name:key"),
    ("WS_RATE_LIMIT", "-1", "0 or off"),
    ("WS_MAX_MESSAGE", "64KB", "unit is unknown"),
    ("MAX_BODY", "2GiB", "above 1GiB"),
    ("MAX_CONNECTIONS", "0", "below 1"),
    ("MAX_CONNECTIONS_PER_USER", "few", "0 or off"),
    ("MAX_CHANNELS", "0", "1 to 10000"),
    ("OUTBOX_MAX_BYTES", "0", "below 1B"),
    ("OUTBOX_MAX_FRAMES", "1.5", "whole number"),
    ("PING_INTERVAL", "1ms", "below 100ms"),
    ("PING_TIMEOUT", "2 weeks", "unit is unknown"),
    ("HANDSHAKE_TIMEOUT", "0", "below 100ms"),
    ("REQUEST_TIMEOUT", "0", "below"),
    ("DEFLATE_MIN_SIZE", "0", "or off"),
    ("IDEMPOTENCY_TTL", "0", "below 1s"),
    ("IDEMPOTENCY_KEYS", "x", "whole number"),
    ("QUEUE_MAX_BYTES", "0", "below 1B"),
    ("QUEUE_MAX_PUBLICATIONS", "0", "below 1"),
    ("FANFARE_DATA", "/dev/null", "not a directory"),
    ("HISTORY_MAX_BYTES", "1KiB", "below 64KiB"),
    ("HISTORY_MAX_STREAMS", "0", "below 1"),
    ("RETAINED_MAX_BYTES", "0", "below 4KiB"),
    ("PRESENCE_GRACE", "1h", "above 10m"),
    ("SOCKETIO_PING_INTERVAL", "1ms", "below 100ms"),
    ("SOCKETIO_PING_TIMEOUT", "2d", "100ms to 1d"),
    ("SOCKETIO_MAX_PAYLOAD", "1", "below 1KiB"),
    ("SOCKETIO_OFFLINE_GRACE", "1h", "above 10m"),
    ("HOOKS_ANSWER_WITHIN", "2m", "100ms to 1m"),
    ("HOOKS_MAX_WAITING", "0", "below 1"),
    ("HOOKS_MAX_BYTES", "1B", "below 1KiB"),
    ("HOOKS_MAX_WAITING_PER_CONNECTION", "all", "1 to 10000"),
    ("HOOKS_MAX_CALLS", "0", "1 to 10000"),
    ("DELIVERY_HOOKS_QUEUE", "0", "1 to 10000000"),
    ("FEEDS_MAX_WAITING", "0", "1 to 10000"),
    ("HOOKS_CIRCUIT_FAILURES", "0", "1 to 1000"),
    ("HOOKS_CIRCUIT_PAUSE", "0", "below 10ms"),
    ("HOOKS_CIRCUIT_MAX_PAUSE", "1d", "10ms to 1h"),
    ("SERVICE_API_KEY", "k3y", "8 to 200"),
    ("DRAIN_SPREAD", "1s", "2s to 1h"),
    ("DRAIN_TIMEOUT", "1d", "above 1h"),
];

/// The same for the settings of the process.
const WRONG_PROCESS: [(&str, &str, &str); 5] = [
    ("FANFARE_ENV_FILE", "/no/such/file", "no such file"),
    ("FANFARE_CONFIG", "/no/such/file", "no such file"),
    ("FANFARE_ENV", "staging", "development or production"),
    ("RUST_LOG", "info,hub=loud", "a level"),
    ("LOG_FORMAT", "xml", "text, or json"),
];

#[test]
fn every_wrong_value_is_one_line_that_names_the_variable_or_the_flag() {
    let command = command();
    for (variable, value, told) in WRONG.into_iter().chain(WRONG_PROCESS) {
        let by_variable = line(&[], &[(variable, value)]);
        assert!(by_variable.starts_with(&format!("{variable}: ")), "{by_variable}");
        assert!(by_variable.contains(told), "{by_variable}");
        let arg = command.get_arguments().find(|arg| arg.get_env().is_some_and(|name| name == variable));
        let flag = format!("--{}", arg.and_then(clap::Arg::get_long).expect("each variable is a flag"));
        let by_flag = line(&[&format!("{flag}={value}")], &[]);
        assert_eq!(by_flag, by_variable.replacen(variable, &flag, 1));
    }
}

#[test]
fn the_table_of_wrong_values_has_every_setting_but_free_text() {
    let tested: Vec<&str> = WRONG.iter().chain(&WRONG_PROCESS).map(|(variable, ..)| *variable).collect();
    for arg in command().get_arguments() {
        let Some(variable) = arg.get_env().map(|name| name.to_string_lossy().into_owned()) else { continue };
        assert!(tested.contains(&variable.as_str()) || variable == "JWT_SECRET", "{variable} is missing");
    }
}

#[test]
fn a_refusal_shows_the_value_and_what_is_accepted_instead() {
    assert_eq!(
        line(&[], &[("PORT", "http")]),
        "PORT: \"http\" is not accepted: it is no whole number; use a port from 0 to 65535; 0 takes any free one, \
         which the start log tells"
    );
    assert_eq!(
        line(&[], &[("WS_AUTH", "yes\nno")]),
        "WS_AUTH: \"yes\\nno\" is not accepted: it is none of the choices; use off, optional or required"
    );
    let long = line(&[], &[("WS_AUTH", &"x".repeat(100_000))]);
    assert!(long.contains("xxx…"), "{long}");
}

#[test]
fn a_refusal_never_shows_a_secret() {
    for (variable, value) in [
        ("FANFARE_API_KEYS", "shop:hunter2-hunter2:bad pattern"),
        ("FANFARE_API_KEYS", "hunter2 hunter2:x"),
        ("FANFARE_API_KEYS", "shop:hunter2"),
        ("SERVICE_API_KEY", "hunter2"),
        ("JWKS_URL", "https://me:hunter2@keys.example/"),
    ] {
        let line = line(&[], &[(variable, value)]);
        assert!(line.starts_with(variable) && !line.contains("hunter2"), "{line}");
    }
    let config = load(
        &[],
        &[
            ("JWT_SECRET", "hunter2"),
            ("FANFARE_API_KEYS", "shop:hunter2-shop,hunter2-alone"),
            ("SERVICE_API_KEY", "hunter2-service"),
        ],
    );
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn arguments_that_are_no_flags_are_named() {
    assert_eq!(
        line(&["--prot", "1"], &[]),
        "--prot: there is no such flag; did you mean --port? --help lists all"
    );
    assert_eq!(line(&["--frobnicate"], &[]), "--frobnicate: there is no such flag; --help lists all");
    assert_eq!(line(&["serve"], &[]), "serve: only flags are taken; --help lists all");
    assert_eq!(line(&["--port", "1", "--port", "2"], &[]), "--port: it is given twice");
    assert!(line(&["--port"], &[]).starts_with("--port: a value is missing; use a port"));
    assert!(line(&["--port="], &[]).starts_with("--port: a value is missing; use a port"));
    assert_eq!(line(&["--check=yes"], &[]), "--check: it takes no value");
    for later in ["--case-port=5000", "--database-url=postgres://x"] {
        assert!(line(&[later], &[]).contains("no such flag"));
    }
}

#[test]
fn an_empty_variable_is_the_same_as_unset() {
    let names: Vec<String> = command()
        .get_arguments()
        .filter_map(|arg| arg.get_env().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    assert!(names.len() > 35, "{names:?}");
    let env: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(format!("{:?}", load(&[], &env)), format!("{:?}", load(&[], &[])));
    assert_eq!(load(&[], &[("DATABASE_URL", "")]).warnings, load(&[], &[]).warnings);
}

#[test]
fn a_flag_wins_over_its_variable_even_over_a_wrong_one() {
    let config =
        load(&["--port", "9000", "--ws-rate-limit=off"], &[("PORT", "http"), ("WS_RATE_LIMIT", "5")]);
    assert_eq!((config.listen.address.port(), config.limits.rate), (9000, None));
    let aliased = load(&["--fanfare-env=production", "--jwt-secret", SECRET], &[]);
    assert_eq!(aliased.environment, Environment::Production);
}

#[test]
fn values_are_read_as_people_write_them() {
    let config = load(
        &[],
        &[
            ("HOST", "localhost"),
            ("MAX_BODY", "2MiB"),
            ("WS_MAX_MESSAGE", "1000"),
            ("DRAIN_TIMEOUT", "5"),
            ("PING_INTERVAL", "500ms"),
            ("DEFLATE_MIN_SIZE", "off"),
            ("CORS_ALLOWED_ORIGINS", " https://App.example:443 , http://localhost:5173/ ,"),
            ("ALLOWED_HOSTS", "Hub.internal:8080,[::1]"),
            ("JWT_AUDIENCE", "web, phone"),
            ("JWT_SECRET", SECRET),
            ("LOG_FORMAT", "json"),
        ],
    );
    assert_eq!(config.listen.address.ip(), std::net::Ipv4Addr::LOCALHOST);
    assert_eq!((config.limits.body, config.limits.message), (2 << 20, 1_000));
    assert_eq!(config.drain.timeout, Duration::from_secs(5));
    assert_eq!(config.limits.ping_interval, Duration::from_millis(500));
    assert_eq!(config.limits.deflate_from, None);
    let Origins::Listed(origins) = &config.browsers.origins else { panic!("{:?}", config.browsers.origins) };
    let origins: Vec<&str> = origins.iter().map(Origin::as_str).collect();
    assert_eq!(origins, ["https://app.example", "http://localhost:5173"]);
    let hosts: Vec<&str> = config.browsers.allowed_hosts.iter().map(HostName::as_str).collect();
    assert_eq!(hosts, ["hub.internal", "[::1]"]);
    let jwt = config.auth.jwt.as_ref().expect("a key");
    assert_eq!((jwt.audiences.len(), jwt.issuers.len(), config.auth.websocket), (2, 0, AuthPolicy::Optional));
    assert_eq!(config.logging.format, LogFormat::Json);
    assert_eq!(load(&[], &[("CORS_ALLOWED_ORIGINS", "*")]).browsers.origins, Origins::Any);
}

#[test]
fn production_needs_a_key_and_refuses_what_is_for_tests() {
    let production = ("FANFARE_ENV", "production");
    assert_eq!(
        line(&[], &[production]),
        "FANFARE_ENV: production needs a JWT key; set JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWKS_URL"
    );
    assert!(
        line(&[], &[production, ("JWT_SECRET", "short")])
            .starts_with("JWT_SECRET: it has 5 bytes; production")
    );
    let config = load(&[], &[production, ("JWT_SECRET", SECRET)]);
    assert_eq!(config.browsers.origins, Origins::Listed(vec![]), "only what is listed");
    assert_eq!(config.warnings, [Warning::LoopbackPublishing]);
    let line = line(&["--protocol-test"], &[production, ("JWT_SECRET", SECRET)]);
    assert!(line.starts_with("--protocol-test: production does not take it"), "{line}");
}

#[test]
fn without_a_key_policies_are_off_and_the_log_says_so() {
    let config = load(&[], &[("WS_AUTH", "required")]);
    assert_eq!(config.auth.websocket, AuthPolicy::Off);
    assert_eq!(config.auth.identities(), Identities::None);
    let asked = AuthPolicy::Required;
    assert!(config.warnings.contains(&Warning::PolicyWithoutKey { asked }), "{:?}", config.warnings);
    let with_key = load(&[], &[("WS_AUTH", "required"), ("JWT_SECRET", SECRET)]);
    assert_eq!(
        (with_key.auth.websocket, with_key.auth.identities()),
        (AuthPolicy::Required, Identities::Known)
    );
}

#[test]
fn what_works_but_perhaps_not_as_meant_is_warned_of() {
    let warnings = |env: &[(&str, &str)]| load(&["--protocol-test"], env).warnings;
    let warned = warnings(&[
        ("JWT_SECRET", "short"),
        ("JWKS_URL", "http://keys.example/jwks"),
        ("REDIS_URL", "redis://localhost"),
        ("FANFARE_DATA", "data"),
        ("DATABASE_URL", "postgres://localhost"),
        ("DASHBOARD_PORT", "5000"),
        ("SOCKETIO_PING_INTERVAL", "25"),
        ("QUEUE_MAX_BYTES", "1KiB"),
    ]);
    assert_eq!(
        warned,
        [
            Warning::ShortSecret { bytes: 5 },
            Warning::PlainJwks { host: "keys.example".to_owned() },
            Warning::LoopbackPublishing,
            Warning::QueueBelowBody { queue: 1_024, body: 1 << 20 },
            Warning::ProtocolTest,
            Warning::NoNodeTag,
            Warning::DataUnused,
            Warning::NotUsed { variable: "DATABASE_URL" },
        ]
    );
    for warning in warned {
        let line = warning.to_string();
        assert!(!line.is_empty() && !line.contains('\n'), "{line}");
    }
    assert!(
        !warnings(&[("JWKS_URL", "http://localhost:9/jwks")])
            .iter()
            .any(|w| matches!(w, Warning::PlainJwks { .. }))
    );
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let file = TextFile::new("");
    assert!(line(&[], &[("TLS_CERT_FILE", &file.path)]).starts_with("TLS_KEY_FILE: it is missing"));
    assert!(line(&[], &[("TLS_KEY_FILE", &file.path)]).starts_with("TLS_CERT_FILE: it is missing"));
    assert!(load(&[], &[("TLS_KEY_FILE", &file.path), ("TLS_CERT_FILE", &file.path)]).listen.tls.is_some());
    assert!(
        line(&[], &[("PING_INTERVAL", "60s")])
            .starts_with("PING_TIMEOUT: it is not longer than PING_INTERVAL")
    );
}

#[test]
fn connections_leave_files_for_everything_else() {
    let limits = |wanted| load(&[], &[("MAX_CONNECTIONS", wanted)]).limits;
    let (room, warning) = limits("").connections(1_024);
    assert_eq!((room.get(), warning), (768, None));
    let (room, warning) = limits("768").connections(1_024);
    assert_eq!((room.get(), warning), (768, None));
    let (room, warning) = limits("20000").connections(1_024);
    assert_eq!(room.get(), 768);
    assert_eq!(
        warning.expect("a warning").to_string(),
        "MAX_CONNECTIONS is lowered from 20000 to 768: the limit on open files is 1024, and 256 are kept"
    );
    assert_eq!(limits("").connections(100).0.get(), 1, "it still starts");
    assert_eq!(limits("5").connections(u64::MAX).0.get(), 5);
}

#[test]
fn the_engine_gets_its_own_defaults_from_ours() {
    let engine =
        |config: &Config, connections| config.limits.engine(connections, &config.storage, config.idempotency);
    let unchanged = engine(&load(&[], &[]), NonZeroUsize::MAX);
    assert_eq!(
        format!("{unchanged:?}"),
        format!("{:?}", hub::Limits::default()),
        "one number, told in two places"
    );
    let changed = engine(&load(&["--max-channels=3", "--deflate-min-size=off"], &[]), NonZeroUsize::MIN);
    assert_eq!((changed.channels, changed.deflate_min, changed.connections), (3, None, 1));
}

#[test]
fn the_file_gives_rules_and_keys_beside_the_variable() {
    let file = TextFile::new(
        "[[channels]]\npattern = \"orders:*\"\npublish = { keys = [\"shop\", \"ghost\"] }\nhistory = { durable = true }\n\
         [[api_keys]]\nname = \"shop\"\nsecret = \"k3y-of-shop\"\n",
    );
    let env = [("FANFARE_API_KEYS", "ops:0ther-k3y:+admin"), ("FANFARE_DATA", "data")];
    let config = load(&["--config", &file.path], &env);
    let names: Vec<(&str, bool)> =
        config.auth.api_keys.iter().map(|key| (key.name.as_str(), key.admin)).collect();
    assert_eq!(names, [("ops", true), ("shop", false)]);
    assert!(
        config.rules.may_publish(Some("shop"), "orders:1")
            && !config.rules.may_publish(Some("ops"), "orders:1")
    );
    assert!(config.rules.may_publish(Some("ops"), "jobs"), "the built-in rules stand behind");
    let pattern = || "orders:*".to_owned();
    assert!(config.warnings.contains(&Warning::UnknownKey { pattern: pattern(), key: "ghost".to_owned() }));
    assert_eq!(config.storage.directory, Some("data".into()));
    let nowhere = line(&["--config", &file.path], &[]);
    assert!(nowhere.starts_with("FANFARE_CONFIG: the rule for orders:* says durable"), "{nowhere}");
    let twice = line(&["--config", &file.path], &[("FANFARE_API_KEYS", "shop:0ther-k3y")]);
    assert!(twice.starts_with("FANFARE_CONFIG: two API keys are named shop"), "{twice}");
}

#[test]
fn a_slip_in_the_file_is_told_with_its_line() {
    let file = TextFile::new("# rules\n[[channels]]\npattern = \"jobs\"\nsubscibe = \"nobody\"\n");
    let line = line(&[], &[("FANFARE_CONFIG", &file.path)]);
    let start = format!("FANFARE_CONFIG: {}:4: unknown field `subscibe`", file.path);
    assert!(line.starts_with(&start) && line.contains("subscribe"), "{line}");
}

#[test]
fn a_relative_secret_file_stands_beside_the_configuration() {
    let file = TextFile::new("[[api_keys]]\nname = \"shop\"\nsecret_file = \"shop.key\"\n");
    let missing = line(&["--config", &file.path], &[]);
    assert!(missing.contains(":1: secret_file") && missing.contains("no such file"), "{missing}");
    std::fs::write(Path::new(&file.folder).join("shop.key"), "k3y-of-shop\n").expect("written");
    let keys = load(&["--config", &file.path], &[]).auth.api_keys;
    assert_eq!(keys[0].material, KeyMaterial::Text(Secret::new("k3y-of-shop")));
}

#[test]
fn check_tells_the_warnings_and_help_lists_every_setting() {
    let checked = printed(&["--check"]);
    assert!(
        checked.starts_with("The configuration is valid.\nWarning: no JWT key is configured"),
        "{checked}"
    );
    assert!(line(&["--check"], &[("PORT", "http")]).starts_with("PORT: "));
    let help = printed(&["--help"]);
    for arg in command().get_arguments() {
        let long = arg.get_long().expect("only flags");
        assert_eq!(help.contains(&format!("--{long}")), !arg.is_hide_set(), "--{long}");
        if let Some(variable) = arg.get_env() {
            assert!(help.contains(&format!("[env: {}]", variable.to_string_lossy())), "{variable:?}");
        }
    }
    assert!(help.contains("[default: 8080]") && help.contains("[default: 64KiB]"), "{help}");
    assert!(!printed(&["-h"]).contains("Values:") && help.contains("Values:"), "-h is the short form");
    assert_eq!(printed(&["--version"]).trim(), concat!("websocket-server ", env!("CARGO_PKG_VERSION")));
}

/// Settings of another part of a program.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Another part")]
struct Further {
    /// A key of the other part.
    ///
    /// Values: a text of at most 8 bytes.
    ///
    /// Secret: OTHER_KEY_FILE names a file with it.
    ///
    /// Unset: it makes one.
    #[arg(long, env, value_parser = short)]
    other_key: Option<String>,
}

fn short(text: &str) -> Result<String, String> {
    if text.len() <= 8 { Ok(text.to_owned()) } else { Err("it is too long".to_owned()) }
}

#[test]
fn a_program_with_more_than_the_hub_reads_both_in_one_go() {
    const PROGRAM: Program = Program {
        name: "fanfare up",
        about: "All of it in one process",
        unused: &["DATABASE_URL"],
        page: String::new,
    };
    let launched = |args: &[&str], env: &[(&str, &str)]| {
        let args = std::iter::once(&"fanfare").chain(args).map(OsString::from);
        launch_with(&PROGRAM, args, owned(env), |config, further: Further| match further.other_key {
            Some(key) if key == "port" => Err(SettingsError::new("OTHER_KEY: it is a bad one")),
            key => Ok((config, key)),
        })
    };
    let served = launched(&["--port=9000"], &[("OTHER_KEY", "k"), ("DATABASE_URL", "x"), ("OTHER_URL", "y")]);
    let Ok(Launch::Serve(both)) = served else { panic!("{served:?}") };
    assert_eq!((both.0.listen.address.port(), both.1.as_deref()), (9000, Some("k")));
    let unused: Vec<_> = both.0.warnings.iter().filter(|it| matches!(it, Warning::NotUsed { .. })).collect();
    assert_eq!(unused, [&Warning::NotUsed { variable: "DATABASE_URL" }]);

    let refused = |args: &[&str], env: &[(&str, &str)]| launched(args, env).expect_err("refused").to_string();
    let secret = refused(&[], &[("OTHER_KEY", "hunter2-hunter2")]);
    assert_eq!(secret, "OTHER_KEY: the value is not accepted: it is too long; use a text of at most 8 bytes");
    assert!(refused(&[], &[("PORT", "http"), ("OTHER_KEY", "k")]).starts_with("PORT: "));
    assert_eq!(
        refused(&["--check"], &[("OTHER_KEY", "port")]),
        "OTHER_KEY: it is a bad one",
        "--check checks it all"
    );

    let printed = |args: &[&str]| match launched(args, &[]).expect("is valid") {
        Launch::Print(text) => text,
        Launch::Serve(_) => panic!("{args:?} serves"),
    };
    let help = printed(&["--help"]);
    for part in ["All of it in one process", "Usage: fanfare up ", "[env: OTHER_KEY]", "[env: WS_AUTH]"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    assert!(printed(&["--version"]).starts_with("fanfare up "));
    assert!(printed(&["--check"]).starts_with("The configuration is valid.\n"));
    let page = settings::tables(&command_with::<Further>(&PROGRAM), 2);
    assert!(page.contains("\n## Another part\n") && page.contains("\n## Limits\n"), "{page}");
}
