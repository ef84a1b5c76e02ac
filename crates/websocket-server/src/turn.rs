//! Waking shards once per turn of an HTTP worker, and once for all that a cluster's broker tells at once.
//!
//! A worker that finds several publish calls ready handles them all before it waits again. Each puts its
//! publication into the inboxes at once, so their order holds; only the wake-up comes at the end of the turn, once
//! for each shard. The shard then finds all of them, and writes them together.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::reactor::Handle;

thread_local! {
    static TURN: RefCell<Option<Rc<Turn>>> = const { RefCell::new(None) };
    /// The shards that are woken when this thread says so.
    static HELD: RefCell<Option<Vec<Arc<Handle>>>> = const { RefCell::new(None) };
}

/// Wakes no shard from this thread until [`wake_held`]: more is about to come for them.
pub(crate) fn hold_wakes() {
    HELD.with_borrow_mut(|held| {
        held.get_or_insert_default();
    });
}

/// Wakes those that have something since [`hold_wakes`].
pub(crate) fn wake_held() {
    let held = HELD.with_borrow_mut(Option::take);
    held.into_iter().flatten().for_each(|handle| handle.wake());
}

/// The shards that a worker has something for, until its turn ends.
#[derive(Debug, Default)]
struct Turn {
    handles: RefCell<Vec<Arc<Handle>>>,
    ended: Notify,
}

/// Makes this thread one that wakes shards at the end of its turns. Called on a worker, within its runtime.
pub(crate) fn begin_worker() {
    TURN.with_borrow_mut(|slot| {
        if slot.is_some() {
            return;
        }
        let turn = Rc::new(Turn::default());
        *slot = Some(Rc::clone(&turn));
        // Ends with the worker's runtime.
        actix_rt::spawn(async move {
            loop {
                turn.ended.notified().await;
                for handle in turn.handles.take() {
                    handle.wake();
                }
            }
        });
    });
}

/// Wakes a shard when this worker's turn ends; on any other thread at once, or when it says so.
pub(crate) fn wake_at_end(handle: &Arc<Handle>) {
    let is_held = HELD.with_borrow_mut(|held| {
        let Some(held) = held else { return false };
        if !held.iter().any(|other| Arc::ptr_eq(other, handle)) {
            held.push(Arc::clone(handle));
        }
        true
    });
    if is_held {
        return;
    }
    TURN.with_borrow(|slot| match slot {
        None => handle.wake(),
        Some(turn) => {
            let mut handles = turn.handles.borrow_mut();
            if !handles.iter().any(|other| Arc::ptr_eq(other, handle)) {
                handles.push(Arc::clone(handle));
                turn.ended.notify_one();
            }
        }
    });
}
