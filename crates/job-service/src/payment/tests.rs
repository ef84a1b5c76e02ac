use super::*;

fn heard(status: u16, body: &str) -> Option<Answer> {
    match meaning(StatusCode::from_u16(status).expect("a status"), body.as_bytes()) {
        Try::Heard(answer) => Some(answer),
        Try::NotTaken => Some(Answer::NotTaken),
        Try::Unheard => None,
    }
}

#[test]
fn an_answer_means_what_the_contract_says() {
    let payment = Payment { payment_id: 5, job_id: 7, status: PaymentStatus::Released };
    let body = r#"{"payment_id":5,"job_id":7,"employer_id":1,"status":"released","amount_usd":12.5}"#;
    assert_eq!(heard(200, body), Some(Answer::Done(payment)));
    assert_eq!(heard(409, r#"{"code":"insufficient_funds"}"#), Some(Answer::Insufficient));
    assert_eq!(heard(409, r#"{"code":"voided"}"#), Some(Answer::Voided));
    let state = r#"{"code":"wrong_state","state":"refunded"}"#;
    assert_eq!(heard(409, state), Some(Answer::WrongState(PaymentStatus::Refunded)));
    for status in [400, 401, 403, 404, 413, 415, 422] {
        assert_eq!(heard(status, "{}"), Some(Answer::NotTaken), "{status}");
    }
    assert_eq!(heard(409, r#"{"code":"payment_exists"}"#), Some(Answer::NotTaken));
}

#[test]
fn what_cannot_be_told_from_an_answer_is_asked_for_again() {
    for (status, body) in [
        (200, ""),
        (200, "<html>"),
        (200, r#"{"payment_id":5}"#),
        (409, r#"{"code":"wrong_state","state":"lost"}"#),
        (409, r#"{"code":"idempotency_key_in_flight"}"#),
        (302, ""),
        (408, ""),
        (429, ""),
        (500, ""),
        (502, "<html>"),
        (503, r#"{"code":"store_unavailable"}"#),
    ] {
        assert_eq!(heard(status, body), None, "{status} {body}");
    }
}

#[test]
fn a_step_has_a_key_of_its_own() {
    assert_eq!(Operation::Hold.key(7, 0), "job-7-hold");
    assert_eq!(Operation::Release.key(7, 2), "job-7-release-2");
    assert_eq!(Operation::Refund.key(7, 3), "job-7-refund-3");
}

#[test]
fn settings_that_can_be_none_are_refused_and_no_key_is_shown() {
    for url in ["", "payments", "ftp://payments", "mailto:a@b"] {
        assert!(
            matches!(Payments::new(&PaymentSettings::new(url, None)), Err(PaymentSettingsError::Address)),
            "{url}"
        );
    }
    let settings = PaymentSettings::new("http://127.0.0.1:8082", Some(Secret::new("line\nbreak")));
    assert!(matches!(Payments::new(&settings), Err(PaymentSettingsError::Key)));
    assert!(!format!("{settings:?}").contains("break"));
}
