//! The pages of `fanfare up`. Whether the app was built is not these tests' affair: they hold either way. How its files are
//! sent is tested at `src/app.rs`, what its pages do in a browser.

use test_kit::{Launch, Server, http};

use crate::stack::directory;

fn up() -> Server {
    Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", directory()).start()
}

/// What stands in the playground alone.
const PLAYGROUND: &str = "/assets/main.js";

#[test]
fn the_front_page_is_the_app_or_the_log_says_how_to_get_it() {
    let server = up();
    let page = server.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let is_playground = page.text().contains(PLAYGROUND);
    if is_playground {
        server.wait_for_log("scripts/run");
    }
    let told = server.log().matches("scripts/run").count();
    assert_eq!(told, usize::from(is_playground), "{}", server.log());
    let head = http::request(server.address(), "HEAD", "/", &[], None);
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let answer = http::request(server.address(), "POST", "/", &[], None);
    assert_eq!((answer.status, answer.problem_code().as_str()), (405, "method_not_allowed"));
    assert!(answer.header("allow").is_some_and(|methods| methods.contains("GET")));
}

#[test]
fn the_playground_is_always_on_a_path_of_its_own() {
    let server = up();
    let page = server.get("/playground");
    assert_eq!(page.status, 200);
    assert!(page.text().contains(PLAYGROUND), "{}", page.text());
    assert_eq!(server.get(PLAYGROUND).status, 200);
}

#[test]
fn no_path_leads_out_of_the_app() {
    let server = up();
    for path in [
        "/app/nowhere.js",
        "/app/",
        "/app/../package.json",
        "/app/../../package.json",
        "/app/..%2f..%2fpackage.json",
        "/app/%2e%2e/%2e%2e/package.json",
        "/app//etc/passwd",
        "/app/..\\package.json",
        "/package.json",
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.problem_code().as_str()), (404, "not_found"), "{path}");
    }
}
