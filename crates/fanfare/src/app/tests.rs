use std::fs;
use std::path::PathBuf;

use actix_web::body::to_bytes;
use actix_web::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service};

use super::*;

const HASHED: &str = "/app/index-BTk3fQ_x.js";

/// Files of an app, each with a text of its own.
fn files() -> Vec<(String, Bytes)> {
    let paths = [
        "index.html",
        "index.html.br",
        "favicon.svg",
        "app/index-BTk3fQ_x.js",
        "app/index-BTk3fQ_x.js.br",
        "app/index-BTk3fQ_x.js.gz",
        "app/style-a-B3_x9Q.css",
        "app/style-a-B3_x9Q.css.gz",
        "app/theme.js",
        "app/color-contrast.js",
        "odd{name}.bin",
    ];
    paths.map(|path| (path.to_owned(), Bytes::from(format!("the text of {path}")))).into()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What the app of [`files`] answers.
async fn answer(request: TestRequest) -> Answer {
    let app = App::of(files()).expect("an app");
    let service = init_service(actix_web::App::new().configure(|config| app.configure(config))).await;
    let (_, response) = call_service(&service, request.to_request()).await.into_parts();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.expect("a body");
    Answer { status, headers, body: String::from_utf8(body.to_vec()).expect("text") }
}

async fn get(path: &str) -> Answer {
    answer(TestRequest::with_uri(path)).await
}

/// The coding of the answer to a request that takes `accepted`, and the tag of it.
async fn coded(path: &str, accepted: &str) -> (Option<String>, String) {
    let answer = answer(TestRequest::with_uri(path).insert_header((ACCEPT_ENCODING, accepted))).await;
    let coding = answer.header(CONTENT_ENCODING).map(str::to_owned);
    let ending = match coding.as_deref() {
        Some("br") => ".br",
        Some("gzip") => ".gz",
        _ => "",
    };
    let file = if path == "/" { "index.html" } else { path.trim_start_matches('/') };
    assert_eq!(answer.body, format!("the text of {file}{ending}"), "{accepted}");
    assert_eq!(answer.header(VARY), Some("Accept-Encoding"), "{accepted}");
    (coding, answer.header(ETAG).expect("a tag").to_owned())
}

#[actix_web::test]
async fn each_file_has_its_type_and_what_holds_it_to_this_server() {
    for (path, media, text) in [
        ("/", "text/html; charset=utf-8", "the text of index.html"),
        ("/favicon.svg", "image/svg+xml", "the text of favicon.svg"),
        (HASHED, "text/javascript; charset=utf-8", "the text of app/index-BTk3fQ_x.js"),
        ("/app/style-a-B3_x9Q.css", "text/css; charset=utf-8", "the text of app/style-a-B3_x9Q.css"),
    ] {
        let answer = get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, text), "{path}");
        assert_eq!(answer.header(CONTENT_TYPE), Some(media), "{path}");
        assert_eq!(answer.header(X_CONTENT_TYPE_OPTIONS), Some("nosniff"), "{path}");
        assert_eq!(answer.header(REFERRER_POLICY), Some("no-referrer"), "{path}");
        let policy = answer.header(CONTENT_SECURITY_POLICY).expect("a policy");
        assert!(policy.contains("script-src 'self';") && !policy.contains("  "), "{policy}");
    }
}

#[actix_web::test]
async fn a_file_with_a_hash_in_its_name_is_kept_and_every_other_one_asked_for_again() {
    for (path, caching) in [
        (HASHED, "public, max-age=31536000, immutable"),
        ("/app/style-a-B3_x9Q.css", "public, max-age=31536000, immutable"),
        ("/app/theme.js", "no-cache"),
        ("/app/color-contrast.js", "no-cache"),
        ("/favicon.svg", "no-cache"),
        ("/", "no-cache"),
    ] {
        assert_eq!(get(path).await.header(CACHE_CONTROL), Some(caching), "{path}");
    }
}

