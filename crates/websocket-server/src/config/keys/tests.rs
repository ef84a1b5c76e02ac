//! Keys of the variable and of the file.

use std::path::Path;

use super::*;

fn list(text: &str) -> Vec<ApiKey> {
    text.parse::<ApiKeyList>().expect("keys").0
}

fn refused(text: &str) -> String {
    let reason = text.parse::<ApiKeyList>().expect_err("refused");
    assert!(!reason.contains("k3y"), "{reason}");
    reason
}

fn patterns(texts: &[&str]) -> Option<Vec<ChannelPattern>> {
    Some(texts.iter().map(|text| ChannelPattern::new(text).expect("a pattern")).collect())
}

fn text(text: &str) -> KeyMaterial {
    KeyMaterial::Text(Secret::new(text))
}

#[test]
fn the_variable_takes_bare_named_and_narrow_keys() {
    let keys = list(
        "alone-8== , shop:k3y-shop, web:k3y-web8:orders:*|jobs ,ops:k3y-ops8:+admin,mixed:k3y-mixed:+admin|jobs,",
    );
    let told: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.material.clone(), key.admin)).collect();
    assert_eq!(
        told,
        [
            ("key-1", text("alone-8=="), false),
            ("shop", text("k3y-shop"), false),
            ("web", text("k3y-web8"), false),
            ("ops", text("k3y-ops8"), true),
            ("mixed", text("k3y-mixed"), true),
        ]
    );
    let channels: Vec<_> = keys.into_iter().map(|key| key.channels).collect();
    assert_eq!(channels, [None, None, patterns(&["orders:*", "jobs"]), None, patterns(&["jobs"])]);
}

#[test]
fn a_wrong_key_is_named_by_its_place_and_never_shown() {
    assert!(refused("a:k3y-k3y-,bad name:k3y-k3y-").contains("in key 2 the name"));
    assert!(refused(":k3y-k3y-").contains("in key 1 the name"));
    assert!(refused("a:k3y-k3y-:bad pattern").contains("channel pattern"));
    assert!(refused("a:k3y-k3y-,a:k3y-k3yy").contains("two keys are named a"));
    assert!(refused(" ,").contains("lists nothing"));
    assert_eq!(format!("{:?}", list("a:k3y-k3y-")[0].material), "Text(***)");
}

#[test]
fn a_secret_that_can_be_guessed_or_not_be_sent_is_refused() {
    assert_eq!(refused("a:k3y-k3y-,b:k3y-k3y"), "in key 2 the text of the key has fewer than 8 characters");
    assert!(refused("a:").contains("fewer than 8 characters"));
    assert!(refused("k3y-k3y\u{fc}y").contains("not visible ASCII"));
    assert!(refused(&"k3y-".repeat(51)).contains("more than 200 characters"));
    assert_eq!(list(&"k3y-".repeat(50)).len(), 1);
}

fn table(toml: &str) -> Result<ApiKey, Reason> {
    toml::from_str::<KeyTable>(toml).expect("a table").into_key(Path::new("/nowhere"))
}

#[test]
fn the_file_gives_a_key_in_exactly_one_way() {
    let key = table("name = 'shop'\nsecret = 'k3y-k3y-'\nchannels = ['jobs']\nadmin = true").expect("a key");
    assert_eq!((key.material, key.channels, key.admin), (text("k3y-k3y-"), patterns(&["jobs"]), true));
    let hex = "00ff".repeat(16);
    let KeyMaterial::Sha256(digest) =
        table(&format!("name = 'a'\nsha256 = '{hex}'")).expect("a key").material
    else {
        panic!("a digest");
    };
    assert_eq!((digest[0], digest[1], digest[31]), (0, 255, 255));
    for wrong in [
        "name = 'a'",
        "name = 'a'\nsecret = 'k'\nsha256 = 'k'",
        "name = 'a'\nsecret = 'k3y-k3y'",
        "name = 'a'\nsha256 = 'abc'",
        "name = 'a'\nsecret_file = 'missing'",
        "name = 'a'\nsecret = 'k3y-k3y-'\nchannels = []",
        "name = 'a'\nsecret = 'k3y-k3y-'\nchannels = ['a b']",
        "name = ''\nsecret = 'k3y-k3y-'",
    ] {
        assert!(table(wrong).is_err(), "{wrong}");
    }
    let signs = format!("name = 'a'\nsha256 = '{}'", "+f".repeat(32));
    assert!(table(&signs).is_err(), "a sign is no digit");
    assert!(toml::from_str::<KeyTable>("name = 'a'\nsecert = 'k'").is_err(), "a slip is an error");
}
