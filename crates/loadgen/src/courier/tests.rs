use std::net::TcpListener;

use super::*;

const BUSY: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Answers one call on each connection, in this order, and ends it; gives what was asked.
fn serve(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let answer = |answer: &&str| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut part = [0; 1_024];
            let read = stream.read(&mut part).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&part[..read]).into_owned()
        };
        answers.iter().map(answer).collect()
    });
    (address, served)
}

#[test]
fn an_event_is_repeated_with_its_key_until_it_is_accepted() {
    let (address, served) = serve(&["", BUSY, OK, OK]);
    let mut courier = Courier::start(address, "t");
    assert!(courier.send(b"{}".to_vec()) && courier.send(b"{}".to_vec()));
    let log = courier.finish().unwrap();
    assert_eq!((log.accepted, log.told_to_wait, log.cut, log.refused, log.wrong), (2, 1, 1, 0, 0));
    let keys: Vec<usize> =
        served.join().unwrap().iter().map(|asked| usize::from(asked.contains("Key: t-1"))).collect();
    assert_eq!(keys, [0, 0, 0, 1]);
}

#[test]
fn an_answer_that_no_publisher_may_get_is_kept() {
    let (address, served) = serve(&["HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", OK]);
    let mut courier = Courier::start(address, "t");
    assert!(courier.send(b"{}".to_vec()));
    let log = courier.finish().unwrap();
    assert_eq!((log.accepted, log.wrong), (1, 1));
    assert!(log.first_wrong.unwrap().starts_with("HTTP/1.1 500"));
    served.join().unwrap();
}
