use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// 2026-01-10T12:00:00Z.
const NOW: i64 = 1_768_046_400_000_000;

fn stored(title: &str, message: &str, data: &str) -> Subject {
    Subject {
        id: 12,
        event_id: Uuid::nil().to_string(),
        kind: "job_accepted".to_owned(),
        category: "jobs".to_owned(),
        title: title.to_owned(),
        message: message.to_owned(),
        data: data.to_owned(),
        priority: Priority::Normal,
        expires_at: None,
    }
}

#[test]
fn a_notification_for_a_phone_has_a_tag_and_what_an_app_needs_to_open_it() {
    let mut stored = stored("Job accepted", "Walk the dog", r#"{"job_id":42}"#);
    stored.expires_at = Some(NOW + 90_500_000);
    let message = notification(&stored, ("tok", Platform::Android), Noise::Sound, NOW);
    assert_eq!(
        message,
        json!({"message": {
            "token": "tok",
            "notification": {"title": "Job accepted", "body": "Walk the dog"},
            "data": {
                "notification_id": "12", "event_id": "00000000-0000-0000-0000-000000000000", "type": "job_accepted",
                "category": "jobs", "tag": "n12", "data": "{\"job_id\":42}"
            },
            "android": {"priority": "HIGH", "ttl": "90s", "notification": {"tag": "n12", "default_sound": true}}
        }})
    );
}

#[test]
fn apple_and_browsers_get_what_they_collapse_by() {
    let mut stored = stored("t", "b", "{}");
    let apple = notification(&stored, ("tok", Platform::Ios), Noise::Sound, NOW);
    assert_eq!(
        apple["message"]["apns"],
        json!({
            "headers": {"apns-collapse-id": "n12", "apns-priority": "10", "apns-expiration": "1770465600"},
            "payload": {"aps": {"thread-id": "jobs", "sound": "default"}}
        })
    );
    stored.priority = Priority::Low;
    let web = notification(&stored, ("tok", Platform::Web), Noise::Sound, NOW);
    assert_eq!(
        web["message"]["webpush"],
        json!({
            "headers": {"Topic": "n12", "TTL": "2419200", "Urgency": "low"},
            "notification": {"tag": "n12", "silent": true}
        })
    );
    assert_eq!(web["message"]["data"].get("data"), None, "there is none");
    for (message, others) in [(apple, ["android", "webpush"]), (web, ["android", "apns"])] {
        for other in others {
            assert_eq!(message["message"].get(other), None, "{other}");
        }
    }
}

#[test]
fn what_is_to_be_silent_is() {
    let stored = stored("t", "b", "{}");
    let silent = |platform| notification(&stored, ("tok", platform), Noise::Silent, NOW)["message"].clone();
    assert_eq!(silent(Platform::Android)["android"]["notification"]["default_sound"], false);
    assert_eq!(silent(Platform::Ios)["apns"]["payload"]["aps"].get("sound"), None);
    assert_eq!(silent(Platform::Web)["webpush"]["notification"]["silent"], true);
}

#[test]
fn a_withdrawal_shows_nothing_and_names_the_tags() {
    let tags = [tag(12), tag(13)];
    for platform in Platform::ALL {
        let message = withdrawal(&[12, 13], &tags, ("tok", platform), NOW)["message"].clone();
        assert_eq!(message.get("notification"), None);
        assert_eq!(
            message["data"],
            json!({"type": "notification_withdrawn", "notification_ids": "[12,13]", "tags": "[\"n12\",\"n13\"]"})
        );
    }
    let one = withdrawal(&[12], &tags[..1], ("tok", Platform::Web), NOW);
    assert_eq!(one["message"]["webpush"]["headers"]["Topic"], "n12", "in place of what has not come yet");
    let apple = withdrawal(&[12], &tags[..1], ("tok", Platform::Ios), NOW);
    assert_eq!(apple["message"]["apns"]["payload"]["aps"], json!({"content-available": 1}));
}

#[test]
fn tags_fit_what_they_stand_in() {
    for tag in [tag((1 << 53) - 1), digest_tag(&Uuid::now_v7().to_string())] {
        assert!(tag.len() <= 32 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{tag}");
    }
    assert_ne!(digest_tag(&Uuid::now_v7().to_string()), digest_tag(&Uuid::now_v7().to_string()));
}

#[test]
fn long_texts_are_shortened_between_characters() {
    assert_eq!(short("ab", 4), "ab");
    assert_eq!(short("äöü", 8), "äöü");
    assert_eq!(short("äöüx", 8), "ä…", "within 8 bytes with its quotes");
    assert_eq!(short("\u{1}\u{1}", 12), "\u{1}…");
    assert_eq!(short("abc", 0), "…");
}

proptest! {
    #[test]
    fn whatever_a_notification_says_firebase_takes_its_size(
        title in prop::collection::vec(any::<char>(), 0..200), text in prop::collection::vec(any::<char>(), 0..20_000),
        data in "[\\x00-\\x7f]{0,3000}",
    ) {
        let (title, text): (String, String) = (title.into_iter().collect(), text.into_iter().collect());
        let data = json!({ "x": data }).to_string();
        let stored = stored(&title, &text, &data);
        for platform in Platform::ALL {
            let message = notification(&stored, ("", platform), Noise::Sound, NOW);
            prop_assert!(message.to_string().len() <= 4_096);
        }
    }
}
