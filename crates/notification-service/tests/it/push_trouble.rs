//! A Firebase that is down, slow, full, or answers nonsense: nothing is lost, and nothing is shown twice.

use std::time::Duration;

use serde_json::{Value, json};
use test_kit::firebase::Reply;

use crate::harness::{ENGINES, Engine, SOON};
use crate::phones::{DELAY, Phones, tag};

/// How often a device's token came, whatever it was answered.
fn tries(phones: &Phones, token: &str) -> usize {
    phones.firebase.calls().iter().filter(|call| call.token == token).count()
}

/// Lets time pass until Firebase has taken so many.
#[track_caller]
fn in_time(phones: &Phones, count: usize) -> Vec<Value> {
    for _ in 0..60 {
        phones.rest();
        if phones.firebase.taken().len() >= count {
            break;
        }
        phones.pass(Duration::from_secs(30));
    }
    phones.taken(count)
}

#[test]
fn a_firebase_that_is_down_costs_few_calls_and_gets_all_when_it_is_back() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        for user in 0..60 {
            phones.phone(user, &format!("phone-{user}"));
            phones.at().notify(user, "Hello");
        }
        phones.firebase.stop();
        phones.pass(DELAY);
        test_kit::eventually(SOON, || phones.waiting() == 60);
        phones.rest_but_due();
        // All else goes on.
        phones.at().notify(1, "and more");
        assert_eq!(phones.at().read(1, "/api/notifications")["total"], 2);
        phones.firebase.resume();
        for _ in 0..60 {
            if phones.firebase.taken().len() >= 61 {
                break;
            }
            phones.pass(Duration::from_secs(70));
            phones.rest_but_due();
        }
        let mut tags: Vec<String> = phones.taken(61).iter().map(|body| tag(body).to_owned()).collect();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 61, "each once");
    }
}

#[test]
fn one_that_is_out_of_order_is_left_alone_and_asked_now_and_then() {
    let phones = Phones::with(Engine::Sqlite);
    for user in 0..100 {
        let token = format!("phone-{user}");
        phones.phone(user, &token);
        phones.firebase.always(&token, Reply::Unavailable(None));
        phones.at().notify(user, "Hello");
    }
    phones.pass(DELAY);
    test_kit::eventually(SOON, || phones.waiting() == 100 && phones.firebase.calls().len() >= 5);
    phones.rest_but_due();
    let calls = phones.firebase.calls().len();
    assert!((5..=64).contains(&calls), "{calls} calls of a Firebase that is out of order");
    for user in 0..100 {
        phones.firebase.always(&format!("phone-{user}"), Reply::Taken);
    }
    for _ in 0..60 {
        if phones.firebase.taken().len() >= 100 {
            break;
        }
        phones.pass(Duration::from_secs(70));
        phones.rest_but_due();
    }
    phones.taken(100);
}

#[test]
fn how_long_firebase_wants_to_be_left_alone_is_kept_to() {
    for reply in [Reply::TooMany(Some(120)), Reply::Unavailable(Some(120)), Reply::TooMany(None)] {
        let phones = Phones::with(Engine::Sqlite);
        let least = if reply == Reply::TooMany(None) { 60 } else { 120 };
        phones.phone(7, "anna");
        phones.firebase.script("anna", [reply]);
        phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        test_kit::eventually(SOON, || tries(&phones, "anna") == 1);
        phones.rest();
        phones.pass(Duration::from_secs(least - 5));
        phones.rest();
        assert_eq!(tries(&phones, "anna"), 1, "not before");
        phones.pass(Duration::from_secs(least / 4 + 10));
        phones.taken(1);
    }
}

#[test]
fn one_device_that_hangs_delays_no_other() {
    let phones = Phones::with(Engine::Sqlite);
    for user in 0..20 {
        phones.phone(user, &format!("phone-{user}"));
    }
    phones.firebase.script("phone-0", [Reply::Hang]);
    for user in 0..20 {
        phones.at().notify(user, "Hello");
    }
    phones.pass(DELAY);
    phones.taken(19);
    test_kit::eventually(SOON, || tries(&phones, "phone-0") == 1);
    phones.firebase.release();
    phones.settle();
    assert_eq!(tries(&phones, "phone-0"), 1);
}

#[test]
fn nonsense_is_no_success_and_loses_no_device() {
    for reply in [
        Reply::Nonsense,
        Reply::Other(200, "{\"name\":7}".to_owned()),
        Reply::Other(200, "x".repeat(100_000)),
        Reply::Other(404, "<html>no such page</html>".to_owned()),
        Reply::Other(302, String::new()),
        Reply::Other(403, json!({"error": {"code": 403, "status": "PERMISSION_DENIED"}}).to_string()),
    ] {
        let phones = Phones::with(Engine::Sqlite);
        phones.phone(7, "anna");
        phones.firebase.script("anna", [reply.clone()]);
        phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        test_kit::eventually(SOON, || tries(&phones, "anna") == 1);
        in_time(&phones, 1);
        assert_eq!(phones.world.number("SELECT COUNT(*) FROM devices"), 1, "{reply:?}");
    }
}

#[test]
fn a_device_that_is_unregistered_is_forgotten_and_the_others_get_theirs() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        for token in ["gone", "there"] {
            phones.phone(7, token);
        }
        phones.firebase.always("gone", Reply::Unregistered);
        let id = phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        phones.settle();
        assert_eq!(phones.taken(1)[0]["message"]["token"], "there");
        let devices = phones.at().read(7, "/api/fcm/device-list");
        let left: Vec<_> = devices["devices"].as_array().expect("devices").iter().collect();
        assert_eq!((left.len(), &left[0]["device_name"]), (1, &json!("there's name")));
        let steps = phones.steps(7, id);
        assert!(
            steps.iter().any(|(step, text)| step == "push_failed"
                && text == "push to gone's name failed: Firebase says UNREGISTERED, the device was removed"),
            "{steps:?}"
        );
        phones.at().notify(7, "again");
        phones.pass(DELAY);
        phones.settle();
        assert_eq!(tries(&phones, "gone"), 1);
    }
}

