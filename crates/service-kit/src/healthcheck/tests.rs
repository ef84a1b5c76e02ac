//! A listener of the test plays the process that is asked.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;

use super::{Target, Unwell, asked};

fn texts(all: &[&str]) -> Vec<OsString> {
    all.iter().map(OsString::from).collect()
}

fn variables(all: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    all.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn target(args: &[&str], env: &[(&str, &str)]) -> Result<String, Unwell> {
    let mut all = vec!["program", "--healthcheck"];
    all.extend(args);
    Target::of(&texts(&all), &variables(env), 8081).map(|target| target.address.to_string())
}

/// Answers one request with this text; the check's result.
fn answered(text: &'static str) -> Result<(), Unwell> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 256];
        while !request.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(text.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    let result = Target { address, encrypted: false }.check();
    assert!(server.join().unwrap().starts_with("GET /health HTTP/1.1\r\n"));
    result
}

#[test]
fn without_the_flag_nothing_is_asked() {
    assert!(asked(texts(&["program", "--port", "1"]), variables(&[("PORT", "1")]), 8081).is_none());
    assert!(asked(texts(&["--healthcheck"]), variables(&[]), 8081).is_none());
}

#[test]
fn the_one_asked_is_where_the_settings_say_that_it_listens() {
    assert_eq!(target(&[], &[]), Ok("127.0.0.1:8081".to_owned()));
    assert_eq!(target(&[], &[("HOST", "0.0.0.0"), ("PORT", "8000")]), Ok("127.0.0.1:8000".to_owned()));
    assert_eq!(target(&[], &[("HOST", "::"), ("PORT", "")]), Ok("[::1]:8081".to_owned()));
    assert_eq!(target(&[], &[("HOST", "127.9.8.7")]), Ok("127.9.8.7:8081".to_owned()));
    assert_eq!(target(&["--host", "localhost", "--port=9"], &[("PORT", "8")]), Ok("127.0.0.1:9".to_owned()));
}

#[test]
fn a_setting_that_names_no_address_is_said() {
    for (env, begins) in
        [(("HOST", "somewhere"), "HOST: "), (("PORT", "http"), "PORT: "), (("PORT", "0"), "PORT: 0")]
    {
        let Unwell(why) = target(&[], &[env]).unwrap_err();
        assert!(why.starts_with(begins), "{why}");
    }
}

#[test]
fn only_an_answer_of_success_is_well() {
    assert_eq!(answered("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), Ok(()));
    for (text, told) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "is answered 503"),
        ("SSH-2.0-other\r\n", "is not answered in HTTP"),
        ("", "is not answered in HTTP"),
    ] {
        let Unwell(why) = answered(text).unwrap_err();
        assert!(why.ends_with(told), "{why}");
    }
}

#[test]
fn where_nobody_listens_it_fails_with_the_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Unwell(why) = Target { address: free, encrypted: false }.check().unwrap_err();
    assert!(why.starts_with(&free.to_string()), "{why}");
}

#[test]
fn a_port_that_speaks_tls_is_well_when_it_takes_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let env = variables(&[("TLS_CERT_FILE", "cert.pem"), ("PORT", &port)]);
    let code = asked(texts(&["program", "--healthcheck"]), env, 8081);
    assert_eq!(format!("{code:?}"), format!("{:?}", Some(ExitCode::SUCCESS)));
}
