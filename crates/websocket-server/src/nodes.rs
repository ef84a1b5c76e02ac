//! What is asked of all nodes of a cluster at once: counts, channels, a user's connections and their end.
//!
//! A node that is asked something of the whole cluster asks all others over the broker, adds what they answer to its own,
//! and waits for [`PATIENCE`] at most. How many did not answer by then stands in the header [`MISSING`], which is not there
//! where all did. Answers that may be long come in pages, each below what nodes may say at once.
//!
//! Not here: how words get to other nodes (the engine), the answers' shapes (`http`, `operator`), and what a node says of
//! its own health (`health`).

pub(crate) mod health;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use hub::broker::{NodeId, Ticket};
use hub::{ConnectionInfo, Hub, NodeCalls, StreamInfo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::problem::Problem;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::time_of_day;
use crate::state::State;

/// How long other nodes have to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The header that says how many nodes did not answer in time.
pub(crate) const MISSING: &str = "fanfare-nodes-missing";

/// Questions of other nodes that wait here, at most; one more is not answered.
const MOST_QUESTIONS: usize = 256;

/// Channels in one answer, at most: with the longest names that is less than 1 MiB.
const PAGE: usize = 4_000;

/// Bytes of connections in one answer, at most; the count is of all.
const MOST_BYTES: usize = 900 << 10;

/// What an answer speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This node.
    Node,
    /// All nodes.
    Cluster,
}

impl Scope {
    /// What `scope=` in a query says; of several the last counts.
    ///
    /// # Errors
    /// 422 where it is neither `node` nor `cluster`.
    pub(crate) fn of(query: &str, default: Self) -> Result<Self, Problem> {
        // Reading pairs fails for no text.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        match pairs.iter().rev().find(|(name, _)| name == "scope").map(|(_, value)| value.as_str()) {
            None | Some("") => Ok(default),
            Some("node") => Ok(Self::Node),
            Some("cluster") => Ok(Self::Cluster),
            Some(_) => {
                let detail = "scope: node or cluster";
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).member("scope"))
            }
        }
    }
}

/// What a node asks the others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
enum Question {
    /// How many connections, and the subscribers of channels behind this one.
    Counts { after: String },
    /// So many channels behind this one.
    Channels { after: String, limit: usize },
    /// What is there of this one.
    Channel { name: String },
    /// A user's connections.
    Connections { user: String },
    /// End them.
    Disconnect { user: String },
}

/// Connections, and subscribers of channels.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Open connections.
    pub total: u32,
    /// Subscribers of channels that have some.
    pub by_channel: BTreeMap<String, u32>,
    /// Whether there are more behind the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A channel on a node, or on all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub name: String,
    pub subscribers: u32,
    pub followers: u32,
    /// The offset of its last event; none where nothing was published.
    pub offset: Option<u64>,
    pub durable: bool,
}

/// How many are in a channel on a node; none of both where it is not known there.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Audience {
    subscribers: u32,
    followers: u32,
}

/// A user's connections.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Connections {
    pub count: usize,
    pub connections: Vec<ConnectionInfo>,
}

/// How many connections were ended.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ended {
    disconnected: u32,
}

impl Row {
    pub(crate) fn new(info: StreamInfo, is_durable: bool) -> Self {
        let StreamInfo { name, subscribers, followers, history, .. } = info;
        let durable = is_durable || history.as_ref().is_some_and(|history| history.is_durable);
        Self { name, subscribers, followers, offset: history.map(|history| history.offset), durable }
    }
}

/// What others answered, and how many did not.
pub(crate) struct Asked<T> {
    pub answers: Vec<T>,
    pub missing: usize,
}

/// Asks all other nodes.
async fn ask<T: DeserializeOwned>(hub: &Hub, question: &Question) -> Asked<T> {
    let mut asked = Asked { answers: Vec::new(), missing: 0 };
    if !hub.is_clustered() {
        return asked;
    }
    // A question is strings and numbers.
    let bytes = serde_json::to_vec(question).unwrap_or_default();
    let Some((mut told, others)) = hub.ask_nodes(&bytes) else {
        asked.missing = hub.nodes().len().saturating_sub(1).max(1);
        return asked;
    };
    let end = Instant::now() + PATIENCE;
    asked.missing = others;
    while asked.missing > 0 {
        let Ok(Some((_, answer))) = timeout_at(end, told.recv()).await else { break };
        // A node of another version may not know the question.
        if let Ok(answer) = serde_json::from_slice(&answer) {
            asked.answers.push(answer);
            asked.missing -= 1;
        }
    }
    asked
}

