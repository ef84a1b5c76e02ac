//! The hub inside of a larger process: its listeners, further routes, and the key of the other parts.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use service_kit::arguments::Secret;
use service_kit::shutdown::Shutdown;
use test_kit::http::{get, post_json, request, request_tls};
use test_kit::wait::PATIENCE;
use test_kit::{Certificate, Client, eventually};
use tokio::sync::Semaphore;
use websocket_server::config::{Config, DeliveryHook, Hook, Places};
use websocket_server::{Extension, FrontPage, Server};

use super::TextFile;
use super::broadcast::expect_problem;

const KEY: &str = "a-key-of-the-other-parts";
const PAGE: &str = "http://localhost:5173";

/// A process with the hub and further routes, on two listeners.
struct Process {
    main: SocketAddr,
    internal: SocketAddr,
    shutdown: Shutdown,
    /// What requests of `/wait` wait for.
    gate: Arc<Semaphore>,
    /// Tells of each request of `/wait` that has begun.
    waiting: mpsc::Receiver<()>,
    /// The delivery records that it was told, each with whether the hub has shown its key.
    told: Told,
    server: Option<JoinHandle<()>>,
}

type Told = Arc<Mutex<Vec<(bool, Value)>>>;

impl Process {
    fn start(env: &[(&str, &str)]) -> Self {
        Self::with_front_page(env, FrontPage::default())
    }

    fn with_front_page(env: &[(&str, &str)], front_page: FrontPage) -> Self {
        let settings = env.iter().map(|(name, value)| (name.into(), value.into()));
        let config = Config::load(["fanfare".into()], settings).expect("a configuration");
        let bind = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (main, internal) = (bind(), bind());
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let (main_address, internal_address) = (address(&main), address(&internal));
        let (gate, (tell, waiting)) = (Arc::new(Semaphore::new(0)), mpsc::channel());
        let told = Told::default();
        let of_parts = |path: &str| format!("http://{internal_address}{path}").parse().expect("an address");
        let (waves, deliveries) = (of_parts("/hooks/wave"), of_parts("/hooks/deliveries"));
        let extension = Extension {
            hooks: vec![Hook::post(&["wave"], Places::ws_and(&[]), waves, Some(Secret::new(KEY)))],
            delivery_hooks: vec![DeliveryHook::new(&["news"], deliveries, Some(Secret::new(KEY)))],
            listener: Some(main),
            internal: Some(internal),
            routes: Some(routes(&gate, tell, &told)),
            front_page,
            key: Some(Secret::new(KEY)),
            ..Extension::default()
        };
        let shutdown = Shutdown::new();
        let token = shutdown.token();
        let server = thread::spawn(move || {
            // Another test of this binary may have installed it.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            actix_rt::System::new().block_on(async {
                let server = Server::start_with(&config, 4_096, extension).expect("it starts");
                server.run(token).await.expect("it ends well");
            });
        });
        Self {
            main: main_address,
            internal: internal_address,
            shutdown,
            gate,
            waiting,
            told,
            server: Some(server),
        }
    }

    fn end(mut self) {
        self.shutdown.begin();
        self.server.take().expect("it runs").join().expect("no panic");
    }
}

fn routes(gate: &Arc<Semaphore>, tell: mpsc::Sender<()>, told: &Told) -> websocket_server::Routes {
    let (gate, told) = (Arc::clone(gate), Arc::clone(told));
    Arc::new(move |config: &mut ServiceConfig| {
        let (gate, tell) = (Arc::clone(&gate), tell.clone());
        let wait = move || {
            let (gate, tell) = (Arc::clone(&gate), tell.clone());
            async move {
                tell.send(()).expect("the test waits");
                gate.acquire().await.expect("it is never closed").forget();
                HttpResponse::Ok().body("waited")
            }
        };
        let told = Arc::clone(&told);
        let deliveries = move |request: HttpRequest, body: web::Json<Vec<Value>>| {
            let is_the_hub = is_the_hub(&request);
            told.lock().expect("no panic").extend(body.0.into_iter().map(|record| (is_the_hub, record)));
            async { HttpResponse::Ok().finish() }
        };
        config
            .route("/hooks/deliveries", web::post().to(deliveries))
            .route("/jobs", web::get().to(async || HttpResponse::Ok().body("jobs")))
            .route("/", web::get().to(async || HttpResponse::Ok().body("a page of their own")))
            .route("/refused", web::get().to(async || HttpResponse::Conflict().body("refused")))
            .route("/health", web::get().to(async || HttpResponse::Ok().body("not the hub's")))
            .route("/wait", web::get().to(wait))
            .route("/hooks/wave", web::post().to(waved))
            .default_service(web::to(async || HttpResponse::Ok().body("whatever")));
    })
}

