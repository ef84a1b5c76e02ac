//! Telling the hub who types: one call at a time, until the process stops.

use std::time::Duration;

use hub_client::{HubClient, ItemAnswer};
use service_kit::shutdown::Token;
use tokio::time::Instant;

use super::{Pair, Typing};
use crate::metrics::Typed;

/// How long a hub that does not answer is left alone.
const AGAIN: Duration = Duration::from_millis(500);

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There was no news.
    Quiet,
    /// There was, and perhaps there is more.
    Told,
    /// The hub took none, or not all.
    Failed,
}

impl Typing {
    /// Tells the hub, until `shutdown` begins; then that nobody types any more, in one try.
    pub(crate) async fn run(&self, hub: &HubClient, mut shutdown: Token) {
        while !shutdown.is_begun() {
            let end = self.table(|table| {
                table.expire(Instant::now());
                table.next_end()
            });
            let turn = self.turn(hub).await;
            let wait = async {
                match (turn, end) {
                    (Turn::Told, _) => {}
                    (Turn::Failed, _) => tokio::time::sleep(AGAIN).await,
                    (Turn::Quiet, None) => self.0.wake.notified().await,
                    (Turn::Quiet, Some(end)) => tokio::select! {
                        () = self.0.wake.notified() => {}
                        () = tokio::time::sleep_until(end) => {}
                    },
                }
            };
            tokio::select! {
                () = shutdown.begun() => {}
                () = wait => {}
            }
        }
        self.table(|table| table.end(Instant::now()));
        while self.turn(hub).await == Turn::Told {}
    }

    async fn turn(&self, hub: &HubClient) -> Turn {
        let (mut pairs, mut messages) = (Vec::new(), Vec::new());
        for (pair, _, message) in self.table(super::Table::take) {
            pairs.push(pair);
            messages.push(message);
        }
        if pairs.is_empty() {
            return Turn::Quiet;
        }
        // Strings, numbers and truths: they can always be written.
        let items = serde_json::to_string(&messages).unwrap_or_default();
        let answers = match hub.publish_batch(items, pairs.len()).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::debug!(%error, "who types could not be told");
                pairs.iter().for_each(|pair| self.later(pair));
                return Turn::Failed;
            }
        };
        let mut turn = Turn::Told;
        for (pair, answer) in pairs.iter().zip(answers) {
            match answer {
                ItemAnswer::Accepted(_) => {
                    self.0.metrics.typed(Typed::Told);
                    self.table(|table| table.told(pair, Instant::now()));
                }
                ItemAnswer::Failed(error) if error.is_temporary() => {
                    turn = Turn::Failed;
                    self.later(pair);
                }
                ItemAnswer::Failed(error) => {
                    tracing::warn!(%error, "the hub does not take who types");
                    self.0.metrics.typed(Typed::Lost);
                    self.table(|table| table.refused(pair));
                }
            }
        }
        turn
    }

    fn later(&self, pair: &Pair) {
        if !self.table(|table| table.failed(pair, Instant::now())) {
            self.0.metrics.typed(Typed::Lost);
        }
    }
}