/// The counts of this node.
pub(crate) fn counts(hub: &Hub) -> Counts {
    let mut by_channel = BTreeMap::new();
    hub.registry().for_each_channel(|name, count| {
        by_channel.insert(name.to_owned(), count);
    });
    Counts { total: u32::try_from(hub.open_connections()).unwrap_or(u32::MAX), by_channel, more: false }
}

/// The counts of all nodes, and how many nodes are missing in them.
pub(crate) async fn all_counts(hub: &Hub) -> (Counts, usize) {
    let mut sum = counts(hub);
    let mut after = String::new();
    loop {
        let Asked { answers, missing }: Asked<Counts> =
            ask(hub, &Question::Counts { after: after.clone() }).await;
        if after.is_empty() {
            sum.total = answers.iter().fold(sum.total, |sum, node| sum.saturating_add(node.total));
        }
        // Up to here all nodes have told; what is behind comes again.
        let last = |node: &Counts| node.by_channel.last_key_value().map(|(name, _)| name.clone());
        let end = answers.iter().filter(|node| node.more).filter_map(last).min();
        for (name, count) in answers.into_iter().flat_map(|node| node.by_channel) {
            if end.as_ref().is_none_or(|end| name <= *end) {
                let sum = sum.by_channel.entry(name).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        match end.filter(|end| *end > after) {
            Some(end) if missing == 0 => after = end,
            _ => return (sum, missing),
        }
    }
}

/// Up to `limit` channels of all nodes behind one, in order, and how many nodes are missing in that.
pub(crate) async fn all_channels(state: &State, after: &str, limit: usize) -> (Vec<Row>, usize) {
    let question = Question::Channels { after: after.to_owned(), limit };
    let asked: Asked<Vec<Row>> = ask(&state.hub, &question).await;
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for row in asked.answers.into_iter().flatten().chain(channels(state, after, limit)) {
        match rows.get_mut(&row.name) {
            None => drop(rows.insert(row.name.clone(), row)),
            Some(sum) => {
                sum.subscribers = sum.subscribers.saturating_add(row.subscribers);
                sum.followers = sum.followers.saturating_add(row.followers);
                sum.offset = sum.offset.max(row.offset);
                sum.durable |= row.durable;
            }
        }
    }
    (rows.into_values().take(limit).collect(), asked.missing)
}

/// Up to `limit` channels of this node behind one, in order.
pub(crate) fn channels(state: &State, after: &str, limit: usize) -> Vec<Row> {
    let names = state.hub.stream_names(after, limit);
    channels_named(&state.hub, &names, |name| is_durable(state, name))
}

fn channels_named(hub: &Hub, names: &[String], durable: impl Fn(&str) -> bool) -> Vec<Row> {
    let now = time_of_day();
    // One whose last follower has gone since is left out.
    let infos = names.iter().filter_map(|name| hub.stream_info(name, now));
    infos.map(|info| (durable(&info.name), info)).map(|(durable, info)| Row::new(info, durable)).collect()
}

/// Whether the events of a stream outlive the process, in a cluster.
pub(crate) fn is_durable(state: &State, stream: &str) -> bool {
    state.broker.as_ref().is_some_and(|broker| broker.status().durable == Some(true))
        && state.hub.rules().history(stream).is_some_and(|rule| rule.durable)
}

/// How many subscribers and followers a channel has on other nodes, and how many nodes are missing in that.
pub(crate) async fn others_in(hub: &Hub, name: &str) -> ((u32, u32), usize) {
    let Asked { answers, missing }: Asked<Audience> =
        ask(hub, &Question::Channel { name: name.to_owned() }).await;
    let sum = answers.iter().fold((0_u32, 0_u32), |(subscribers, followers), node| {
        (subscribers.saturating_add(node.subscribers), followers.saturating_add(node.followers))
    });
    (sum, missing)
}

/// The connections of a user on all nodes, by their ids, and how many nodes are missing in that.
pub(crate) async fn all_connections(hub: &Hub, user: &str) -> (Connections, usize) {
    let question = Question::Connections { user: user.to_owned() };
    let (asked, own): (Asked<Connections>, _) = tokio::join!(ask(hub, &question), hub.connections_of(user));
    let mut all = Connections { count: own.len(), connections: own };
    for node in asked.answers {
        all.count += node.count;
        all.connections.extend(node.connections);
    }
    all.connections.sort_by(|a, b| a.connection_id.cmp(&b.connection_id));
    (all, asked.missing)
}

/// Ends the connections of a user on all nodes. Returns how many, and how many nodes did not say that they did.
pub(crate) async fn disconnect(hub: &Hub, user: &str) -> (u32, usize) {
    let question = Question::Disconnect { user: user.to_owned() };
    let (asked, own): (Asked<Ended>, u32) = tokio::join!(ask(hub, &question), hub.disconnect_user(user));
    let ended = asked.answers.iter().fold(own, |sum, node| sum.saturating_add(node.disconnected));
    (ended, asked.missing)
}

/// What this node does for others: it hands their questions to a task.
#[derive(Debug)]
struct Desk(mpsc::Sender<(NodeId, Ticket, Box<[u8]>)>);

impl NodeCalls for Desk {
    fn call(&self, from: NodeId, ticket: Ticket, question: &[u8]) {
        // Where too many wait, who asks does without this node.
        let _ = self.0.try_send((from, ticket, question.into()));
    }
}

/// Answers other nodes from now on, and looks after this one's health. To be called inside the runtime.
pub(crate) fn start(state: &Arc<State>) {
    if !state.hub.is_clustered() {
        return;
    }
    let (sender, mut questions) = mpsc::channel(MOST_QUESTIONS);
    state.hub.set_node_calls(Arc::new(Desk(sender)));
    let answering = Arc::clone(state);
    actix_rt::spawn(async move {
        while let Some((from, ticket, question)) = questions.recv().await {
            let state = Arc::clone(&answering);
            actix_rt::spawn(async move {
                let answer = answer(&state, &question).await.unwrap_or_default();
                state.hub.answer_node(from, ticket, &answer);
            });
        }
    });
    actix_rt::spawn(health::watch(Arc::clone(state)));
}

/// What another node is answered; none where the question is not known.
async fn answer(state: &State, question: &[u8]) -> Option<Vec<u8>> {
    let hub = &state.hub;
    let answer = match serde_json::from_slice(question).ok()? {
        Question::Counts { after } => {
            let mut counts = counts(hub);
            let mut behind = counts.by_channel.split_off(&after);
            behind.remove(&after);
            if let Some(first) = behind.keys().nth(PAGE).cloned() {
                behind.split_off(&first);
                counts.more = true;
            }
            serde_json::to_vec(&Counts { by_channel: behind, ..counts })
        }
        Question::Channels { after, limit } => serde_json::to_vec(&channels(state, &after, limit.min(PAGE))),
        Question::Channel { name } => {
            let info = hub.stream_info(&name, time_of_day());
            let audience =
                info.map(|StreamInfo { subscribers, followers, .. }| Audience { subscribers, followers });
            serde_json::to_vec(&audience.unwrap_or_default())
        }
        Question::Connections { user } => {
            let mut connections = hub.connections_of(&user).await;
            let count = connections.len();
            let mut bytes = 0;
            // The first that does not fit, and all behind it, are counted alone.
            connections.retain(|info| {
                bytes += serde_json::to_vec(info).map_or(MOST_BYTES, |text| text.len() + 1);
                bytes <= MOST_BYTES
            });
            serde_json::to_vec(&Connections { count, connections })
        }
        Question::Disconnect { user } => {
            let disconnected = hub.disconnect_user(&user).await;
            tracing::info!(disconnected, "an operator disconnected a user on all nodes");
            serde_json::to_vec(&Ended { disconnected })
        }
    };
    answer.ok()
}
