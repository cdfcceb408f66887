//! What the sender's thread works with, under one lock, so that a worker can send in its place for a moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event_loop::{EventLoop, Next};
use super::{Feed, Popped, Reached, Sender, SenderEvents};
use crate::sys::zmq::poll;
use crate::transport::send::batch::Batch;
use crate::transport::send::queue::Weighed;
use crate::transport::socket::open::OpenSocket;

/// Log messages of the largest batch that is sent in the thread's place: waking the thread would take longer. With more of
/// them it is better that both threads work.
const FEW: usize = 32;

/// Sends a batch in the thread's place.
pub(super) trait SendNow: Send + Sync {
    /// `Err`: it was not taken, because there is something before it or somebody else at work.
    fn send_now(&self, batch: Batch) -> Result<(), Batch>;
}

/// A libzmq socket may change threads with a full fence between them (zmq_socket(3)): the lock is one.
pub(super) struct Parts<E> {
    pub(super) sender: Sender<E>,
    /// `None`: it cannot be opened at the moment.
    pub(super) open: Option<OpenSocket>,
    pub(super) event_loop: EventLoop,
}

/// Empty once the sender has ended.
pub(super) struct InlineSender<E>(Mutex<Option<Parts<E>>>);

impl<E: SenderEvents> InlineSender<E> {
    pub(super) fn new(parts: Parts<E>) -> Self {
        Self(Mutex::new(Some(parts)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Parts<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's loop.
    pub(super) fn serve(&self, feed: &Feed) {
        loop {
            let mut guard = self.lock();
            let Some(Parts { sender, open, event_loop }) = &mut *guard else { return };
            event_loop.turn(sender, open);
            let popped = if open.is_some() || feed.deadline().is_some() { feed.queue.pop() } else { Popped::Empty };
            let unsent = match popped {
                Popped::Batch(mut batch) => match event_loop.send_batch(sender, open, &mut batch, true) {
                    Reached::End => continue,
                    // The socket is closed, to be opened anew.
                    Reached::Full if feed.deadline().is_none() => {
                        feed.queue.leave(batch);
                        continue;
                    }
                    Reached::Full | Reached::Deadline => batch.left,
                },
                Popped::Empty => {
                    if let Next::Sleep(sleep) = event_loop.prepare_sleep(open.as_ref()) {
                        drop(guard);
                        let mut items = sleep.items(feed.commands.descriptor());
                        let _ = poll(&mut items, sleep.longest());
                        feed.commands.clear();
                    }
                    continue;
                }
                Popped::Finished => 0,
            };
            if let Some(Parts { sender, open, .. }) = guard.take() {
                sender.finish(open, unsent);
            }
            return;
        }
    }
}

impl<E: SenderEvents> SendNow for InlineSender<E> {
    fn send_now(&self, mut batch: Batch) -> Result<(), Batch> {
        let Ok(mut guard) = self.0.try_lock() else { return Err(batch) };
        let Some(Parts { sender, open, event_loop }) = &mut *guard else { return Err(batch) };
        let feed = Arc::clone(&sender.feed);
        let (messages, bytes) = (batch.messages(), batch.bytes());
        if messages > FEW || !event_loop.is_unhindered(sender, open.as_ref()) || !feed.queue.enter(messages, bytes) {
            return Err(batch);
        }
        feed.note_accepted(batch.messages());
        let must_wake = match event_loop.send_batch(sender, open, &mut batch, false) {
            Reached::End => event_loop.read_subscriptions(sender, open.as_ref()),
            Reached::Full | Reached::Deadline => feed.queue.leave(batch),
        };
        if must_wake {
            feed.commands.wake();
        }
        Ok(())
    }
}
