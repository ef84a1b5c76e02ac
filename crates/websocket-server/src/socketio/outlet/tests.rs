use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use protocol::websocket::{binary_frame, close_frame, text_frame};

use super::*;
use crate::socket::Transport;

fn polling() -> (Rc<RefCell<Outlet>>, Rc<Marks>) {
    let marks = Rc::<Marks>::default();
    (Rc::new(RefCell::new(Outlet::new(7, Rc::clone(&marks), None))), marks)
}

fn wait(outlet: &Rc<RefCell<Outlet>>) -> oneshot::Receiver<Answer> {
    let (poll, answer) = oneshot::channel();
    outlet.borrow_mut().wait(poll);
    answer
}

fn payload_of(answer: &mut oneshot::Receiver<Answer>) -> Option<String> {
    match answer.try_recv().ok()? {
        Answer::Payload(payload) => Some(String::from_utf8(payload.to_vec()).expect("text")),
        other => panic!("{other:?}"),
    }
}

fn is_full(outcome: io::Result<usize>) -> bool {
    matches!(outcome, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn a_poll_is_answered_with_all_that_a_turn_had_for_it() {
    let (outlet, marks) = polling();
    let (mut one, mut other) = (Member(Rc::clone(&outlet)), Member(Rc::clone(&outlet)));
    assert!(is_full(one.write(&text_frame(b"42[\"early\"]"))), "it waits in the socket's outbox");
    let mut answer = wait(&outlet);
    let long = text_frame(format!("42[\"{}\"]", "x".repeat(200)).as_bytes());
    let both = [&text_frame(b"42[\"a\"]")[..], &long[..]].concat();
    assert_eq!(one.write(&both).expect("room"), both.len());
    other
        .write_vectored(&[IoSlice::new(&text_frame(b"451-[\"b\"]")), IoSlice::new(&binary_frame(&[1, 2, 3]))])
        .expect("room");
    outlet.borrow_mut().control(&text_frame(b"2"), 100).expect("room");
    one.write(&[0x89, 0]).expect("a ping of WebSocket is taken, and is none of Engine.IO's");
    assert_eq!(marks.take(), [7], "marked once");
    assert_eq!(payload_of(&mut answer), None);
    outlet.borrow_mut().answer_poll();
    let expected = format!("42[\"a\"]\x1e42[\"{}\"]\x1e451-[\"b\"]\x1ebAQID\x1e2", "x".repeat(200));
    assert_eq!(payload_of(&mut answer), Some(expected));
    assert!(is_full(one.write(&text_frame(b"42[\"late\"]"))));
    assert!(outlet.borrow().is_empty());
}

#[test]
fn a_poll_takes_so_much_and_a_frame_more() {
    let (outlet, _marks) = polling();
    let mut link = Member(Rc::clone(&outlet));
    let _answer = wait(&outlet);
    let frame = text_frame(&[b'x'; 40_000]);
    let pieces = [IoSlice::new(&frame), IoSlice::new(&frame), IoSlice::new(&frame)];
    assert_eq!(link.write_vectored(&pieces).expect("room for two"), 2 * frame.len());
    assert!(is_full(link.write(&frame)));
}

#[test]
fn what_a_client_did_not_wait_for_is_there_for_its_next_poll() {
    let (outlet, _marks) = polling();
    let mut link = Member(Rc::clone(&outlet));
    let answer = wait(&outlet);
    link.write(&text_frame(b"42[\"a\"]")).expect("room");
    drop(answer);
    assert!(!outlet.borrow().has_poll());
    outlet.borrow_mut().answer_poll();
    assert!(is_full(link.write(&text_frame(b"42[\"b\"]"))));
    let mut next = wait(&outlet);
    outlet.borrow_mut().answer_poll();
    assert_eq!(payload_of(&mut next).as_deref(), Some("42[\"a\"]"));
}

#[test]
fn control_packets_are_bounded_and_a_close_always_fits() {
    let (outlet, _marks) = polling();
    for _ in 0..33 {
        outlet.borrow_mut().control(&text_frame(b"2"), 100).expect("room");
    }
    assert_eq!(outlet.borrow_mut().control(&text_frame(b"2"), 100), Err(Full));
    let mut link = Member(Rc::clone(&outlet));
    let frame = close_frame(4008, "Rate limit exceeded");
    assert_eq!(link.write(&frame).expect("always"), frame.len());
    assert_eq!(outlet.borrow().closed(), Some(4008));
    assert_eq!(link.write(b"what follows").expect("swallowed"), 12);
    let mut answer = wait(&outlet);
    outlet.borrow_mut().answer_poll();
    let payload = payload_of(&mut answer).expect("an answer");
    assert!(payload.ends_with("2\x1e1") && !payload.contains("what"), "{payload:?}");
}

#[test]
fn a_poll_is_not_told_that_all_is_over_where_its_client_shall_come_back() {
    let (outlet, _marks) = polling();
    outlet.borrow_mut().close(&close_frame(1001, "draining; reconnect in 1000 ms"));
    let mut answer = wait(&outlet);
    outlet.borrow_mut().answer_poll();
    assert_eq!(payload_of(&mut answer).as_deref(), Some("6"));
}

#[test]
fn the_end_of_one_socket_is_noted_under_its_namespace() {
    let (outlet, _marks) = polling();
    let mut link = Member(Rc::clone(&outlet));
    let _answer = wait(&outlet);
    link.write(&text_frame(b"41/chat,")).expect("room");
    link.write(&text_frame(b"41")).expect("room");
    let long = format!("41/{},", "n".repeat(150));
    link.write(&text_frame(long.as_bytes())).expect("room");
    let mut outlet = outlet.borrow_mut();
    assert!(outlet.has_parted("/chat") && !outlet.has_parted("/chat"), "once");
    assert!(outlet.has_parted("/") && outlet.has_parted(&format!("/{}", "n".repeat(150))));
    assert!(!outlet.has_parted("/orders") && outlet.closed().is_none());
}

/// A socket, and its other end.
fn socket() -> (Box<Socket>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let (server, _) = listener.accept().expect("a connection");
    (Box::new(Socket::new(Transport::Plain(server), false).expect("a socket")), client)
}

#[test]
fn frames_of_two_sockets_never_mix_however_little_is_taken() {
    let (socket, mut client) = socket();
    let outlet = Rc::new(RefCell::new(Outlet::new(1, Rc::default(), Some(socket))));
    let (mut one, mut other) = (Member(Rc::clone(&outlet)), Member(Rc::clone(&outlet)));
    let mut sent = Vec::new();
    let mut round = 0_u8;
    // Until the kernel takes no more, and a frame stands cut.
    loop {
        round = round.wrapping_add(1);
        let frames = [text_frame(&vec![round; 30_000]), text_frame(&[round; 100])].concat();
        let link = if round.is_multiple_of(2) { &mut one } else { &mut other };
        match link.write(&frames) {
            Ok(count) => {
                assert!(count == frames.len() || count == 30_004, "whole frames: {count}");
                sent.extend_from_slice(&frames[..count]);
                if !outlet.borrow().is_empty() {
                    break;
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                assert!(outlet.borrow().is_empty(), "it ended at a border");
                break;
            }
        }
    }
    let pong = text_frame(b"2");
    outlet.borrow_mut().control(&pong, 100).expect("room");
    sent.extend_from_slice(&pong);
    assert!(is_full(one.write(&text_frame(b"later"))) && !one.is_flushed());
    let mut got = vec![0; sent.len()];
    let reader = std::thread::spawn(move || {
        client.read_exact(&mut got).expect("all of it");
        got
    });
    while !matches!(outlet.borrow_mut().flush(), Ok(true)) {
        std::thread::yield_now();
    }
    assert!(reader.join().expect("read") == sent, "in order and whole");
}

#[test]
fn what_waits_when_a_websocket_takes_over_goes_that_way_and_polling_is_over() {
    let (outlet, _marks) = polling();
    let mut first = wait(&outlet);
    outlet.borrow_mut().let_poll_go();
    assert_eq!(payload_of(&mut first).as_deref(), Some("6"));
    let mut answer = wait(&outlet);
    outlet.borrow_mut().control(&text_frame(b"2"), 100).expect("room");
    let (socket, mut client) = socket();
    outlet.borrow_mut().move_to(*socket).expect("a good socket");
    assert!(matches!(answer.try_recv(), Ok(Answer::Refused(Refused::BadRequest))));
    let mut got = [0; 3];
    client.read_exact(&mut got).expect("the ping");
    assert_eq!(got, [0x81, 1, b'2']);
    let mut late = wait(&outlet);
    assert!(matches!(late.try_recv(), Ok(Answer::Refused(Refused::BadRequest))));
}

#[test]
fn a_broken_websocket_is_noticed_and_marked() {
    let (socket, client) = socket();
    let marks = Rc::<Marks>::default();
    let outlet = Rc::new(RefCell::new(Outlet::new(9, Rc::clone(&marks), Some(socket))));
    let mut link = Member(Rc::clone(&outlet));
    drop(client);
    // The first write may still go into the void.
    let broken = (0..1_000).find_map(|_| {
        std::thread::yield_now();
        link.write(&text_frame(&[b'x'; 1_000]))
            .err()
            .filter(|error| error.kind() != io::ErrorKind::WouldBlock)
    });
    assert!(broken.is_some() && outlet.borrow().is_gone());
    assert_eq!(marks.take(), [9]);
    assert_eq!(link.write(b"x").expect_err("gone").kind(), io::ErrorKind::BrokenPipe);
}
