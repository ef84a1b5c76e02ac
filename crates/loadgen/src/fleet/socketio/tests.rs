//! The client against a server that plays its part line by line.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::*;
use crate::event;
use crate::fleet::Seat;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server of one connection; what it returns the test gets at its end.
fn serve<T: Send + 'static>(
    play: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        play(stream)
    });
    (address, thread)
}

fn fleet(server: SocketAddr, transport: Transport) -> Fleet {
    let entry = Entry::Namespace { host: server.to_string(), name: "/orders".to_owned(), transport };
    let seats = vec![Seat { channel: "bench".to_owned(), token: Some("a.b.c".to_owned()) }];
    Fleet::new(server, entry, seats, 0).unwrap()
}

fn wait_until(fleet: &mut Fleet, done: impl Fn(&Fleet) -> bool) {
    let started = Instant::now();
    while !done(fleet) {
        assert!(started.elapsed() < PATIENCE, "{}", fleet.trouble());
        fleet.turn(Some(Duration::from_millis(10))).unwrap();
    }
}

/// Reads up to the end of an HTTP request's head and of `body` bytes behind it.
fn request(stream: &mut TcpStream, body: usize) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = bytes.len();
    bytes.resize(head + body, 0);
    stream.read_exact(&mut bytes[head..]).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Answers an upgrade.
fn upgrade(stream: &mut TcpStream) -> String {
    let asked = request(stream, 0);
    stream
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .unwrap();
    asked
}

fn say(stream: &mut TcpStream, packet: &str) {
    let mut bytes = Vec::new();
    frame::write_text(&mut bytes, packet.as_bytes());
    stream.write_all(&bytes).unwrap();
}

/// One short frame of the client, whose mask is all zeros.
fn hear(stream: &mut TcpStream) -> String {
    let mut head = [0; 6];
    stream.read_exact(&mut head).unwrap();
    assert_eq!((head[0], head[1] & 0x80), (0x81, 0x80));
    let mut text = vec![0; usize::from(head[1] & 0x7f)];
    stream.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn event_packet(seq: u32) -> String {
    let mut data = Vec::new();
    event::write_data(&mut data, seq, 0, event::MIN_DATA);
    format!("42/orders,[\"bench\",{}]", String::from_utf8(data).unwrap())
}

#[test]
fn a_websocket_client_connects_with_its_token_answers_pings_and_counts_events() {
    let (server, thread) = serve(|mut stream| {
        let asked = upgrade(&mut stream);
        assert!(asked.starts_with("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"), "{asked}");
        say(&mut stream, "0{\"sid\":\"s\",\"pingInterval\":25000}");
        let connect = hear(&mut stream);
        say(&mut stream, "40/orders,{\"sid\":\"t\"}");
        say(&mut stream, "2");
        say(&mut stream, &event_packet(0));
        (connect, hear(&mut stream))
    });
    let mut fleet = fleet(server, Transport::Websocket);
    fleet.connect_all().unwrap();
    fleet.ledger.publish_to_all();
    wait_until(&mut fleet, |fleet| fleet.ledger.deliveries() == 1);
    assert_eq!(thread.join().unwrap(), ("40/orders,{\"token\":\"a.b.c\"}".to_owned(), "3".to_owned()));
    assert_eq!(fleet.ledger.faults().lost, 0);
}

#[test]
fn a_refused_token_ends_the_run_with_the_servers_words() {
    let (server, _thread) = serve(|mut stream| {
        upgrade(&mut stream);
        say(&mut stream, "0{\"sid\":\"s\"}");
        hear(&mut stream);
        say(&mut stream, "44/orders,{\"message\":\"Unauthorized\"}");
        stream
    });
    let refused = fleet(server, Transport::Websocket).connect_all().unwrap_err();
    assert!(refused.to_string().contains("Unauthorized"), "{refused}");
}

#[test]
fn events_of_another_namespace_end_the_connection_and_those_in_the_wrong_order_are_counted() {
    let (server, _thread) = serve(|mut stream| {
        upgrade(&mut stream);
        say(&mut stream, "0{\"sid\":\"s\"}");
        hear(&mut stream);
        say(&mut stream, "40/orders,{\"sid\":\"t\"}");
        for seq in [1, 0] {
            say(&mut stream, &event_packet(seq));
        }
        say(&mut stream, "42/chat,[\"bench\",{}]");
        stream
    });
    let mut fleet = fleet(server, Transport::Websocket);
    fleet.add_publishers(1);
    for seq in [0, 1] {
        fleet.order().unwrap().post(seq, 0);
    }
    fleet.connect(0).unwrap();
    wait_until(&mut fleet, |fleet| fleet.is_closed(0));
    assert_eq!(fleet.order().unwrap().faults(), 1);
    assert!(fleet.trouble().contains("42/chat"), "{}", fleet.trouble());
}

#[test]
fn a_polling_client_keeps_its_session_says_its_part_between_two_polls_and_reads_several_packets() {
    let (server, thread) = serve(|mut stream| {
        let mut asked = Vec::new();
        let answers = [
            "0{\"sid\":\"s1\"}".to_owned(),
            "ok".to_owned(),
            "40/orders,{\"sid\":\"t\"}".to_owned(),
            format!("{}\u{1e}2\u{1e}{}", event_packet(0), event_packet(1)),
            "ok".to_owned(),
        ];
        let bodies = [0, "40/orders,{\"token\":\"a.b.c\"}".len(), 0, 0, 1];
        for (answer, body) in answers.iter().zip(bodies) {
            asked.push(request(&mut stream, body));
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).unwrap();
        }
        asked
    });
    let mut fleet = fleet(server, Transport::Polling);
    fleet.connect_all().unwrap();
    for _ in 0..2 {
        fleet.ledger.publish_to_all();
    }
    wait_until(&mut fleet, |fleet| fleet.ledger.deliveries() == 2);
    wait_until(&mut fleet, |_| thread.is_finished());
    let asked = thread.join().unwrap();
    let begins = ["GET", "POST", "GET", "GET", "POST"];
    for (at, (asked, begin)) in asked.iter().zip(begins).enumerate() {
        assert!(asked.starts_with(&format!("{begin} /socket.io/?EIO=4&transport=polling")), "{asked}");
        assert_eq!(asked.contains("&sid=s1 "), at > 0, "{asked}");
    }
    assert!(asked[1].ends_with("\r\n\r\n40/orders,{\"token\":\"a.b.c\"}"), "{}", asked[1]);
    assert!(asked[4].ends_with("\r\n\r\n3"), "{}", asked[4]);
}

#[test]
fn a_poll_that_is_refused_is_told_with_its_status() {
    let (server, _thread) = serve(|mut stream| {
        request(&mut stream, 0);
        let body = "{\"code\":0,\"message\":\"Transport unknown\"}";
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-length:";
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
        stream
    });
    let refused = fleet(server, Transport::Polling).connect_all().unwrap_err();
    assert!(refused.to_string().contains("400 {\"code\":0"), "{refused}");
}