/// Tells whether the hub has shown its key, and what it was told.
async fn waved(request: HttpRequest, body: web::Json<Value>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": is_the_hub(&request), "data": body["data"] }))
}

fn is_the_hub(request: &HttpRequest) -> bool {
    let shown = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    shown == Some(&format!("Bearer {KEY}"))
}

#[test]
fn what_became_of_events_is_told_to_the_other_parts_to_the_end_of_a_drain() {
    let process = Process::start(&[]);
    let mut client = Client::welcomed(&format!("ws://{}/ws", process.main));
    let key = format!("Bearer {KEY}");
    let news = json!({ "type": "news" });
    let published = post_json(process.main, "/broadcast", &[("authorization", &key)], &news).json();
    client.expect_type("news");
    let (told, connection) = (Arc::clone(&process.told), client.connection_id().to_owned());
    let ending = thread::spawn(move || process.end());
    assert_eq!(client.expect_close().0, 1001);
    ending.join().expect("it ended");
    let told = told.lock().expect("no panic");
    let (is_the_hub, record) = told.first().expect("a record");
    assert!(is_the_hub);
    assert_eq!(
        (&record["id"], &record["connection_id"], &record["state"]),
        (&published["id"], &json!(connection), &json!("sent"))
    );
}

#[test]
fn what_clients_send_goes_to_the_other_parts_unless_the_file_says_otherwise() {
    let waved = |process: &Process| {
        let mut client = Client::welcomed(&format!("ws://{}/ws", process.main));
        client.send_json(&json!({ "type": "wave", "data": { "hand": "left" } }));
        client.expect_type("ack")["data"]["answer"].clone()
    };
    let process = Process::start(&[]);
    assert_eq!(waved(&process), json!({ "success": true, "data": { "hand": "left" } }));
    process.end();
    let own = "[[hooks]]\nevent = \"wave\"\nemit = \"waved\"\nto = \"sender\"\nnamespaces = [\"/x\"]\n";
    for (toml, is_theirs) in
        [(own.to_owned(), true), (own.replace("namespaces", "ws = true\nnamespaces"), false)]
    {
        let file = TextFile::new("fanfare.toml", &toml);
        let process = Process::start(&[("FANFARE_CONFIG", file.path().to_str().expect("a path"))]);
        if is_theirs {
            assert_eq!(waved(&process)["data"]["hand"], "left");
        } else {
            let mut client = Client::welcomed(&format!("ws://{}/ws", process.main));
            client.send_json(&json!({ "type": "wave", "data": {} }));
            let answer = client.collect_until("ack").pop().expect("a frame")["data"]["answer"].take();
            assert_eq!(answer, json!({ "success": true }));
        }
        process.end();
    }
}

