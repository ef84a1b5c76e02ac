//! The background work of push: decides what is due, sends what follows from it, and forgets what is old.
//!
//! One task for each process; it ends with its shutdown, after the calls that are under way. Several instances may run it on
//! one database. At most [`AT_ONCE`] calls are under way, and what waits for Firebase waits in the table, where
//! `fanfare_push_queue` counts it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rest::Failure;
use service_kit::shutdown::Token;
use tokio::task::{Id, JoinError, JoinSet};

use super::circuit::{Circuit, Sign};
use super::client::Firebase;
use super::reply::{Outcome, Whose};
use super::send::Claim;
use super::{micros, plan, send};
use crate::desk::Desk;

/// Calls of Firebase that are under way at once: some hundred messages a second at its usual 100 ms.
const AT_ONCE: usize = 32;

/// How often the tables are looked at where nobody says that there is something.
const POLL: Duration = Duration::from_millis(250);

/// How long calls under way may take once the process is told to stop; what is then left is sent after its lease. Less than
/// background work has for its end.
const STOP: Duration = Duration::from_secs(8);

/// How often what waits is counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// How often what is old is forgotten.
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// Rows removed at once.
const PURGE_ROWS: i64 = 1_000;

/// Calls, and what came of those that are not settled yet.
struct Work {
    calls: JoinSet<(Claim, Outcome)>,
    /// The messages of these calls: a clock that jumps can end a claim while its call is under way, and then the message is
    /// claimed again and not sent twice.
    flying: HashMap<Id, Flight>,
    done: Vec<(Claim, Outcome)>,
    circuit: Circuit,
    /// Whether the database answered the last time.
    answers: bool,
}

/// A message that is being sent.
struct Flight {
    send_id: String,
    /// The attempt that its last claim counted.
    attempt: i64,
}

/// A call that is over.
type Joined = Result<(Id, (Claim, Outcome)), JoinError>;