#[test]
fn what_firebase_never_takes_fails_for_that_device_alone_and_is_not_tried_again() {
    for reply in [Reply::InvalidArgument, Reply::SenderIdMismatch] {
        let phones = Phones::with(Engine::Sqlite);
        for token in ["wrong", "right"] {
            phones.phone(7, token);
        }
        phones.firebase.always("wrong", reply);
        phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        phones.settle();
        assert_eq!(
            (phones.taken(1)[0]["message"]["token"].as_str(), tries(&phones, "wrong")),
            (Some("right"), 1)
        );
        assert_eq!(phones.world.number("SELECT COUNT(*) FROM devices"), 2);
    }
}

#[test]
fn a_token_that_is_void_is_fetched_anew_once_and_one_that_ends_before() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "anna");
    phones.at().notify(7, "one");
    phones.pass(DELAY);
    phones.taken(1);
    assert_eq!(phones.firebase.tokens_given(), 1);
    phones.firebase.void_tokens();
    phones.at().notify(7, "two");
    phones.pass(DELAY);
    phones.taken(2);
    assert_eq!(phones.firebase.tokens_given(), 2);
    phones.settle();
    phones.pass(Duration::from_secs(3_590));
    phones.at().notify(7, "three");
    phones.pass(DELAY);
    phones.taken(3);
    assert_eq!(phones.firebase.tokens_given(), 3, "the second had ended");
    // Who is refused with a new token as well comes back later, and not at once.
    phones.firebase.script("anna", [Reply::Unauthorized, Reply::Unauthorized]);
    phones.settle();
    phones.at().notify(7, "four");
    phones.pass(DELAY);
    test_kit::eventually(SOON, || tries(&phones, "anna") == 5);
    phones.rest();
    assert_eq!((tries(&phones, "anna"), phones.firebase.tokens_given()), (5, 4));
    in_time(&phones, 4);
}

#[test]
fn without_a_token_all_waits_until_google_gives_one() {
    let phones = Phones::with(Engine::Sqlite);
    phones.firebase.refuse_grants(Some((400, "invalid_grant")));
    for user in 0..10 {
        phones.phone(user, &format!("phone-{user}"));
    }
    let id = phones.at().notify(0, "Hello");
    for user in 1..10 {
        phones.at().notify(user, "Hello");
    }
    phones.pass(DELAY);
    test_kit::eventually(SOON, || phones.waiting() == 10);
    test_kit::eventually(SOON, || {
        phones
            .steps(0, id)
            .iter()
            .any(|(_, text)| text.contains("no token: Google answers 400 invalid_grant"))
    });
    phones.firebase.refuse_grants(None);
    for _ in 0..60 {
        if phones.firebase.taken().len() >= 10 {
            break;
        }
        phones.pass(Duration::from_secs(70));
        phones.rest_but_due();
    }
    phones.taken(10);
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again_with_the_same_tag() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "anna");
    phones.firebase.script("anna", [Reply::TakenUnheard]);
    let id = phones.at().notify(7, "Hello");
    phones.pass(DELAY);
    let taken = in_time(&phones, 2);
    assert_eq!((tag(&taken[0]), tag(&taken[1])), (&*format!("n{id}"), &*format!("n{id}")));
    phones.settle();
    phones.taken(2);
}

#[test]
fn what_may_have_come_is_taken_back_and_what_did_not_is_not() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        for token in ["perhaps", "never"] {
            phones.phone(7, token);
        }
        phones.firebase.script("perhaps", [Reply::Nonsense]);
        phones.firebase.script("never", [Reply::Unavailable(None)]);
        let id = phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        test_kit::eventually(SOON, || phones.firebase.calls().len() == 2);
        phones.rest();
        phones.mark_read(7, id);
        let taken = in_time(&phones, 1);
        assert_eq!(taken[0]["message"]["token"], "perhaps");
        assert_eq!(taken[0]["message"]["data"]["type"], "notification_withdrawn");
        phones.settle();
        assert_eq!(tries(&phones, "never"), 1);
    }
}

#[test]
fn what_is_read_while_it_is_being_sent_is_taken_back_as_soon_as_it_was() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        phones.phone(7, "anna");
        phones.firebase.script("anna", [Reply::Hang]);
        let id = phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        test_kit::eventually(SOON, || tries(&phones, "anna") == 1);
        phones.mark_read(7, id);
        phones.firebase.release();
        let taken = phones.taken(1);
        assert_eq!(taken[0]["message"]["data"]["type"], "notification_withdrawn");
        phones.settle();
        phones.taken(1);
    }
}

#[test]
fn a_push_is_given_up_when_it_is_no_news_any_more() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "anna");
    phones.firebase.always("anna", Reply::TooMany(Some(3_600)));
    let id = phones.at().notify(7, "Hello");
    phones.pass(DELAY);
    test_kit::eventually(SOON, || tries(&phones, "anna") == 1);
    phones.rest();
    phones.pass(Duration::from_secs(24 * 3_600));
    phones.settle();
    assert_eq!(tries(&phones, "anna"), 1);
    let steps = phones.steps(7, id);
    let (step, text) = steps.last().expect("a step");
    assert_eq!(step, "push_failed");
    assert_eq!(text, "push to anna's name failed: it was tried for too long: Firebase says QUOTA_EXCEEDED");
}
