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
    let keys = list("alone== , shop:k3y, web:k4y:orders:*|jobs ,ops:k5y:+admin,mixed:k6y:+admin|jobs,");
    let told: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.material.clone(), key.admin)).collect();
    assert_eq!(
        told,
        [
            ("key-1", text("alone=="), false),
            ("shop", text("k3y"), false),
            ("web", text("k4y"), false),
            ("ops", text("k5y"), true),
            ("mixed", text("k6y"), true),
        ]
    );
    let channels: Vec<_> = keys.into_iter().map(|key| key.channels).collect();
    assert_eq!(channels, [None, None, patterns(&["orders:*", "jobs"]), None, patterns(&["jobs"])]);
}

#[test]
fn a_wrong_key_is_named_by_its_place_and_never_shown() {
    assert!(refused("a:k3y,bad name:k3y").contains("in key 2 the name"));
    assert!(refused(":k3y").contains("in key 1 the name"));
    assert!(refused("a:").contains("is empty"));
    assert!(refused("a:k3y:bad pattern").contains("channel pattern"));
    assert!(refused("a:k3y,a:k3yy").contains("two keys are named a"));
    assert!(refused(" ,").contains("lists nothing"));
    assert_eq!(format!("{:?}", list("a:k3y")[0].material), "Text(***)");
}

fn table(toml: &str) -> Result<ApiKey, Reason> {
    toml::from_str::<KeyTable>(toml).expect("a table").into_key(Path::new("/nowhere"))
}

#[test]
fn the_file_gives_a_key_in_exactly_one_way() {
    let key = table("name = 'shop'\nsecret = 'k3y'\nchannels = ['jobs']\nadmin = true").expect("a key");
    assert_eq!((key.material, key.channels, key.admin), (text("k3y"), patterns(&["jobs"]), true));
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
        "name = 'a'\nsecret = ''",
        "name = 'a'\nsha256 = 'abc'",
        "name = 'a'\nsecret_file = 'missing'",
        "name = 'a'\nsecret = 'k'\nchannels = []",
        "name = 'a'\nsecret = 'k'\nchannels = ['a b']",
        "name = ''\nsecret = 'k'",
    ] {
        assert!(table(wrong).is_err(), "{wrong}");
    }
    let signs = format!("name = 'a'\nsha256 = '{}'", "+f".repeat(32));
    assert!(table(&signs).is_err(), "a sign is no digit");
    assert!(toml::from_str::<KeyTable>("name = 'a'\nsecert = 'k'").is_err(), "a slip is an error");
}
