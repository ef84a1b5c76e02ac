//! What tables become hooks, and which are refused. Slips with their lines: the server's tests, from outside.

use super::*;

const BOUNDS: HookBounds = HookBounds {
    answer_within: Duration::from_secs(5),
    waiting: NonZeroUsize::MIN,
    bytes: 1,
    waiting_per_connection: NonZeroUsize::MIN,
    calls: NonZeroUsize::MIN,
    circuit: Circuit {
        failures: NonZeroUsize::MIN,
        pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(30),
    },
};

#[derive(Debug, serde::Deserialize)]
struct Tables {
    #[serde(default)]
    hooks: Vec<HookTable>,
}

fn read(text: &str) -> Result<Hooks, String> {
    let tables: Tables = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let numbered = tables.hooks.into_iter().enumerate().collect();
    assemble(BOUNDS, numbered).map_err(|(place, message)| format!("{place}: {message}"))
}

fn hooks(text: &str) -> Vec<Hook> {
    read(text).expect("valid").configured
}

fn fault(text: &str) -> String {
    read(text).expect_err("refused")
}

fn post(hook: &Hook) -> &Post {
    match &hook.action {
        Action::Post(post) => post,
        Action::Emit(_) => panic!("{hook:?}"),
    }
}

#[test]
fn a_hook_has_the_defaults_that_are_told() {
    let all = hooks("[[hooks]]\nevent = \"note\"\nurl = \"http://127.0.0.1:9/hook\"\n");
    let [hook] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&*hook.name, &hook.places, hook.rate), ("note", &Places::Everywhere, None));
    assert_eq!((post(hook).timeout, post(hook).is_idempotent), (Duration::from_secs(4), false));
    assert!(post(hook).key.is_none());
}

#[test]
fn every_member_is_read() {
    let all = hooks(
        r#"
        [[hooks]]
        name = "chat"
        event = ["send_message", "mark_read"]
        namespaces = ["/chat"]
        ws = true
        url = "https://chat.example.com/hooks?x=1"
        timeout = "1500ms"
        idempotent = true
        rate = "300/10s"
        [[hooks]]
        event = "wave"
        ws = true
        emit = "waved"
        to = "sender"
        "#,
    );
    let [chat, wave] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&*chat.name, chat.events.len()), ("chat", 2));
    assert_eq!(chat.places, Places::ws_and(&["/chat"]));
    assert_eq!((post(chat).timeout, post(chat).is_idempotent), (Duration::from_millis(1_500), true));
    let rate = chat.rate.expect("a rate");
    assert_eq!((rate.events.get(), rate.window), (300, Duration::from_secs(10)));
    assert!(matches!(&wave.action, Action::Emit(event) if &**event == "waved"));
    assert_eq!(wave.places, Places::ws_and(&[]));
}

#[test]
fn one_event_has_one_hook_in_one_place() {
    let two = |first: &str, second: &str| {
        let table = |more: &str| format!("[[hooks]]\nevent = [\"a\", \"b\"]\nurl = \"http://h/\"\n{more}\n");
        read(&format!("{}{}", table(first), table(second))).map(|hooks| hooks.configured.len())
    };
    assert_eq!(two("namespaces = [\"/x\"]", "namespaces = [\"/y\"]"), Ok(2));
    assert_eq!(two("namespaces = [\"/x\"]", "ws = true"), Ok(2));
    for (first, second, place) in [
        ("", "", "everywhere"),
        ("", "ws = true", "on /ws"),
        ("namespaces = [\"/x\"]", "", "in /x"),
        ("namespaces = [\"/x\", \"/y\"]", "namespaces = [\"/z\", \"/y\"]", "in /y"),
        ("ws = true\nnamespaces = [\"/x\"]", "ws = true", "on /ws"),
    ] {
        assert_eq!(two(first, second), Err(format!("1: \"a\" {place} has a hook already, \"a\"")));
    }
}

