use serde_json::{Value, json};

use crate::harness::{Database, World, members, on_both, refused, text};

fn sorted(value: &Value) -> Vec<String> {
    let mut all: Vec<String> = value.as_array().expect("an array").iter().map(text).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_refresh_gives_the_next_pair_of_the_same_session() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let answer = world.try_refresh(&anna.refresh);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let next = answer.json();
        assert_eq!(members(&next), ["access_token", "expires_in", "refresh_token"]);
        assert_eq!(next["expires_in"], 900);
        assert_ne!(text(&next["refresh_token"]), anna.refresh);
        let access = text(&next["access_token"]);
        let again = crate::harness::SignedIn { access: access.clone(), ..anna.clone() };
        assert_eq!(again.session(), anna.session());
        assert_eq!(world.get(Some(&access), "/users/me").json(), anna.user);
        assert_eq!(world.event_types(), ["user_registered"], "a refresh is no news");
        world.refresh(&world.refresh(&text(&next["refresh_token"])));
    });
}

#[test]
fn reuse_of_a_void_token_ends_its_family_alone_and_is_told_once() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let elsewhere = world.login("anna@example.com");
        let next = world.refresh(&anna.refresh);
        refused(&world.try_refresh(&anna.refresh), 401, "invalid_refresh_token");
        refused(&world.try_refresh(&next), 401, "invalid_refresh_token");
        refused(&world.try_refresh(&anna.refresh), 401, "invalid_refresh_token");
        world.refresh(&elsewhere.refresh);
        let events = world.events();
        assert_eq!(world.event_types(), ["user_registered", "user_logged_in", "session_revoked"]);
        assert_eq!(events[2]["data"], json!({"user_id": anna.id(), "user_type": "worker"}));
        assert_eq!(events[2]["user_ids"], json!([anna.id()]));
        assert_eq!(events[2]["close_sessions"], json!([anna.session()]));
        assert_eq!(
            world.get(Some(&anna.access), "/users/me").status,
            200,
            "access tokens are good until they end"
        );
    });
}

#[test]
fn a_token_that_has_expired_or_never_was_is_refused_and_ends_nothing() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let next = world.refresh(&anna.refresh);
        world.tamper("UPDATE refresh_tokens SET expires_at = 1");
        for token in [&next, &anna.refresh, "x", "'; DROP TABLE refresh_tokens; --"] {
            refused(&world.try_refresh(token), 401, "invalid_refresh_token");
        }
        assert_eq!(world.event_types(), ["user_registered"]);
    });
}

#[test]
fn logout_ends_the_session_of_ones_own_token_once() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let ben = world.register("ben@example.com");
        let elsewhere = world.login("anna@example.com");
        let logout = |access: &str, refresh: &str| {
            let answer = world.post(Some(access), "/auth/logout", &json!({"refresh_token": refresh}));
            assert_eq!((answer.status, answer.body.len()), (204, 0), "{}", answer.text());
        };
        let before = world.event_types();
        logout(&ben.access, &anna.refresh);
        logout(&anna.access, "unknown");
        assert_eq!(world.event_types(), before);
        let next = world.refresh(&anna.refresh);
        logout(&anna.access, &next);
        logout(&anna.access, &next);
        refused(&world.try_refresh(&next), 401, "invalid_refresh_token");
        refused(&world.try_refresh(&anna.refresh), 401, "invalid_refresh_token");
        world.refresh(&elsewhere.refresh);
        world.refresh(&ben.refresh);
        let events = world.events();
        assert_eq!(events.len(), before.len() + 1, "{events:?}");
        let told = events.last().expect("an event");
        assert_eq!(
            (&told["type"], &told["close_sessions"]),
            (&json!("user_logged_out"), &json!([anna.session()]))
        );
        assert_eq!(told["data"], json!({"user_id": anna.id(), "user_type": "worker"}));
    });
}

#[test]
fn logout_everywhere_ends_all_of_ones_sessions_with_one_event() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let ben = world.register("ben@example.com");
        let more = [world.login("anna@example.com"), world.login("anna@example.com")];
        let logout = || world.send("POST", Some(&anna.access), "/auth/logout-all", "", b"");
        assert_eq!(logout().status, 204);
        assert_eq!(logout().status, 204);
        for session in more.iter().chain([&anna]) {
            refused(&world.try_refresh(&session.refresh), 401, "invalid_refresh_token");
        }
        world.refresh(&ben.refresh);
        let events = world.events();
        let revoked: Vec<&Value> = events.iter().filter(|event| event["type"] == "session_revoked").collect();
        assert_eq!(revoked.len(), 1, "{events:?}");
        let mut all = [anna.session(), more[0].session(), more[1].session()];
        all.sort_unstable();
        assert_eq!(sorted(&revoked[0]["close_sessions"]), all);
        world.login("anna@example.com");
    });
}

#[test]
fn a_user_has_a_thousand_sessions_at_most_and_the_end_of_the_oldest_is_told() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        // 999 beside the first, all newer.
        world.tamper(
            "INSERT INTO sessions (session_id, user_id, created_at, expires_at)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
             SELECT 'more-' || i, 1, 4000000000000000 + i, 5000000000000000 FROM n",
        );
        world.tamper("UPDATE sessions SET created_at = 5 WHERE session_id NOT LIKE 'more-%'");
        let again = world.login("anna@example.com");
        refused(&world.try_refresh(&anna.refresh), 401, "invalid_refresh_token");
        world.refresh(&again.refresh);
        assert_eq!(world.event_types(), ["user_registered", "user_logged_in", "session_revoked"]);
        let told = &world.events()[2];
        assert_eq!(told["close_sessions"], json!([anna.session()]), "its sockets are closed");
        assert_eq!(told["data"], json!({"user_id": anna.id(), "user_type": "worker"}));
        assert_eq!(told["user_ids"], json!([anna.id()]));
        assert_eq!(world.post(Some(&again.access), "/auth/logout-all", &json!({})).status, 204);
        assert_eq!(world.events()[3]["close_sessions"].as_array().map(Vec::len), Some(1_000));
    });
}

#[test]
fn what_has_expired_is_removed_at_the_start() {
    let world = World::start(Database::Sqlite);
    let anna = world.register("anna@example.com");
    world.refresh(&anna.refresh);
    world.try_login("nobody@example.com", "wrong password");
    world.tamper("UPDATE refresh_tokens SET expires_at = 1 WHERE used_at IS NOT NULL");
    world
        .tamper("INSERT INTO sessions (session_id, user_id, created_at, expires_at) VALUES ('old', 1, 1, 2)");
    world.tamper("UPDATE sign_in_failures SET last_at = 1");
    let world = world.restarted();
    let count = "SELECT CAST((SELECT COUNT(*) FROM refresh_tokens) AS TEXT) || ' ' ||
                 CAST((SELECT COUNT(*) FROM sessions) AS TEXT) || ' ' ||
                 CAST((SELECT COUNT(*) FROM sign_in_failures) AS TEXT)";
    test_kit::eventually(test_kit::wait::PATIENCE, || world.query(count) == ["1 1 0"]);
}
