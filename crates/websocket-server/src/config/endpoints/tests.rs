//! What tables make of the built-in endpoints. Slips in them with their lines: the server's tests, from outside.

use super::*;

fn policies() -> Policies {
    Policies {
        channels: AuthPolicy::Optional,
        dashboard: None,
        session_check: None,
        dashboard_port: Some(5000),
        receipts_port: None,
    }
}

#[derive(Deserialize)]
struct Tables {
    #[serde(default)]
    endpoints: Vec<EndpointTable>,
}

fn endpoints_of(policies: &Policies, text: &str) -> Result<Vec<Endpoint>, String> {
    let tables: Tables = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let numbered = tables.endpoints.into_iter().enumerate().collect();
    assemble(policies, numbered).map_err(|(place, message)| format!("{place}: {message}"))
}

fn endpoints(text: &str) -> Vec<Endpoint> {
    endpoints_of(&policies(), text).expect("valid")
}

fn fault(text: &str) -> String {
    endpoints_of(&policies(), text).expect_err("refused")
}

#[test]
fn the_built_in_ones_are_those_of_the_contracts() {
    let endpoints = endpoints("");
    let told: Vec<_> = endpoints
        .iter()
        .map(|it| (it.name.as_str(), it.path.as_deref().unwrap_or(""), it.port.map(|own| own.port), it.auth))
        .collect();
    assert_eq!(
        told,
        [
            ("channels", "/ws", None, EndpointAuth::Optional),
            ("dashboard", "/", Some(5000), EndpointAuth::Optional),
            ("tasks", "/ws/notifications", None, EndpointAuth::SignedIn),
            ("receipts", "/ws/receipts", None, EndpointAuth::Off),
        ]
    );
    assert_eq!(endpoints[2].cookie.as_deref(), Some("access_token"));
    let origins: Vec<_> = endpoints.iter().map(|it| it.origins).collect();
    assert_eq!(origins[..3], [EndpointOrigins::Listed; 3]);
    assert_eq!(origins[3], EndpointOrigins::Any, "public and read-only");
}

#[test]
fn the_dashboards_policy_is_its_own_else_that_of_ws() {
    let auth = |dashboard, text: &str| {
        let policies = Policies { channels: AuthPolicy::Required, dashboard, ..policies() };
        let endpoints = endpoints_of(&policies, text).expect("valid");
        (endpoints[1].auth, endpoints[1].is_auth_chosen)
    };
    assert_eq!(auth(None, ""), (EndpointAuth::Required, false));
    assert_eq!(auth(Some(AuthPolicy::Off), ""), (EndpointAuth::Off, true));
    let table = "[[endpoints]]\nname = \"dashboard\"\nauth = \"optional\"";
    assert_eq!(auth(Some(AuthPolicy::Off), table), (EndpointAuth::Optional, true));
}

#[test]
fn a_path_is_met_with_and_without_a_slash_at_its_end() {
    let endpoints = endpoints("[[endpoints]]\nname = \"x\"\ndialect = \"tasks\"\npath = \"/a/b/\"");
    let x = &endpoints[4];
    assert_eq!(x.path.as_deref(), Some("/a/b"));
    for (path, is_at) in
        [("/a/b", true), ("/a/b/", true), ("/a/b//", false), ("/a", false), ("/a/b/c", false), ("/", false)]
    {
        assert_eq!(x.is_at(path), is_at, "{path}");
    }
    assert!(endpoints[1].is_at("/") && !endpoints[1].is_at("//") && !endpoints[1].is_at(""));
}

#[test]
fn a_table_changes_what_it_names_and_nothing_else() {
    let table = "[[endpoints]]\nname = \"tasks\"\ncookie = \"sid\"\nrate = 0\nping_timeout = \"10s\"\nconnections_per_user = 0";
    let changed = endpoints(table);
    let tasks = changed[2].engine(&hub::Limits::default());
    assert_eq!(changed[2].cookie.as_deref(), Some("sid"));
    assert_eq!((tasks.rate.get(), tasks.connections_per_user.get()), (None, None), "0 is no limit");
    assert_eq!(tasks.ping_timeout, Duration::from_secs(10));
    assert_eq!(tasks.ping_interval, Duration::from_secs(5), "pings come sooner than silence ends it");
    assert_eq!(changed[2].path.as_deref(), Some("/ws/notifications"));
    let limits = hub::Limits::default();
    let (board, receipts) = (changed[1].engine(&limits), changed[3].engine(&limits));
    assert_eq!((board.rate.get(), receipts.rate.get()), (limits.rate, limits.rate));
    assert_eq!(board.ping_interval, Duration::from_secs(30));
}

