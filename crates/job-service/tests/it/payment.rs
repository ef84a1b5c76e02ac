//! A payment service that does what the test says: answers, refuses, hangs, or forgets to answer. It remembers the keys
//! that it carried out, and honours the fence.
//!
//! Each connection carries one request, so that what happens to it is exactly what the script says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The key by which services know each other.
pub(crate) const KEY: &str = "service-key-of-the-tests";

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is carried out and answered.
    Answer,
    /// It is carried out, and the connection breaks before the answer.
    AnswerLost,
    /// It is carried out, and the answer is a 500.
    AnswerBroken,
    /// It is carried out, and answered almost too late.
    Slow,
    /// It is carried out, and answered after a second.
    Second,
    /// It is carried out, and answered once the mode is another.
    Held,
    /// It is not carried out, and the answer is a 503.
    Busy,
    /// It is not carried out, and there is no answer while the caller waits. It can arrive later.
    Hang,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Payment {
    pub(crate) payment_id: i64,
    pub(crate) employer_id: i64,
    pub(crate) worker_id: Option<i64>,
    pub(crate) amount: f64,
    pub(crate) status: &'static str,
}

#[derive(Debug, Clone)]
struct Request {
    path: String,
    key: String,
    authorized: bool,
    body: Value,
}

#[derive(Default)]
struct Ledger {
    modes: HashMap<&'static str, Mode>,
    /// By job.
    payments: BTreeMap<i64, Payment>,
    executed: HashSet<String>,
    voided: HashSet<String>,
    /// Requests that hang.
    late: Vec<Request>,
    calls: Vec<(&'static str, String)>,
    poor: HashSet<i64>,
}

/// The service; it ends with the test.
pub(crate) struct FakePayments {
    address: SocketAddr,
    /// Keeps the port while nobody listens.
    _port: socket2::Socket,
    ledger: Arc<Mutex<Ledger>>,
    stop: Mutex<Option<Arc<AtomicBool>>>,
}

impl FakePayments {
    pub(crate) fn start() -> Self {
        let port =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        port.set_reuse_address(true).expect("reuse");
        port.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        let address = port.local_addr().expect("an address").as_socket().expect("of IP");
        let fake = Self { address, _port: port, ledger: Arc::default(), stop: Mutex::new(None) };
        fake.up();
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens again.
    pub(crate) fn up(&self) {
        let listener = TcpListener::bind(self.address).expect("the port");
        let stop = Arc::new(AtomicBool::new(false));
        *self.stop.lock().expect("a lock") = Some(Arc::clone(&stop));
        let ledger = Arc::clone(&self.ledger);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever stops it calls once more, to wake it.
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let ledger = Arc::clone(&ledger);
                thread::spawn(move || serve(stream, &ledger));
            }
        });
    }

    /// Connections are refused from now on.
    pub(crate) fn down(&self) {
        if let Some(stop) = self.stop.lock().expect("a lock").take() {
            stop.store(true, Ordering::SeqCst);
            let _woken = TcpStream::connect(self.address);
        }
        test_kit::eventually(Duration::from_secs(5), || TcpStream::connect(self.address).is_err());
    }

    /// What becomes of calls of an operation (`hold`, `release`, `refund`, `worker`, `void`) from now on.
    pub(crate) fn set(&self, operation: &'static str, mode: Mode) {
        self.ledger().modes.insert(operation, mode);
    }

    /// An employer without money.
    pub(crate) fn make_poor(&self, employer_id: i64) {
        self.ledger().poor.insert(employer_id);
    }

    /// One who has got some.
    pub(crate) fn make_rich(&self, employer_id: i64) {
        self.ledger().poor.remove(&employer_id);
    }

    /// All that hung arrives now, long after the caller has gone.
    pub(crate) fn deliver_late(&self) -> Vec<u16> {
        let mut ledger = self.ledger();
        let late = std::mem::take(&mut ledger.late);
        late.iter().map(|request| ledger.execute(request).0).collect()
    }

    pub(crate) fn hanging(&self) -> usize {
        self.ledger().late.len()
    }

    pub(crate) fn of(&self, job_id: i64) -> Option<Payment> {
        self.ledger().payments.get(&job_id).cloned()
    }

    pub(crate) fn all(&self) -> BTreeMap<i64, Payment> {
        self.ledger().payments.clone()
    }

    /// The keys of an operation's calls, each as often as it was heard.
    pub(crate) fn keys(&self, operation: &str) -> Vec<String> {
        let ledger = self.ledger();
        ledger.calls.iter().filter(|(name, _)| *name == operation).map(|(_, key)| key.clone()).collect()
    }

    /// How many calls were heard so far.
    pub(crate) fn calls(&self) -> usize {
        self.ledger().calls.len()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakePayments {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
            stop.store(true, Ordering::SeqCst);
            let _woken = TcpStream::connect(self.address);
        }
    }
}

fn operation(path: &str) -> &'static str {
    let last = path.rsplit('/').next().unwrap_or_default();
    ["hold", "release", "refund", "worker", "void"]
        .into_iter()
        .find(|known| *known == last)
        .unwrap_or("other")
}

