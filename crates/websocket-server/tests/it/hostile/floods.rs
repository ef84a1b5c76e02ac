//! Floods, random bytes, and connections that break anywhere.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Certificate, Client, Frame, RawClient, eventually};

use super::frames::DEFLATE;
use super::publishers::impatient;
use super::*;

#[test]
fn the_101st_frame_in_ten_seconds_closes_4008() {
    let mut scene = Scene::of(&launch().env("WS_RATE_LIMIT", "100"));
    let kinds: [(&str, Frame); 4] = [
        ("messages", Frame::text(r#"{"type":"ping"}"#)),
        ("nonsense", Frame::text("x")),
        ("empty messages", Frame::new(2, "")),
        ("pings", Frame::new(9, "")),
    ];
    for (name, frame) in kinds {
        let mut client = scene.attacker(&[]);
        client.write(&frame.bytes().repeat(150));
        for n in 0..100 {
            let answer = client.next_frame().expect("an answer");
            assert_ne!(answer.opcode, 8, "{name}: closed after {n}: {answer:?}");
        }
        let close = client.next_frame().expect("a Close");
        assert_eq!(close.close_reason(), (4008, "Rate limit exceeded".to_owned()), "{name}");
        client.finish();
        client.expect_end(PATIENCE);
    }
    scene.friend_is_well();
}

#[test]
fn floods_that_need_no_answer_cost_the_others_nothing() {
    let mut scene = Scene::new();
    let memory = scene.server.memory();
    let pongs = Frame::new(10, "").bytes().repeat(10_000);
    let fragments = Frame::new(0, "").unfinished().bytes().repeat(10_000);
    let mut with_pongs = scene.attacker(&[]);
    let mut with_fragments = scene.attacker(&[]);
    with_fragments.send(&Frame::text(r#"{"type":"ping","#).unfinished());
    for _ in 0..20 {
        with_pongs.write(&pongs);
        with_fragments.write(&fragments);
        scene.friend_is_well();
        assert_eq!(json_of(&mut with_pongs)["type"], "still_here");
        assert_eq!(json_of(&mut with_fragments)["type"], "still_here");
    }
    // Both kept the rules, and are served.
    with_fragments.send(&Frame::new(0, r#""data":5}"#));
    assert_eq!(json_of(&mut with_fragments)["data"], 5);
    with_pongs.send(&Frame::new(9, "me"));
    assert_eq!(with_pongs.next_frame().expect("a pong").payload, b"me");
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 8 << 20, "grown by {grown} bytes");
}

#[test]
fn one_who_asks_without_end_and_never_reads_is_closed() {
    let mut scene = Scene::new();
    let memory = scene.server.memory();
    let mut client = RawClient::connect_with_buffer(scene.address(), 4096);
    assert_eq!(client.upgrade("/ws", &[]).status, 101);
    let data = "x".repeat(60_000);
    let ask = Frame::text(format!(r#"{{"type":"ping","data":"{data}"}}"#)).bytes();
    eventually(Duration::from_secs(20), || {
        client.try_write(&ask).is_err()
            || scene.server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]) == Some(1.0)
    });
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 16 << 20, "grown by {grown} bytes");
    scene.friend_is_well();
}

#[test]
fn names_of_channels_that_nobody_follows_any_more_are_forgotten() {
    let mut scene = Scene::new();
    let mut client = Client::welcomed(&scene.server.ws());
    let mut memory = Vec::new();
    for round in 0..2 {
        for turn in 0..150 {
            let names: Vec<String> =
                (0..100).map(|n| format!("a-rather-long-name-of-a-channel-{round}-{turn}-{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            client.subscribe(&names);
            client.unsubscribe(&names);
        }
        memory.push(scene.server.memory());
    }
    assert_eq!(scene.server.stats(), json!({ "total": 2, "by_channel": {} }));
    assert!(memory[1].saturating_sub(memory[0]) < 2 << 20, "{memory:?}");
    drop(client);
    scene.server.wait_for_connections(1);
    scene.friend_is_well();
}

#[test]
fn thousands_that_only_declare_a_large_message_cost_little() {
    let mut scene = Scene::new();
    test_kit::limits::raise_open_files();
    let mut clients: Vec<RawClient> = (0..500).map(|_| scene.attacker(&[])).collect();
    let memory = scene.server.memory();
    for client in &mut clients {
        // 65,535 bytes to come, of which one does.
        client.write(&[0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5]);
    }
    for client in &mut clients {
        // The server has read what came before the half of a second header.
        client.write(&[6]);
    }
    scene.friend_is_well();
    let grown = scene.server.memory().saturating_sub(memory) / clients.len() as u64;
    assert!(grown < 8 * 1024, "{grown} bytes for each");
}

#[test]
fn random_bytes_behind_the_handshake_harm_nobody() {
    let mut scene = Scene::new();
    for seed in 0..1_000 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut bytes = Vec::new();
        for _ in 0..=random.below(4) {
            if random.below(3) == 0 {
                let count = random.below(300);
                bytes.extend(random.bytes(count));
            } else {
                // A frame that nearly keeps the rules.
                let count = random.below(200);
                let mut frame = Frame::new([0, 1, 2, 8, 9, 10][random.below(6)], random.bytes(count));
                frame.fin = random.below(4) > 0;
                frame.reserved = if random.below(8) == 0 { random.next() as u8 & 7 } else { 0 };
                if random.below(2) == 0 {
                    frame.payload = br#"{"type":"subscribe","channels":["a","b"]}"#.to_vec();
                }
                let mut wire = frame.bytes();
                for _ in 0..random.below(3) {
                    let at = random.below(wire.len());
                    wire[at] ^= 1 << random.below(8);
                }
                bytes.extend(wire);
            }
        }
        let headers: &[&str] = if seed % 2 == 0 { &[DEFLATE] } else { &[] };
        let mut client = scene.attacker(headers);
        let _closed_early = client.try_write(&bytes);
        client.finish();
        let mut close = None;
        while let Some(frame) = client.next_frame() {
            assert!(close.is_none(), "seed {seed}: {frame:?} behind the Close");
            assert!(frame.mask.is_none() && frame.fin, "seed {seed}: {frame:?}");
            if frame.opcode == 8 {
                close = Some(frame.close_reason());
            }
        }
        if let Some((code @ (1002 | 1007 | 1009), reason)) = &close {
            // An echoed Close of the client has no reason; a fault always has.
            assert!(reason.len() > 10 || bytes.len() > 2, "seed {seed}: {code} without a reason");
        }
        if seed % 100 == 0 {
            scene.friend_is_well();
        }
    }
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    assert!(scene.server.is_running());
    scene.friend_is_well();
}

#[test]
fn random_bytes_in_place_of_a_handshake_harm_nobody() {
    let mut scene = Scene::new();
    let files = scene.server.open_files();
    for seed in 0..1_000 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let bytes = if random.below(3) == 0 {
            let count = random.below(2000);
            random.bytes(count)
        } else {
            let mut bytes = HANDSHAKE.as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[at] = random.next() as u8,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, random.next() as u8),
                }
            }
            bytes
        };
        let mut client = RawClient::connect(scene.address());
        let _refused_early = client.try_write(&bytes);
        client.finish();
        let answer = client.expect_end(PATIENCE);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "seed {seed}: {answer:?}");
        if seed % 100 == 0 {
            scene.friend_is_well();
        }
    }
    eventually(PATIENCE, || scene.server.open_files() <= files && scene.server.stats()["total"] == 1);
    assert!(scene.server.is_running());
    scene.friend_is_well();
}

