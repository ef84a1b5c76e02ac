use actix_web::test::TestRequest;
use protocol::channels::ClientFrame;

use super::*;

fn asked(uri: &str, id: Option<&str>) -> Asked {
    let request = TestRequest::get().uri(uri);
    let request = match id {
        Some(id) => request.insert_header((LAST_EVENT_ID, id)),
        None => request,
    };
    Asked::read(&request.to_http_request()).expect("a request")
}

fn given(uri: &str, id: Option<&str>) -> Given {
    match asked(uri, id).back {
        Return::With(given) => given,
        Return::Unwanted => panic!("unwanted"),
    }
}

#[test]
fn channels_stand_in_one_parameter_or_several() {
    for (uri, channels) in [
        ("/events", &[][..]),
        ("/events?channels=", &[]),
        ("/events?channels=jobs,payments", &["jobs", "payments"]),
        ("/events?channels=jobs&channels=a%3Ab,,c%2Fd&x=1", &["jobs", "a:b", "c/d"]),
    ] {
        assert_eq!(asked(uri, None).channels, channels, "{uri}");
    }
}

#[test]
fn the_first_token_and_ticket_of_the_query_count() {
    let Credentials { ticket, token } = asked("/events?token=&token=a&token=b&ticket=c", None).credentials;
    assert_eq!((ticket.as_deref(), token.as_deref()), (Some("c"), Some("a")));
}

#[test]
fn the_header_is_younger_than_the_query() {
    let named = |given: Given| match given {
        Given::Positions(positions) => positions.into_keys().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let uri = "/events?last_event_id=query~AAAAAAAA~1";
    assert_eq!(named(given(uri, None)), ["query"]);
    assert_eq!(named(given(uri, Some("header~AAAAAAAA~1"))), ["header"]);
    assert_eq!(named(given(uri, Some(""))), ["query"]);
    assert_eq!(given("/events", Some("what?")), Given::Unreadable);
    assert_eq!(given("/events?last_event_id=%21", None), Given::Unreadable);
    assert_eq!(asked(uri, Some(STOP)).back, Return::Unwanted);
}

#[test]
fn the_frame_is_one_that_the_engine_reads() {
    let channels = vec!["jobs".to_owned(), "\"\\".to_owned()];
    let long = format!("s~AAAAAAAA~{}", u64::MAX);
    for (id, count) in
        [(None, 0), (Some("jobs~AAAAAAAA~5,user:7~AAAAAAAB~6"), 2), (Some("x"), 3), (Some(&*long), 1)]
    {
        let text = subscribe(&channels, &given("/events", id), None);
        let Ok(ClientFrame::Subscribe(wish)) = ClientFrame::parse(&text) else { panic!("{text}") };
        assert_eq!((wish.channels.len(), wish.recovery.map(|given| given.len())), (2, Some(count)), "{text}");
    }
}

#[test]
fn a_query_may_be_as_long_as_the_longest_id() {
    let uri = |length: usize| format!("/events?x={}", "x".repeat(length));
    assert!(Asked::read(&TestRequest::get().uri(&uri(MAX_QUERY - 2)).to_http_request()).is_ok());
    let refused = Asked::read(&TestRequest::get().uri(&uri(MAX_QUERY - 1)).to_http_request());
    assert_eq!(refused.expect_err("too long").status(), StatusCode::URI_TOO_LONG);
}
