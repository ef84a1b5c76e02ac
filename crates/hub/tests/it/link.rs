//! A link whose other side the test holds: it takes as much as it has room for, and keeps what it got.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::rc::Rc;

use hub::Link;

/// What both sides see.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Everything that arrived.
    pub(crate) received: Vec<u8>,
    /// How many bytes it takes before it blocks; none is no limit.
    pub(crate) room: Option<usize>,
    /// Whether every write fails.
    pub(crate) is_broken: bool,
    /// Writes that are interrupted before they do anything.
    pub(crate) interruptions: usize,
    /// Whether the hub said that nothing follows.
    pub(crate) is_shut: bool,
    /// Calls that wrote something.
    pub(crate) writes: usize,
}

/// The hub's side.
#[derive(Debug)]
pub(crate) struct FakeLink(Rc<RefCell<Pipe>>);

/// A link and its other side.
pub(crate) fn pipe() -> (FakeLink, Rc<RefCell<Pipe>>) {
    let pipe = Rc::new(RefCell::new(Pipe {
        received: Vec::new(),
        room: None,
        is_broken: false,
        interruptions: 0,
        is_shut: false,
        writes: 0,
    }));
    (FakeLink(Rc::clone(&pipe)), pipe)
}

impl Link for FakeLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        assert!(!pipe.is_shut, "nothing is written after the end");
        if pipe.interruptions > 0 {
            pipe.interruptions -= 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        if pipe.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if pipe.room == Some(0) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut taken = 0;
        for piece in pieces {
            let take = pipe.room.map_or(piece.len(), |room| room.min(piece.len()));
            pipe.received.extend_from_slice(&piece[..take]);
            pipe.room = pipe.room.map(|room| room - take);
            taken += take;
        }
        pipe.writes += 1;
        Ok(taken)
    }

    fn shutdown(&mut self) {
        self.0.borrow_mut().is_shut = true;
    }
}
