//! Requests and answers of the publishing side.

use super::*;

#[test]
fn an_answer_waits_for_its_whole_body_and_leaves_what_follows() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\n{}HTTP/1.1 200";
    let whole = bytes.len() - 12;
    for cut in [0, 10, 40, whole - 1] {
        assert_eq!(next_answer(&bytes[..cut]).unwrap(), None, "cut {cut}");
    }
    assert_eq!(next_answer(bytes).unwrap(), Some(Answer { status: 200, body: b"{}", len: whole }));
}

#[test]
fn header_names_are_read_in_any_case() {
    let bytes = b"HTTP/1.1 503 Busy\r\ncontent-LENGTH:0\r\n\r\n";
    assert_eq!(next_answer(bytes).unwrap().unwrap().status, 503);
}

#[test]
fn chunked_answers_and_other_protocols_are_refused_by_name() {
    let chunked = next_answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap_err();
    assert!(chunked.to_string().contains("without content-length"));
    assert!(next_answer(b"SSH-2.0\r\n\r\n").unwrap_err().to_string().contains("not an HTTP"));
}

#[test]
fn a_request_names_its_host_its_key_and_its_length() {
    let endpoint = Endpoint { host: "127.0.0.1:9".to_owned(), api_key: Some("k".to_owned()) };
    let mut out = Vec::new();
    endpoint.write_post(&mut out, "/broadcast", b"{}");
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("POST /broadcast HTTP/1.1\r\nHost: 127.0.0.1:9\r\nAuthorization: Bearer k\r\n"));
    assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"));
}
