use serde_json::json;

use super::*;

fn error(code: &str) -> Vec<u8> {
    let detail = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code});
    json!({"error": {"code": 400, "message": "secret", "status": "NOT_FOUND", "details": [{"@type": "x"}, detail]}})
        .to_string()
        .into_bytes()
}

fn later(outcome: &Outcome) -> &Later {
    match outcome {
        Outcome::Later(later) => later,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_google_says_in_its_own_form_is_believed() {
    assert_eq!(judge(200, None, br#"{"name":"projects/p/messages/1"}"#, 0), Outcome::Sent);
    assert_eq!(judge(404, None, &error("UNREGISTERED"), 0), Outcome::Unregistered);
    for (status, code) in
        [(400, "INVALID_ARGUMENT"), (403, "SENDER_ID_MISMATCH"), (401, "THIRD_PARTY_AUTH_ERROR")]
    {
        assert_eq!(judge(status, None, &error(code), 0), Outcome::Refused(format!("Firebase says {code}")));
    }
}

#[test]
fn an_answer_of_somebody_else_costs_neither_a_push_nor_a_device() {
    for body in [&b""[..], b"<html>not found</html>", b"[]", b"{}", br#"{"error":"gone"}"#, br#"{"name":7}"#]
    {
        for status in [200, 204, 301, 400, 401, 403, 404, 405, 500, 502, 503] {
            let outcome = judge(status, None, body, 0);
            assert_eq!(later(&outcome).whose, Whose::Endpoint, "{status}");
            let perhaps = if status == 200 { Arrived::Perhaps } else { Arrived::No };
            assert_eq!(later(&outcome).arrived, perhaps, "{status}");
        }
    }
    // No right to send at all is nothing that a device has to do with.
    let forbidden = br#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#;
    assert_eq!(later(&judge(403, None, forbidden, 0)).reason, "Firebase says PERMISSION_DENIED");
}

#[test]
fn how_long_to_wait_is_as_google_says_and_bounded() {
    let quota = error("QUOTA_EXCEEDED");
    let after = |retry_after: Option<&str>| {
        later(&judge(429, retry_after, &quota, 784_111_777_000_000)).after.map(|wait| wait.as_secs())
    };
    assert_eq!(after(None), Some(60));
    assert_eq!(after(Some("7")), Some(7));
    assert_eq!(after(Some("999999999999")), Some(3600));
    assert_eq!(after(Some("soon")), Some(60));
    assert_eq!(after(Some("-1")), Some(60));
    assert_eq!(after(Some("Sun, 06 Nov 1994 08:50:07 GMT")), Some(30));
    assert_eq!(after(Some("Sun, 06 Nov 1994 08:00:00 GMT")), Some(0));
    assert_eq!(later(&judge(503, Some("5"), b"", 0)).after, Some(Duration::from_secs(5)));
    assert_eq!(later(&judge(503, None, b"", 0)).after, None);
}

#[test]
fn nothing_that_an_answer_says_is_repeated_but_codes() {
    assert_eq!(code(Some("invalid_grant")).as_deref(), Some("invalid_grant"));
    for text in [None, Some(""), Some("a b"), Some("<b>"), Some(&*"A".repeat(65)), Some("token=1")] {
        assert_eq!(code(text), None);
    }
    let Outcome::Later(later) = judge(500, None, &error("sec ret"), 0) else { panic!("later") };
    assert_eq!(later.reason, "Firebase says NOT_FOUND");
}
