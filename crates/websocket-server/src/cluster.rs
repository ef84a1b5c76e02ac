//! The hub as a node of a cluster: joining its broker, and waiting for what a client needs before it comes in.
//!
//! Not here: what the engine does with that (`hub::broker`), and what operators ask of all nodes (`nodes`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use broker::{RedisBroker, Runner, Settings};
use hub::broker::{Life, Told};
use hub::{EndpointIndex, Hub};
use protocol::UserId;

use crate::clock::Clock;
use crate::config::Config;
use crate::turn;

/// How long a client that comes in may wait for its own streams to be followed. Then it comes in all the same, and gets what
/// is published once they are: without the broker a node serves whom it has.
const PREPARE: Duration = Duration::from_secs(2);

/// A node that has joined, or will once the broker is there.
pub(crate) struct Joined {
    pub broker: Arc<RedisBroker>,
    /// The node's name.
    pub name: String,
    pub runner: Runner,
    /// What is known of the cluster's data; none while the broker is away.
    pub life: Option<Life>,
}

/// Joins the cluster, where one is configured.
///
/// # Errors
/// The address can't be one, or Redis is there and refuses.
pub(crate) fn join(
    config: &Config,
    address: SocketAddr,
    registry: &prometheus::Registry,
) -> anyhow::Result<Option<Joined>> {
    let Some(cluster) = &config.cluster else { return Ok(None) };
    let name = cluster.name.clone().unwrap_or_else(|| format!("{}:{}", host(), address.port()));
    let mut settings =
        Settings::new(cluster.url.expose(), &cluster.prefix, &name).context("the cluster's settings")?;
    if let Some(authority) = &cluster.authority {
        settings = settings.with_authority(authority.clone());
    }
    let place = settings.place();
    let (broker, runner, life) =
        broker::connect(settings, registry).with_context(|| format!("REDIS_URL: Redis at {place}"))?;
    match life {
        Some(life) if life.is_durable => tracing::info!(node = name, "joined the cluster at {place}"),
        Some(_) => tracing::warn!(
            node = name,
            "joined the cluster at {place}, which does not sync each write (appendonly yes, appendfsync always): what is \
             durable may be lost when Redis ends"
        ),
        None => tracing::warn!(
            node = name,
            "Redis at {place} is not there: the hub serves whom it has, and joins the cluster once it is"
        ),
    }
    Ok(Some(Joined { broker, name, runner, life }))
}

/// The name of the machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(48).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

/// Hears what the broker tells from now on.
pub(crate) fn listen(joined: Joined, hub: &Arc<Hub>, clock: Clock) -> std::io::Result<broker::Running> {
    let hub = Arc::clone(hub);
    hub.set_node_facts(&joined.name, env!("CARGO_PKG_VERSION"));
    joined.runner.spawn(Box::new(move |told| {
        // The shards find all that came at once, and write it together.
        match told {
            Told::Event(_) => turn::hold_wakes(),
            Told::Rest | Told::Down => turn::wake_held(),
            _ => {}
        }
        hub.hear(told, clock.now());
    }))
}

/// Waits until the streams are followed that a connection has unasked.
pub(crate) async fn prepare(hub: &Hub, endpoint: Option<EndpointIndex>, user: Option<&UserId>) {
    if hub.is_clustered() {
        // Where they are not to be had it comes in all the same.
        let _ = tokio::time::timeout(PREPARE, hub.prepare_own(endpoint, user)).await;
    }
}
