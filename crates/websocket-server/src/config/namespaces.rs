//! The namespaces of Socket.IO: the built-in ones, and what the configuration file says of them and of further ones.
//!
//! A table `[[namespaces]]` with the name of a built-in one replaces its list of types; any other name makes a further
//! namespace. Not here: what a namespace does with an event (the engine's `namespaces`), and hooks (`hooks`).

use std::collections::BTreeSet;

use protocol::channel::is_namespace;
use protocol::publication::MAX_TYPE;
use serde::Deserialize;

/// The most namespaces: a back end has a handful.
pub const MOST_NAMESPACES: usize = 64;

/// The most types of one namespace.
const MOST_TYPES: usize = 256;

/// Those that are always there, with the types that reach them (contract: socketio, Server → client).
const BUILT_IN: [(&str, &[&str]); 5] = [
    ("/", &[]),
    (
        "/sns",
        &[
            "publish_started",
            "publish_success",
            "publish_failed",
            "post_liked",
            "post_commented",
            "user_online",
            "user_offline",
        ],
    ),
    ("/orders", &["order_updated", "shipment_update", "delivery_confirmed"]),
    ("/chat", &["message_received", "user_typing", "message_read", "user_online", "user_offline"]),
    (
        "/notifications",
        // The first three are the contract's; the others undo the second and the third.
        &[
            "notification",
            "notification_read",
            "notification_deleted",
            "notification_unread",
            "notification_restored",
        ],
    ),
];

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name, which begins with a slash.
    pub name: String,
    /// The types of events that reach it though their publisher names no namespace.
    pub types: Vec<String>,
    /// Packets of a client in any 10 s; none is no limit (contract: socketio).
    pub rate: Option<u32>,
    /// Sockets of one user; none is what `MAX_CONNECTIONS_PER_USER` says, 0 no limit.
    pub connections_per_user: Option<u32>,
}

impl Namespace {
    /// The engine's endpoint for it.
    #[must_use]
    pub fn engine(&self, limits: &hub::Limits) -> hub::Endpoint {
        let types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        let namespace = hub::Namespace::new(&self.name, &types);
        let mut endpoint = hub::Endpoint::of_namespace(namespace, limits);
        endpoint.rate = hub::Dial::new(self.rate);
        if let Some(most) = self.connections_per_user {
            endpoint.connections_per_user = hub::Dial::new(Some(most).filter(|&most| most > 0));
        }
        endpoint
    }
}

/// A table `[[namespaces]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamespaceTable {
    name: String,
    #[serde(default)]
    types: Vec<String>,
    rate: Option<u32>,
    connections_per_user: Option<u32>,
}

impl NamespaceTable {
    fn into_namespace(self) -> Result<Namespace, String> {
        let Self { name, types, rate, connections_per_user } = self;
        if !is_namespace(&name) {
            return Err(format!("{name:?} is no name of a namespace, such as \"/orders\""));
        }
        if types.len() > MOST_TYPES {
            return Err(format!("the namespace {name} lists more than {MOST_TYPES} types"));
        }
        let distinct: BTreeSet<&str> = types.iter().map(String::as_str).collect();
        if distinct.len() < types.len() {
            return Err(format!("the namespace {name} lists a type twice"));
        }
        if types.iter().any(|kind| kind.is_empty() || kind.len() > MAX_TYPE) {
            return Err(format!("a type of the namespace {name} has not 1 to {MAX_TYPE} bytes"));
        }
        let rate = rate.filter(|&rate| rate > 0);
        Ok(Namespace { name, types, rate, connections_per_user })
    }
}

/// All namespaces, from the tables with their lines.
///
/// # Errors
/// A table is wrong: its line, and why.
pub(super) fn assemble(tables: Vec<(usize, NamespaceTable)>) -> Result<Vec<Namespace>, (usize, String)> {
    let mut namespaces: Vec<Namespace> = BUILT_IN
        .iter()
        .map(|(name, types)| Namespace {
            name: (*name).to_owned(),
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            rate: None,
            connections_per_user: None,
        })
        .collect();
    let mut named = BTreeSet::new();
    for (line, table) in tables {
        let namespace = table.into_namespace().map_err(|message| (line, message))?;
        if !named.insert(namespace.name.clone()) {
            return Err((line, format!("the namespace {} stands there twice", namespace.name)));
        }
        match namespaces.iter().position(|other| other.name == namespace.name) {
            Some(place) => namespaces[place] = namespace,
            None if namespaces.len() >= MOST_NAMESPACES => {
                return Err((line, format!("there are at most {MOST_NAMESPACES} namespaces")));
            }
            None => namespaces.push(namespace),
        }
    }
    Ok(namespaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(text: &str) -> Result<Vec<Namespace>, String> {
        #[derive(Deserialize)]
        struct File {
            namespaces: Vec<NamespaceTable>,
        }
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        assemble(file.namespaces.into_iter().map(|table| (7, table)).collect())
            .map_err(|(_, message)| message)
    }

    #[test]
    fn the_four_of_the_contract_and_the_main_one_are_there() {
        let namespaces = assemble(Vec::new()).expect("the built-in ones");
        let names: Vec<&str> = namespaces.iter().map(|namespace| namespace.name.as_str()).collect();
        assert_eq!(names, ["/", "/sns", "/orders", "/chat", "/notifications"]);
        assert!(namespaces[0].types.is_empty());
        assert_eq!(namespaces[2].types, ["order_updated", "shipment_update", "delivery_confirmed"]);
    }

    #[test]
    fn a_table_replaces_a_list_or_adds_a_namespace() {
        let namespaces = tables(
            r#"
            [[namespaces]]
            name = "/orders"
            types = ["order_updated"]
            [[namespaces]]
            name = "/desk"
            rate = 100
            connections_per_user = 0
            "#,
        )
        .expect("good tables");
        assert_eq!(namespaces.len(), 6);
        assert_eq!(namespaces[2].types, ["order_updated"]);
        assert_eq!((namespaces[5].rate, namespaces[5].connections_per_user), (Some(100), Some(0)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| tables(&format!("[[namespaces]]\n{text}")).expect_err(text);
        assert!(wrong("name = \"orders\"").contains("is no name of a namespace"));
        assert!(wrong("name = \"/a\"\ntypes = [\"x\", \"x\"]").contains("lists a type twice"));
        assert!(wrong("name = \"/a\"\ntypes = [\"\"]").contains("has not 1 to"));
        assert!(wrong("name = \"/a\"\n[[namespaces]]\nname = \"/a\"").contains("stands there twice"));
        assert!(wrong("name = \"/a\"\nkinds = []").contains("unknown field"));
    }
}
