//! The playground: the page on `GET /playground`, and on `/` where nothing else is, and the demo pages of four other worlds
//! and of the inbox below it, embedded in the binary. Their files are in `assets/`.
//!
//! Not here: the clients' own scripts under `/js/`, and what the pages connect to.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use auth::is_forwarding_header;
use rust_embed::Embed;
use serde_json::json;
use service_kit::problem::Problem;

use crate::config::EndpointAuth;
use crate::state::State;

/// Only what the page brings along runs; it may connect to any hub.
const POLICY: &str =
    "default-src 'self'; connect-src * ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Embed)]
#[folder = "assets/"]
struct Assets;

/// The demo pages, and the files that they are.
const DEMOS: [(&str, &str); 5] = [
    ("/playground/dashboard", "dashboard.html"),
    ("/playground/uploads", "uploads.html"),
    ("/playground/receipts", "receipts.html"),
    ("/playground/social", "social.html"),
    ("/playground/inbox", "inbox.html"),
];

/// The design tokens that all pages share.
const TOKENS: &str = include_str!("../../../web/packages/tokens/tokens.css");

fn serve(media: &'static str, body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .content_type(media)
        .body(body)
}

/// `GET /playground`, and `GET /` where the process has no other page for it.
///
/// # Errors
/// Never; a handler's type.
pub(crate) async fn page() -> Result<HttpResponse, Problem> {
    asset(Path::from("playground.html".to_owned())).await
}

/// Adds the demo pages, and `GET /playground/server`.
pub(crate) fn configure_demos(config: &mut ServiceConfig) {
    for (path, file) in DEMOS {
        let page = move || async move { asset(Path::from(file.to_owned())).await };
        config.service(web::resource(path).route(web::get().to(page)).route(web::head().to(page)));
    }
    config.service(web::resource("/playground/server").route(web::get().to(facts)));
}

/// What the demo pages have to know of this hub before they connect, since a browser does not show a page why a handshake was
/// refused: `tokens`, whether there are keys to check them with; `dashboard`, whether it is `open` to whoever names a user, or
/// wants a `token`. Both can be seen by connecting.
async fn facts(state: Data<State>, request: HttpRequest) -> HttpResponse {
    let is_forwarded = || request.headers().keys().any(|name| is_forwarding_header(name.as_str()));
    let front = state.endpoints.iter().find(|endpoint| endpoint.path.as_deref() == Some("/"));
    let is_open = front.is_some_and(|endpoint| match endpoint.auth {
        EndpointAuth::Off => true,
        EndpointAuth::OffUnlessForwarded => !is_forwarded(),
        _ => false,
    });
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({
        "tokens": state.access().verifier.has_keys(),
        "dashboard": if is_open { "open" } else { "token" },
    }))
}

/// `GET /assets/{name}`.
///
/// # Errors
/// There is no such file.
pub(crate) async fn asset(name: Path<String>) -> Result<HttpResponse, Problem> {
    let media = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    };
    if name.as_str() == "tokens.css" {
        return Ok(serve(media, TOKENS.into()));
    }
    let file = Assets::get(&name)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such file"))?;
    Ok(serve(media, file.data.into_owned()))
}
