//! `scripts/rolling-restart` on real nodes under load: each is ended and started anew, nothing that was acknowledged is lost,
//! and no client waits for longer than it was told to and a moment.
//!
//! Of a cluster on Redis, where a client goes to the other node; and of two hubs without one, where each client waits for its
//! own. Not here: what one node's drain tells (`drain`), and nodes that die (the tests of the cluster).

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::json;
use test_kit::http::try_request;
use test_kit::redis::Redis;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Follower, eventually};

/// How long after the time that it was told a client may take to be back, on a machine that does much else.
const MOMENT: Duration = Duration::from_secs(10);

/// How long a node may take to start there.
const START: Duration = Duration::from_secs(30);

/// Clients of each node.
const CLIENTS: usize = 8;

/// A node that a command starts and leaves behind, as a supervisor would.
struct Node {
    address: SocketAddr,
    pid_file: PathBuf,
    starter: PathBuf,
}

impl Node {
    /// Not started yet. Its streams are in Redis, or durable in a directory of its own.
    fn new(directory: &Directory, name: &str, redis: Option<&Redis>) -> Self {
        let address = test_kit::free_address();
        let root = directory.path();
        let rules = directory.write(
            "rules.toml",
            "[[channels]]\npattern = \"*\"\nhistory = { size = 100000, age = \"1h\", durable = true }\n",
        );
        let store = match redis {
            Some(redis) => format!("REDIS_URL={} NODE_NAME={name}", redis.url()),
            None => format!("FANFARE_DATA={}", root.join(format!("{name}.data")).display()),
        };
        let pid_file = root.join(format!("{name}.pid"));
        let text = format!(
            "HOST=127.0.0.1 PORT={} {store} FANFARE_CONFIG={} {} >>{} 2>&1 </dev/null &\necho $! >{}\n",
            address.port(),
            rules.display(),
            env!("CARGO_BIN_EXE_websocket-server"),
            root.join(format!("{name}.log")).display(),
            pid_file.display(),
        );
        let starter = directory.write(&format!("{name}.sh"), &text);
        Self { address, pid_file, starter }
    }

    fn start(&self) {
        let status = Command::new("bash").arg(&self.starter).env_clear().status().expect("bash");
        assert!(status.success());
        eventually(START, || self.get("/health").is_some_and(|answer| answer.contains("healthy")));
    }

    fn get(&self, path: &str) -> Option<String> {
        try_request(self.address, None, "GET", path, &[], None).ok().map(|answer| answer.text())
    }

    fn pid(&self) -> Option<i32> {
        fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()
    }

    /// As the script takes it.
    fn named(&self, starter: &Path) -> String {
        format!("http://{}=pid:{}:bash {}", self.address, self.pid_file.display(), starter.display())
    }

    /// Publishes a number; whether it was acknowledged.
    fn publish(&self, kind: &str, number: u64) -> bool {
        let body = json!({ "type": kind, "channel": "jobs", "data": number }).to_string();
        let key = format!("{kind}-{number}");
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let answer = try_request(self.address, None, "POST", "/broadcast", &headers, Some(body.as_bytes()));
        answer.is_ok_and(|answer| answer.status == 200)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _gone = Command::new("kill").args(["-KILL", &pid.to_string()]).output();
        }
        if thread::panicking() {
            let log = self.pid_file.with_extension("log");
            eprintln!("--- {}\n{}", log.display(), fs::read_to_string(&log).unwrap_or_default());
        }
    }
}

