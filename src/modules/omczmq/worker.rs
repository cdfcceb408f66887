//! One worker of an action: rsyslog's commits become batches in the send queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::action::Action;
use super::frames;
use crate::host::commit::Commit;
use crate::host::status::Status;
use crate::host::stop_signal::host_is_stopping;
use crate::sys::blocks::Arena;
use crate::transport::send::batch::Batch;
use crate::transport::send::queue::{PushError, Weighed};
use crate::transport::send::{Feed, OnFull};

/// The longest single wait inside a commit: how fast a stop is noticed.
const SLICE: Duration = Duration::from_millis(200);

/// How long libzmq has taken nothing.
struct Standstill {
    progress: u64,
    since: Instant,
}

impl Standstill {
    fn new(feed: &Feed) -> Self {
        Self { progress: feed.progress(), since: Instant::now() }
    }

    fn elapsed(&mut self, feed: &Feed) -> Duration {
        if feed.progress() != self.progress {
            *self = Self::new(feed);
        }
        self.since.elapsed()
    }
}

/// A worker of an action. It holds its action, because it may be freed after it.
#[derive(Debug)]
pub struct Worker {
    action: Arc<Action>,
    /// After a refused batch the host offers each of its messages again, one by one (action.c:1513). Taking any of them
    /// while others were refused would change their order, so as many single messages are refused as there were in the batch.
    replays_to_refuse: usize,
    /// Where its messages are put.
    arena: Arena,
}

impl Worker {
    pub(super) fn new(action: Arc<Action>) -> Self {
        let arena = Arena::new(action.pool());
        Self { action, replays_to_refuse: 0, arena }
    }

    pub(super) fn action(&self) -> &Action {
        &self.action
    }

    /// Truthfully: whether a commit would be taken now.
    pub(super) fn try_resume(&mut self) -> Status {
        if !self.action.feed().queue.wait_for_room(1, 1, Duration::ZERO) {
            return Status::Suspended;
        }
        self.replays_to_refuse = 0;
        self.action.suspension().resume();
        Status::Ok
    }

    /// Takes the batch whole or not at all.
    pub(super) fn commit(&mut self, commit: Commit<'_>) -> Status {
        if commit.is_empty() {
            return Status::Ok;
        }
        if commit.len() == 1 && self.replays_to_refuse > 0 {
            self.replays_to_refuse -= 1;
            return Status::Suspended;
        }
        self.replays_to_refuse = 0;
        let Ok(batch) = frames::build(self.action.settings(), &mut self.arena, commit) else {
            return self.refuse(commit.len());
        };
        match self.hand_over(batch) {
            Ok(()) => {
                self.action.suspension().end(self.action.name());
                Status::Ok
            }
            Err(()) => self.refuse(commit.len()),
        }
    }

    fn refuse(&mut self, messages: usize) -> Status {
        self.action.feed().counters.suspended.increment();
        self.replays_to_refuse = if messages > 1 { messages } else { 0 };
        Status::Suspended
    }

    /// Without a queue, waits until libzmq has taken what was handed over. A stop ends the wait at the shared deadline; the
    /// sender then counts what it could not deliver. Where waiting stops rsyslog's main queue, a standstill ends it too: the
    /// batch stays with the sender, and the next one is refused.
    fn await_delivery(&self) {
        let feed = self.action.feed();
        let mut standstill = Standstill::new(feed);
        while !feed.queue.wait_until_done(SLICE) {
            if host_is_stopping() && Instant::now() >= self.action.stop_deadline() {
                return;
            }
            let is_stuck = self.has_waited(standstill.elapsed(feed));
            if is_stuck && self.action.settings().spares_main_queue {
                return;
            }
        }
    }

    /// Whether a standstill this long reaches the action's send timeout.
    fn has_waited(&self, standstill: Duration) -> bool {
        self.action.settings().send_timeout.is_some_and(|timeout| standstill >= timeout)
    }

    /// Puts the batch into the queue, waiting for room by the action's rules. `Err`: it was not taken.
    fn hand_over(&self, mut batch: Batch) -> Result<(), ()> {
        let feed = self.action.feed();
        let (records, bytes) = (batch.messages(), batch.bytes());
        let mut waiting: Option<Standstill> = None;
        loop {
            match feed.offer(batch) {
                Ok(()) => {
                    if feed.queue.is_synchronous() {
                        self.await_delivery();
                    }
                    return Ok(());
                }
                Err(PushError::Closed(_)) => return Err(()),
                Err(PushError::Full(back)) => batch = back,
            }
            if self.action.settings().on_full == OnFull::Drop {
                feed.counters.accepted.add(records as u64);
                feed.counters.dropped_queue_full.add(records as u64);
                return Ok(());
            }
            if self.action.suspension().refuses_at_once() {
                return Err(());
            }
            let standstill = waiting.get_or_insert_with(|| {
                feed.counters.queue_full_waits.increment();
                Standstill::new(feed)
            });
            let is_room = feed.queue.wait_for_room(records, bytes, SLICE);
            let elapsed = standstill.elapsed(feed);
            if is_room {
                continue;
            }
            // While the host stops there may still be room until the shared deadline. Not earlier: hosts before 8.2606 drop
            // the batch of every refusal at a stop, and would come with the next one at once.
            if host_is_stopping() && Instant::now() >= self.action.stop_deadline() {
                return Err(());
            }
            if self.has_waited(elapsed) && !self.action.waits_for_subscribers() {
                if self.action.settings().spares_main_queue {
                    self.action.suspension().begin(self.action.name(), elapsed);
                }
                return Err(());
            }
        }
    }
}
