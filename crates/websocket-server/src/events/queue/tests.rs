use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::reactor::Prepared;

/// A task that counts how often it is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Bench {
    prepared: Prepared,
    task: Arc<Task>,
    writer: Writer,
    body: Body,
    bond: Rc<Bond>,
}

impl Bench {
    fn new() -> Self {
        let prepared = Prepared::new().expect("a poll");
        let bond = Rc::<Bond>::default();
        let (writer, body) = pair(prepared.handle(), Some(Rc::clone(&bond)));
        Self { prepared, task: Arc::default(), writer, body, bond }
    }

    fn poll(&mut self) -> Poll<Option<Result<Bytes, Infallible>>> {
        let waker = Waker::from(Arc::clone(&self.task));
        Pin::new(&mut self.body).poll_next(&mut Context::from_waker(&waker))
    }

    /// All that is there, piece by piece.
    fn drain(&mut self) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let mut pauses = 0;
        loop {
            match self.poll() {
                Poll::Ready(Some(Ok(piece))) => {
                    pauses = 0;
                    pieces.push(piece);
                }
                Poll::Ready(_) => return pieces,
                Poll::Pending if pauses > 0 => return pieces,
                Poll::Pending => pauses += 1,
            }
        }
    }

    fn announced(&self) -> usize {
        self.prepared.handle().queues().len()
    }
}

#[test]
fn what_is_written_comes_out_and_the_reader_is_woken_once() {
    let mut bench = Bench::new();
    assert!(bench.poll().is_pending());
    for part in ["a", "b", "c"] {
        assert_eq!(bench.writer.write(part.as_bytes()).expect("room"), 1);
    }
    assert_eq!(bench.task.0.load(Ordering::Relaxed), 1);
    assert_eq!(bench.drain(), [Bytes::from("abc")]);
    assert!(bench.writer.is_empty());
    assert_eq!(bench.announced(), 0, "nobody waits for room");
    assert_eq!(bench.body.queue.lock().bytes.capacity(), 0, "an empty queue holds no buffer");
}

#[test]
fn a_full_queue_blocks_until_it_is_empty_and_then_says_so_once() {
    let mut bench = Bench::new();
    bench.writer.place(7);
    let text: Vec<u8> = (0..=250).cycle().take(CAPACITY + 1_000).collect();
    assert_eq!(bench.writer.write(&text).expect("room"), CAPACITY);
    assert_eq!(bench.writer.write(b"x").expect_err("full").kind(), io::ErrorKind::WouldBlock);
    let pieces = bench.drain();
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE) && pieces.concat() == text[..CAPACITY]);
    assert_eq!(bench.announced(), 1);
    assert_eq!(bench.body.queue.notice(), Some((7, Notice::Room)));
    assert_eq!(bench.writer.write(&text[CAPACITY..]).expect("room"), 1_000);
}

#[test]
fn the_end_of_the_shard_comes_behind_what_it_wrote() {
    let mut bench = Bench::new();
    assert_eq!(bench.writer.write(b"last").expect("room"), 4);
    bench.writer.end();
    assert!(bench.writer.write(b"x").is_err());
    assert_eq!(bench.drain(), [Bytes::from("last")]);
    assert!(matches!(bench.poll(), Poll::Ready(None)));
}

#[test]
fn a_shard_that_drops_its_end_ends_the_answer() {
    let Bench { task, writer, mut body, .. } = Bench::new();
    drop(writer);
    let waker = Waker::from(task);
    let polled = Pin::new(&mut body).poll_next(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(None)));
}

#[test]
fn a_body_that_is_dropped_is_announced_to_the_shard_once() {
    let Bench { prepared, writer, body, .. } = Bench::new();
    let queue = Arc::clone(&body.queue);
    writer.place(3);
    assert_eq!(writer.write(b"x").expect("room"), 1);
    drop(body);
    assert_eq!(prepared.handle().queues().len(), 1);
    assert_eq!(queue.notice(), Some((3, Notice::Abandoned)));
    assert_eq!(writer.write(b"x").expect_err("nobody reads").kind(), io::ErrorKind::BrokenPipe);
    assert!(writer.is_of(&queue));
}

#[test]
fn a_peer_that_is_gone_ends_the_answer() {
    let mut bench = Bench::new();
    assert!(bench.poll().is_pending());
    bench.bond.tell_that_peer_is_gone();
    assert!(matches!(bench.poll(), Poll::Ready(None)));
}
