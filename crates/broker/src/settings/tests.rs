use super::*;

fn parse(url: &str) -> RedisUrl {
    RedisUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn host(name: &str, port: u16) -> Host {
    Host { name: name.into(), port }
}

#[test]
fn each_kind_of_url_names_its_place() {
    let plain = parse("redis://redis.example");
    assert_eq!(
        plain,
        RedisUrl {
            place: Place::Host(host("redis.example", 6379)),
            is_tls: false,
            credentials: None,
            database: 0
        }
    );
    let full = parse("rediss://hub:p%40ss%3a%2Fw:rd@[::1]:7000/3");
    assert_eq!((full.place, full.is_tls, full.database), (Place::Host(host("::1", 7000)), true, 3));
    let credentials = full.credentials.expect("credentials");
    assert_eq!((credentials.user.as_deref(), &*credentials.password), (Some("hub"), "p@ss:/w:rd"));
    let sentinel = parse("redis+sentinel://:pw@a,b:1/main/2");
    let hosts = vec![host("a", 26379), host("b", 1)];
    assert_eq!((sentinel.place, sentinel.database), (Place::Sentinel(hosts, "main".into()), 2));
    assert_eq!(sentinel.credentials.and_then(|it| it.user), None);
    let cluster = parse("rediss+cluster://a:1,b");
    assert_eq!((cluster.place, cluster.is_tls), (Place::Cluster(vec![host("a", 1), host("b", 6379)]), true));
    for socket in ["redis+unix:///run/a%20b.sock?db=4", "unix:///run/a%20b.sock?db=4"] {
        let socket = parse(socket);
        assert_eq!((socket.place, socket.database), (Place::Unix("/run/a b.sock".into()), 4));
    }
}

#[test]
fn what_is_no_url_is_refused_without_showing_its_password() {
    let wrong = [
        "",
        "localhost:6379",
        "http://localhost",
        "redisx://localhost",
        "redis://",
        "redis://:secret@",
        "redis://a,b",
        "redis://a:secret",
        "redis://a:70000",
        "redis://[::1",
        "redis://a/secret",
        "redis://a/0?x=secret",
        "redis://hub:secret%zz@a",
        "redis://hub:secret%ff@a",
        "redis+sentinel://a",
        "redis+sentinel://a/main/x",
        "redis+cluster://a/1",
        "redis+unix://a/b",
        "rediss+unix:///b",
    ];
    for url in wrong {
        let error = Settings::new(url, "fanfare", "node").expect_err(url);
        assert!(matches!(error, ConnectError::Settings(SettingsError::Url(_))), "{url}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{url}: {error}");
    }
}

#[test]
fn settings_show_no_password() {
    let settings = Settings::new("redis://hub:Horse@a/1", "fanfare", "node").expect("settings");
    assert!(!format!("{settings:?} {}", settings.place()).contains("Horse"));
}

#[test]
fn a_prefix_and_a_name_are_held_to_what_a_key_may_be() {
    for prefix in ["", "a{b", "a}b", "a b", "ä", &"x".repeat(65)] {
        let refused = Settings::new("redis://a", prefix, "node");
        assert!(matches!(refused, Err(ConnectError::Settings(SettingsError::Prefix))), "{prefix}");
    }
    for name in ["", "a b", "a\n", &"x".repeat(254)] {
        let refused = Settings::new("redis://a", "fanfare", name);
        assert!(matches!(refused, Err(ConnectError::Settings(SettingsError::Name))), "{name}");
    }
    assert!(Settings::new("redis://a", "shop:stage-2/a_b.c", "host:8000").is_ok());
}
