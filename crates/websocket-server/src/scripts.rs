//! The browser files under `/js/`, which pages in the field load as they are (contracts: dashboard, tasks, socketio), and the
//! Socket.IO client under the names that Socket.IO's own servers have for it.
//!
//! They are what `npm run build -w @fanfare/compat` in `web/` left in `web/packages/compat/dist`. A release build has
//! them in it; a debug build reads them when it starts. Not here: what they do (`web/packages/compat`), and what the
//! client connects to, which has the same path with nothing behind it.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use service_kit::problem::Problem;

use crate::files::{Files, other_method};

/// A script is no document; this is for who opens one as such.
const POLICY: &str = "default-src 'none'";

/// Where the build puts the Socket.IO client, which is not ours.
const CLIENT: &str = "socket.io/";

/// The paths of the Socket.IO client: the script, smaller, and as a module; their source maps; and the licences of what is in them.
const CLIENT_PATHS: [&str; 7] = [
    "/socket.io/socket.io.js",
    "/socket.io/socket.io.js.map",
    "/socket.io/socket.io.min.js",
    "/socket.io/socket.io.min.js.map",
    "/socket.io/socket.io.esm.min.js",
    "/socket.io/socket.io.esm.min.js.map",
    "/socket.io/licences.md",
];

static SCRIPTS: LazyLock<Files> = LazyLock::new(|| {
    Files::of(built().filter(|(path, _)| !path.starts_with(CLIENT)), |_| "no-cache", POLICY)
});

static SOCKET_IO: LazyLock<Files> = LazyLock::new(|| {
    let files = built().filter_map(|(path, body)| Some((path.strip_prefix(CLIENT)?.to_owned(), body)));
    Files::of(files, |_| "no-cache", POLICY)
});

/// Adds the paths of `/js/` and of the Socket.IO client; not `/socket.io/` itself.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/js/{name:.*}")
                .route(web::get().to(script))
                .route(web::head().to(script))
                .default_service(web::to(other_method)),
        )
        .service(
            web::resource(CLIENT_PATHS)
                .route(web::get().to(client))
                .route(web::head().to(client))
                .default_service(web::to(other_method)),
        );
}

/// `GET /js/{name}`.
///
/// # Errors
/// There is no such file.
async fn script(request: HttpRequest, name: Path<String>) -> Result<HttpResponse, Problem> {
    SCRIPTS.answer(&request, &name).ok_or_else(|| missing(&SCRIPTS))
}

/// `GET /socket.io/socket.io.js` and the others of `CLIENT_PATHS`.
///
/// # Errors
/// This build has no such file.
async fn client(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.path().rsplit('/').next().unwrap_or_default();
    SOCKET_IO.answer(&request, name).ok_or_else(|| missing(&SOCKET_IO))
}

fn missing(files: &Files) -> Problem {
    let detail = if files.paths().next().is_none() {
        "this build is without the browser files: they are made by npm, see web/README.md"
    } else {
        "there is no such file"
    };
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
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
