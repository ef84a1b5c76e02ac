//! Which namespaces a publication reaches.

use protocol::ChannelName;
use protocol::publication::ConnectionTarget;

use super::*;
use crate::endpoint::Namespace;
use crate::limits::Limits;
use crate::wire::{Packing, Wire};

fn namespaces() -> (Namespaces, Vec<Endpoint>) {
    let limits = Limits::default();
    let of = |name, types: &[&str]| Endpoint::of_namespace(Namespace::new(name, types), &limits);
    let mut endpoints = vec![
        Endpoint::new(crate::Dialect::CHANNELS, &limits),
        of("/", &[]),
        of("/chat", &["msg", "msg", USER_ONLINE]),
        Endpoint::new(crate::Dialect::DASHBOARD, &limits),
        of("/notes", &["msg", "note"]),
    ];
    let namespaces = Namespaces::of(&mut endpoints);
    (namespaces, endpoints)
}

fn named(names: &[&str]) -> Target {
    Target::Named(Audience {
        streams: names.iter().map(|name| Stream::named(*name)).collect(),
        connection: None,
    })
}

#[test]
fn each_namespace_has_an_endpoint_and_a_wire_of_its_own() {
    let (namespaces, endpoints) = namespaces();
    assert_eq!(namespaces.find("/chat"), Some(2));
    assert_eq!(
        (namespaces.find("/notes"), namespaces.find("/nowhere"), namespaces.find("chat")),
        (Some(4), None, None)
    );
    assert_eq!(namespaces.names().iter().map(|name| &**name).collect::<Vec<_>>(), ["/", "/chat", "/notes"]);
    let wires: Vec<Wire> = [1, 2, 4].map(|place: usize| endpoints[place].wire(Packing::Plain)).into();
    assert_eq!(wires, [Wire::Namespace(0), Wire::Namespace(1), Wire::Namespace(2)]);
}

#[test]
fn what_is_for_everyone_is_also_for_the_namespaces_that_list_its_type() {
    let (namespaces, _) = namespaces();
    assert_eq!(namespaces.route(Target::Everyone, "msg"), named(&["@/chat", "@/notes", "@all"]));
    assert_eq!(namespaces.route(Target::Everyone, "note"), named(&["@/notes", "@all"]));
    assert_eq!(namespaces.route(Target::Everyone, "other"), Target::Everyone);
}

#[test]
fn what_is_for_users_is_for_their_sockets_in_those_namespaces() {
    let (namespaces, _) = namespaces();
    let streams = ["@/chat:user:7", "@/notes:user:7", "jobs", "user:7"];
    assert_eq!(namespaces.route(named(&["jobs", "user:7"]), "msg"), named(&streams));
    assert_eq!(
        namespaces.route(named(&["jobs"]), "msg"),
        named(&["jobs"]),
        "who wants a channel subscribes to it"
    );
    assert_eq!(namespaces.route(named(&["user:7"]), "other"), named(&["user:7"]));
    let connection = Some(ConnectionTarget::Id(ConnectionId::from_random(1)));
    let one = Target::Named(Audience { streams: Vec::new(), connection });
    assert_eq!(namespaces.route(one.clone(), "msg"), one);
}

#[test]
fn an_explicit_namespace_is_that_alone_whatever_the_type() {
    let (namespaces, _) = namespaces();
    for own in [["@/chat"], ["@/chat:user:7"], ["@/:jobs"], ["@/"]] {
        assert_eq!(namespaces.route(named(&own), "note"), named(&own));
    }
    assert_eq!(
        namespaces.route(named(&["@/nowhere", "@/nowhere:user:7"]), "msg"),
        named(&[]),
        "nobody, and not kept"
    );
}

#[test]
fn presence_is_told_where_a_type_list_names_it() {
    let (namespaces, _) = namespaces();
    assert_eq!(namespaces.telling("@/chat:user:7"), Some(1));
    assert_eq!(namespaces.telling("@/notes:user:7"), None);
    assert_eq!((namespaces.telling("user:7"), namespaces.telling("@/nowhere:user:7")), (None, None));
}

#[test]
fn a_users_own_streams_are_in_all_namespaces() {
    let (namespaces, _) = namespaces();
    let own = namespaces.of_user(&Stream::channel(ChannelName::new("user:7").expect("name")));
    let names: Vec<&str> = own.iter().map(Stream::as_str).collect();
    assert_eq!(names, ["user:7", "@/:user:7", "@/chat:user:7", "@/notes:user:7"]);
}
