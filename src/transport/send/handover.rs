//! The protocol between an action's workers and its thread: who may send, when the thread may sleep, and who wakes it.
//!
//! - Only the holder of the transmitter's lock sends. The thread waits for the lock; a worker tries it and never waits.
//! - A worker sends only a batch that finds nothing inside the queue ([`SendQueue::enter`]). What does not go out at once
//!   goes to the front of the queue ([`SendQueue::leave`]). So no batch overtakes another.
//! - The thread sleeps only after it has found the queue empty. The queue keeps that in mind ([`SendQueue::pop`]) and tells
//!   the next caller that puts something in; this caller wakes the thread.
//! - The thread forgets the wakes after the sleep, and before it looks at everything that a wake may be about.
//! - A look at the socket takes away what would have ended the thread's sleep. So a worker wakes the thread when its look
//!   has left something.
//!
//! The model checker runs the same code with a model of the socket and of the waker (`handover/loom_tests.rs`).

use std::sync::PoisonError;

use super::queue::{Popped, PushError, SendQueue, Weighed};
use super::sync::{Mutex, MutexGuard};

/// How far a batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// All of it is dealt with.
    End,
    /// The socket has no room for the next frame.
    Full,
    /// The deadline passed.
    Deadline,
}

/// What the workers and the thread share without the transmitter's lock.
pub(super) trait Channel {
    /// What is sent.
    type Batch: Weighed;
    /// The batches that wait.
    fn queue(&self) -> &SendQueue<Self::Batch>;
    /// Ends the thread's sleep, or the next one if it does not sleep.
    fn wake(&self);
    /// Forgets the wakes so far.
    fn clear(&self);
    /// Whether the deadline is set: from then on nothing is kept for a socket that is to be opened anew.
    fn is_closing(&self) -> bool;
    /// Counts log messages that were accepted.
    fn note_accepted(&self, messages: usize);
}

/// The socket and what is known of it.
pub(super) trait Transmitter {
    /// What is shared with the workers.
    type Channel: Channel;
    /// What ends a sleep, besides a wake.
    type Sleep;
    /// Log messages of the largest batch that a worker sends.
    const MOST_IN_PLACE: usize;
    /// Does what others want, and what is due.
    fn turn(&mut self);
    /// Whether there is a socket.
    fn is_open(&self) -> bool;
    /// Whether the thread has nothing to see to before a batch can be sent.
    fn is_unhindered(&self) -> bool;
    /// Takes in what has arrived; `true` where there may be more.
    fn take_in(&mut self) -> bool;
    /// Sends a batch from where it was left. Without `may_wait` as far as the socket takes it at once.
    fn send(&mut self, batch: &mut BatchOf<Self>, may_wait: bool) -> Reached;
    /// Looks for something to do. `None`: there is something.
    fn prepare_sleep(&self) -> Option<Self::Sleep>;
    /// Waits for a wake, or for what ends this sleep.
    fn sleep(channel: &Self::Channel, sleep: Self::Sleep);
    /// Ends the delivery. `unsent`: what is left of a batch that was taken out.
    fn finish(self, unsent: Option<BatchOf<Self>>);
}

pub(super) type BatchOf<T> = <<T as Transmitter>::Channel as Channel>::Batch;

/// Sends a batch in the thread's place.
pub(super) trait SendInPlace<C: Channel>: Send + Sync {
    /// `Err`: it was not taken, because something is before it or the lock is taken.
    fn send_in_place(&self, channel: &C, batch: C::Batch) -> Result<(), C::Batch>;
}

/// The transmitter under its lock; empty once the thread has ended.
pub(super) struct Handover<T>(Mutex<Option<T>>);

impl<T: Transmitter> Handover<T> {
    pub(super) fn new(transmitter: T) -> Self {
        Self(Mutex::new(Some(transmitter)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's loop, until the queue is closed and drained, or the deadline has passed.
    pub(super) fn serve(&self, channel: &T::Channel) {
        loop {
            let mut guard = self.lock();
            let Some(transmitter) = &mut *guard else { return };
            transmitter.turn();
            let can_pop = transmitter.is_open() || channel.is_closing();
            let unsent = match if can_pop { channel.queue().pop() } else { Popped::Empty } {
                Popped::Batch(mut batch) => match transmitter.send(&mut batch, true) {
                    Reached::End => continue,
                    // The socket is closed, to be opened anew.
                    Reached::Full if !channel.is_closing() => {
                        channel.queue().leave(batch);
                        continue;
                    }
                    Reached::Full | Reached::Deadline => Some(batch),
                },
                Popped::Empty => {
                    if let Some(sleep) = transmitter.prepare_sleep() {
                        drop(guard);
                        T::sleep(channel, sleep);
                        channel.clear();
                    }
                    continue;
                }
                Popped::Finished => None,
            };
            if let Some(transmitter) = guard.take() {
                transmitter.finish(unsent);
            }
            return;
        }
    }
}

impl<T: Transmitter + Send> SendInPlace<T::Channel> for Handover<T> {
    fn send_in_place(&self, channel: &T::Channel, mut batch: BatchOf<T>) -> Result<(), BatchOf<T>> {
        let Ok(mut guard) = self.0.try_lock() else { return Err(batch) };
        let Some(transmitter) = &mut *guard else { return Err(batch) };
        let (messages, bytes) = (batch.messages(), batch.bytes());
        if messages > T::MOST_IN_PLACE || !transmitter.is_unhindered() {
            return Err(batch);
        }
        if transmitter.take_in() {
            channel.wake();
            return Err(batch);
        }
        if !channel.queue().enter(messages, bytes) {
            return Err(batch);
        }
        channel.note_accepted(messages);
        let must_wake = match transmitter.send(&mut batch, false) {
            Reached::End => transmitter.take_in(),
            Reached::Full | Reached::Deadline => channel.queue().leave(batch),
        };
        if must_wake {
            channel.wake();
        }
        Ok(())
    }
}

/// A worker's batch: sent in the thread's place where that is possible, and left to the thread otherwise.
pub(super) fn offer<C: Channel>(
    channel: &C,
    in_place: Option<&dyn SendInPlace<C>>,
    batch: C::Batch,
) -> Result<(), PushError<C::Batch>> {
    let batch = match in_place {
        Some(in_place) => match in_place.send_in_place(channel, batch) {
            Ok(()) => return Ok(()),
            Err(batch) => batch,
        },
        None => batch,
    };
    let messages = batch.messages();
    let must_wake = channel.queue().push(batch)?;
    channel.note_accepted(messages);
    if must_wake {
        channel.wake();
    }
    Ok(())
}

/// Nothing is accepted any more. A thread without a socket does not look into the queue before its deadline is set, so it
/// is woken even if it has not found the queue empty.
pub(super) fn close<C: Channel>(channel: &C) {
    channel.queue().close();
    channel.wake();
}

#[cfg(all(test, loom))]
mod loom_tests;
