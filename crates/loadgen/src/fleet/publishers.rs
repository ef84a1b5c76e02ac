//! The publishing connections of [`Fleet`]: HTTP keep-alive, one request under way on each.

use std::io::{ErrorKind, Read as _, Write as _};

use anyhow::{Context as _, Result, bail};
use mio::net::TcpStream;
use mio::{Interest, Token};

use super::entry::dial;
use super::{Fleet, PUBLISHERS};
use crate::http::{self, Endpoint};
use crate::order::Order;

#[derive(Debug, Default)]
pub(super) struct Publisher {
    /// `None` before the first request, and once the server has ended a connection that had nothing under way.
    stream: Option<TcpStream>,
    carry: Vec<u8>,
    backlog: Vec<u8>,
    waiting: bool,
}

impl Publisher {
    /// Writes what the socket takes; the rest goes when it is writable.
    fn flush(&mut self) -> Result<()> {
        let Some(stream) = self.stream.as_mut() else { return Ok(()) };
        let mut written = 0;
        while written < self.backlog.len() {
            match stream.write(&self.backlog[written..]) {
                Ok(count) => written += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) => return Err(error).context("writing a publish request"),
            }
        }
        self.backlog.drain(..written);
        Ok(())
    }
}

impl Fleet {
    /// Makes room for `count` keep-alive connections to publish on; each is dialled with its first request, since servers end
    /// connections that ask nothing.
    pub(crate) fn add_publishers(&mut self, count: usize) {
        self.publishers.extend((0..count).map(|_| Publisher::default()));
        if self.words.is_some() {
            self.order = Order::new(self.seats.len(), self.publishers.len());
        }
    }

    fn dial_publisher(&self, at: usize) -> Result<TcpStream> {
        let mut stream = dial(self.desk_of(at), self.source_base + at)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(PUBLISHERS + at), interest)?;
        Ok(stream)
    }

    /// Posts `body` on one of the publishing connections.
    pub(crate) fn post(&mut self, at: usize, endpoint: &Endpoint, path: &str, body: &[u8]) -> Result<()> {
        if self.publishers[at].stream.is_none() {
            let stream = self.dial_publisher(at)?;
            self.publishers[at].stream = Some(stream);
        }
        let publisher = &mut self.publishers[at];
        endpoint.write_post(&mut publisher.backlog, path, body);
        publisher.waiting = true;
        publisher.flush()
    }

    /// Takes the publishers that have been answered since the last call.
    pub(crate) fn take_answers(&mut self, into: &mut Vec<usize>) {
        into.append(&mut self.answers);
    }

    pub(super) fn publisher_ready(&mut self, at: usize, writable: bool) -> Result<()> {
        let publisher = &mut self.publishers[at];
        if writable {
            publisher.flush()?;
        }
        loop {
            let Some(stream) = publisher.stream.as_mut() else { return Ok(()) };
            match stream.read(&mut self.buffer) {
                Ok(0) if publisher.waiting => bail!("the server closed a connection without an answer"),
                Ok(0) => publisher.stream = None,
                Ok(count) => {
                    publisher.carry.extend_from_slice(&self.buffer[..count]);
                    if count < self.buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("a publishing connection"),
            }
        }
        if publisher.carry.is_empty() {
            return Ok(());
        }
        if !publisher.waiting {
            // An answer nobody asked for: 408 of a server that has waited long enough.
            publisher.carry.clear();
            publisher.stream = None;
            return Ok(());
        }
        let mut used = 0;
        while let Some(answer) = http::next_answer(&publisher.carry[used..])? {
            let refused = memchr::memmem::find(answer.body, b"\"success\":false").is_some();
            if answer.status != 200 || refused {
                bail!("publish answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
            }
            publisher.waiting = false;
            self.answers.push(at);
            used += answer.len;
        }
        publisher.carry.drain(..used);
        Ok(())
    }
}
