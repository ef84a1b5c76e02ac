//! Too much of everything: half-open handshakes, clients that do not read, connections that come and go, more
//! connections and more publications than may be. The server keeps its memory and its other clients.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::wait::{PATIENCE, holds_within};
use test_kit::{Client, Frame, Launch, RawClient, Server, eventually};

use super::operations::close_of_a_slow_one;

/// Patience for what takes a machine with two busy cores its time.
const LONG: Duration = Duration::from_secs(60);

fn launch() -> Launch {
    test_kit::limits::raise_open_files();
    Launch::new(env!("CARGO_BIN_EXE_websocket-server")).env("WS_RATE_LIMIT", "0").env("RUST_LOG", "warn")
}

/// Memory once the server has nothing left to give back: the least of some looks.
fn settled_memory(server: &Server) -> u64 {
    (0..20).map(|_| server.memory()).min().unwrap_or_default()
}

#[test]
fn ten_thousand_half_open_handshakes_keep_nobody_out_and_are_dropped() {
    const HALF_OPEN: usize = 10_000;
    let room = test_kit::limits::raise_open_files();
    assert!(room >= HALF_OPEN as u64 + 1000, "this test needs {HALF_OPEN} open files and some, not {room}");
    let timeout = Duration::from_secs(20);
    let server = launch().env("HANDSHAKE_TIMEOUT", "20s").start();
    let mut friend = Client::welcomed(&server.ws());
    let files = server.open_files();

    let started = Instant::now();
    let beginnings: [&[u8]; 4] =
        [b"", b"G", b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n", b"\r\n"];
    let mut half_open: Vec<TcpStream> = Vec::with_capacity(HALF_OPEN);
    for n in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        std::io::Write::write_all(&mut stream, beginnings[n % beginnings.len()]).expect("a beginning");
        half_open.push(stream);
    }
    let took = started.elapsed();
    assert!(took < timeout, "opening them took {took:?}, longer than they may live: the machine is too busy");
    eventually(timeout, || server.open_files() >= files + HALF_OPEN);

    // Real clients do not wait for them.
    let mut newcomers: Vec<Client> = (0..20).map(|_| Client::welcomed(&server.ws())).collect();
    for n in 0..20 {
        server.broadcast(&json!({ "type": "meanwhile", "data": n }));
    }
    for client in newcomers.iter_mut().chain([&mut friend]) {
        for n in 0..20 {
            assert_eq!(client.expect_type("meanwhile")["data"], n);
        }
    }
    assert_eq!(server.stats(), json!({ "total": 21, "by_channel": {} }));

    // And they are dropped, each with a word where it has asked for something.
    eventually(timeout + LONG, || server.open_files() <= files + 20);
    for stream in half_open.iter_mut().step_by(97) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut answer = Vec::new();
        if stream.read_to_end(&mut answer).is_ok() {
            assert!(answer.starts_with(b"HTTP/1.1 408 "), "{:?}", String::from_utf8_lossy(&answer));
        }
    }
    drop(half_open);
    server.broadcast(&json!({ "type": "afterwards" }));
    for client in newcomers.iter_mut().chain([&mut friend]) {
        client.expect_type("afterwards");
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }
}

