//! What a node of a cluster says of its health: whether it has its broker, whether the nodes go by the same rules, and
//! whether clocks agree.
//!
//! A degraded node serves its clients; its load balancer goes on sending (`/health` is 200), and an operator looks.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use broker::Status;
use hub::MOST_SKEW_MS;
use protocol::timestamp::Timestamp;
use serde::Serialize;

use crate::state::State;

/// How often it is looked whether clocks agree.
const WATCH: Duration = Duration::from_secs(1);

/// What `/health` has of the broker.
#[derive(Debug, Serialize)]
pub(crate) struct Broker {
    kind: &'static str,
    status: &'static str,
    since: String,
    durable: bool,
}

/// What `/health` has of the cluster.
#[derive(Debug, Serialize)]
pub(crate) struct Cluster {
    /// Why the node is degraded; empty where it is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    broker: Broker,
    /// How many nodes live, as far as this one knows.
    nodes: usize,
}

/// What a node says of its cluster; none where it is in none.
pub(crate) fn of(state: &State) -> Option<Cluster> {
    let status = state.broker.as_ref()?.status();
    let reasons = reasons(state, &status);
    let since = status.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(0));
    let broker = Broker {
        kind: "redis",
        status: if status.up { "up" } else { "down" },
        since: String::from_utf8_lossy(&since.encode()).into_owned(),
        durable: status.durable == Some(true),
    };
    let nodes = if status.nodes > 0 { status.nodes } else { state.hub.nodes().len() };
    Some(Cluster { reasons, broker, nodes: nodes.max(1) })
}

fn reasons(state: &State, status: &Status) -> Vec<String> {
    let away = (!status.up).then(|| {
        let why = status.reason.as_deref().unwrap_or("not connected yet");
        format!("redis: {why}")
    });
    let rules = state.hub.conflicts().into_iter().map(|conflict| {
        let what = conflict.what.join(", ");
        format!("rules: the node {} goes by other {what}", conflict.node)
    });
    let clock = skew(status).map(|text| format!("clock: {text}"));
    away.into_iter().chain(rules).chain(clock).collect()
}

/// What is to be said of a clock that is too far off.
fn skew(status: &Status) -> Option<String> {
    let skew = status.skew_ms.unsigned_abs();
    (status.up && skew > MOST_SKEW_MS.unsigned_abs()).then(|| {
        let seconds = skew / 1_000;
        let side = if status.skew_ms > 0 { "ahead of" } else { "behind" };
        format!("this node's is {seconds} s {side} that of Redis")
    })
}

/// Says once when the clock is too far off, and once when it no longer is; until the runtime ends.
pub(crate) async fn watch(state: Arc<State>) {
    let Some(broker) = state.broker.clone() else { return };
    let mut is_off = false;
    loop {
        tokio::time::sleep(WATCH).await;
        let status = broker.status();
        match skew(&status) {
            Some(text) if !is_off => {
                tracing::warn!("clocks differ: {text}; set both by the same time server");
                is_off = true;
            }
            None if is_off && status.up => {
                tracing::info!("clocks agree again");
                is_off = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn status(up: bool, skew_ms: i64) -> Status {
        Status {
            up,
            since: SystemTime::UNIX_EPOCH,
            durable: Some(true),
            skew_ms,
            round_trip: Duration::ZERO,
            nodes: 2,
            reconnects: 0,
            reason: None,
        }
    }

    #[test]
    fn clocks_may_differ_by_ten_seconds() {
        for fine in [0, 10_000, -10_000] {
            assert_eq!(skew(&status(true, fine)), None);
        }
        assert_eq!(
            skew(&status(true, 61_500)).as_deref(),
            Some("this node's is 61 s ahead of that of Redis")
        );
        assert_eq!(skew(&status(true, -10_001)).as_deref(), Some("this node's is 10 s behind that of Redis"));
        assert_eq!(skew(&status(false, 61_500)), None, "of a Redis that is away nothing is known");
    }
}