fn rolling_restart(arguments: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/rolling-restart");
    let path = env::var_os("PATH").unwrap_or_default();
    Command::new(script).args(arguments).env_clear().env("PATH", path).output().expect("the script runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a client saw.
struct Seen {
    numbers: Vec<u64>,
    returns: usize,
    /// The longest time from the end of what it was told to wait until it was back.
    longest: Duration,
}

/// A client by the rules of the protocol, on the first of these nodes, then on whichever lets it in: it comes back when it was
/// told to, with its positions, until the end is published.
fn follow(nodes: &[SocketAddr]) -> Seen {
    let mut seen = Seen { numbers: Vec::new(), returns: 0, longest: Duration::ZERO };
    let (mut follower, mut due) = (Follower::new(), None);
    for address in nodes.iter().cycle() {
        let Some(mut client) = connect(*address) else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        // One that ends before it is welcomed is tried again as one that was not to be had.
        if client.try_next_json(PATIENCE).is_none() || !subscribe(&mut client, &mut follower) {
            continue;
        }
        if let Some(due) = due {
            seen.returns += 1;
            seen.longest = seen.longest.max(Instant::now().saturating_duration_since(due));
        }
        while let Some(event) = client.try_next_json(PATIENCE) {
            follower.take(&event);
            if event["type"] == "end" {
                assert!(follower.lost().is_empty(), "nothing was out of reach: {:?}", follower.lost());
                return seen;
            }
            seen.numbers.push(event["data"].as_u64().expect("a number"));
        }
        let (_, code, reason) = client.collect_until_close(PATIENCE);
        assert_eq!(code, 1001, "{reason}");
        let told = reason.strip_prefix("draining; reconnect in ").and_then(|rest| rest.strip_suffix(" ms"));
        let told = told.and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        let told = told.unwrap_or_else(|| panic!("no time to come back in {reason:?}"));
        due = Some(Instant::now() + told);
        thread::sleep(told);
    }
    unreachable!("there is a node, and another after each")
}

/// A connection, where the node is there and takes it.
fn connect(address: SocketAddr) -> Option<Client> {
    // One that does not listen would be a panic below.
    TcpStream::connect(address).ok()?;
    Client::dial(&format!("ws://{address}/ws")).try_connect()
}

/// Subscribes with what it has had; `false` where the connection ends before the answer.
fn subscribe(client: &mut Client, follower: &mut Follower) -> bool {
    if !client.try_send_json(&follower.subscribe_frame(&["jobs"])) {
        return false;
    }
    while let Some(frame) = client.try_next_json(PATIENCE) {
        if frame["type"] == "subscribed" {
            follower.answered(&frame);
            return true;
        }
        assert!(frame["type"] != "error" && frame.get("offset").is_none(), "before the answer: {frame}");
    }
    false
}

/// Two nodes with clients and publishers are restarted by the script; what each client and each publisher saw is judged.
fn restart_under_load(redis: Option<&Redis>) {
    let directory = Directory::new();
    let nodes = [Node::new(&directory, "one", redis), Node::new(&directory, "two", redis)];
    nodes.iter().for_each(Node::start);
    let pids: Vec<_> = nodes.iter().map(Node::pid).collect();
    let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
    let reversed: Vec<SocketAddr> = addresses.iter().rev().copied().collect();
    // Of a cluster a client may go to any node, and there is one sequence of events; else each node has its own.
    let (homes, hubs): (Vec<&[SocketAddr]>, Vec<&[Node]>) = match redis {
        Some(_) => (vec![&addresses, &reversed], vec![&nodes]),
        None => (vec![&addresses[..1], &addresses[1..]], vec![&nodes[..1], &nodes[1..]]),
    };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let is_over = &is_over;
        let clients: Vec<Vec<_>> = homes
            .iter()
            .map(|&home| (0..CLIENTS).map(|_| scope.spawn(move || follow(home))).collect())
            .collect();
        for node in &nodes {
            let has_all =
                || node.get("/stats").is_some_and(|stats| stats.contains(&format!("\"jobs\":{CLIENTS}")));
            eventually(PATIENCE, has_all);
        }
        // Publishers try again with the same key, at the next node where there is one, as the event relay does.
        let publishers: Vec<_> = hubs
            .iter()
            .map(|&hub| {
                scope.spawn(move || {
                    let (mut number, mut turns) = (0, hub.iter().cycle());
                    while !is_over.load(Ordering::Relaxed) {
                        number += 1;
                        while !turns.next().is_some_and(|node| node.publish("n", number)) {
                            thread::sleep(Duration::from_millis(20));
                        }
                    }
                    number
                })
            })
            .collect();
        let named: Vec<String> = nodes.iter().map(|node| node.named(&node.starter)).collect();
        let output = rolling_restart(&["--settle", "30", "--back", "100", &named[0], &named[1]]);
        is_over.store(true, Ordering::Relaxed);
        let last: Vec<u64> = publishers.into_iter().map(|it| it.join().expect("a publisher")).collect();
        for hub in &hubs {
            eventually(PATIENCE, || hub[0].publish("end", 1));
        }
        assert!(output.status.success(), "{}", text(&output));
        let lasts = last.iter().cycle();
        for (client, last) in clients
            .into_iter()
            .zip(lasts)
            .flat_map(|(those, last)| those.into_iter().map(move |it| (it, *last)))
        {
            let seen = client.join().expect("a client");
            assert!(seen.numbers.iter().copied().eq(1..=last), "each once and in order, to {last}");
            assert!((1..=2).contains(&seen.returns), "sent away {} times by two restarts", seen.returns);
            assert!(seen.longest < MOMENT, "{:?} after the time that it was told", seen.longest);
        }
        let told = text(&output);
        assert!(told.contains("all 2 nodes were restarted, with 16 connections"), "{told}");
    });
    let now: Vec<_> = nodes.iter().map(Node::pid).collect();
    assert!(pids.iter().zip(&now).all(|(before, now)| before != now), "each is another process");
}

#[test]
fn a_rolling_restart_under_load_loses_nothing_and_keeps_nobody_waiting() {
    restart_under_load(Some(&Redis::durable()));
}

#[test]
fn hubs_without_redis_are_restarted_under_load_and_their_clients_miss_nothing() {
    restart_under_load(None);
}

#[test]
fn a_node_that_does_not_come_up_stops_a_rolling_restart_before_the_next() {
    let directory = Directory::new();
    let nodes = [Node::new(&directory, "one", None), Node::new(&directory, "two", None)];
    nodes.iter().for_each(Node::start);
    let nothing = directory.write("nothing.sh", "true\n");
    let second = nodes[1].pid();
    let (broken, whole) = (nodes[0].named(&nothing), nodes[1].named(&nodes[1].starter));
    let output = rolling_restart(&["--start", "1", &broken, &whole]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let first = nodes[0].address;
    assert!(told.contains(&format!("http://{first} is not well after 1 s: nothing answers there")), "{told}");
    assert!(told.contains("nothing further was touched"), "{told}");
    assert!(nodes[1].pid() == second && nodes[1].get("/health").is_some_and(|it| it.contains("healthy")));
    // With one that is away nothing is begun.
    let output = rolling_restart(&[&whole, &broken]);
    assert!(
        output.status.code() == Some(1) && text(&output).contains("before anything was done"),
        "{}",
        text(&output)
    );
    assert_eq!(nodes[1].pid(), second);
    let output = rolling_restart(&["http://127.0.0.1:1=elsewhere:x"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}