fn serve(mut stream: TcpStream, ledger: &Mutex<Ledger>) {
    let _blocking = stream.set_nonblocking(false);
    let Some(request) = read(&stream) else { return };
    let operation = operation(&request.path);
    let mode = {
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.calls.push((operation, request.key.clone()));
        ledger.modes.get(operation).copied().unwrap_or(Mode::Answer)
    };
    let execute = || ledger.lock().unwrap_or_else(PoisonError::into_inner).execute(&request);
    let (status, body) = match mode {
        Mode::Answer => execute(),
        Mode::AnswerLost => {
            execute();
            return;
        }
        Mode::AnswerBroken => {
            execute();
            (500, json!({"code": "internal"}))
        }
        Mode::Slow => {
            let answer = execute();
            thread::sleep(Duration::from_millis(300));
            answer
        }
        Mode::Second => {
            let answer = execute();
            thread::sleep(Duration::from_secs(1));
            answer
        }
        Mode::Held => {
            let answer = execute();
            let is_held = || {
                let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                ledger.modes.get(operation) == Some(&Mode::Held)
            };
            let _released = test_kit::wait::holds_within(Duration::from_secs(60), || !is_held());
            answer
        }
        Mode::Busy => (503, json!({"code": "store_unavailable"})),
        Mode::Hang => {
            ledger.lock().unwrap_or_else(PoisonError::into_inner).late.push(request.clone());
            // Until the caller goes away.
            let _end = stream.read(&mut [0; 64]);
            return;
        }
    };
    let body = body.to_string();
    let _gone = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut key, mut length, mut authorized) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorized = value == format!("Bearer {KEY}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, key, authorized, body: serde_json::from_slice(&body).unwrap_or_default() })
}

impl Ledger {
    fn execute(&mut self, request: &Request) -> (u16, Value) {
        if !request.authorized {
            return (401, json!({"code": "unauthorized"}));
        }
        let body = &request.body;
        match operation(&request.path) {
            "hold" => self.hold(&request.key, body),
            "void" => self.void(body),
            name @ ("release" | "refund" | "worker") => self.change(name, request),
            _ => (404, json!({"code": "not_found"})),
        }
    }

    fn hold(&mut self, key: &str, body: &Value) -> (u16, Value) {
        let job_id = body["job_id"].as_i64().expect("a job");
        if self.voided.contains(key) {
            return (409, json!({"code": "voided"}));
        }
        let employer_id = body["employer_id"].as_i64().expect("an employer");
        if !self.executed.contains(key) {
            if self.poor.contains(&employer_id) {
                return (409, json!({"code": "insufficient_funds"}));
            }
            let payment_id = 1000 + i64::try_from(self.payments.len()).expect("few");
            let amount = body["amount_usd"].as_f64().expect("an amount");
            let payment = Payment { payment_id, employer_id, worker_id: None, amount, status: "held" };
            assert!(self.payments.insert(job_id, payment).is_none(), "job {job_id} was held twice");
            self.executed.insert(key.to_owned());
        }
        (200, self.show(job_id))
    }

    fn change(&mut self, name: &str, request: &Request) -> (u16, Value) {
        let id: i64 = request.path.split('/').nth(2).and_then(|id| id.parse().ok()).expect("a payment's id");
        let Some((&job_id, _)) = self.payments.iter().find(|(_, payment)| payment.payment_id == id) else {
            return (404, json!({"code": "not_found"}));
        };
        if self.voided.contains(&request.key) {
            return (409, json!({"code": "voided"}));
        }
        let payment = self.payments.get_mut(&job_id).expect("found");
        if !self.executed.contains(&request.key) {
            let state = payment.status;
            if state != "held" {
                return (409, json!({"code": "wrong_state", "state": state}));
            }
            match name {
                "release" => payment.status = "released",
                "refund" => payment.status = "refunded",
                _ => {}
            }
            payment.worker_id = request.body["worker_id"].as_i64();
            assert!(name != "release" || payment.worker_id.is_some(), "released to nobody");
            self.executed.insert(request.key.clone());
        }
        (200, self.show(job_id))
    }

    fn void(&mut self, body: &Value) -> (u16, Value) {
        let key = body["key"].as_str().expect("a key");
        let executed = self.executed.contains(key);
        if !executed {
            self.voided.insert(key.to_owned());
        }
        let job_id = body["job_id"].as_i64().expect("a job");
        (200, json!({"executed": executed, "payment": executed.then(|| self.show(job_id))}))
    }

    fn show(&self, job_id: i64) -> Value {
        let payment = &self.payments[&job_id];
        json!({
            "payment_id": payment.payment_id, "job_id": job_id, "employer_id": payment.employer_id,
            "worker_id": payment.worker_id, "amount_usd": payment.amount, "status": payment.status,
            "created_at": "2025-11-01T12:00:00.000Z", "updated_at": "2025-11-01T12:00:00.000Z"
        })
    }
}
