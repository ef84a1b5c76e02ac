//! The namespaces of the simulations, and which streams a publication is for.

use std::collections::BTreeSet;

use hub::{Endpoint, Limits, Namespace};

/// The namespaces, and the types that reach them.
pub(crate) const NAMESPACES: [(&str, &[&str]); 3] =
    [("/", &[]), ("/chat", &["msg", "user_online", "user_offline"]), ("/notes", &["msg", "note"])];

/// The types of publications.
pub(crate) const TYPES: [&str; 3] = ["msg", "note", "other"];

/// The endpoints of a hub with these namespaces.
pub(crate) fn endpoints(namespaces: &[(&str, &[&str])], limits: &Limits) -> Vec<Endpoint> {
    let spaces = namespaces.iter();
    let spaces = spaces.map(|(name, types)| Endpoint::of_namespace(Namespace::new(name, types), limits));
    [Endpoint::new(hub::Dialect::CHANNELS, limits)].into_iter().chain(spaces).collect()
}

/// The streams of a publication of a type that names these users and channels, and perhaps a namespace; `has_others` says
/// that it names a connection besides.
pub(crate) fn streams_of(
    kind: &str,
    users: &[String],
    channels: &BTreeSet<&str>,
    namespace: Option<&str>,
    has_others: bool,
) -> BTreeSet<String> {
    let named = users.iter().cloned().chain(channels.iter().map(|name| (*name).to_owned()));
    let mut streams: BTreeSet<String> = named.collect();
    if let Some(name) = namespace {
        return match streams.is_empty() {
            true => BTreeSet::from([format!("@{name}")]),
            false => streams.iter().map(|stream| format!("@{name}:{stream}")).collect(),
        };
    }
    let reached = NAMESPACES.iter().filter(|(_, types)| types.contains(&kind)).map(|(name, _)| *name);
    if streams.is_empty() && !has_others {
        streams.insert("@all".to_owned());
        streams.extend(reached.map(|name| format!("@{name}")));
    } else {
        streams.extend(reached.flat_map(|name| users.iter().map(move |user| format!("@{name}:{user}"))));
    }
    streams
}
