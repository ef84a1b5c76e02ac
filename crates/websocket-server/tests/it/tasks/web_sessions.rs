//! Sessions of a web application: whose they are is what the application says, and nobody's where it says nothing good.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;
use test_kit::token::in_seconds;
use test_kit::{Client, Dial, Server, Signer, eventually};

use super::super::{SECRET, TextFile, launch};
use super::{expect_forbidden, expect_user, token};

/// What the application does with a question.
#[derive(Clone)]
enum Script {
    /// These bytes, and the end.
    Answer(String),
    /// So many bytes behind a good head.
    Endless,
    /// Nothing, until the other side gives up.
    Silence,
    /// The user whose id the cookie `sessionid` names.
    ByCookie,
}

/// A web application that says whose a session is.
struct Application {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    heads: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let script = Arc::new(Mutex::new(Script::ByCookie));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (known, told, over) = (Arc::clone(&script), Arc::clone(&heads), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            let mut answering = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Acquire) {
                    break;
                }
                let script = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let told = Arc::clone(&told);
                answering.push(thread::spawn(move || answer(stream, &script, &told)));
            }
            for thread in answering {
                let _ended = thread.join();
            }
        });
        Self { address, script, heads, ended, thread: Some(thread) }
    }

    fn does(&self, script: Script) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    fn answers(&self, status: &str, body: &str) {
        let length = body.len();
        self.does(Script::Answer(format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )));
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn url(&self) -> String {
        format!("http://{}/api/session?from=hub", self.address)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        let _last = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, script: &Script, heads: &Mutex<Vec<String>>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
    match script {
        Script::Answer(text) => drop(stream.write_all(text.as_bytes())),
        Script::Endless => {
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"user_id\":7,\"x\":\"",
            );
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        }
        Script::Silence => drop(stream.read(&mut byte)),
        Script::ByCookie => {
            let id = head
                .split("sessionid=")
                .nth(1)
                .and_then(|rest| rest.split([';', '\r']).next())
                .unwrap_or("null");
            let body = format!("{{\"user_id\":{id}}}");
            let text = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(text.as_bytes());
        }
    }
}

fn scene() -> (Application, Server) {
    let application = Application::new();
    let server = launch().env("JWT_SECRET", SECRET).env("SESSION_CHECK_URL", application.url()).start();
    (application, server)
}

fn with_cookie(server: &Server, cookie: &str) -> Dial<'static> {
    Client::dial(&server.ws_at("/ws/notifications/")).header("Cookie", cookie)
}

#[track_caller]
fn expect_unavailable(dial: Dial<'_>) {
    let refused = dial.attempt().expect_err("refused");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.headers.iter().any(|(name, _)| name == "retry-after"), "{refused:?}");
}

