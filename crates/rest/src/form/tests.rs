use super::*;

fn problem(body: &[u8]) -> Problem {
    Form::parse(body).expect_err("a refusal").0
}

#[test]
fn what_is_no_json_is_400_and_what_is_no_object_422() {
    for body in [&b""[..], b"  ", b"{", b"{\"a\":}", b"\xff", b"{\"a\":1} x", b"{\"a\":\"\xff\"}"] {
        assert_eq!(problem(body).status(), StatusCode::BAD_REQUEST, "{body:?}");
    }
    for body in [&b"[]"[..], b"null", b"7", b"\"x\""] {
        assert_eq!(problem(body).status(), StatusCode::UNPROCESSABLE_ENTITY, "{body:?}");
    }
}

#[test]
fn every_wrong_member_is_named_and_only_those() {
    let body = br#"{"title":"", "pay":7, "kind":"x", "extra":[], "gone":null}"#;
    let mut form = Form::parse(body).expect("an object");
    assert_eq!(form.required("title", text(1, 200)), Err(Wrong));
    assert_eq!(form.required("pay", id), Ok(7));
    assert_eq!(form.required("kind", word(&["a", "b"], |word| word)), Err(Wrong));
    assert_eq!(form.required("gone", id), Err(Wrong));
    assert_eq!(form.optional("absent", id), Ok(None));
    let problem = form.finish().expect_err("wrong members").0;
    let named: Vec<&str> = problem.members().iter().map(|it| it.member.as_ref()).collect();
    assert_eq!(named, ["title", "kind", "gone"]);
}

#[test]
fn a_text_counts_characters_and_is_data_but_for_the_zero() {
    assert_eq!(text(1, 2)("\"äö\""), Ok("äö".to_owned()));
    assert!(text(1, 2)("\"abc\"").is_err());
    assert!(text(0, 9)("\"a\\u0000\"").is_err());
    assert!(text(0, 9)("\"\\ud800\"").is_err());
    assert_eq!(text(0, 99)("\" '; DROP <b>\\u0001 \""), Ok(" '; DROP <b>\u{1} ".to_owned()));
}

#[test]
fn an_id_is_a_whole_number_that_javascript_holds() {
    assert_eq!(id("9007199254740991"), Ok(9_007_199_254_740_991));
    for wrong in
        ["0", "-1", "1.0", "1e3", "+1", "007", "9007199254740992", "\"1\"", "true", "99999999999999999999"]
    {
        assert!(id(wrong).is_err(), "{wrong}");
    }
}