#[test]
fn what_is_no_tls_on_a_port_with_tls_harms_nobody() {
    let certificate = Certificate::generate();
    let launch = impatient()
        .env("TLS_CERT_FILE", certificate.certificate_file())
        .env("TLS_KEY_FILE", certificate.key_file());
    let server = launch.start();
    let mut friend = Client::dial(&server.ws()).trust(&certificate).welcomed();
    let files = server.open_files();
    let mut silent = RawClient::connect(server.address());
    // The head of a record of 512 bytes, of which none comes.
    let mut half = RawClient::connect(server.address());
    half.write(b"\x16\x03\x01\x02\x00");
    for seed in 0..100 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut client = RawClient::connect(server.address());
        let count = random.below(2000);
        let mut bytes = random.bytes(count);
        match random.below(3) {
            0 => bytes.splice(0..0, *b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc").for_each(drop),
            1 => bytes.splice(0..0, HANDSHAKE.bytes()).for_each(drop),
            _ => {}
        }
        let _refused_early = client.try_write(&bytes);
        client.finish();
        client.expect_end(PATIENCE);
    }
    silent.expect_end(PATIENCE);
    half.expect_end(PATIENCE);
    eventually(PATIENCE, || server.open_files() <= files);
    assert_eq!(friend.ping_barrier(), Vec::<Value>::new());
    let mut client = Client::dial(&server.ws()).trust(&certificate).welcomed();
    client.subscribe(&["jobs"]);
    client.cut();
    let mut again = Client::dial(&server.ws()).trust(&certificate).welcomed();
    assert_eq!(again.ping_barrier(), Vec::<Value>::new());
    assert_eq!(again.close().0, 1000);
    drop(again);
    eventually(PATIENCE, || server.open_files() <= files);
}

#[test]
fn an_end_right_behind_the_last_bytes_is_seen() {
    let mut scene = Scene::new();
    let mut clients: Vec<RawClient> = (0..200).map(|_| scene.attacker(&[])).collect();
    for client in &mut clients {
        // Both are there before the server looks.
        client.write(&Frame::text(r#"{"type":"ping"}"#).bytes()[..9]);
        client.finish();
    }
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    for client in &mut clients {
        assert_eq!(client.expect_end(PATIENCE), b"");
    }
    scene.friend_is_well();
}

#[test]
fn connections_that_break_at_any_point_leave_nothing_behind() {
    let mut scene = Scene::new();
    let files = scene.server.open_files();
    let ping = Frame::text(r#"{"type":"ping"}"#).bytes();
    let whole = [HANDSHAKE.as_bytes(), &ping].concat();
    for cut in (0..whole.len()).step_by(7) {
        let mut client = RawClient::connect(scene.address());
        // The reset may come while it writes.
        let _gone: io::Result<()> = client.try_write(&whole[..cut]);
        drop(client);
    }
    eventually(PATIENCE, || scene.server.open_files() <= files && scene.server.stats()["total"] == 1);
    scene.friend_is_well();
}