#[test]
fn a_session_is_the_users_that_the_application_names() {
    let (application, server) = scene();
    for (id, user) in [("123", json!(123)), ("\"a-b\"", json!("a-b"))] {
        let mut client = expect_user(with_cookie(&server, &format!("sessionid={id}")), &user);
        server.broadcast(&json!({ "type": "x", "user_id": user }));
        client.expect_type("x");
    }
    let head = application.heads()[0].to_lowercase();
    assert!(head.starts_with("get /api/session?from=hub http/1.1"), "{head}");
    assert!(
        head.contains("cookie: sessionid=123\r\n") && head.contains("accept: application/json"),
        "{head}"
    );
    application.answers(
        "200 OK",
        r#"{"user_id":7,"user_type":"caf\u00e9","name":"Anna","user_id_hash":"x","nested":{"a":[1]}}"#,
    );
    expect_user(with_cookie(&server, "sessionid=x"), &json!(7));
    application.answers("200 OK", &format!(r#"{{"user_id":7,"expires_at":{}}}"#, in_seconds(3600)));
    expect_user(with_cookie(&server, "sessionid=x"), &json!(7));
    application.answers("200 OK", &format!(r#"{{"user_id":7,"expires_at":{}.25}}"#, in_seconds(3600)));
    expect_user(with_cookie(&server, "sessionid=x"), &json!(7));
}

#[test]
fn who_has_no_session_is_refused_with_403() {
    let (application, server) = scene();
    expect_forbidden(Client::dial(&server.ws_at("/ws/notifications/")));
    assert_eq!(application.heads().len(), 0, "without a cookie nobody is asked");
    expect_forbidden(with_cookie(&server, "sessionid=null"));
    let nobody = [
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "302 Found\r\nlocation: /login",
        "204 No Content",
    ];
    for status in nobody {
        application.answers(status, "");
        expect_forbidden(with_cookie(&server, "sessionid=x"));
    }
    application.answers("200 OK", "{}");
    expect_forbidden(with_cookie(&server, "sessionid=x"));
    application.answers("200 OK", &format!(r#"{{"user_id":7,"expires_at":{}}}"#, in_seconds(-60)));
    expect_forbidden(with_cookie(&server, "sessionid=x"));
    server.wait_for_connections(0);
}

#[test]
fn a_redirect_is_not_followed() {
    let (application, server) = scene();
    let elsewhere = Application::new();
    application.does(Script::Answer(format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    )));
    expect_forbidden(with_cookie(&server, "sessionid=7"));
    assert_eq!(elsewhere.heads().len(), 0, "the cookies go nowhere else");
}

#[test]
fn an_application_that_cannot_say_is_no_reason_to_refuse_for_good() {
    let (application, server) = scene();
    for status in ["500 Internal Server Error", "502 Bad Gateway", "429 Too Many Requests", "400 Bad Request"]
    {
        application.answers(status, r#"{"user_id":7}"#);
        expect_unavailable(with_cookie(&server, "sessionid=x"));
    }
    for body in [
        "",
        "x",
        "[7]",
        "7",
        "null",
        "<html></html>",
        r#"{"user_id":[7]}"#,
        r#"{"user_id":1.5}"#,
        r#"{"user_id":""}"#,
        r#"{"user_id":7"#,
        r#"{"user_id":7}{"user_id":8}"#,
        r#"{"user_id":7,"user_id":8}"#,
        "{\"user_id\":\"\u{0}\u{0}",
    ] {
        application.answers("200 OK", body);
        let refused = with_cookie(&server, "sessionid=x").attempt();
        let refused = refused.err().unwrap_or_else(|| panic!("{body} let somebody in"));
        assert_eq!(refused.status, 503, "{body}: {refused:?}");
        assert!(!refused.body.contains("sessionid"), "{}", refused.body);
    }
    for broken in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"user_id\":7}",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\n",
    ] {
        application.does(Script::Answer(broken.to_owned()));
        expect_unavailable(with_cookie(&server, "sessionid=x"));
    }
    application.does(Script::Endless);
    expect_unavailable(with_cookie(&server, "sessionid=x"));
    application.does(Script::ByCookie);
    expect_user(with_cookie(&server, "sessionid=7"), &json!(7));
}

#[test]
fn an_application_that_does_not_answer_is_waited_for_five_seconds_and_delays_nobody_else() {
    let (application, server) = scene();
    application.does(Script::Silence);
    let begun = Instant::now();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| expect_unavailable(with_cookie(&server, "sessionid=x"))))
            .collect();
        eventually(Duration::from_secs(4), || application.heads().len() == 20);
        // Others are let in meanwhile.
        expect_user(
            Client::dial(&server.ws_at(&format!("/ws/notifications/?token={}", token(9)))),
            &json!(9),
        );
        let mut channels = Client::welcomed(&server.ws());
        server.broadcast(&json!({ "type": "x" }));
        channels.expect_type("x");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        for thread in waiting {
            thread.join().expect("refused");
        }
    });
    assert!(
        begun.elapsed() > Duration::from_secs(4) && begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn an_application_that_is_away_is_503() {
    let url = format!("http://{}/api/session", test_kit::free_address());
    let server = launch().env("JWT_SECRET", SECRET).env("SESSION_CHECK_URL", url).start();
    expect_unavailable(with_cookie(&server, "sessionid=7"));
    expect_user(Client::dial(&server.ws_at("/ws/notifications/")).bearer(&token(7)), &json!(7));
}

#[test]
fn a_good_token_asks_nobody_and_a_bad_one_in_the_address_is_not_outweighed_by_a_session() {
    let (application, server) = scene();
    expect_user(with_cookie(&server, &format!("sessionid=8; access_token={}", token(7))), &json!(7));
    assert_eq!(application.heads().len(), 0);
    let old = Signer::hs256(SECRET).token(&json!({ "user_id": 7, "exp": in_seconds(-60) }));
    expect_user(with_cookie(&server, &format!("access_token={old}; sessionid=8")), &json!(8));
    assert_eq!(application.heads().len(), 1, "a cookie that is out of date does not outweigh a session");
    let dial =
        Client::dial(&server.ws_at("/ws/notifications/?token=garbage")).header("Cookie", "sessionid=8");
    expect_forbidden(dial);
}

#[test]
fn a_page_of_another_origin_cannot_use_the_session() {
    let (application, server) = scene();
    for origin in ["http://localhost:3000", "null", "https://evil.example"] {
        let refused = with_cookie(&server, "sessionid=7").origin(origin).attempt().expect_err("refused");
        assert_eq!(refused.status, 403, "{origin}");
    }
    assert_eq!(application.heads().len(), 0, "and nobody is asked");
    expect_user(
        with_cookie(&server, "sessionid=7").origin(&format!("http://{}", server.address())),
        &json!(7),
    );
}

#[test]
fn a_session_with_an_end_is_closed_then() {
    let (application, server) = scene();
    application.answers("200 OK", &format!(r#"{{"user_id":7,"expires_at":{}}}"#, in_seconds(7)));
    let mut client = expect_user(with_cookie(&server, "sessionid=x"), &json!(7));
    let (_, code, reason) = client.collect_until_close(Duration::from_secs(40));
    assert_eq!((code, reason.as_str()), (4001, "Unauthorized"));
}

#[test]
fn neither_cookies_nor_the_address_are_in_the_log() {
    let application = Application::new();
    let file = TextFile::new("x.toml", "");
    let server = launch()
        .env("JWT_SECRET", SECRET)
        .env("FANFARE_CONFIG", file.path())
        .env("RUST_LOG", "trace")
        .env("SESSION_CHECK_URL", application.url())
        .start();
    application.answers("500 Oh", "secret-of-the-application");
    expect_unavailable(with_cookie(&server, "sessionid=s3cret-session"));
    server.wait_for_log("whose a session is could not be found out");
    application.does(Script::ByCookie);
    expect_user(with_cookie(&server, "other=s3cret-session; sessionid=7"), &json!(7));
    assert!(
        !server.log().contains("s3cret-session") && !server.log().contains("secret-of-the-application"),
        "{}",
        server.log()
    );
}
