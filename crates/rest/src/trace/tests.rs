use super::*;

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_request_keeps_its_trace_with_a_part_of_our_own() {
    let request = actix_web::test::TestRequest::get().insert_header(("traceparent", GIVEN)).to_http_request();
    let trace = Trace::of(&request);
    assert_eq!(trace.id(), GIVEN[3..35]);
    assert_ne!(trace.header(), GIVEN);
    let request = actix_web::test::TestRequest::get().insert_header(("traceparent", "x")).to_http_request();
    assert_ne!(Trace::of(&request).id(), Trace::of(&request).id());
}
