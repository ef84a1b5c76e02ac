//! Which hook an event belongs to: the first that is for it, in the order file, program, built-in.
//!
//! Not here: what makes a hook valid, and which two may not stand beside each other (`crate::config`).

use std::collections::HashMap;

use hub::hooks::Origin;

use crate::config::{Action, Hook, Hooks, Places};

/// All hooks by the names of their events.
#[derive(Debug)]
pub(super) struct Table {
    hooks: Vec<Entry>,
    /// The hooks for an event, the one that is asked first in front.
    by_event: HashMap<Box<str>, Vec<usize>>,
    services: usize,
}

/// A hook, and the service that it asks.
#[derive(Debug)]
pub(super) struct Entry {
    /// The hook.
    pub hook: Hook,
    /// The number of its service: hooks with the same address have the same. What is answered here is one as well.
    pub service: usize,
}

impl Table {
    /// Those of the configuration, with those of the program behind the file's.
    pub(super) fn new(hooks: &Hooks, of_program: Vec<Hook>) -> Self {
        let all = hooks.configured.iter().cloned().chain(of_program).chain(hooks.built_in.iter().cloned());
        let mut table = Self { hooks: Vec::new(), by_event: HashMap::new(), services: 0 };
        for hook in all {
            let known = table.hooks.iter().find(|entry| address(&entry.hook) == address(&hook));
            let service = known.map_or(table.services, |entry| entry.service);
            table.services = table.services.max(service + 1);
            for event in &hook.events {
                table.by_event.entry(event.clone()).or_default().push(table.hooks.len());
            }
            table.hooks.push(Entry { hook, service });
        }
        table
    }

    /// How many services there are, what is answered here included.
    pub(super) fn services(&self) -> usize {
        self.services
    }

    /// How many addresses there are, which share the bounds.
    pub(super) fn addresses(&self) -> usize {
        let has_own = self.hooks.iter().any(|entry| address(&entry.hook).is_none());
        self.services - usize::from(has_own)
    }

    /// All hooks.
    pub(super) fn hooks(&self) -> &[Entry] {
        &self.hooks
    }

    /// The number of the hook for an event.
    pub(super) fn find(&self, origin: &Origin, event: &str) -> Option<usize> {
        let is_there = |&&number: &&usize| match (&self.hooks[number].hook.places, origin) {
            (Places::Everywhere, _) => true,
            (Places::Only { ws, .. }, Origin::Ws) => *ws,
            (Places::Only { namespaces, .. }, Origin::Namespace(namespace)) => {
                namespaces.iter().any(|name| **name == **namespace)
            }
        };
        self.by_event.get(event)?.iter().find(is_there).copied()
    }
}

/// The address of a hook's service, if it has one.
fn address(hook: &Hook) -> Option<&str> {
    match &hook.action {
        Action::Post(post) => Some(post.url.as_str()),
        Action::Emit(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::config::{Circuit, HookBounds};

    fn hook(name: &str, event: &str, places: Places, url: &str) -> Hook {
        let url = Url::parse(url).expect("an address");
        Hook { name: name.into(), ..Hook::post(&[event], places, url, None) }
    }

    fn table(configured: Vec<Hook>, of_program: Vec<Hook>, built_in: Vec<Hook>) -> Table {
        let bounds = HookBounds {
            answer_within: Duration::from_secs(5),
            waiting: NonZeroUsize::MIN,
            bytes: 1,
            waiting_per_connection: NonZeroUsize::MIN,
            calls: NonZeroUsize::MIN,
            circuit: Circuit {
                failures: NonZeroUsize::MIN,
                pause: Duration::from_secs(1),
                longest_pause: Duration::from_secs(1),
            },
        };
        Table::new(&Hooks { configured, built_in, bounds }, of_program)
    }

    #[test]
    fn the_file_is_asked_before_the_program_and_that_before_what_is_built_in() {
        let ws = || Places::ws_and(&[]);
        let table = table(
            vec![hook("file", "a", ws(), "http://file/")],
            vec![hook("program", "a", Places::ws_and(&["/x"]), "http://program/")],
            vec![hook("built-in", "a", Places::Everywhere, "http://file/")],
        );
        let found = |origin: Origin, event: &str| {
            table.find(&origin, event).map(|number| &*table.hooks()[number].hook.name)
        };
        let namespace = |name: &str| Origin::Namespace(name.into());
        assert_eq!(found(Origin::Ws, "a"), Some("file"));
        assert_eq!(found(namespace("/x"), "a"), Some("program"));
        assert_eq!(found(namespace("/y"), "a"), Some("built-in"));
        assert_eq!(found(namespace("/y"), "b"), None);
        assert_eq!((table.services(), table.addresses()), (2, 2), "the same address is the same service");
    }
}