#[test]
fn one_who_never_reads_costs_neither_memory_nor_the_others() {
    const MESSAGES: u64 = 100_000;
    const BATCH: u64 = 1_000;
    let server = launch().start();
    let mut slow = RawClient::connect_with_buffer(server.address(), 4096);
    assert_eq!(slow.upgrade("/ws", &[]).status, 101);
    let mut reader = Client::welcomed(&server.ws());
    server.wait_for_connections(2);

    let read = AtomicU64::new(0);
    let padding = "x".repeat(250);
    let mut most = 0;
    let before = settled_memory(&server);
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            for n in 0..MESSAGES {
                let event = reader.next_json_within(LONG);
                assert_eq!(event["data"]["n"], n, "{event}");
                read.store(n + 1, Ordering::Release);
            }
        });
        for first in (0..MESSAGES).step_by(BATCH as usize) {
            let items: Vec<Value> = (first..first + BATCH)
                .map(|n| json!({ "type": "tick", "data": { "n": n, "padding": padding } }))
                .collect();
            let answers = server.post("/broadcast/batch", &Value::Array(items)).json();
            let answers = answers.as_array().expect("an array").clone();
            assert!(answers.len() == BATCH as usize && answers.iter().all(|it| it["success"] == true));
            most = most.max(server.memory());
            // The reader keeps pace with its publisher; only the slow one does not.
            eventually(LONG, || read.load(Ordering::Acquire) >= first || reading.is_finished());
            if reading.is_finished() && first + BATCH < MESSAGES {
                break;
            }
        }
        reading.join().expect("the reader got everything in order");
    });

    // All of it is 31 MB; an outbox is 1 MiB.
    let grown = most.saturating_sub(before);
    assert!(grown < 12 << 20, "the server grew by {grown} bytes");
    assert_eq!(server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]), Some(1.0));
    eventually(PATIENCE, || server.metric("fanfare_closes_total", &[r#"code="4010""#]) == Some(1.0));
    server.wait_for_connections(1);
    eventually(PATIENCE, || server.metric("fanfare_outbox_bytes", &[]) == Some(0.0));

    // What the slow one got is the beginning, whole and in order. The Close is there where it began to read
    // within the second that the server waits for that.
    assert_eq!(slow.next_frame().map(|frame| frame.opcode), Some(1), "the welcome");
    let mut next = 0;
    while let Some(frame) = slow.next_frame() {
        if frame.opcode == 8 {
            assert_eq!(frame.close_reason(), (4010, "Slow consumer".to_owned()));
            break;
        }
        let event: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        assert_eq!(event["data"]["n"], next);
        next += 1;
    }
    assert!(next < MESSAGES);
    assert_eq!(reader.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn a_slow_one_that_reads_on_is_told_4010() {
    let server = launch().env("OUTBOX_MAX_FRAMES", "8").start();
    let event = json!({ "type": "large", "data": "x".repeat(100_000) });
    let close = close_of_a_slow_one(&server, |_| drop(server.broadcast(&event)));
    assert_eq!(close, (4010, "Slow consumer".to_owned()));
    server.wait_for_connections(0);
}

/// Connects `count` clients from several threads, each of which reads its welcome and leaves in one of three ways.
fn churn(address: SocketAddr, count: usize) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let mut client = RawClient::upgraded(address, "/ws", &[]);
                    client.send(&Frame::text(r#"{"type":"subscribe","channels":["churn","jobs"]}"#));
                    assert_eq!(client.next_frame().map(|frame| frame.opcode), Some(1), "the welcome");
                    match n % 3 {
                        0 => {
                            client.send(&Frame::close(1000, ""));
                            assert_eq!(client.expect_close().0, 1000);
                        }
                        1 => client.finish(),
                        // The confirmation is not read, so this is a reset.
                        _ => drop(client),
                    }
                }
            });
        }
    });
}

#[test]
fn five_thousand_connections_that_come_and_go_leave_nothing_behind() {
    // What 500 per second make in ten seconds, as fast as they go.
    const CONNECTIONS: usize = 5_000;
    let server = launch().start();
    let mut friend = Client::welcomed(&server.ws());
    let files = server.open_files();
    let mut memory = Vec::new();
    for _ in 0..2 {
        let started = Instant::now();
        churn(server.address(), CONNECTIONS);
        let took = started.elapsed();
        assert!(took < LONG, "{CONNECTIONS} connections took {took:?}");
        eventually(PATIENCE, || {
            server.open_files() <= files && server.stats() == json!({ "total": 1, "by_channel": {} })
        });
        assert_eq!(server.metric("fanfare_connections", &[]), Some(1.0));
        assert_eq!(server.metric("fanfare_subscriptions", &[]), Some(0.0));
        memory.push(settled_memory(&server));
        server.broadcast(&json!({ "type": "still_here" }));
        friend.expect_type("still_here");
        assert_eq!(friend.ping_barrier(), Vec::<Value>::new());
    }
    let grown = memory[1].saturating_sub(memory[0]);
    assert!(grown < 2 << 20, "the second round left {grown} bytes more: {memory:?}");
}

