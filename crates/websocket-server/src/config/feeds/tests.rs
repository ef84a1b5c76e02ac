//! What tables become feeds, and which are refused.

use super::*;

#[derive(Debug, serde::Deserialize)]
struct Tables {
    #[serde(default)]
    feeds: Vec<FeedTable>,
}

fn read(text: &str) -> Result<Feeds, String> {
    let tables: Tables = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let numbered = tables.feeds.into_iter().enumerate().collect();
    let flags = FeedFlags { feeds_max_waiting: NonZeroUsize::MIN };
    assemble(&flags, numbered).map_err(|(place, message)| format!("{place}: {message}"))
}

#[test]
fn feeds_are_read_and_may_share_types() {
    let feeds = read(
        "[[feeds]]\nname = \"notifications\"\ntypes = [\"job_accepted\", \"payment_*\"]\n\
         [[feeds]]\nname = \"audit\"\ntypes = [\"*\"]\n",
    )
    .expect("valid");
    let names: Vec<&str> = feeds.feeds.iter().map(|feed| &*feed.name).collect();
    assert_eq!(names, ["notifications", "audit"]);
    assert_eq!(feeds.feeds[0].types, ["job_accepted", "payment_*"].map(Box::<str>::from));
}

#[test]
fn the_feed_of_the_file_is_meant_where_a_program_has_one_of_its_name() {
    let mut feeds = read("[[feeds]]\nname = \"a\"\ntypes = [\"x\"]\n").expect("valid");
    feeds.offer("a", &["y"]).expect("known");
    feeds.offer("b", &["y"]).expect("new");
    let types: Vec<&str> = feeds.feeds.iter().map(|feed| &*feed.types[0]).collect();
    assert_eq!(types, ["x", "y"]);
    feeds.offer("b", &[]).expect_err("no types");
}

#[test]
fn what_can_be_no_feed_is_refused_and_told_why() {
    let with = |more: &str| read(&format!("[[feeds]]\n{more}\n")).expect_err(more);
    for (fault, part) in [
        (with("name = \"a\""), "types"),
        (with("types = [\"a\"]"), "name"),
        (with("name = \"\"\ntypes = [\"a\"]"), "1 to 64 of"),
        (with("name = \"a/b\"\ntypes = [\"a\"]"), "1 to 64 of"),
        (with("name = \"a\"\ntypes = []"), "1 to 64 types"),
        (with("name = \"a\"\ntypes = [\"*a\"]"), "not its end"),
        (with("name = \"a\"\ntypes = [\"a\"]\nurl = \"x\""), "unknown field"),
        (
            with("name = \"a\"\ntypes = [\"a\"]\n[[feeds]]\nname = \"a\"\ntypes = [\"b\"]"),
            "1: the feed a stands",
        ),
    ] {
        assert!(fault.contains(part), "{part}: {fault}");
    }
    let many: String = (0..=MOST_FEEDS)
        .map(|number| format!("[[feeds]]\nname = \"f{number}\"\ntypes = [\"t\"]\n"))
        .collect();
    assert_eq!(read(&many).expect_err("too many"), "16: there are at most 16 feeds");
}