#[test]
fn further_routes_are_answered_on_both_listeners_and_the_hubs_own_win() {
    let process = Process::start(&[]);
    for address in [process.main, process.internal] {
        assert_eq!(get(address, "/jobs", &[]).text(), "jobs");
        assert_eq!(get(address, "/health", &[]).json()["service"], "websocket-server");
        expect_problem(&get(address, "/nothing", &[]), 404, "not_found");
        let mut client = Client::welcomed(&format!("ws://{address}/ws"));
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
        for path in ["/jobs", "/refused", "/nothing"] {
            let answer = get(address, path, &[("origin", PAGE)]);
            assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{path}");
        }
        let headers = [("origin", PAGE), ("access-control-request-method", "PATCH")];
        let preflight = request(address, "OPTIONS", "/jobs", &headers, None);
        assert_eq!(preflight.status, 204);
        let methods = preflight.header("access-control-allow-methods");
        assert_eq!(methods, Some("GET, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    process.end();
}

#[test]
fn the_front_page_is_the_playground_unless_it_is_left_to_the_further_routes() {
    let playground =
        |process: &Process, path: &str| get(process.main, path, &[]).text().contains("playground");
    let process = Process::start(&[]);
    assert!(playground(&process, "/") && playground(&process, "/playground"));
    process.end();
    let process = Process::with_front_page(&[], FrontPage::Routes);
    for address in [process.main, process.internal] {
        assert_eq!(get(address, "/", &[]).text(), "a page of their own");
    }
    assert!(playground(&process, "/playground"));
    process.end();
}

#[test]
fn the_key_of_the_other_parts_is_an_administrators_beside_the_configured_ones() {
    let publish = |process: &Process, key: Option<&str>, body: &Value| {
        let authorization = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        post_json(process.internal, "/broadcast", &headers, body)
    };
    let ending = json!({ "type": "x", "user_id": 7, "close_sessions": ["s-1"] });
    let process = Process::start(&[("FANFARE_API_KEYS", "shop:secret-of-shop")]);
    assert_eq!(publish(&process, Some(KEY), &ending).status, 200);
    assert_eq!(publish(&process, Some("secret-of-shop"), &json!({ "type": "x" })).status, 200);
    expect_problem(&publish(&process, Some("secret-of-shop"), &ending), 403, "not_admin");
    expect_problem(&publish(&process, None, &ending), 401, "key_missing");
    process.end();

    let process = Process::start(&[]);
    assert_eq!(publish(&process, Some(KEY), &ending).status, 200);
    assert_eq!(publish(&process, None, &ending).status, 200, "this machine may, as ever");
    let forwarded = |headers: &[(&str, &str)]| {
        post_json(
            process.main,
            "/broadcast",
            &[&[("x-forwarded-for", "192.0.2.1")], headers].concat(),
            &ending,
        )
    };
    expect_problem(&forwarded(&[]), 403, "forwarded_request");
    let authorization = format!("Bearer {KEY}");
    assert_eq!(forwarded(&[("authorization", &authorization)]).status, 200);
    process.end();
}

#[test]
fn a_drain_waits_for_requests_of_further_routes() {
    let process = Process::start(&[]);
    let asked: Vec<_> = [process.main, process.internal]
        .map(|address| thread::spawn(move || get(address, "/wait", &[])))
        .into_iter()
        .collect();
    for _ in 0..asked.len() {
        process.waiting.recv_timeout(PATIENCE).expect("a request began");
    }
    let mut client = Client::welcomed(&format!("ws://{}/ws", process.main));
    process.shutdown.begin();
    assert_eq!(client.expect_close().0, 1001, "the hub drains");
    drop(client);
    assert!(!process.server.as_ref().expect("it runs").is_finished(), "two requests still run");
    process.gate.add_permits(2);
    for answer in asked {
        assert_eq!(answer.join().expect("an answer").text(), "waited");
    }
    let server = process.server.as_ref().expect("it runs");
    eventually(PATIENCE, || server.is_finished());
    process.end();
}

#[test]
fn beside_a_tls_port_the_internal_listener_speaks_plain_http() {
    let certificate = Certificate::generate();
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (chain, key) = (path(certificate.certificate_file()), path(certificate.key_file()));
    let process = Process::start(&[("TLS_CERT_FILE", &chain), ("TLS_KEY_FILE", &key)]);
    let answer = request_tls(process.main, &certificate, "GET", "/jobs", &[], None);
    assert_eq!(answer.text(), "jobs");
    assert_eq!(get(process.internal, "/jobs", &[]).text(), "jobs");
    process.end();
}
