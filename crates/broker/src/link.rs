//! A link while it stands: both connections, the queue of wishes and the clock, in one task.
//!
//! It ends when either connection ends, when nobody answers for [`SILENCE`], when Redis says that it is not the one to ask,
//! and when it has begun a new life; then all that is not answered never will be. Not here: how it is made (`opening`), and
//! what comes after (`runner`).

use std::collections::VecDeque;
use std::time::Duration;

use hub::PublishError;
use hub::broker::{Outcome, Ticket, Told, Wish};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tracing::warn;

use crate::broker::Wishes;
use crate::commands::{Answer, Commands};
use crate::error::LinkError;
use crate::line::{Heard, Line};
use crate::opening::{Opened, Seen};
use crate::status::Shown;

/// How long an answer may take. Each connection is asked every second.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// How often a node gives a sign of life.
const BEAT: Duration = Duration::from_secs(1);

/// How many wishes are taken at once: they go out in one write.
const TURN: usize = 512;

/// Bytes that wait to be written from which on no more wishes are taken.
const MOST_UNWRITTEN: usize = 4 * 1024 * 1024;

/// Wishes that are kept from one link to the next, at most: what many nodes that lose Redis have under way. The oldest go.
const MOST_LASTING: usize = 65_536;

/// How long the end of a node may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who hears.
pub(crate) type Ear = Box<dyn FnMut(Told) + Send>;

/// What the thread has at hand.
pub(crate) struct Room {
    pub(crate) wishes: Wishes,
    pub(crate) ear: Ear,
    pub(crate) seen: Seen,
    pub(crate) shown: Shown,
    pub(crate) stop: watch::Receiver<bool>,
    /// What was wished of connections and keys and may not have been carried out, in its order, and the life that it is about.
    pub(crate) lasting: (u64, VecDeque<Wish>),
}

impl Room {
    /// Refuses publications and drops everything else that waits.
    pub(crate) fn drop_waiting(&mut self) {
        while let Ok(wish) = self.wishes.queue.try_recv() {
            self.refuse(wish);
        }
        while let Ok(ticket) = self.wishes.refused.try_recv() {
            self.overloaded(ticket);
        }
    }

    /// Tells of one that did not fit into the queue.
    pub(crate) fn overloaded(&mut self, ticket: Ticket) {
        (self.ear)(Told::Published(ticket, Outcome::Refused(PublishError::Overloaded)));
    }

    /// Refuses one where there is no link.
    pub(crate) fn refuse(&mut self, wish: Wish) {
        self.wishes.taken(&wish);
        match wish {
            Wish::Publish(ticket, _) | Wish::Recall(ticket, _) => {
                (self.ear)(Told::Published(ticket, Outcome::Refused(PublishError::BrokerDown)));
            }
            wish @ (Wish::Note(_) | Wish::Answered(..) | Wish::Unsent(..)) => self.keep(wish),
            _ => {}
        }
    }

    /// Keeps a wish for the next link.
    fn keep(&mut self, wish: Wish) {
        let (_, lasting) = &mut self.lasting;
        if lasting.len() >= MOST_LASTING {
            lasting.pop_front();
        }
        lasting.push_back(wish);
    }

    fn saw(&mut self, number: u64) {
        if let Some((_, seen)) = &mut self.seen.life {
            *seen = number.max(*seen);
        }
    }
}

/// A link.
struct Link<'r> {
    room: &'r mut Room,
    commands: Commands,
    line: Line,
    nodes: Vec<hub::broker::NodeId>,
    answers: Vec<Answer>,
}

/// Tells the link up, and carries wishes out until it ends; `Ok` is that the node was to stop.
pub(crate) async fn run(
    room: &mut Room,
    opened: Opened,
    prefix: &str,
    node: hub::broker::NodeId,
) -> Result<(), LinkError> {
    let Opened { commands, line, run, life, nodes, .. } = opened;
    room.drop_waiting();
    let mut commands = Commands::new(commands, prefix, node, life.life, run);
    let (of, lasting) = std::mem::replace(&mut room.lasting, (life.life, VecDeque::new()));
    // In another life all that there is is told anew.
    for wish in lasting.into_iter().filter(|_| of == life.life) {
        commands.wish(wish);
    }
    (room.ear)(Told::Up(life));
    (room.ear)(Told::Nodes(nodes.clone()));
    let line = Line::new(line, prefix, node, life.life);
    let mut link = Link { room, commands, line, nodes, answers: Vec::new() };
    let ended = link.go_on().await;
    let down = |ticket| Told::Published(ticket, Outcome::Refused(PublishError::BrokerDown));
    let (tickets, lasting) = link.commands.unanswered();
    tickets.into_iter().for_each(|ticket| (link.room.ear)(down(ticket)));
    lasting.into_iter().for_each(|wish| link.room.keep(wish));
    link.room.drop_waiting();
    ended
}

