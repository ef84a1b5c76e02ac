use super::*;

const REFUND: &str = r#"{"job_id":4,"reason":"expired","employer_id":7,"worker_id":null,"title":"T"}"#;

fn users(event_type: &str, data: &str) -> (Option<&'static str>, Vec<i64>) {
    match Event::parse(event_type, data).expect(data).audience() {
        Audience::Everyone => panic!("{event_type} goes to everyone"),
        Audience::Named { channel, users } => (channel, users.into_iter().map(UserId::get).collect()),
    }
}

#[test]
fn a_party_that_is_null_addresses_nobody() {
    assert_eq!(users("job_refunded", REFUND), (Some("jobs"), vec![7]));
    let held =
        r#"{"payment_id":1,"job_id":4,"amount_usd":5,"employer_id":7,"worker_id":null,"status":"held"}"#;
    assert_eq!(users("payment_held", held), (Some("payments"), vec![7]));
    assert_eq!(users("payment_held", &held.replace("null", "9")), (Some("payments"), vec![7, 9]));
}

#[test]
fn a_user_who_is_both_parties_is_told_once() {
    assert_eq!(users("job_accepted", r#"{"job_id":4,"worker_id":7,"employer_id":7,"title":"T"}"#).1, [7]);
}

#[test]
fn an_event_of_a_user_is_told_to_that_user() {
    let data = r#"{"user_id":7,"user_type":"worker"}"#;
    for event_type in ["user_registered", "user_logged_in", "user_logged_out", "session_revoked"] {
        assert_eq!(users(event_type, data), (None, vec![7]), "{event_type}");
    }
}

#[test]
fn a_new_job_is_told_to_everyone() {
    let data = r#"{"job_id":4,"title":"T","pay_amount_usd":5,"job_type":"other"}"#;
    assert_eq!(Event::parse("job_created", data).expect("an event").audience(), Audience::Everyone);
}

#[test]
fn members_that_a_reader_does_not_know_are_ignored() {
    let newer = REFUND.replace("{\"job_id\"", r#"{"since":{"a":[1e999]},"job_id""#);
    assert_eq!(Event::parse("job_refunded", &newer).expect("an event").data_json(), REFUND);
}

#[test]
fn what_is_no_event_is_refused_by_cause() {
    assert!(matches!(Event::parse("job_lost", REFUND), Err(ParseError::UnknownType)));
    let broken = [
        REFUND.replace(r#""worker_id":null,"#, ""),
        REFUND.replace("\"job_id\":4", "\"job_id\":null"),
        REFUND.replace("\"job_id\":4", "\"job_id\":0"),
        REFUND.replace("expired", "Expired"),
        "[]".to_owned(),
        String::new(),
    ];
    for data in broken {
        let refused = Event::parse("job_refunded", &data);
        assert!(matches!(refused, Err(ParseError::Data { event_type: "job_refunded", .. })), "{data}");
    }
}

#[test]
fn an_event_is_written_as_its_type_and_its_data() {
    let event = Event::parse("job_refunded", REFUND).expect("an event");
    let text = serde_json::to_string(&event).expect("JSON");
    assert_eq!(text, format!(r#"{{"type":"job_refunded","data":{REFUND}}}"#));
    assert_eq!(event.data(), serde_json::from_str::<Value>(REFUND).expect("JSON"));
    assert_eq!(event.version(), 1);
}

#[test]
fn an_event_of_chat_addresses_nobody_until_the_service_names_them() {
    for (event_type, data) in [
        ("message_received", r#"{"id":1,"from_user_id":7,"to_user_id":"9","message":"m","timestamp":"t"}"#),
        ("user_typing", r#"{"user_id":"anna","is_typing":true}"#),
        ("message_read", r#"{"message_id":1,"user_id":7,"timestamp":"t"}"#),
    ] {
        assert_eq!(users(event_type, data), (None, vec![]), "{event_type}");
        assert_eq!(
            Event::parse(event_type, data).expect("an event").data_json(),
            data,
            "ids keep their form"
        );
    }
}
