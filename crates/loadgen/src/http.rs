//! Publishing over keep-alive HTTP: requests are written as bytes, answers are found by their length.
//!
//! Not in it: chunked answers (refused by name), redirects, TLS.

#[cfg(test)]
mod tests;

use std::io::Write as _;

use anyhow::{Result, bail};

/// Where to publish.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) api_key: Option<String>,
}

impl Endpoint {
    /// Appends a whole request.
    pub(crate) fn write_post(&self, out: &mut Vec<u8>, path: &str, body: &[u8]) {
        let _ = write!(out, "POST {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if let Some(key) = &self.api_key {
            let _ = write!(out, "Authorization: Bearer {key}\r\n");
        }
        let _ = write!(out, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        out.extend_from_slice(body);
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
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    number(value.trim_ascii())
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
