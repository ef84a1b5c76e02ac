//! The real binary, from outside: what its clients, publishers and operators see; and the library inside of a larger
//! process.

mod auth;
mod broadcast;
mod channels;
mod cluster;
mod dashboard;
mod deliveries;
mod demos;
mod drain;
mod durable;
mod endpoints;
mod events;
mod extension;
mod feeds;
mod full_disk;
mod history;
mod hooks;
mod hostile;
mod idempotency;
mod operations;
mod operator;
mod presence;
mod receipts;
mod recovery;
mod reload;
mod restless;
mod resume;
mod retained;
mod rolling;
mod sessions;
mod socketio;
mod storm;
mod tasks;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use serde_json::Value;
use test_kit::{Client, Launch, Server};

/// A secret for tokens, long enough for production.
const SECRET: &str = "a-secret-of-the-tests-with-more-than-32-bytes";

/// The server, with the settings that every test has.
///
/// With `FANFARE_TEST_REDIS` each test's servers are nodes of a cluster of their own on the Redis at this address: what
/// clients see is the same.
fn launch() -> Launch {
    let launch = Launch::new(env!("CARGO_BIN_EXE_websocket-server"));
    let Some(url) = env::var_os("FANFARE_TEST_REDIS") else { return launch };
    let test = std::thread::current().name().unwrap_or_default().replace("::", ".");
    let prefix: String = format!("{}-{test}", process::id()).chars().take(64).collect();
    launch.env("REDIS_URL", url).env("REDIS_PREFIX", prefix)
}

/// A server without tokens or keys.
fn server() -> Server {
    launch().start()
}

/// A server that knows users by HS256 tokens of [`SECRET`].
fn server_with_users() -> Server {
    launch().env("JWT_SECRET", SECRET).start()
}

/// The address of `/ws` with a token in its query.
fn with_token(server: &Server, token: &str) -> String {
    server.ws_at(&format!("/ws?token={token}"))
}

/// Publishes `end` to everyone, and returns what each client got before it: all of it, since a shard keeps the order
/// of publications.
#[track_caller]
fn until_the_end(server: &Server, clients: &mut [&mut Client]) -> Vec<Vec<Value>> {
    server.broadcast(&serde_json::json!({ "type": "end" }));
    let before_the_end = |client: &mut &mut Client| {
        let mut frames = client.collect_until("end");
        frames.pop();
        frames
    };
    clients.iter_mut().map(before_the_end).collect()
}

/// A file in a folder of its own that goes when this is dropped.
struct TextFile {
    folder: PathBuf,
    path: PathBuf,
}

impl TextFile {
    fn new(name: &str, text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("fanfare-it-{}-{number}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        Self { folder, path }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}
