//! Files that a build made, as HTTP answers: in the coding that the browser likes best, and with tags by which it knows
//! what it has already.
//!
//! Not here: which files there are, and on which paths (`scripts`; in `fanfare` the app).

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, EntityTag, Header as _, IfNoneMatch,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use service_kit::problem::Problem;
use sha2::{Digest as _, Sha256};

mod coding;

use coding::Coding;

/// Bytes of a file's SHA-256 that tell it from all others in its entity tag.
const TAG: usize = 16;

/// The methods that the files take.
const METHODS: &str = "GET, HEAD";

/// Files, ready to be sent, by their paths.
pub struct Files {
    known: HashMap<String, File>,
    policy: &'static str,
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

impl Files {
    /// These files, each with its path; one that ends in `.br` or `.gz` is another form of the one without. `caching` is
    /// the `Cache-Control` of a path, `policy` the `Content-Security-Policy` of all.
    pub fn of(
        files: impl IntoIterator<Item = (String, Bytes)>,
        caching: impl Fn(&str) -> &'static str,
        policy: &'static str,
    ) -> Self {
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
        Self { known, policy }
    }

    /// The paths that are there.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// The answer to a request for a path; none where it is not there.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest, path: &str) -> Option<HttpResponse> {
        self.known.get(path).map(|file| file.answer(request, self.policy))
    }
}

impl File {
    fn answer(&self, request: &HttpRequest, policy: &'static str) -> HttpResponse {
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
            .insert_header((CONTENT_SECURITY_POLICY, policy))
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

/// The answer to other methods than GET and HEAD.
///
/// # Errors
/// Always.
pub async fn other_method() -> Result<HttpResponse, Problem> {
    let detail = format!("this path takes {METHODS}");
    Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).header("Allow", METHODS))
}

/// The name of what a compressed file was made of.
fn plain_name(path: &str) -> Option<&str> {
    path.strip_suffix(".br").or_else(|| path.strip_suffix(".gz"))
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

/// The files that a release build has in it, with their paths.
pub fn embedded<E: rust_embed::RustEmbed>() -> impl Iterator<Item = (String, Bytes)> {
    E::iter().filter_map(|path| {
        let body = match E::get(&path)?.data {
            Cow::Borrowed(body) => Bytes::from_static(body),
            Cow::Owned(body) => Bytes::from(body),
        };
        Some((path.into_owned(), body))
    })
}

/// All files in a directory and what is in it; none where it is not there. Links are not followed.
#[must_use]
pub fn read(directory: &Path) -> Vec<(String, Bytes)> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(directory.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{folder}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(format!("{path}/")),
                Ok(kind) if kind.is_file() => {
                    if let Ok(body) = std::fs::read(entry.path()) {
                        files.push((path, Bytes::from(body)));
                    }
                }
                _ => {}
            }
        }
    }
    files
}
