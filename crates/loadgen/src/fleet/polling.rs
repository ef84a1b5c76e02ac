//! Receivers that poll: Engine.IO's HTTP long polling on one keep-alive connection each, one request after the other.
//!
//! A poll is asked as soon as the last is answered; what the client has to say goes between two polls. Browsers may use a second
//! connection for that. Not in it: what the packets say ([`super::socketio`]), upgrades.

use std::io::Write as _;

use serde_json::Value;

use super::socketio::{PATH, PONG, Reply};
use super::{Fleet, Stage};
use crate::http;

/// Between two packets of one answer.
const SEPARATOR: u8 = 0x1e;
/// How a server confirms a POST.
const CONFIRMED: &[u8] = b"ok";

impl Fleet {
    /// Asks for a session, once the connection is there.
    pub(super) fn begin_to_poll(&mut self, seat: usize) {
        if let Some(receiver) = self.receivers[seat].as_mut() {
            receiver.stage = Stage::Subscribing;
        }
        self.sids.resize(self.seats.len(), String::new());
        self.sids[seat].clear();
        self.poll_again(seat);
    }

    /// Handles the whole answers at the start of `bytes` and says how many bytes they were.
    pub(super) fn take_polls(&mut self, seat: usize, bytes: &[u8], now_ns: u64) -> usize {
        let mut used = 0;
        loop {
            match http::next_answer(&bytes[used..]) {
                Ok(None) => return used,
                Ok(Some(answer)) if answer.status == 200 => {
                    used += answer.len;
                    self.polled(seat, answer.body, now_ns);
                }
                Ok(Some(answer)) => {
                    self.refused += 1;
                    let told = format!("{} {}", answer.status, String::from_utf8_lossy(answer.body));
                    self.lose(seat, &told);
                    return bytes.len();
                }
                Err(error) => {
                    self.lose(seat, &error.to_string());
                    return bytes.len();
                }
            }
        }
    }

    /// Handles the packets of one answer, and asks the next question.
    fn polled(&mut self, seat: usize, body: &[u8], now_ns: u64) {
        let mut reply = Reply::Nothing;
        if body != CONFIRMED {
            for packet in body.split(|&byte| byte == SEPARATOR) {
                match self.packet(seat, packet, now_ns) {
                    Reply::Nothing => {}
                    Reply::Connect => {
                        self.learn_session(seat, packet);
                        reply = Reply::Connect;
                    }
                    Reply::Pong => reply = Reply::Pong,
                }
            }
        }
        if self.is_closed(seat) {
            return;
        }
        let mut said = Vec::new();
        match reply {
            Reply::Nothing => return self.poll_again(seat),
            Reply::Pong => said.extend_from_slice(PONG),
            Reply::Connect => {
                if let Some(words) = &self.words {
                    words.write_connect(&mut said, self.seats[seat].token.as_deref());
                }
            }
        }
        self.request.clear();
        self.write_target(seat, "POST");
        let _ = write!(
            self.request,
            "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            said.len()
        );
        self.request.extend_from_slice(&said);
        self.send_request(seat);
    }

    /// Keeps the session's id of an open packet.
    fn learn_session(&mut self, seat: usize, packet: &[u8]) {
        let opened: Option<Value> = serde_json::from_slice(&packet[1..]).ok();
        if let Some(sid) = opened.as_ref().and_then(|opened| opened["sid"].as_str()) {
            sid.clone_into(&mut self.sids[seat]);
        }
    }

    fn poll_again(&mut self, seat: usize) {
        self.request.clear();
        self.write_target(seat, "GET");
        self.request.extend_from_slice(b"\r\n");
        self.send_request(seat);
    }

    /// Appends the head of a request up to its own headers.
    fn write_target(&mut self, seat: usize, method: &str) {
        let super::Entry::Namespace { host, .. } = &self.entry else { return };
        let sid = &self.sids[seat];
        let and = if sid.is_empty() { "" } else { "&sid=" };
        let _ = write!(self.request, "{method} {PATH}polling{and}{sid} HTTP/1.1\r\nHost: {host}\r\n");
    }
}
