//! The HTTP side beside publishing: routes, `/health`, `/stats`, `/metrics`, and what is not there.

use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use service_kit::problem::Problem;

use crate::nodes::{self, Counts, Scope, health};
use crate::server::FrontPage;
use crate::state::State;
use crate::{events, feeds, operator, playground, publish, scripts, socketio, sounds};

/// Where Socket.IO is spoken.
pub(crate) const SOCKET_IO: [&str; 2] = ["/socket.io", "/socket.io/"];

/// Where bare Engine.IO is, in the protocol test.
pub(crate) const ENGINE_IO: [&str; 2] = ["/engine.io", "/engine.io/"];

/// All routes but the one for what is not there, and `/` only where it is the playground's. A WebSocket upgrade never comes here: it leaves before routing.
pub(crate) fn configure(config: &mut ServiceConfig, front_page: FrontPage, upgrades: Vec<String>) {
    let playground: &[&str] = match front_page {
        FrontPage::Playground => &["/", "/playground"],
        FrontPage::Routes => &["/playground"],
    };
    let get = || web::resource(["/health"]).default_service(only("GET"));
    config
        .service(
            web::resource("/broadcast")
                .route(web::post().to(publish::broadcast))
                .default_service(only("POST")),
        )
        .service(
            web::resource("/broadcast/batch")
                .route(web::post().to(publish::batch))
                .default_service(only("POST")),
        )
        .service(get().route(web::get().to(health)).route(web::head().to(health)))
        .service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
        .service(web::resource("/stats").route(web::get().to(stats)).default_service(only("GET")))
        .service(web::resource("/metrics").route(web::get().to(metrics)).default_service(only("GET")))
        .service(
            web::resource("/events")
                .route(web::get().to(events::stream))
                .route(web::head().to(events::stream))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource("/events/ticket")
                .route(web::post().to(events::ticket))
                .default_service(only("POST")),
        )
        .service(
            web::resource("/channels").route(web::get().to(operator::channels)).default_service(only("GET")),
        )
        .service(
            web::resource("/channels/{name:.*}")
                .route(web::get().to(operator::channel))
                .default_service(only("GET")),
        )
        .service(
            web::resource("/feeds/{name:.*}").route(web::get().to(feeds::read)).default_service(only("GET")),
        )
        .service(
            web::resource("/users/{id}/connections")
                .route(web::get().to(operator::connections))
                .default_service(only("GET")),
        )
        .service(
            web::resource("/users/{id}/disconnect")
                .route(web::post().to(operator::disconnect))
                .default_service(only("POST")),
        )
        .service(web::resource(SOCKET_IO.to_vec()).to(socketio::http::socketio))
        .service(web::resource(ENGINE_IO.to_vec()).to(engineio))
        .service(web::resource(upgrades).to(upgrade_required))
        .service(
            web::resource(playground.to_vec())
                .route(web::get().to(playground::page))
                .route(web::head().to(playground::page))
                .default_service(only("GET")),
        )
        .configure(playground::configure_demos)
        .configure(scripts::configure)
        .configure(sounds::configure)
        .service(web::resource("/assets/{name}").route(web::get().to(playground::asset)));
}

/// The answer to a method that a path does not take.
fn only(method: &'static str) -> actix_web::Route {
    web::to(move || async move {
        let detail = format!("this path takes {method}");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        Err::<HttpResponse, _>(problem.header("Allow", method))
    })
}

/// The paths that speak WebSocket alone, with and without a slash at the end.
pub(crate) fn upgrade_paths(state: &State) -> Vec<String> {
    let own = state.endpoints.iter().filter_map(|endpoint| endpoint.path.as_deref());
    let both = own.filter(|path| *path != "/").flat_map(|path| [path.to_owned(), format!("{path}/")]);
    both.chain(["/echo".to_owned()]).collect()
}

/// The routes of a port that serves one endpoint alone (contract: dashboard).
pub(crate) fn configure_own(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/broadcast")
                .route(web::post().to(publish::broadcast))
                .default_service(only("POST")),
        )
        .service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
        .service(web::resource("/").to(upgrade_required));
}

/// What nobody has a route for.
///
/// # Errors
/// Always but for `OPTIONS`, which is no question about a path.
pub(crate) async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"))
}

/// Bare Engine.IO, which is there in the protocol test alone.
async fn engineio(
    request: HttpRequest,
    body: web::Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    if state.protocol_test == crate::config::ProtocolTest::Off {
        return not_found(request).await;
    }
    Ok(socketio::http::engineio(request, body, state).await)
}

async fn upgrade_required(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if request.path() == "/echo" && state.protocol_test == crate::config::ProtocolTest::Off {
        return not_found(request).await;
    }
    let detail = "this path speaks WebSocket: connect with ws:// or wss://, or send Upgrade: websocket";
    Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail).header("Upgrade", "websocket"))
}

/// The body of `/health`.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
    connections: Counts,
    #[serde(flatten)]
    cluster: Option<health::Cluster>,
}

async fn health(state: Data<State>) -> HttpResponse {
    let draining = state.hub.is_draining();
    let cluster = health::of(&state);
    let is_degraded = cluster.as_ref().is_some_and(|cluster| !cluster.reasons.is_empty());
    let status = match (draining, is_degraded) {
        (true, _) => "draining",
        (false, true) => "degraded",
        (false, false) => "healthy",
    };
    let connections = nodes::counts(&state.hub);
    let body = Health { status, service: "websocket-server", connections, cluster };
    if draining { HttpResponse::ServiceUnavailable().json(body) } else { HttpResponse::Ok().json(body) }
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// `GET /stats?scope=`, of this node where nothing else is asked for.
///
/// # Errors
/// 422 for a scope that there is not.
async fn stats(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    let (counts, missing) = match Scope::of(request.query_string(), Scope::Node)? {
        Scope::Node => (nodes::counts(&state.hub), 0),
        Scope::Cluster => nodes::all_counts(&state.hub).await,
    };
    let mut response = HttpResponse::Ok();
    if missing > 0 {
        response.insert_header((nodes::MISSING, missing));
    }
    Ok(response.json(counts))
}

async fn metrics(state: Data<State>) -> HttpResponse {
    state.hub.metrics().shard_queue.set(i64::try_from(state.hub.queued()).unwrap_or(i64::MAX));
    state.deliveries.measure();
    state.metrics.feed_readers.set(feeds::readers(&state));
    service_kit::metrics::response(&state.registry)
}
