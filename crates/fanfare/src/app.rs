//! The PayChain app on `/` and `/app/`: what `npm run build` in `web/` left in `web/apps/paychain/dist`.
//!
//! A release build has the files in it; a debug build reads them when it starts, so that a new build of the app needs
//! no compiler. Where the app was not built there is none, and `/` stays the playground's.
//!
//! Not here: building the app (`scripts/run`), and what its pages do (`web/apps/paychain`).

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, EntityTag, Header as _, IfNoneMatch,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use service_kit::problem::Problem;
use sha2::{Digest as _, Sha256};

mod coding;
mod files;
#[cfg(test)]
mod tests;

use coding::Coding;

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

/// Bytes of a file's SHA-256 that tell it from all others in its entity tag.
const TAG: usize = 16;

/// The methods that the files take.
const METHODS: &str = "GET, HEAD";

/// The files of the app, ready to be sent. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    files: Arc<HashMap<String, File>>,
}

/// A file in all the codings in which it was built.
struct File {
    media: &'static str,
    caching: &'static str,
    plain: Representation,
    brotli: Option<Representation>,
    gzip: Option<Representation>,
}

/// One sequence of bytes, and what tells it from others.
struct Representation {
    body: Bytes,
    tag: String,
}

impl App {
    /// The app as it was built; nothing where it was not.
    pub(crate) fn built() -> Option<Self> {
        Self::of(files::built())
    }

    /// The app that consists of these files, each with its path; nothing where its page is not among them.
    fn of(files: impl IntoIterator<Item = (String, Bytes)>) -> Option<Self> {
        let mut bodies: HashMap<String, Bytes> = files.into_iter().collect();
        let mut paths: Vec<String> = bodies.keys().cloned().collect();
        // What is compressed belongs to what it was made of, unless that is not there.
        paths.retain(|path| plain_name(path).is_none_or(|plain| !bodies.contains_key(plain)));
        let mut known = HashMap::new();
        for path in paths {
            let brotli = bodies.remove(&format!("{path}.br")).map(Representation::of);
            let gzip = bodies.remove(&format!("{path}.gz")).map(Representation::of);
            let Some(plain) = bodies.remove(&path).map(Representation::of) else { continue };
            let file = File { media: media(&path), caching: caching(&path), plain, brotli, gzip };
            known.insert(path, file);
        }
        known.contains_key(PAGE).then(|| Self { files: Arc::new(known) })
    }

    /// Adds the app's routes: `/`, everything in `/app/`, and what else stands beside the page, such as an icon.
    pub(crate) fn configure(&self, config: &mut ServiceConfig) {
        let beside = self.files.keys().filter(|path| !path.starts_with(FOLDER) && *path != PAGE);
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
        let file = self.files.get(path).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such file; reload the page")
        })?;
        Ok(file.answer(request))
    }
}

impl File {
    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let (coding, chosen) = self.choose(request);
        let unchanged = is_known(request, &chosen.tag);
        let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer.insert_header((ETAG, chosen.tag.as_str())).insert_header((CACHE_CONTROL, self.caching));
        if self.brotli.is_some() || self.gzip.is_some() {
            answer.insert_header((VARY, "Accept-Encoding"));
        }
        if unchanged {
            return answer.finish();
        }
        if let Some(name) = coding.name() {
            answer.insert_header((CONTENT_ENCODING, name));
        }
        answer
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .content_type(self.media)
            .body(chosen.body.clone())
    }

    /// The coding that the request likes best among those that are there.
    fn choose(&self, request: &HttpRequest) -> (Coding, &Representation) {
        let present = |coding| match coding {
            Coding::Brotli => self.brotli.as_ref(),
            Coding::Gzip => self.gzip.as_ref(),
            Coding::Plain => Some(&self.plain),
        };
        let liked = coding::by_preference(request);
        let mut found = liked.into_iter().filter_map(|coding| Some((coding, present(coding)?)));
        // Who takes nothing of it gets the plain file, which everyone can read (RFC 9110 §12.5.3).
        found.next().unwrap_or((Coding::Plain, &self.plain))
    }
}

impl Representation {
    fn of(body: Bytes) -> Self {
        let hash = Sha256::digest(&body);
        let hex: String = hash.iter().take(TAG).map(|byte| format!("{byte:02x}")).collect();
        Self { body, tag: format!("\"{hex}\"") }
    }
}

/// Whether the request says that it has what bears this tag (RFC 9110 §13.1.2: compared weakly).
fn is_known(request: &HttpRequest, tag: &str) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => {
            tag.parse::<EntityTag>().is_ok_and(|tag| known.iter().any(|one| one.weak_eq(&tag)))
        }
        Err(_) => false,
    }
}

async fn other_method() -> Result<HttpResponse, Problem> {
    let detail = format!("this path takes {METHODS}");
    Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).header("Allow", METHODS))
}

/// The name of what a compressed file was made of.
fn plain_name(path: &str) -> Option<&str> {
    path.strip_suffix(".br").or_else(|| path.strip_suffix(".gz"))
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

fn media(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
