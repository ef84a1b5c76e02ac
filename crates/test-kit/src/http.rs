//! One HTTP/1.1 request over a connection of its own, and its whole answer.
//!
//! Understands answers with `Content-Length`, with chunks, and such as end with the connection. No keep-alive, no
//! redirects, no compression: a test that wants those says so in its own bytes ([`crate::RawClient`]).

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::stream::Stream;
use crate::tls::Certificate;
use crate::wait::{PATIENCE, left};

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields in the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, taken out of its chunks where it came in some.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header field; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, with replacement characters where it is none.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}), status {}: {}", self.status, self.text()),
        }
    }

    /// The stable `code` of a problem document.
    ///
    /// # Panics
    /// When the answer is not `application/problem+json` with a `code`.
    #[must_use]
    #[track_caller]
    pub fn problem_code(&self) -> String {
        let kind = self.header("content-type").unwrap_or_default().to_owned();
        assert!(
            kind.starts_with("application/problem+json"),
            "status {}, {kind}: {}",
            self.status,
            self.text()
        );
        match self.json()["code"].as_str() {
            Some(code) => code.to_owned(),
            None => panic!("a problem without `code`: {}", self.text()),
        }
    }
}

/// `GET path`.
///
/// # Panics
/// When no whole answer comes in time.
#[track_caller]
pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(address, "GET", path, headers, None)
}

/// `POST path` with a JSON body.
///
/// # Panics
/// When no whole answer comes in time.
#[track_caller]
pub fn post_json(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    request(address, "POST", path, &all, Some(body.to_string().as_bytes()))
}

/// Any request. `host` and `content-length` are added unless `headers` has them; `connection: close` always is.
///
/// # Panics
/// When no whole answer comes in time.
#[track_caller]
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Answer {
    match try_request(address, None, method, path, headers, body) {
        Ok(answer) => answer,
        Err(error) => panic!("{method} {path} at {address}: {error}"),
    }
}

/// As [`request`], over TLS.
///
/// # Panics
/// When no whole answer comes in time.
#[track_caller]
pub fn request_tls(
    address: SocketAddr,
    trust: &Certificate,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Answer {
    match try_request(address, Some(trust), method, path, headers, body) {
        Ok(answer) => answer,
        Err(error) => panic!("{method} {path} at {address} over TLS: {error}"),
    }
}

/// Any request, where that it fails is an answer too.
///
/// # Errors
/// When the connection is refused or breaks, when the answer is not HTTP, or when it takes longer than
/// [`PATIENCE`].
pub fn try_request(
    address: SocketAddr,
    trust: Option<&Certificate>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> io::Result<Answer> {
    let end = Instant::now() + PATIENCE;
    let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
    let mut stream = match trust {
        Some(trust) => trust.wrap(tcp),
        None => Stream::Plain(tcp),
    };
    stream.set_timeout(Some(PATIENCE))?;
    let given = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !given("host") {
        let _ = write!(head, "host: {address}\r\n");
    }
    if let Some(body) = body
        && !given("content-length")
    {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let mut message = head.into_bytes();
    message.extend_from_slice(body.unwrap_or_default());
    // A server that refuses a large body may answer and stop reading before all of it is sent.
    let sent = stream.write_all(&message).and_then(|()| stream.flush());
    match read_answer(&mut stream, method, end) {
        Ok(answer) => Ok(answer),
        Err(error) => Err(sent.err().unwrap_or(error)),
    }
}

fn read_answer(stream: &mut Stream, method: &str, end: Instant) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(found) = find(&bytes, b"\r\n\r\n") {
            break found;
        }
        if more(stream, &mut bytes, end)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended before the answer",
            ));
        }
    };
    let (status, headers) = parse_head(&bytes[..head_end])?;
    let mut answer = Answer { status, headers, body: Vec::new() };
    let mut rest = bytes.split_off(head_end + 4);
    if method == "HEAD" || status == 204 || status == 304 || status < 200 {
        return Ok(answer);
    }
    let chunked =
        answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let length = answer.header("content-length").and_then(|value| value.parse::<usize>().ok());
    loop {
        if chunked {
            if let Some(body) = dechunk(&rest)? {
                answer.body = body;
                return Ok(answer);
            }
        } else if length.is_some_and(|length| rest.len() >= length) {
            rest.truncate(length.unwrap_or_default());
            answer.body = rest;
            return Ok(answer);
        }
        if more(stream, &mut rest, end)? == 0 {
            if chunked || length.is_some() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body ended too early"));
            }
            answer.body = rest;
            return Ok(answer);
        }
    }
}

fn more(stream: &mut Stream, bytes: &mut Vec<u8>, end: Instant) -> io::Result<usize> {
    stream.set_timeout(Some(left(end)))?;
    let mut buffer = [0; 16 * 1024];
    let count = match stream.read(&mut buffer) {
        Ok(count) => count,
        // A TLS peer may close without saying so; what matters is whether the answer is whole.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
        Err(error) => return Err(error),
    };
    bytes.extend_from_slice(&buffer[..count]);
    Ok(count)
}

/// The status and the header fields of a head without its empty line.
pub(crate) fn parse_head(head: &[u8]) -> io::Result<(u16, Vec<(String, String)>)> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the answer's head is not HTTP");
    let head = std::str::from_utf8(head).map_err(|_| malformed())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let fields = fields.collect::<Option<Vec<_>>>();
    status.zip(fields).ok_or_else(malformed)
}

/// The body once its last chunk is there.
fn dechunk(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "a malformed chunk");
    let mut body = Vec::new();
    loop {
        let Some(line_end) = find(rest, b"\r\n") else { return Ok(None) };
        let line = std::str::from_utf8(&rest[..line_end]).map_err(|_| malformed())?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed())?;
        let start = line_end + 2;
        if rest.len() < start + size + 2 {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(&rest[start..start + size]);
        rest = &rest[start + size + 2..];
    }
}

pub(crate) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
