//! The PayChain app on `/` and `/app/`: what `npm run build` in `web/` left in `web/apps/paychain/dist`.
//!
//! A release build has the files in it; a debug build reads them when it starts, so that a new build of the app needs
//! no compiler. Where the app was not built there is none, and `/` stays the playground's.
//!
//! Not here: building the app (`scripts/run`), and what its pages do (`web/apps/paychain`).

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use service_kit::problem::Problem;
use websocket_server::files::{Files, other_method};

mod files;
#[cfg(test)]
mod tests;

/// Only what the app brings along runs, and it talks to this server alone. Style attributes are the toasts' and the menus',
/// which place themselves. Forms are submitted by script.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; object-src 'none'";

/// The page itself.
const PAGE: &str = "index.html";

/// The folder of everything that the page loads.
const FOLDER: &str = "app/";

/// Characters of the hash that Vite puts at the end of a name: `index-BTk3fQ_x.js`.
const HASH: usize = 8;

/// The files of the app, ready to be sent. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    files: Arc<Files>,
}

impl App {
    /// The app as it was built; nothing where it was not.
    pub(crate) fn built() -> Option<Self> {
        Self::of(files::built())
    }

    /// The app that consists of these files, each with its path; nothing where its page is not among them.
    fn of(files: impl IntoIterator<Item = (String, Bytes)>) -> Option<Self> {
        let files = Files::of(files, caching, POLICY);
        let has_page = files.paths().any(|path| path == PAGE);
        has_page.then(|| Self { files: Arc::new(files) })
    }

    /// Adds the app's routes: `/`, everything in `/app/`, and what else stands beside the page, such as an icon.
    pub(crate) fn configure(&self, config: &mut ServiceConfig) {
        let beside = self.files.paths().filter(|path| !path.starts_with(FOLDER) && *path != PAGE);
        for path in beside.filter(|path| is_literal(path)) {
            self.route(config, &format!("/{path}"), path);
        }
        self.route(config, "/", PAGE);
        let app = self.clone();
        let folder = move |request: HttpRequest| {
            let answer = app.answer(&request, request.path().trim_start_matches('/'));
            async move { answer }
        };
        config.service(
            web::resource("/app/{path:.*}")
                .route(web::get().to(folder.clone()))
                .route(web::head().to(folder))
                .default_service(web::to(other_method)),
        );
    }

    /// One file at one path.
    fn route(&self, config: &mut ServiceConfig, at: &str, path: &str) {
        let (app, path) = (self.clone(), Arc::<str>::from(path));
        let file = move |request: HttpRequest| {
            let answer = app.answer(&request, &path);
            async move { answer }
        };
        config.service(
            web::resource(at)
                .route(web::get().to(file.clone()))
                .route(web::head().to(file))
                .default_service(web::to(other_method)),
        );
    }

    /// # Errors
    /// There is no such file.
    fn answer(&self, request: &HttpRequest, path: &str) -> Result<HttpResponse, Problem> {
        self.files.answer(request, path).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such file; reload the page")
        })
    }
}

/// Whether a path can stand in a route as it is.
fn is_literal(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}

/// A name with a hash never means anything else; every other one is asked for again, which costs a 304.
fn caching(path: &str) -> &'static str {
    if path.starts_with(FOLDER) && has_hash(path) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

/// Whether the name ends, before its ending, in `-` and a hash of Vite: [`HASH`] characters of base64url. Small letters
/// alone are a word, as in `color-contrast.js`; that one hash in a thousand looks like a word costs it only the cache.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".map").unwrap_or(name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let Some((before, hash)) = stem.len().checked_sub(HASH).and_then(|at| stem.split_at_checked(at)) else {
        return false;
    };
    let in_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    before.ends_with('-')
        && hash.bytes().all(in_base64url)
        && hash.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}
