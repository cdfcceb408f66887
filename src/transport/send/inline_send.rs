//! What the sender's thread works with, under one lock, so that others can do its work for a moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Feed, Popped, Reached, Sender, SenderEvents, Work};
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
pub(super) struct AtDesk<E> {
    pub(super) sender: Sender<E>,
    pub(super) open: OpenSocket,
    pub(super) work: Work,
}

/// See the module's text; empty once the sender has ended.
pub(super) struct Desk<E>(Mutex<Option<AtDesk<E>>>);

impl<E: SenderEvents> Desk<E> {
    pub(super) fn new(at_desk: AtDesk<E>) -> Self {
        Self(Mutex::new(Some(at_desk)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<AtDesk<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's loop.
    pub(super) fn serve(&self, feed: &Feed) {
        if let Some(at_desk) = &mut *self.lock() {
            at_desk.work.admit(&at_desk.sender, &at_desk.open);
        }
        loop {
            let mut desk = self.lock();
            let Some(AtDesk { sender, open, work }) = &mut *desk else { return };
            work.look_around(sender, open);
            let unsent = match feed.queue.pop() {
                Popped::Batch(mut batch) => match work.send_batch(sender, open, &mut batch, true) {
                    Reached::End => continue,
                    Reached::Full | Reached::Deadline => batch.left,
                },
                Popped::Empty => {
                    if let Some(sleep) = work.prepare_sleep(open) {
                        drop(desk);
                        let mut items = sleep.items(feed.control.descriptor());
                        let _ = poll(&mut items, sleep.longest());
                        feed.control.clear();
                    }
                    continue;
                }
                Popped::Finished => 0,
            };
            if let Some(AtDesk { sender, open, .. }) = desk.take() {
                sender.finish(open, unsent);
            }
            return;
        }
    }
}

impl<E: SenderEvents> SendNow for Desk<E> {
    fn send_now(&self, mut batch: Batch) -> Result<(), Batch> {
        let Ok(mut desk) = self.0.try_lock() else { return Err(batch) };
        let Some(AtDesk { sender, open, work }) = &mut *desk else { return Err(batch) };
        let feed = Arc::clone(&sender.feed);
        let (messages, bytes) = (batch.messages(), batch.bytes());
        if messages > FEW || !work.is_unhindered(sender, open) || !feed.queue.enter(messages, bytes) {
            return Err(batch);
        }
        feed.note_accepted(batch.messages());
        match work.send_batch(sender, open, &mut batch, false) {
            Reached::End => work.hear_subscribers(sender, open),
            Reached::Full | Reached::Deadline => {
                if feed.queue.leave(batch) {
                    feed.control.wake();
                }
            }
        }
        Ok(())
    }
}
