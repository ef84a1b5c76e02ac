//! Rules as they are written, and slips in them with their lines.

use super::*;

fn rules(text: &str) -> Vec<ChannelRule> {
    parse(text, Path::new(".")).expect("valid").rules
}

fn fault(text: &str) -> Fault {
    let fault = parse(text, Path::new(".")).expect_err("refused");
    assert!(!fault.message.contains('\n'), "{fault:?}");
    fault
}

fn rule(member: &str) -> ChannelRule {
    rules(&format!("[[channels]]\npattern = \"orders:*\"\n{member}")).remove(0)
}

#[test]
fn the_example_of_the_protocol_reads_as_written() {
    let rules = rules(
        "[[channels]]\npattern   = \"orders:*\"\nsubscribe = { user_type = [\"employer\"] }\n\
         publish   = { keys = [\"shop\"] }\nhistory   = { size = 1000, age = \"10m\", durable = false }\n",
    );
    assert_eq!(
        rules,
        [ChannelRule {
            pattern: ChannelPattern::new("orders:*").expect("valid"),
            subscribe: Some(SubscribeRule::UserTypes(vec!["employer".to_owned()])),
            publish: Some(PublishRule::Keys(vec!["shop".to_owned()])),
            history: Some(HistoryRule { size: 1_000, age: Duration::from_secs(600), durable: false }),
        }]
    );
}

#[test]
fn every_answer_has_its_words() {
    for (text, answer) in [
        ("\"anyone\"", SubscribeRule::Anyone),
        ("\"signed-in\"", SubscribeRule::SignedIn),
        ("\"nobody\"", SubscribeRule::Nobody),
        ("{ user = \"{rest}\" }", SubscribeRule::User("{rest}".to_owned())),
    ] {
        assert_eq!(rule(&format!("subscribe = {text}")).subscribe, Some(answer));
    }
    assert_eq!(rule("publish = \"anyone\"").publish, Some(PublishRule::Anyone));
    assert_eq!(rule("publish = \"nobody\"").publish, Some(PublishRule::Nobody));
    let history = rule("history = { durable = true, age = 30 }").history;
    assert_eq!(history, Some(HistoryRule { size: 1_000, age: Duration::from_secs(30), durable: true }));
    assert!(rule("history = {}").subscribe.is_none(), "what is left out is left to later rules");
    assert!(rules("").is_empty());
}

#[test]
fn slips_are_refused_with_their_line() {
    for (line, text, told) in [
        (1, "[[chanels]]\npattern = \"a\"", "unknown field `chanels`"),
        (3, "[[channels]]\npattern = \"a\"\npublsh = \"nobody\"", "unknown field `publsh`"),
        (2, "[[channels]]\npattern = \"a b\"\npublish = \"nobody\"", "a channel pattern consists of"),
        (3, "[[channels]]\npattern = \"a\"\nsubscribe = \"everyone\"", "signed-in"),
        (
            3,
            "[[channels]]\npattern = \"a\"\nsubscribe = { user_types = [\"x\"] }",
            "unknown field `user_types`",
        ),
        (3, "[[channels]]\npattern = \"a\"\nsubscribe = { user_type = [] }", "lists nothing"),
        (3, "[[channels]]\npattern = \"a*\"\nsubscribe = { user = \"{id}\" }", "{rest}"),
        (
            3,
            "[[channels]]\npattern = \"a*\"\nsubscribe = { user = \"1\", user_type = [\"x\"] }",
            "exactly one",
        ),
        (3, "[[channels]]\npattern = \"a\"\npublish = { keys = [] }", "nobody"),
        (3, "[[channels]]\npattern = \"a\"\npublish = [\"shop\"]", "{ keys = "),
        (3, "[[channels]]\npattern = \"a\"\nhistory = { age = \"soon\" }", "such as \"10m\""),
        (3, "[[channels]]\npattern = \"a\"\nhistory = { age = 0 }", "such as \"10m\""),
        (3, "[[channels]]\npattern = \"a\"\nhistory = { size = -1 }", "expected u32 (at history)"),
        (2, "[[channels]]\npattern = \"a", "string"),
        (2, "# first\n[[channels]]\nsubscribe = \"anyone\"", "missing field `pattern`"),
        (2, "# first\n[[channels]]\npattern = \"a\"", "answers none of"),
        (2, "# first\n[[channels]]\npattern = \"a\"\nsubscribe = { user = \"{rest}\" }", "has no *"),
        (2, "# first\n[[api_keys]]\nname = \"a\"", "exactly one of secret"),
        (3, "[[api_keys]]\nname = \"a\"\nsecret = 31337", "secret takes a text in quotes"),
        (4, "[[api_keys]]\nname = \"a\"\nsecret = \"x\"\nadmin = \"yes\"", "boolean"),
    ] {
        let fault = fault(text);
        assert!(fault.message.contains(told), "{told}: {fault:?}");
        assert_eq!(fault.line, Some(line), "{fault:?}");
    }
}
