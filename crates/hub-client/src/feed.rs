//! Reading a feed of the hub (`GET /feeds/{name}`): publications of certain types, whoever they are for, page by page.
//!
//! The reader keeps the position that a page ends with, and gives it for the next: so it has each event exactly once, over
//! restarts of either side, for as long as the hub keeps the feed. Not here: what is done with the events, and waiting
//! between tries.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::HubClient;
use crate::error::PublishError;

/// The most bytes of a page: the hub ends one behind 1 MiB of events, and a single event may be as large as a publication
/// (`MAX_BODY`, 1 MiB by default) with what escaping adds.
pub const MOST_PAGE_BYTES: usize = 16 << 20;

/// The time that a page may take beyond what the hub was asked to wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// A place in a feed: behind an event, in one life of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPosition {
    /// The life of the feed.
    pub epoch: String,
    /// The last event that the reader has had.
    pub offset: u64,
}

/// An event of a feed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FeedEvent {
    /// Where it is in the feed.
    pub offset: u64,
    /// The publication's id, a UUID of version 7.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Any JSON.
    #[serde(default)]
    pub data: Value,
    /// When it happened, `2025-11-01T12:00:00.000Z`.
    pub timestamp: String,
    /// The users that it was addressed to, as text.
    #[serde(default)]
    pub user_ids: Vec<String>,
    /// The channels that it was addressed to.
    #[serde(default)]
    pub channels: Vec<String>,
}

/// A piece of a feed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FeedPage {
    /// The types that the feed has; a `*` at the end of one stands for any rest.
    pub types: Vec<String>,
    /// Whether it goes on right behind the position that was given. Where it does not, some events may be missed.
    pub recovered: bool,
    /// Events, oldest first.
    pub events: Vec<FeedEvent>,
    /// The position behind the events of the page.
    pub next: FeedPosition,
    /// The offset of the last event that there is.
    pub end: u64,
}

impl HubClient {
    /// The events of a feed behind `after`, `limit` at most; without a position from the oldest that is kept. Where there
    /// are none yet, the hub waits up to `wait` (30 s at most) for the first.
    ///
    /// # Errors
    /// [`PublishError`]: refused (404) where the hub has no such feed.
    ///
    /// # Cancel safety
    /// A call that is given up has no effect.
    pub async fn feed(
        &self,
        name: &str,
        after: Option<&FeedPosition>,
        limit: u32,
        wait: Duration,
    ) -> Result<FeedPage, PublishError> {
        let mut url: Url = self.at(&format!("feeds/{name}"));
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("limit", &limit.to_string()).append_pair("wait", &wait.as_secs().to_string());
            if let Some(after) = after {
                query.append_pair("epoch", &after.epoch).append_pair("offset", &after.offset.to_string());
            }
        }
        let mut response = self.send(self.get(url).timeout(wait + PATIENCE)).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(PublishError::Unreachable)? {
            if body.len() + chunk.len() > MOST_PAGE_BYTES {
                let what = format!("a page of a feed with more than {MOST_PAGE_BYTES} bytes");
                return Err(PublishError::Unexpected(what));
            }
            body.extend_from_slice(&chunk);
        }
        // What is wrong with it is told without what stands in it.
        let unexpected = |error: serde_json::Error| {
            PublishError::Unexpected(format!(
                "no page of a feed: line {}, column {}",
                error.line(),
                error.column()
            ))
        };
        serde_json::from_slice(&body).map_err(unexpected)
    }
}
