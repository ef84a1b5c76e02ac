//! The browser files under `/js/`, which pages in the field load as they are (contracts: dashboard, tasks).
//!
//! They are what `npm run build -w @fanfare/compat` in `web/` left in `web/packages/compat/dist`. A release build has
//! them in it; a debug build reads them when it starts. Not here: what they do (`web/packages/compat`).

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use service_kit::problem::Problem;

use crate::files::Files;

/// A script is no document; this is for who opens one as such.
const POLICY: &str = "default-src 'none'";

static SCRIPTS: LazyLock<Files> = LazyLock::new(|| Files::of(built(), |_| "no-cache", POLICY));

/// `GET /js/{name}`.
///
/// # Errors
/// There is no such file.
pub(crate) async fn script(request: HttpRequest, name: Path<String>) -> Result<HttpResponse, Problem> {
    SCRIPTS.answer(&request, &name).ok_or_else(|| {
        let detail = if SCRIPTS.paths().next().is_none() {
            "this build is without the browser files: they are made by npm, see web/README.md"
        } else {
            "there is no such file"
        };
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    })
}

#[cfg(not(debug_assertions))]
fn built() -> impl Iterator<Item = (String, Bytes)> {
    /// All that the build made. `build.rs` sees to it that a new one is taken.
    #[derive(rust_embed::Embed)]
    #[folder = "../../web/packages/compat/dist/"]
    #[allow_missing = true]
    struct Embedded;

    crate::files::embedded::<Embedded>()
}

#[cfg(debug_assertions)]
fn built() -> impl Iterator<Item = (String, Bytes)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/packages/compat/dist");
    crate::files::read(std::path::Path::new(directory)).into_iter()
}
