//! Publishing over keep-alive HTTP: requests are written as bytes, answers are found by their length.
//!
//! Not in it: chunked answers (refused by name), redirects, TLS.

#[cfg(test)]
mod tests;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where to publish.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) api_key: Option<String>,
}

impl Endpoint {
    /// Appends a whole request.
    pub(crate) fn write_post(&self, out: &mut Vec<u8>, path: &str, body: &[u8]) {
        self.write_head(out, "POST", path);
        let _ = write!(out, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        out.extend_from_slice(body);
    }

    /// The same without a body.
    pub(crate) fn write_get(&self, out: &mut Vec<u8>, path: &str) {
        self.write_head(out, "GET", path);
        out.extend_from_slice(b"\r\n");
    }

    fn write_head(&self, out: &mut Vec<u8>, method: &str, path: &str) {
        let _ = write!(out, "{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if let Some(key) = &self.api_key {
            let _ = write!(out, "Authorization: Bearer {key}\r\n");
        }
    }
}

/// Asks for `path` once and gives the body of the answer; it blocks.
///
/// # Errors
/// The server cannot be reached, or answers another status than 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 * 1024];
    loop {
        if let Some(answer) = next_answer(&bytes)? {
            if answer.status != 200 {
                bail!("GET {path} answered {}", answer.status);
            }
            return Ok(String::from_utf8_lossy(answer.body).into_owned());
        }
        let read = stream.read(&mut part)?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        bytes.extend_from_slice(&part[..read]);
    }
}

/// A whole answer at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Bytes of head and body together.
    pub(crate) len: usize,
}

/// The first answer of `bytes`, `None` while it is incomplete.
///
/// # Errors
/// Says what it is when it is not HTTP/1.1 with a `Content-Length`.
pub(crate) fn next_answer(bytes: &[u8]) -> Result<Option<Answer<'_>>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..end];
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(number);
    let Some(status) = status else { bail!("not an HTTP/1.1 answer: {}", String::from_utf8_lossy(head)) };
    let Some(length) = head.split(|byte| *byte == b'\n').find_map(content_length) else {
        bail!("an answer without content-length: {}", String::from_utf8_lossy(head));
    };
    let whole = end + 4 + length;
    let Some(body) = bytes.get(end + 4..whole) else { return Ok(None) };
    Ok(Some(Answer { status: u16::try_from(status)?, body, len: whole }))
}

fn content_length(line: &[u8]) -> Option<usize> {
    number(header(line, b"content-length:")?)
}

/// The time in which an answer says that the caller is to come again, in seconds; none where it does not say so.
pub(crate) fn retry_after(answer: &[u8]) -> Option<usize> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    answer[..end].split(|byte| *byte == b'\n').find_map(|line| number(header(line, b"retry-after:")?))
}

/// Whether an answer says that it is the last on its connection.
pub(crate) fn is_last(answer: &[u8]) -> bool {
    let end = memchr::memmem::find(answer, b"\r\n\r\n").unwrap_or(answer.len());
    let mut lines = answer[..end].split(|byte| *byte == b'\n');
    lines.any(|line| header(line, b"connection:").is_some_and(|value| value.eq_ignore_ascii_case(b"close")))
}

/// The value of a line that begins with `name`.
fn header<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
