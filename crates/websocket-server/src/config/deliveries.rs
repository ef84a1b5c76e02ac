//! Delivery hooks: which services are told what became of events (`docs/hooks.md`).
//!
//! A hook is a table `[[delivery_hooks]]` of the configuration file, or made by a program that holds the hub and a
//! service. Not here: how a service is told, and what waits while it is away (`crate::deliveries`).

use std::num::NonZeroUsize;
use std::time::Duration;

use protocol::publication::MAX_TYPE;
use service_kit::arguments::Secret;
use service_kit::settings::values;
use url::Url;

use super::file::Age;
use super::keys::SharedKey;
use super::{hooks, types};

#[cfg(test)]
mod tests;

/// The most delivery hooks: a back end has few ledgers, and each hook has a queue of its own.
pub const MOST_DELIVERY_HOOKS: usize = 16;

/// The time that a service has for its answer, where a hook says nothing: 500 rows on a busy disk.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most time for an answer: what is older than that is told by the next batch.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A service that is told what became of events of some types. `Debug` does not show the key.
#[derive(Debug, Clone)]
pub struct DeliveryHook {
    /// Its name in metrics and logs.
    pub name: Box<str>,
    /// Types of events; a `*` at the end stands for any rest.
    pub types: Vec<Box<str>>,
    /// Where records are posted.
    pub url: Url,
    /// The time for an answer.
    pub timeout: Duration,
    /// What is shown as `Authorization: Bearer`.
    pub key: Option<SharedKey>,
}

impl DeliveryHook {
    /// A hook for these types that tells the service at `url` with this key, which has 10 s for an answer.
    #[must_use]
    pub fn new(types: &[&str], url: Url, key: Option<Secret>) -> Self {
        Self {
            name: types.first().copied().unwrap_or_default().into(),
            types: types.iter().map(|&one| one.into()).collect(),
            url,
            timeout: TIMEOUT,
            key: key.map(SharedKey::new),
        }
    }

    /// Whether it can be one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        types::check(&self.types)?;
        if !(1..=MAX_TYPE).contains(&self.name.len()) || self.name.chars().any(char::is_control) {
            return Err(format!("name has 1 to {MAX_TYPE} bytes and no control characters"));
        }
        if self.timeout > LONGEST_TIMEOUT {
            return Err(format!("timeout is at most {} s", LONGEST_TIMEOUT.as_secs()));
        }
        values::web_address(self.url.as_str()).map(drop).map_err(|fault| format!("url: {fault}"))
    }
}

/// All delivery hooks of the configuration, and their bound.
#[derive(Debug, Clone)]
pub struct Deliveries {
    /// Those of the configuration file; no two are for the same event.
    pub hooks: Vec<DeliveryHook>,
    /// Records that may wait for each.
    pub queue: NonZeroUsize,
}

impl Deliveries {
    /// Those that have no key show this one from now on (`SERVICE_API_KEY`).
    pub fn show(&mut self, key: &SharedKey) {
        for hook in &mut self.hooks {
            hook.key.get_or_insert_with(|| key.clone());
        }
    }

    /// The hosts on other machines that are told in the clear.
    pub(super) fn hosts_in_the_clear(&self) -> Vec<String> {
        hooks::hosts_in_the_clear(self.hooks.iter().map(|hook| &hook.url))
    }
}

/// The flags of [`Deliveries`].
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Delivery hooks")]
pub(super) struct DeliveryFlags {
    /// Records that may wait for each delivery hook, beside the batch on its way; with one more the oldest is dropped and counted
    /// (fanfare_delivery_records_dropped_total).
    ///
    /// Values: a whole number from 1 to 10000000; a record takes about 200 bytes.
    ///
    /// Source: chosen; those of 500 events a second, each sent and delivered, for 100 s.
    #[arg(long, env, value_name = "COUNT", default_value = "100000", value_parser = values::count(10_000_000))]
    delivery_hooks_queue: NonZeroUsize,
}

/// A table `[[delivery_hooks]]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryTable {
    name: Option<String>,
    types: Vec<String>,
    url: String,
    timeout: Option<Age>,
}

/// The delivery hooks of a configuration file.
///
/// # Errors
/// A table is wrong: its line, and what is wrong with it.
pub(super) fn assemble(
    flags: &DeliveryFlags,
    tables: Vec<(usize, DeliveryTable)>,
) -> Result<Deliveries, (usize, String)> {
    let mut hooks: Vec<DeliveryHook> = Vec::new();
    for (line, table) in tables {
        let hook = table.into_hook().map_err(|message| (line, message))?;
        if hooks.len() >= MOST_DELIVERY_HOOKS {
            return Err((line, format!("there are at most {MOST_DELIVERY_HOOKS} delivery hooks")));
        }
        for other in &hooks {
            if other.name == hook.name {
                return Err((line, format!("two delivery hooks are named {:?}", hook.name)));
            }
            let of_other = |one: &str| other.types.iter().any(|of_other| types::overlap(one, of_other));
            if let Some(one) = hook.types.iter().find(|one| of_other(one)) {
                return Err((line, format!("{one:?} has a delivery hook already, {:?}", other.name)));
            }
        }
        hooks.push(hook);
    }
    Ok(Deliveries { hooks, queue: flags.delivery_hooks_queue })
}

impl DeliveryTable {
    fn into_hook(self) -> Result<DeliveryHook, String> {
        let url = values::web_address(&self.url).map_err(|fault| format!("url: {fault}"))?;
        let types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        let mut hook = DeliveryHook::new(&types, url, None);
        if let Some(name) = self.name {
            hook.name = name.into();
        }
        if let Some(timeout) = self.timeout {
            hook.timeout = timeout.0;
        }
        hook.check()?;
        Ok(hook)
    }
}