#[actix_web::test]
async fn the_coding_is_the_one_that_the_browser_likes_best_of_those_that_are_there() {
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip, deflate", Some("gzip")),
        ("br;q=0.2, gzip;q=0.8", Some("gzip")),
        ("br;q=0, gzip;q=0.1", Some("gzip")),
        ("br;q=0, *", Some("gzip")),
        ("*;q=0.5", Some("br")),
        ("identity, br;q=0.5", None),
        ("BR", Some("br")),
        ("zstd", None),
        ("", None),
        ("br;q=0, gzip;q=0", None),
        ("identity;q=0, *;q=0", None),
        ("gzip;q=many", None),
    ] {
        assert_eq!(coded(HASHED, accepted).await.0.as_deref(), coding, "{accepted}");
    }
    assert_eq!(get(HASHED).await.header(CONTENT_ENCODING), None, "who says nothing may know none");
    assert_eq!(coded("/", "gzip, br;q=0.1").await.0.as_deref(), Some("br"), "the page has no gzip");
    assert_eq!(coded("/app/style-a-B3_x9Q.css", "br, gzip;q=0.5").await.0.as_deref(), Some("gzip"));
}

#[actix_web::test]
async fn what_the_browser_has_is_not_sent_again() {
    let (_, brotli) = coded("/", "br").await;
    let (_, plain) = coded("/", "identity").await;
    assert_ne!(brotli, plain, "each coding is a text of its own");
    let again = async |accepted: &str, tag: &str| {
        let request = TestRequest::with_uri("/").insert_header((ACCEPT_ENCODING, accepted.to_owned()));
        answer(request.insert_header((IF_NONE_MATCH, tag.to_owned()))).await
    };
    for tag in [brotli.clone(), format!("\"other\", W/{brotli}"), "*".to_owned()] {
        let answer = again("br", &tag).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{tag}");
        assert_eq!(answer.header(ETAG), Some(brotli.as_str()));
        assert_eq!(answer.header(CACHE_CONTROL), Some("no-cache"));
        assert_eq!(answer.header(VARY), Some("Accept-Encoding"));
    }
    for tag in [plain.as_str(), "\"other\"", "no tag at all", ""] {
        assert_eq!(again("br", tag).await.status, StatusCode::OK, "{tag}");
    }
}

#[actix_web::test]
async fn a_head_tells_what_a_get_would_and_no_other_method_is_taken() {
    for path in ["/", HASHED, "/favicon.svg"] {
        let head = answer(TestRequest::with_uri(path).method(Method::HEAD)).await;
        let full = get(path).await;
        assert_eq!((head.status, head.header(ETAG)), (StatusCode::OK, full.header(ETAG)), "{path}");
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let refused = answer(TestRequest::with_uri(path).method(method)).await;
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(refused.header(ALLOW), Some("GET, HEAD"), "{path}");
        }
    }
}

#[actix_web::test]
async fn what_is_not_in_the_app_is_not_there() {
    for path in [
        "/app/nowhere.js",
        "/app/",
        "/app/index-BTk3fQ_x.js.br",
        "/app/../index.html",
        "/app/%2e%2e/index.html",
        "/app/..%2findex.html",
        "/app//app/theme.js",
        "/app/app/theme.js",
        "/index.html",
        "/index.html.br",
    ] {
        assert_eq!(get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn without_its_page_there_is_no_app() {
    assert!(App::of([]).is_none());
    assert!(App::of(files().into_iter().filter(|(path, _)| path != PAGE)).is_none());
    assert!(App::of(websocket_server::files::read(&PathBuf::from("/nowhere/at/all"))).is_none());
}

#[test]
fn a_compressed_file_that_belongs_to_no_other_is_a_file_of_its_own() {
    let page = (PAGE.to_owned(), Bytes::from_static(b"the page"));
    let archive = ("app/data.gz".to_owned(), Bytes::from_static(b"data"));
    let app = App::of([page, archive]).expect("an app");
    assert!(app.files.paths().any(|path| path == "app/data.gz"));
}

#[test]
fn a_directory_is_read_with_all_that_is_in_it() {
    let directory = std::env::temp_dir().join(format!("fanfare-app-{}", std::process::id()));
    fs::create_dir_all(directory.join("app/deeper")).expect("a directory");
    for path in ["index.html", "app/theme.js", "app/deeper/one.js"] {
        fs::write(directory.join(path), path).expect("a file");
    }
    std::os::unix::fs::symlink("/etc/hostname", directory.join("app/link")).expect("a link");
    let mut files = websocket_server::files::read(&directory);
    fs::remove_dir_all(&directory).expect("it is removed");
    files.sort();
    let expected = ["app/deeper/one.js", "app/theme.js", "index.html"];
    assert_eq!(files, expected.map(|path| (path.to_owned(), Bytes::from_static(path.as_bytes()))));
}