#[test]
fn a_further_endpoint_begins_as_the_built_in_one_of_its_world() {
    let policies = Policies {
        dashboard: Some(AuthPolicy::Required),
        session_check: Url::parse("https://erp.example/me").ok(),
        ..policies()
    };
    let text = ["dashboard", "tasks", "receipts", "channels"]
        .map(|world| {
            format!("[[endpoints]]\nname = \"my-{world}\"\ndialect = \"{world}\"\npath = \"/my/{world}\"\n")
        })
        .concat();
    let endpoints = endpoints_of(&policies, &text).expect("valid");
    for (own, further) in [(1, 4), (2, 5), (3, 6), (0, 7)] {
        let (own, further) = (&endpoints[own], &endpoints[further]);
        assert_eq!(further.name, format!("my-{}", own.name));
        assert_eq!(
            (further.auth, further.origins, &further.cookie, &further.session_check, further.flat),
            (own.auth, own.origins, &own.cookie, &own.session_check, own.flat)
        );
        assert_eq!((further.everyone, further.own_user), (own.everyone, own.own_user));
        assert_eq!(further.port, None, "a place is nobody's default");
    }
}

#[test]
fn one_that_is_off_has_no_place_and_frees_it() {
    let text = "[[endpoints]]\nname = \"dashboard\"\nenabled = false\n\
                [[endpoints]]\nname = \"other\"\ndialect = \"dashboard\"\npath = \"/\"\nport = 5000";
    let endpoints = endpoints(text);
    assert!(endpoints[1].path.is_none() && endpoints[1].port.is_none());
    assert_eq!(endpoints[4].path.as_deref(), Some("/"));
    assert!(fault("[[endpoints]]\nname = \"channels\"\nenabled = false").contains("can't be switched off"));
}

#[test]
fn there_are_at_most_so_many() {
    let tables = |count: usize| -> String {
        (0..count)
            .map(|n| format!("[[endpoints]]\nname = \"e{n}\"\ndialect = \"tasks\"\npath = \"/e{n}\"\n"))
            .collect()
    };
    assert_eq!(endpoints(&tables(MOST_ENDPOINTS - 4)).len(), MOST_ENDPOINTS);
    assert!(fault(&tables(MOST_ENDPOINTS - 3)).contains("at most 64"));
}

#[test]
fn silence_is_bounded_as_in_the_settings() {
    let table = |member: &str| format!("[[endpoints]]\nname = \"receipts\"\n{member}");
    for (member, word) in [
        ("ping_interval = \"99ms\"", "100 ms"),
        ("ping_timeout = \"199ms\"", "200 ms"),
        ("ping_interval = \"25h\"", "1d"),
        ("ping_timeout = \"50d\"", "1d"),
    ] {
        assert!(fault(&table(member)).contains(word), "{member}");
    }
    let receipts = &endpoints(&table("ping_interval = \"100ms\"\nping_timeout = \"1d\""))[3];
    assert_eq!(receipts.ping_interval, Some(Duration::from_millis(100)));
    assert_eq!(receipts.ping_timeout, Some(Duration::from_secs(86_400)));
}

#[test]
fn tasks_are_for_signed_in_users() {
    for auth in ["off", "optional"] {
        assert!(
            fault(&format!("[[endpoints]]\nname = \"tasks\"\nauth = \"{auth}\"")).contains("signed-in"),
            "{auth}"
        );
    }
    assert_eq!(
        endpoints("[[endpoints]]\nname = \"tasks\"\nauth = \"required\"")[2].auth,
        EndpointAuth::Required
    );
}
