//! The playground: the page on `GET /playground`, and on `/` where nothing else is, embedded in the binary. Its files are in `assets/`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::Path;
use rust_embed::Embed;
use service_kit::problem::Problem;

/// Only what the page brings along runs; it may connect to any hub.
const POLICY: &str =
    "default-src 'self'; connect-src * ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Embed)]
#[folder = "assets/"]
struct Assets;

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