impl Link<'_> {
    async fn go_on(&mut self) -> Result<(), LinkError> {
        let mut clock = interval(BEAT);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(TURN);
        loop {
            let takes = self.commands.has_room() && self.commands.wire.waiting() < MOST_UNWRITTEN;
            tokio::select! {
                turned = self.commands.wire.turn() => turned?,
                turned = self.line.wire.turn() => turned?,
                _ = self.room.wishes.queue.recv_many(&mut batch, TURN), if takes => {}
                Some(ticket) = self.room.wishes.refused.recv() => self.room.overloaded(ticket),
                _ = clock.tick() => self.tick()?,
                _ = self.room.stop.changed() => return self.farewell().await,
            }
            self.hear()?;
            for wish in batch.drain(..) {
                self.take(wish);
            }
            self.line.go_on(self.commands.answered);
        }
    }

    fn take(&mut self, wish: Wish) {
        self.room.wishes.taken(&wish);
        if let Some(wish) = self.commands.wish(wish) {
            self.line.wish(wish, self.commands.asked);
        }
        for (ticket, why) in self.commands.refusals() {
            (self.room.ear)(Told::Published(ticket, Outcome::Refused(why)));
        }
    }

    fn tick(&mut self) -> Result<(), LinkError> {
        if self.commands.silent().max(self.line.silent()) >= SILENCE {
            return Err(LinkError::Silent(SILENCE.as_secs()));
        }
        self.commands.beat();
        self.line.tick();
        Ok(())
    }

    /// Takes in all that was read.
    fn hear(&mut self) -> Result<(), LinkError> {
        let mut has_told = false;
        while let Some(value) = self.line.wire.next()? {
            match self.line.hear(value)? {
                Heard::Told(told, number) => {
                    self.room.saw(number);
                    (self.room.ear)(told);
                    has_told = true;
                }
                Heard::Streams(told, number) => {
                    self.room.saw(number);
                    has_told |= !told.is_empty();
                    told.into_iter().for_each(|told| (self.room.ear)(told));
                }
                Heard::Nodes => self.commands.beat(),
                Heard::Unreadable(error) => {
                    self.room.shown.metrics.unreadable.inc();
                    warn!(%error, "a message of another node can't be read");
                }
                Heard::Nothing => {}
            }
        }
        while let Some(value) = self.commands.wire.next()? {
            let mut answers = std::mem::take(&mut self.answers);
            let heard = self.commands.hear(value, &mut answers);
            answers.drain(..).for_each(|answer| self.tell(answer));
            self.answers = answers;
            heard?;
        }
        if has_told {
            (self.room.ear)(Told::Rest);
        }
        Ok(())
    }

    fn tell(&mut self, answer: Answer) {
        match answer {
            Answer::Told(told) => (self.room.ear)(told),
            Answer::Placed(number, told) => {
                self.room.saw(number);
                (self.room.ear)(told);
            }
            Answer::Beat(beat) => {
                self.room.shown.beat(beat.round_trip, beat.skew_ms, beat.nodes.len());
                if beat.nodes != self.nodes {
                    self.nodes.clone_from(&beat.nodes);
                    (self.room.ear)(Told::Nodes(beat.nodes));
                }
            }
        }
    }

    /// Lets out what was accepted, and says that this node goes.
    async fn farewell(&mut self) -> Result<(), LinkError> {
        let end = Instant::now() + FAREWELL;
        let mut has_left = false;
        loop {
            while self.commands.has_room()
                && let Ok(wish) = self.room.wishes.queue.try_recv()
            {
                self.take(wish);
            }
            while let Ok(ticket) = self.room.wishes.refused.try_recv() {
                self.room.overloaded(ticket);
            }
            if self.commands.is_idle() {
                if has_left {
                    return Ok(());
                }
                self.commands.leave();
                has_left = true;
            }
            self.line.go_on(self.commands.answered);
            let turned = timeout_at(end, async {
                tokio::select! {
                    turned = self.commands.wire.turn() => turned,
                    turned = self.line.wire.turn() => turned,
                }
            });
            turned.await.map_err(|_| LinkError::Silent(FAREWELL.as_secs()))??;
            self.hear()?;
        }
    }
}
