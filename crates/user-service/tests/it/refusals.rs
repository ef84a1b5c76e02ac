use serde_json::{Value, json};

use crate::harness::{Database, PASSWORD, World, invalid, refused, registration};

/// Calls that want a body, with whether they want a caller.
const WITH_BODY: [(&str, &str, bool); 5] = [
    ("POST", "/auth/register", false),
    ("POST", "/auth/login", false),
    ("POST", "/auth/refresh", false),
    ("POST", "/auth/logout", true),
    ("PATCH", "/users/me", true),
];

#[test]
fn what_is_no_json_object_is_refused_for_what_it_is() {
    let world = World::start(Database::Sqlite);
    let anna = world.register("anna@example.com");
    let large = vec![b' '; (1 << 20) + 1];
    for (method, path, signed_in) in WITH_BODY {
        let token = signed_in.then_some(anna.access.as_str());
        let send = |media: &str, body: &[u8]| world.send(method, token, path, media, body);
        for body in [&b""[..], b"{", b"\xff", b"{\"name\":\"\xff\"}", b"{} x"] {
            refused(&send("application/json", body), 400, "malformed_json");
        }
        for body in ["[]", "null", "7", "\"x\""] {
            refused(&send("application/json", body.as_bytes()), 422, "invalid");
        }
        for media in ["", "text/plain", "application/x-www-form-urlencoded"] {
            refused(&send(media, b"{}"), 415, "not_json");
        }
        refused(&send("application/json", &large), 413, "too_large");
    }
    let answer = world.send("POST", Some(&anna.access), "/auth/logout-all", "", &large);
    refused(&answer, 413, "too_large");
}

#[test]
fn callers_are_known_before_anything_is_read() {
    let world = World::start(Database::Sqlite);
    for (method, path, signed_in) in WITH_BODY {
        if signed_in {
            let answer = world.send(method, None, path, "text/plain", b"{");
            refused(&answer, 401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            refused(
                &world.send(method, Some("nonsense"), path, "application/json", b"{}"),
                401,
                "unauthorized",
            );
        }
    }
    refused(&world.get(None, "/users/me"), 401, "unauthorized");
    refused(&world.send("POST", None, "/auth/logout-all", "", b""), 401, "unauthorized");
}

#[test]
fn a_service_is_no_user() {
    let key = "service-key-of-tests";
    let world = World::with(Database::Sqlite, |settings| {
        settings.service_key = Some(service_kit::arguments::Secret::new(key));
    });
    for (method, path) in
        [("GET", "/users/me"), ("PATCH", "/users/me"), ("POST", "/auth/logout"), ("POST", "/auth/logout-all")]
    {
        refused(&world.send(method, Some(key), path, "text/plain", b"{"), 403, "forbidden");
    }
}

#[test]
fn every_wrong_member_is_named_and_only_those() {
    let world = World::start(Database::Sqlite);
    let anna = world.register("anna@example.com");
    let with = |member: &str, value: Value| {
        let mut body = registration("ben@example.com");
        body[member] = value;
        body
    };
    let register = |body: &Value| world.post(None, "/auth/register", body);
    invalid(&register(&json!({})), &["email", "password", "name", "user_type"]);
    invalid(
        &register(&json!({"email": 7, "password": [], "name": {}, "user_type": null})),
        &["email", "password", "name", "user_type"],
    );
    invalid(
        &register(&json!({"email": "b", "password": "1234567", "name": "Ben", "user_type": "worker"})),
        &["email", "password"],
    );
    for email in ["", "ben", "@x", "b@", "b@x@y", "b en@x", "b\u{0}@x", "b@x\n"] {
        invalid(&register(&with("email", json!(email))), &["email"]);
    }
    for password in ["", "1234567", "nul\u{0}nul nul", &"x".repeat(201)] {
        invalid(&register(&with("password", json!(password))), &["password"]);
    }
    for name in ["", "a\u{0}", &"x".repeat(201)] {
        invalid(&register(&with("name", json!(name))), &["name"]);
    }
    for user_type in ["", "Worker", "admin", "employer "] {
        invalid(&register(&with("user_type", json!(user_type))), &["user_type"]);
    }
    invalid(&world.post(None, "/auth/login", &json!({})), &["email", "password"]);
    invalid(
        &world.post(None, "/auth/login", &json!({"email": "b@x", "password": 12_345_678})),
        &["password"],
    );
    invalid(&world.post(None, "/auth/login", &json!({"email": "nobody", "password": PASSWORD})), &["email"]);
    for token in [json!(null), json!(7), json!(""), json!("x".repeat(513))] {
        let body = json!({"refresh_token": token});
        invalid(&world.post(None, "/auth/refresh", &body), &["refresh_token"]);
        invalid(&world.post(Some(&anna.access), "/auth/logout", &body), &["refresh_token"]);
    }
    for body in [json!({}), json!({"name": ""}), json!({"name": 7}), json!({"name": "x".repeat(201)})] {
        let body = body.to_string();
        let answer =
            world.send("PATCH", Some(&anna.access), "/users/me", "application/json", body.as_bytes());
        invalid(&answer, &["name"]);
    }
    assert_eq!(world.event_types(), ["user_registered"]);
}

#[test]
fn the_bounds_of_texts_belong_to_them_and_all_else_is_data() {
    let world = World::start(Database::Sqlite);
    let hostile =
        "'; DROP TABLE users; -- <img src=x onerror=alert(1)> \u{1}\u{1b}[31m\u{7f}\u{feff}\u{202e}𝕏";
    let mut body = registration("o'hara+<b>@x");
    body["name"] = json!(hostile);
    body["password"] = json!(hostile);
    let answer = world.post(None, "/auth/register", &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["user"]["name"], hostile);
    assert_eq!(answer.json()["user"]["email"], "o'hara+<b>@x");
    assert_eq!(world.try_login("o'hara+<b>@x", hostile).status, 200);
    for (n, (name, password)) in
        [("ä", "x".repeat(8)), (" ", "𝕏".repeat(200)), (&"😀".repeat(200), "x".repeat(8))].iter().enumerate()
    {
        let mut body = registration(&format!("user-{n}@example.com"));
        body["name"] = json!(name);
        body["password"] = json!(password);
        assert_eq!(world.post(None, "/auth/register", &body).status, 201);
    }
}

#[test]
fn paths_and_methods_that_are_not_there_say_so() {
    let world = World::start(Database::Sqlite);
    for path in ["/", "/auth", "/auth/nothing", "/users/1", "/users/me/x", "/.well-known/x"] {
        refused(&world.get(None, path), 404, "not_found");
    }
    for (method, path, allowed) in [
        ("GET", "/auth/login", "POST"),
        ("DELETE", "/users/me", "GET, PATCH"),
        ("POST", "/.well-known/jwks.json", "GET"),
    ] {
        let answer = world.send(method, None, path, "", b"");
        refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allowed));
    }
}

#[test]
fn pages_of_listed_origins_may_read_errors_too() {
    let world = World::start(Database::Sqlite);
    let origin = "http://localhost:5173";
    let answer = test_kit::http::get(world.address, "/users/me", &[("origin", origin)]);
    refused(&answer, 401, "unauthorized");
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
}