/// Does the background work of push until `shutdown` begins.
pub(crate) async fn run(desk: &Desk, mut shutdown: Token) {
    let mut work = Work {
        calls: JoinSet::new(),
        flying: HashMap::new(),
        done: Vec::new(),
        circuit: Circuit::default(),
        answers: true,
    };
    let (mut counted, mut purged): (Option<Instant>, Option<Instant>) = (None, None);
    while !shutdown.is_begun() {
        if passed(&mut counted, COUNT_EVERY) {
            count(desk).await;
        }
        if passed(&mut purged, PURGE_EVERY)
            && let Err(error) = purge(desk).await
        {
            tracing::debug!(%error, "old pushes could not be forgotten; they are later");
        }
        let turn = match &desk.push.firebase {
            Some(firebase) => work.turn(desk, firebase).await,
            None => Ok(Turn::Done),
        };
        let again = match turn {
            Ok(turn) => {
                work.answers = true;
                turn == Turn::More
            }
            Err(error) => {
                if std::mem::replace(&mut work.answers, false) {
                    tracing::warn!(%error, "pushes wait for the database");
                }
                false
            }
        };
        if again {
            // Others have their turn, and the process may be told to stop.
            tokio::task::yield_now().await;
            continue;
        }
        // Without calls there is nothing to join, and with an outcome that could not be settled there is no hurry.
        let joins = !work.calls.is_empty() && work.done.is_empty();
        tokio::select! {
            () = shutdown.begun() => {}
            joined = work.calls.join_next_with_id(), if joins => work.joined(desk, joined),
            () = desk.push.wake.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    let rest = async {
        while let Some(joined) = work.calls.join_next_with_id().await {
            work.joined(desk, Some(joined));
        }
    };
    if tokio::time::timeout(STOP, rest).await.is_err() {
        tracing::info!("pushes that are under way are left, and sent again");
    }
    if let Err(error) = work.settle(desk).await {
        tracing::debug!(%error, "the last pushes could not be settled; they are sent again");
    }
}

/// Whether there may be more to do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    More,
    Done,
}

impl Work {
    async fn turn(&mut self, desk: &Desk, firebase: &Firebase) -> Result<Turn, Failure> {
        while let Some(joined) = self.calls.try_join_next_with_id() {
            self.joined(desk, Some(joined));
        }
        self.settle(desk).await?;
        let decided = plan::turn(desk).await?;
        let free = AT_ONCE.saturating_sub(self.calls.len());
        let allowed = self.circuit.allows(free, self.calls.len(), desk.clock.now());
        let claims = if allowed > 0 { send::claim(desk, allowed).await? } else { Vec::new() };
        let begun = claims.len();
        for claim in claims {
            if let Some(flight) = self.flying.values_mut().find(|flight| flight.send_id == claim.send_id) {
                flight.attempt = claim.attempt;
                continue;
            }
            let flight = Flight { send_id: claim.send_id.clone(), attempt: claim.attempt };
            let (firebase, clock) = (firebase.clone(), desk.clock.clone());
            let call = self.calls.spawn(async move {
                let outcome = firebase.send(&claim.message, &clock).await;
                (claim, outcome)
            });
            self.flying.insert(call.id(), flight);
        }
        Ok(if decided > 0 || (begun > 0 && begun == allowed && begun < free) {
            Turn::More
        } else {
            Turn::Done
        })
    }

    /// Takes note of a call that is over.
    fn joined(&mut self, desk: &Desk, joined: Option<Joined>) {
        match joined {
            None => {}
            Some(Ok((id, (mut claim, outcome)))) => {
                if let Some(flight) = self.flying.remove(&id) {
                    claim.attempt = flight.attempt;
                }
                let sign = match &outcome {
                    Outcome::Later(later) if later.whose == Whose::Endpoint => {
                        Some(Sign::Away(later.after.map(micros)))
                    }
                    // Whose fault too many calls are, this one does not say.
                    Outcome::Later(_) => None,
                    _ => Some(Sign::Well),
                };
                if let Some(sign) = sign {
                    self.note(desk, sign, &outcome);
                }
                self.done.push((claim, outcome));
            }
            Some(Err(error)) => {
                self.flying.remove(&error.id());
                tracing::error!(%error, "a push ended early; it is sent again after its lease");
            }
        }
    }

    fn note(&mut self, desk: &Desk, sign: Sign, outcome: &Outcome) {
        let before = self.circuit.is_open();
        self.circuit.note(sign, desk.clock.now());
        let after = self.circuit.is_open();
        if before == after {
            return;
        }
        desk.push.metrics.paused(after);
        match outcome {
            Outcome::Later(later) => {
                tracing::warn!(
                    reason = later.reason,
                    "Firebase is away or out of order: pushes wait until it is back"
                );
            }
            _ => tracing::info!("Firebase is back"),
        }
    }

    async fn settle(&mut self, desk: &Desk) -> Result<(), Failure> {
        if !self.done.is_empty() {
            send::settle(desk, &self.done).await?;
            self.done.clear();
        }
        Ok(())
    }
}

/// Whether it is time again, from the first time on.
fn passed(last: &mut Option<Instant>, every: Duration) -> bool {
    if last.is_some_and(|at| at.elapsed() < every) {
        return false;
    }
    *last = Some(Instant::now());
    true
}

async fn count(desk: &Desk) {
    let waiting: sqlx::Result<i64> = sqlx::query_scalar("SELECT COUNT(*) FROM push_sends WHERE live = 1")
        .fetch_one(desk.store.reader())
        .await;
    if let (Ok(waiting), Ok(oldest)) = (waiting, send::oldest(&desk.store).await) {
        let age = oldest.map_or(0, |due_at| (desk.clock.now() - due_at).max(0));
        desk.push.metrics.queue(waiting, Duration::from_micros(age.unsigned_abs()));
    }
}

/// Forgets pushes whose notifications are too old to be kept.
async fn purge(desk: &Desk) -> sqlx::Result<()> {
    let before = desk.clock.now().saturating_sub(desk.limits.retention);
    for sql in [
        "DELETE FROM pushes WHERE notification_id IN
             (SELECT notification_id FROM pushes WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        "DELETE FROM push_sends WHERE send_id IN
             (SELECT send_id FROM push_sends WHERE created_at < $1 AND live = 0 ORDER BY created_at LIMIT $2)",
        "DELETE FROM digests WHERE digest_id IN
             (SELECT digest_id FROM digests WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    ] {
        loop {
            let mut transaction = desk.store.begin().await?;
            let removed =
                sqlx::query(sql).bind(before).bind(PURGE_ROWS).execute(&mut *transaction).await?.rows_affected();
            transaction.commit().await?;
            if removed < PURGE_ROWS.unsigned_abs() {
                break;
            }
        }
    }
    Ok(())
}
