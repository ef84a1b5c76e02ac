//! The real binary, since only a process has memory of its own.

use std::net::SocketAddr;
use std::thread::{self, available_parallelism};

use serde_json::json;
use test_kit::wait::PATIENCE;
use test_kit::{Launch, eventually, http};

use crate::harness::{PASSWORD, registration};

const MIB: u64 = 1 << 20;

/// A directory that is removed in the end.
struct Directory(std::path::PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

/// Signs in, as often as it takes on a busy machine.
fn sign_in(address: SocketAddr) {
    let body = json!({"email": "anna@example.com", "password": PASSWORD}).to_string();
    let json = [("content-type", "application/json")];
    eventually(6 * PATIENCE, || {
        let answer = http::try_request(address, None, "POST", "/auth/login", &json, Some(body.as_bytes()));
        let status = answer.map_or(503, |answer| answer.status);
        assert!(status == 200 || status == 503, "{status}");
        status == 200
    });
}

#[test]
fn sixty_sign_ins_at_once_leave_no_more_memory_behind_than_one_hash_per_core_takes() {
    let directory = std::env::temp_dir().join(format!("fanfare-users-memory-{}", std::process::id()));
    let directory = Directory(directory);
    let server = Launch::new(env!("CARGO_BIN_EXE_user-service"))
        .env("FANFARE_DATA", &directory.0)
        .env("WS_SERVICE_URL", "http://127.0.0.1:1")
        .env("RUST_LOG", "warn")
        .start();
    let registered = server.post("/auth/register", &registration("anna@example.com"));
    assert_eq!(registered.status, 201, "{}", registered.text());
    let before = server.memory();
    thread::scope(|scope| {
        for _ in 0..60 {
            scope.spawn(|| sign_in(server.address()));
        }
    });
    let hashes = available_parallelism().map_or(1, usize::from) as u64;
    let (after, most) = (server.memory(), before + hashes * 19 * MIB + 40 * MIB);
    assert!(after < most, "{} MiB before, {} MiB after", before / MIB, after / MIB);
}
