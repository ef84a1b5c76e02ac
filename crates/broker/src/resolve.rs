//! Finds the server to ask: the host itself, the master that sentinels name, or the cluster's node that has the slot.
//! Asked anew for each connection, so that whatever moved meanwhile is found where it is now.

use std::sync::Arc;

use redis::{Cmd, Value};

use crate::error::{LinkError, answer};
use crate::settings::{Credentials, Host, Place, Settings};
use crate::wire::Wire;

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Host(Host),
    Unix(std::path::PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Finds servers, and remembers those of a cluster.
#[derive(Debug)]
pub(crate) struct Resolver {
    settings: Settings,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// Nodes of the cluster that were seen, the most useful first; 64 at most.
    seen: Vec<Host>,
}

/// How many nodes of a cluster are remembered.
const MOST_SEEN: usize = 64;

impl Resolver {
    pub(crate) fn new(settings: Settings, tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        Self { settings, tls, seen: Vec::new() }
    }

    /// Finds it.
    pub(crate) async fn resolve(&mut self) -> Result<Address, LinkError> {
        match self.settings.url.place.clone() {
            Place::Host(host) => Ok(Address::Host(host)),
            Place::Unix(path) => Ok(Address::Unix(path)),
            Place::Sentinel(hosts, master) => self.by_sentinels(&hosts, &master).await,
            Place::Cluster(hosts) => self.by_cluster(&hosts).await,
        }
    }

    async fn by_sentinels(&mut self, hosts: &[Host], master: &str) -> Result<Address, LinkError> {
        let mut last = LinkError::Nowhere("there are no sentinels".into());
        for host in hosts {
            match self.ask_sentinel(host, master).await {
                Ok(address) => return Ok(address),
                Err(error) => last = LinkError::Nowhere(format!("sentinel {host}: {error}")),
            }
        }
        Err(last)
    }

    async fn ask_sentinel(&self, host: &Host, master: &str) -> Result<Address, LinkError> {
        let mut wire = Wire::to_host(host, self.tls.as_ref()).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let mut told = wire.ask_one(question.clone()).await?;
        if matches!(&told, Value::ServerError(error) if error.code() == "NOAUTH")
            && let Some(credentials) = &self.settings.url.credentials
        {
            answer(wire.ask_one(auth(credentials)).await?)?;
            told = wire.ask_one(question).await?;
        }
        let Value::Array(parts) = answer(told)? else {
            return Err(LinkError::Nowhere(format!("it knows no master {master}")));
        };
        let [name, port] = parts.as_slice() else { return Err(LinkError::Unexpected("no address")) };
        let port = text(port).and_then(|port| port.parse().ok());
        match (text(name), port) {
            (Some(name), Some(port)) => Ok(Address::Host(Host { name: name.into(), port })),
            _ => Err(LinkError::Unexpected("no address")),
        }
    }

    async fn by_cluster(&mut self, hosts: &[Host]) -> Result<Address, LinkError> {
        let mut last = LinkError::Nowhere("there are no hosts".into());
        let mut all = self.seen.clone();
        all.extend(hosts.iter().filter(|host| !self.seen.contains(host)).cloned());
        for host in all {
            match self.ask_cluster(&host).await {
                Ok((owner, others)) => {
                    self.seen = others;
                    self.seen.truncate(MOST_SEEN);
                    return Ok(Address::Host(owner));
                }
                Err(error) => last = LinkError::Nowhere(format!("{host}: {error}")),
            }
        }
        Err(last)
    }

    /// The node that has the slot, and all nodes.
    async fn ask_cluster(&self, host: &Host) -> Result<(Host, Vec<Host>), LinkError> {
        let mut wire = Wire::to_host(host, self.tls.as_ref()).await?;
        if let Some(credentials) = &self.settings.url.credentials {
            answer(wire.ask_one(auth(credentials)).await?)?;
        }
        let mut slot = redis::cmd("CLUSTER");
        slot.arg("KEYSLOT").arg(format!("{{{}}}:", self.settings.prefix));
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let mut told = wire.ask(&[slot, slots]).await?.into_iter();
        let mut next = || answer(told.next().unwrap_or(Value::Nil));
        let (Value::Int(slot), Value::Array(ranges)) = (next()?, next()?) else {
            return Err(LinkError::Unexpected("no slots"));
        };
        let mut owner = None;
        let mut all = Vec::new();
        for range in &ranges {
            let Value::Array(parts) = range else { continue };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = parts.as_slice() else { continue };
            for (place, node) in nodes.iter().enumerate() {
                let Value::Array(node) = node else { continue };
                let [name, Value::Int(port), ..] = node.as_slice() else { continue };
                // No name means that of the node that was asked.
                let name = text(name).filter(|name| !name.is_empty() && *name != "?").unwrap_or(&host.name);
                let node = Host { name: name.into(), port: u16::try_from(*port).unwrap_or_default() };
                if place == 0 && (first..=last).contains(&&slot) {
                    owner = Some(node.clone());
                }
                if !all.contains(&node) {
                    all.push(node);
                }
            }
        }
        let owner = owner.ok_or_else(|| LinkError::Nowhere(format!("no node has slot {slot}")))?;
        Ok((owner, all))
    }
}

/// The command that says who asks.
pub(crate) fn auth(credentials: &Credentials) -> Cmd {
    let mut command = redis::cmd("AUTH");
    command.arg(credentials.user.as_deref().unwrap_or("default")).arg(&*credentials.password);
    command
}

/// A text of Redis'.
pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}