#[test]
fn the_one_connection_too_many_gets_503_and_the_others_stay() {
    let server = launch().env("MAX_CONNECTIONS", "3").start();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::welcomed(&server.ws())).collect();
    let refused_so_far = || {
        server
            .metric("fanfare_handshakes_refused_total", &[r#"reason="connection_limit""#])
            .unwrap_or_default()
    };
    let refused = Client::dial(&server.ws()).attempt().expect_err("a refusal");
    assert_eq!(refused.status, 503);
    let retry = refused.headers.iter().find(|(name, _)| name == "retry-after");
    assert!(retry.is_some_and(|(_, after)| after.parse::<u32>().is_ok_and(|after| after > 0)), "{refused:?}");
    assert!(refused.body.contains("connection_limit"), "{refused:?}");
    assert_eq!(refused_so_far(), 1.0);

    // Thousands more change nothing.
    let (files, memory) = (server.open_files(), settled_memory(&server));
    for _ in 0..2_000 {
        let mut client = RawClient::connect(server.address());
        assert_eq!(client.upgrade("/ws", &[]).status, 503);
    }
    assert_eq!(refused_so_far(), 2_001.0);
    eventually(PATIENCE, || server.open_files() <= files);
    let grown = settled_memory(&server).saturating_sub(memory);
    assert!(grown < 2 << 20, "refusing left {grown} bytes");
    assert_eq!(server.get("/health").status, 200);
    server.broadcast(&json!({ "type": "still_here" }));
    for client in &mut clients {
        client.expect_type("still_here");
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }

    // Whoever leaves makes room, however he leaves.
    clients.remove(0).cut();
    let mut newcomer = None;
    eventually(PATIENCE, || {
        newcomer = Client::dial(&server.ws()).attempt().ok();
        newcomer.is_some()
    });
    let mut newcomer = newcomer.expect("a connection");
    newcomer.welcome();
    assert_eq!(Client::dial(&server.ws()).attempt().err().map(|refused| refused.status), Some(503));
    newcomer.close();
    let again = || Client::dial(&server.ws()).attempt().is_ok();
    assert!(holds_within(PATIENCE, again), "no room after a Close");
}

#[test]
fn a_server_without_files_left_keeps_its_clients_and_recovers() {
    // 300 files leave room for 44 connections.
    let limited = "ulimit -n 300; exec \"$0\"";
    let launch = Launch::new("/bin/sh")
        .arg("-c")
        .arg(limited)
        .arg(env!("CARGO_BIN_EXE_websocket-server"))
        .env("HANDSHAKE_TIMEOUT", "2s")
        .env("RUST_LOG", "warn");
    let server = launch.start();
    let mut friend = Client::welcomed(&server.ws());
    let mut publisher = RawClient::connect(server.address());
    let event = br#"{"type":"tick"}"#;
    let publish = |publisher: &mut RawClient| {
        let head = format!(
            "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            event.len()
        );
        publisher.write(&[head.as_bytes(), event].concat());
        assert_eq!(publisher.read_head().status, 200);
    };
    publish(&mut publisher);
    friend.expect_type("tick");
    let flood: Vec<TcpStream> =
        (0..600).map(|_| TcpStream::connect(server.address()).expect("a connection")).collect();
    eventually(PATIENCE, || server.open_files() >= 299);
    // Who is connected is served.
    assert_eq!(friend.ping_barrier(), Vec::<Value>::new());
    friend.subscribe(&["jobs"]);
    drop(flood);
    // And once they are gone, or dropped, everybody is.
    let mut newcomer = Client::welcomed(&server.ws());
    server.broadcast(&json!({ "type": "afterwards" }));
    newcomer.expect_type("afterwards");
    friend.expect_type("afterwards");
    let log = server.log();
    assert!(log.lines().count() < 200, "the log is flooded:\n{log}");
}

/// What was accepted, and what every follower got, in two rounds: a batch, then single calls.
fn overload(launch: &Launch, followers: usize) {
    let server = launch.start();
    let mut clients: Vec<Client> = (0..followers).map(|_| Client::welcomed(&server.ws())).collect();
    for client in &mut clients {
        client.subscribe(&["jobs"]);
    }
    let event = |n: u64| json!({ "type": "job", "channel": "jobs", "data": { "n": n } });

    // A batch is put into the queue faster than it goes out.
    let items: Vec<Value> = (0..300).map(event).collect();
    let answer = server.post("/broadcast/batch", &Value::Array(items));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answers = answer.json();
    let mut accepted = BTreeSet::new();
    for (n, item) in (0..).zip(answers.as_array().expect("an array")) {
        if item["success"] == true {
            assert_eq!(item["recipients"], followers, "{item}");
            assert_eq!(accepted.len() as u64, n, "one after a refused one was accepted: {answers}");
            accepted.insert(n);
        } else {
            assert_eq!(
                (&item["status"], &item["error"]["code"]),
                (&json!(503), &json!("overloaded")),
                "{item}"
            );
        }
    }
    assert!(!accepted.is_empty() && accepted.len() < 300, "{} of 300 were accepted", accepted.len());

    // Single calls from many publishers, each of which tries again until its own is taken.
    let refused = AtomicU64::new(0);
    let retry = |n: u64| {
        eventually(LONG, || {
            let answer = server.post("/broadcast", &event(n));
            if answer.status == 200 {
                return true;
            }
            assert_eq!((answer.status, &*answer.problem_code()), (503, "overloaded"), "{}", answer.text());
            let after = answer.header("retry-after").and_then(|after| after.parse::<u32>().ok());
            assert!(after.is_some_and(|after| after > 0), "{answer:?}");
            refused.fetch_add(1, Ordering::Relaxed);
            false
        });
    };
    thread::scope(|scope| {
        for publisher in 0..8 {
            let retry = &retry;
            scope.spawn(move || (0..25).for_each(|n| retry(1_000 * (publisher + 1) + n)));
        }
    });
    for publisher in 1..=8 {
        accepted.extend((0..25).map(|n| 1_000 * publisher + n));
    }
    let counted = server.metric("fanfare_publications_refused_total", &[r#"reason="overloaded""#]);
    assert!(
        counted.is_some_and(|count| count >= refused.load(Ordering::Relaxed) as f64 + 1.0),
        "{counted:?}"
    );

    // Every follower gets exactly what was accepted, each once, and all in the same order.
    retry(999_999);
    accepted.insert(999_999);
    let mut orders = BTreeSet::new();
    for client in &mut clients {
        let mut got = Vec::new();
        while got.last() != Some(&999_999) {
            got.push(client.expect_type("job")["data"]["n"].as_u64().expect("a number"));
        }
        assert_eq!(got.len(), accepted.len());
        assert_eq!(got.iter().copied().collect::<BTreeSet<_>>(), accepted);
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
        orders.insert(got);
    }
    assert_eq!(orders.len(), 1, "the followers saw different orders");
    eventually(PATIENCE, || server.metric("fanfare_shard_queue_publications", &[]) == Some(0.0));
}

#[test]
fn publications_beyond_the_queue_get_503_and_accepted_ones_arrive() {
    overload(&launch().env("SHARDS", "1").env("QUEUE_MAX_PUBLICATIONS", "2"), 150);
}

#[test]
fn bytes_beyond_the_queue_get_503_and_accepted_ones_arrive() {
    overload(&launch().env("QUEUE_MAX_BYTES", "300B"), 150);
}
