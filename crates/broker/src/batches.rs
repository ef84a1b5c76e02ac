//! Batches: once one of a batch is refused, so are all later ones of it.
//!
//! One step of a batch is under way at a time; what comes meanwhile waits here and is the next step, one call of the script,
//! which ends with the first that is refused. Bounds: [`STEP`] publications and [`STEP_BYTES`] a step; the waiting ones are
//! those of requests that wait for their answers; [`REMEMBERED`] refused batches.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use hub::PublishError;
use hub::broker::{Publishing, Ticket};

/// Publications of one step: as long as Redis may be busy with one call.
const STEP: usize = 128;

/// Bytes of one step.
const STEP_BYTES: usize = 1024 * 1024;

/// Refused batches that are remembered, for those of them that are still on their way through the queue.
const REMEMBERED: usize = 1024;

type Waiting = VecDeque<(Ticket, Box<Publishing>)>;

/// Batches with a step under way.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    under_way: HashMap<u64, Waiting>,
    refused: VecDeque<(u64, PublishError)>,
}

/// What becomes of a publication of a batch.
#[derive(Debug)]
pub(crate) enum Added {
    /// It is a step of its own.
    First(Box<Publishing>),
    /// It waits for the step under way.
    Waits,
    /// An earlier one of its batch was refused.
    Refused(PublishError),
}

impl Batches {
    /// Takes one in.
    pub(crate) fn add(&mut self, batch: u64, ticket: Ticket, publishing: Box<Publishing>) -> Added {
        if let Some((_, why)) = self.refused.iter().find(|(refused, _)| *refused == batch) {
            return Added::Refused(*why);
        }
        if let Some(waiting) = self.under_way.get_mut(&batch) {
            waiting.push_back((ticket, publishing));
            return Added::Waits;
        }
        self.under_way.insert(batch, Waiting::new());
        Added::First(publishing)
    }

    /// The next step of a batch; empty where nothing waits.
    pub(crate) fn next(&mut self, batch: u64) -> (Vec<Ticket>, Vec<Publishing>) {
        let mut step = (Vec::new(), Vec::new());
        let Some(waiting) = self.under_way.get_mut(&batch) else { return step };
        let mut bytes = 0;
        while step.0.len() < STEP
            && bytes < STEP_BYTES
            && let Some((ticket, publishing)) = waiting.pop_front()
        {
            bytes += publishing.event.publication.data.len();
            step.0.push(ticket);
            step.1.push(*publishing);
        }
        if step.0.is_empty() {
            self.under_way.remove(&batch);
        }
        step
    }

    /// One of a batch was refused: those of it that wait are as well.
    pub(crate) fn refuse(&mut self, batch: u64, why: PublishError) -> impl Iterator<Item = Ticket> + use<> {
        self.refused.push_back((batch, why));
        if self.refused.len() > REMEMBERED {
            self.refused.pop_front();
        }
        self.under_way.remove(&batch).unwrap_or_default().into_iter().map(|(ticket, _)| ticket)
    }

    /// All that wait.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = Ticket> + use<> {
        let all = std::mem::take(&mut self.under_way);
        all.into_values().flatten().map(|(ticket, _)| ticket)
    }
}