#[test]
fn what_can_be_no_hook_is_refused_and_told_why() {
    let table = |more: &str| fault(&format!("[[hooks]]\n{more}\n"));
    let with_url = |more: &str| table(&format!("url = \"http://h/\"\n{more}"));
    for (fault, part) in [
        (table("url = \"http://h/\""), "event"),
        (table("event = \"a\""), "exactly one of url and emit"),
        (with_url("event = \"a\"\nemit = \"b\""), "exactly one of url and emit"),
        (table("event = \"a\"\nurl = \"ftp://h/\""), "neither http nor https"),
        (table("event = \"a\"\nurl = \"http://user:secret@h/\""), "a user or a password"),
        (table("event = \"a\"\nemit = \"b\""), "to = \"sender\""),
        (table("event = \"a\"\nemit = \"b\"\nto = \"everyone\""), "to = \"sender\""),
        (table("event = \"a\"\nemit = \"b\"\nto = \"sender\"\nidempotent = true"), "not with emit"),
        (with_url("event = \"a\"\nto = \"sender\""), "to goes with emit"),
        (with_url("event = []"), "1 to 64 events"),
        (with_url("event = 7"), "event as a name"),
        (with_url("event = \"\""), "name has 1 to 200"),
        (with_url("name = \"x\"\nevent = \"\""), "1 to 200 bytes"),
        (with_url("name = \"x\"\nevent = \"a\\u0007\""), "no control characters"),
        (with_url("name = \"x y\"\nevent = \"a\""), "name has"),
        (with_url("event = \"a\"\nnamespaces = []"), "for no place"),
        (with_url("event = \"a\"\nws = false"), "for no place"),
        (with_url("event = \"a\"\nnamespaces = [\"chat\"]"), "\"chat\" is none"),
        (with_url("event = \"ping\""), "\"ping\" is the hub's own"),
        (with_url("event = \"disconnect\"\nnamespaces = [\"/chat\"]"), "the hub's own"),
        (with_url("event = \"a\"\ntimeout = \"6s\""), "at most HOOKS_ANSWER_WITHIN, 5000 ms"),
        (with_url("event = \"a\"\ntimeout = \"0s\""), "a duration above zero"),
        (with_url("event = \"a\"\nrate = \"300\""), "300/10s"),
        (with_url("event = \"a\"\nrate = \"0/10s\""), "300/10s"),
        (with_url("event = \"a\"\nrate = \"5/1d\""), "300/10s"),
        (with_url("event = \"a\"\nretries = 3"), "unknown field"),
    ] {
        assert!(fault.contains(part), "{part}: {fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
    assert!(read("[[hooks]]\nevent = \"ping\"\nnamespaces = [\"/x\"]\nurl = \"http://h/\"").is_ok());
}

#[test]
fn the_built_in_rule_is_that_of_the_contract() {
    let built_in = read("").expect("valid").built_in;
    let [hook] = &built_in[..] else { panic!("{built_in:?}") };
    hook.check().expect("a hook");
    assert_eq!(hook.events, ["publish_start"].map(Box::<str>::from));
    assert_eq!(hook.places, Places::Only { ws: false, namespaces: vec!["/sns".into()] });
    assert!(matches!(&hook.action, Action::Emit(event) if &**event == "publish_started"));
}

#[test]
fn the_service_key_is_for_all_of_the_file_and_never_shown() {
    let mut hooks = read(
        "[[hooks]]\nevent = \"a\"\nurl = \"http://h.example/\"\n[[hooks]]\nevent = \"b\"\nurl = \"http://localhost:1/\"\n",
    )
    .expect("valid");
    hooks.show(&SharedKey::new(Secret::new("key-of-the-services")));
    assert!(hooks.configured.iter().all(|hook| post(hook).key.is_some()));
    assert_eq!(hooks.hosts_in_the_clear(), ["h.example"]);
    assert!(!format!("{hooks:?}").contains("key-of-the-services"));
}
