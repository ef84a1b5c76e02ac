//! What tables become delivery hooks, and which are refused.

use super::*;

#[derive(Debug, serde::Deserialize)]
struct Tables {
    #[serde(default)]
    delivery_hooks: Vec<DeliveryTable>,
}

fn read(text: &str) -> Result<Deliveries, String> {
    let tables: Tables = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let numbered = tables.delivery_hooks.into_iter().enumerate().collect();
    let flags = DeliveryFlags { delivery_hooks_queue: NonZeroUsize::MIN };
    assemble(&flags, numbered).map_err(|(place, message)| format!("{place}: {message}"))
}

#[test]
fn a_delivery_hook_has_the_defaults_that_are_told() {
    let deliveries = read(
        "[[delivery_hooks]]\ntypes = [\"notification\", \"job_*\"]\nurl = \"http://127.0.0.1:9/hook\"\n\
         [[delivery_hooks]]\nname = \"audit\"\ntypes = [\"*_\"]\nurl = \"http://h/\"\n",
    );
    assert!(deliveries.expect_err("a star").contains("not its end"));
    let deliveries = read(
        "[[delivery_hooks]]\ntypes = [\"notification\", \"job_*\"]\nurl = \"http://127.0.0.1:9/hook\"\n\
         [[delivery_hooks]]\nname = \"audit\"\ntypes = [\"payment_*\"]\nurl = \"https://h/\"\ntimeout = \"60s\"\n",
    )
    .expect("valid");
    let [first, second] = &deliveries.hooks[..] else { panic!("{deliveries:?}") };
    assert_eq!((&*first.name, first.timeout, first.types.len()), ("notification", TIMEOUT, 2));
    assert_eq!((&*second.name, second.timeout), ("audit", LONGEST_TIMEOUT));
    assert!(first.key.is_none() && second.key.is_none());
}

#[test]
fn one_event_has_one_delivery_hook() {
    let two = |first: &str, second: &str| {
        let table = |name: &str, types: &str| {
            format!("[[delivery_hooks]]\nname = \"{name}\"\ntypes = [{types}]\nurl = \"http://h/\"\n")
        };
        read(&format!("{}{}", table("a", first), table("b", second))).map(|deliveries| deliveries.hooks.len())
    };
    assert_eq!(two("\"job_*\"", "\"payment_*\", \"job\""), Ok(2));
    for (first, second) in [
        ("\"x\"", "\"y\", \"x\""),
        ("\"job_*\"", "\"job_created\""),
        ("\"job_created\"", "\"*\""),
        ("\"job_*\"", "\"j*\""),
    ] {
        let fault = two(first, second).expect_err("the same event");
        assert!(fault.starts_with("1: ") && fault.contains("has a delivery hook already, \"a\""), "{fault}");
    }
}

#[test]
fn what_can_be_no_delivery_hook_is_refused_and_told_why() {
    let with = |more: &str| read(&format!("[[delivery_hooks]]\n{more}\n")).expect_err(more);
    for (fault, part) in [
        (with("url = \"http://h/\""), "types"),
        (with("types = [\"a\"]"), "url"),
        (with("types = []\nurl = \"http://h/\""), "1 to 64 types"),
        (with("types = \"a\"\nurl = \"http://h/\""), "sequence"),
        (with("types = [\"a\"]\nurl = \"ftp://h/\""), "neither http nor https"),
        (with("types = [\"a\"]\nurl = \"http://user:secret@h/\""), "a user or a password"),
        (with("types = [\"a\"]\nurl = \"http://h/\"\ntimeout = \"61s\""), "at most 60 s"),
        (with("types = [\"a\"]\nurl = \"http://h/\"\ntimeout = 0"), "a duration above zero"),
        (with("types = [\"a\"]\nurl = \"http://h/\"\nname = \"\""), "name has 1 to 200"),
        (with("types = [\"a\"]\nurl = \"http://h/\"\nretries = 3"), "unknown field"),
    ] {
        assert!(fault.contains(part), "{part}: {fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
    let named = "[[delivery_hooks]]\ntypes = [\"a\"]\nurl = \"http://h/\"\nname = \"x\"\n";
    let twice = format!("{named}{}", named.replace("\"a\"", "\"b\""));
    assert!(read(&twice).expect_err("a name twice").contains("are named \"x\""));
    let many: String = (0..=MOST_DELIVERY_HOOKS)
        .map(|number| format!("[[delivery_hooks]]\ntypes = [\"t{number}\"]\nurl = \"http://h/\"\n"))
        .collect();
    assert_eq!(read(&many).expect_err("too many"), "16: there are at most 16 delivery hooks");
}

#[test]
fn the_service_key_is_for_all_of_the_file_and_never_shown() {
    let mut deliveries = read(
        "[[delivery_hooks]]\ntypes = [\"a\"]\nurl = \"http://h.example/\"\n\
         [[delivery_hooks]]\ntypes = [\"b\"]\nurl = \"http://localhost:1/\"\n",
    )
    .expect("valid");
    deliveries.show(&SharedKey::new(Secret::new("key-of-the-services")));
    assert!(deliveries.hooks.iter().all(|hook| hook.key.is_some()));
    assert_eq!(deliveries.hosts_in_the_clear(), ["h.example"]);
    assert!(!format!("{deliveries:?}").contains("key-of-the-services"));
}
