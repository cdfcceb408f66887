//! The bounded send queue between rsyslog's workers and the one thread that owns the socket.
//!
//! Batches go in whole or not at all, from several threads at once; one thread takes them out. One lock per batch, not
//! per message.
//!
//! Closing: after [`SendQueue::close`] nothing goes in any more; the receiver gets everything that is inside and then
//! [`Popped::Finished`]. What was taken out counts as inside until [`SendQueue::done`], so the limits bound what is in
//! memory, not what is waiting.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::sync::{Condvar, Mutex, MutexGuard};

/// What a queue's limits count.
pub trait Weighed {
    /// Log messages.
    fn messages(&self) -> usize;
    /// Bytes.
    fn bytes(&self) -> usize;
}

/// How much a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Log messages.
    pub messages: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Why a batch was not taken; it is handed back.
#[derive(Debug)]
pub enum PushError<T> {
    /// No room now.
    Full(T),
    /// The queue is closed.
    Closed(T),
}

/// What the receiver gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped<T> {
    /// The oldest batch.
    Batch(T),
    /// Nothing now.
    Empty,
    /// Closed, and everything has been taken out.
    Finished,
}

#[derive(Debug)]
struct State<T> {
    batches: VecDeque<T>,
    /// Inside or in the receiver's hands.
    messages: usize,
    bytes: usize,
    is_closed: bool,
    /// Whether batches have somewhere to go; while not, nothing goes in.
    is_admitting: bool,
    /// Writers in [`SendQueue::wait_for_room`] or [`SendQueue::wait_until_done`]: telling nobody costs a system call too.
    waiting: usize,
    /// The receiver found the queue empty and sleeps elsewhere: the next push must wake it.
    receiver_sleeps: bool,
}

/// The bounded queue of one action.
#[derive(Debug)]
pub struct SendQueue<T> {
    state: Mutex<State<T>>,
    room: Condvar,
    limits: Limits,
}

impl<T: Weighed> SendQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let state = State {
            batches: VecDeque::new(),
            messages: 0,
            bytes: 0,
            is_closed: false,
            is_admitting: true,
            waiting: 0,
            receiver_sleeps: false,
        };
        Self { state: Mutex::new(state), room: Condvar::new(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The state is changed in single steps that cannot panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch larger than the whole queue is admitted when the queue is empty, or it could never be sent.
    fn has_room(&self, state: &State<T>, messages: usize, bytes: usize) -> bool {
        let fits = state.messages == 0
            || (state.messages + messages <= self.limits.messages && state.bytes + bytes <= self.limits.bytes);
        state.is_admitting && fits
    }

    /// Opens or shuts the queue for new batches; what is inside stays. A closed queue stays closed.
    pub fn set_admitting(&self, is_admitting: bool) {
        let mut state = self.lock();
        state.is_admitting = is_admitting;
        self.tell(state);
    }

    /// Whether batches have somewhere to go.
    #[must_use]
    pub fn is_admitting(&self) -> bool {
        self.lock().is_admitting
    }

    /// Puts a batch in. `Ok(true)`: the receiver sleeps and must be woken.
    pub fn push(&self, batch: T) -> Result<bool, PushError<T>> {
        let (messages, bytes) = (batch.messages(), batch.bytes());
        let mut state = self.lock();
        if state.is_closed {
            return Err(PushError::Closed(batch));
        }
        if !self.has_room(&state, messages, bytes) {
            return Err(PushError::Full(batch));
        }
        state.messages += messages;
        state.bytes += bytes;
        state.batches.push_back(batch);
        Ok(std::mem::take(&mut state.receiver_sleeps))
    }

    /// Counts a batch as inside that the caller delivers at once: for the holder of the receiver's lock, and only when
    /// nothing is inside, so that no batch overtakes another. What is delivered is [`SendQueue::done`].
    pub fn enter(&self, messages: usize, bytes: usize) -> bool {
        let mut state = self.lock();
        let is_alone = state.messages == 0 && state.batches.is_empty();
        if !is_alone || state.is_closed || !state.is_admitting {
            return false;
        }
        state.messages += messages;
        state.bytes += bytes;
        true
    }

    /// Leaves to the receiver what could not be delivered of a batch that has entered: it comes before all others.
    /// `true`: the receiver sleeps and must be woken.
    pub fn leave(&self, rest: T) -> bool {
        let mut state = self.lock();
        state.batches.push_front(rest);
        std::mem::take(&mut state.receiver_sleeps)
    }

    /// Waits until a batch of this weight would be taken, at most `longest`. `false` when it would not, or the queue is
    /// closed.
    pub fn wait_for_room(&self, messages: usize, bytes: usize, longest: Duration) -> bool {
        let deadline = Instant::now() + longest;
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return false;
            }
            if self.has_room(&state, messages, bytes) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return false;
            };
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State<T>>, longest: Duration) -> MutexGuard<'a, State<T>> {
        state.waiting += 1;
        let mut state = self.room.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        state
    }

    /// Wakes the writers that wait; gives the lock back first.
    fn tell(&self, state: MutexGuard<'_, State<T>>) {
        let has_waiting = state.waiting > 0;
        drop(state);
        if has_waiting {
            self.room.notify_all();
        }
    }

    /// Waits until nothing is inside or in the receiver's hands, at most `longest`. `false` when something still is.
    pub fn wait_until_done(&self, longest: Duration) -> bool {
        let deadline = Instant::now() + longest;
        let mut state = self.lock();
        while state.messages > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return false;
            };
            state = self.wait(state, left);
        }
        true
    }

    /// Whether a batch has to be done before its commit returns.
    #[must_use]
    pub fn is_synchronous(&self) -> bool {
        self.limits.messages == 0
    }

    /// Takes the oldest batch out, without waiting. After `Empty` the next push tells its caller to wake the receiver.
    pub fn pop(&self) -> Popped<T> {
        let mut state = self.lock();
        match state.batches.pop_front() {
            Some(batch) => Popped::Batch(batch),
            None if state.is_closed => Popped::Finished,
            None => {
                state.receiver_sleeps = true;
                Popped::Empty
            }
        }
    }

    /// The receiver has finished this much of what it took out. Writers that wait are told once half of the queue is
    /// free, so that they do not wake up for every batch; after the longest wait they look again.
    pub fn done(&self, messages: usize, bytes: usize) {
        let mut state = self.lock();
        state.messages = state.messages.saturating_sub(messages);
        state.bytes = state.bytes.saturating_sub(bytes);
        if state.messages <= self.limits.messages / 2 && state.bytes <= self.limits.bytes / 2 {
            self.tell(state);
        }
    }

    /// Nothing goes in any more. `true`: the receiver sleeps and must be woken.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        state.is_closed = true;
        let wake = std::mem::take(&mut state.receiver_sleeps);
        self.tell(state);
        wake
    }

    /// Log messages inside or in the receiver's hands.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.lock().messages
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
