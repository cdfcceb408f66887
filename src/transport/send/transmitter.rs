//! What the sender's thread and its workers use under one lock: the socket, and what is known of it.

use super::event_loop::{EventLoop, Sleep};
use super::handover::{Channel, Reached, Transmitter};
use super::queue::SendQueue;
use super::{Feed, Sender, SenderEvents};
use crate::sys::zmq::poll;
use crate::transport::send::batch::Batch;

/// A libzmq socket may change threads with a full memory barrier between them (zmq_socket(3)): the lock is one.
pub(super) struct SocketTransmitter<E> {
    sender: Sender<E>,
    event_loop: EventLoop,
}

impl<E: SenderEvents> SocketTransmitter<E> {
    pub(super) fn new(sender: Sender<E>) -> Self {
        let event_loop = EventLoop::new(sender.socket.socket_type());
        Self { sender, event_loop }
    }
}

impl<E: SenderEvents> Transmitter for SocketTransmitter<E> {
    type Channel = Feed;
    type Sleep = Sleep;
    /// Waking the thread would take longer. With more of them it is better that both threads work.
    const MOST_IN_PLACE: usize = 32;

    fn turn(&mut self) {
        self.event_loop.turn(&mut self.sender);
    }

    fn is_open(&self) -> bool {
        self.sender.socket.open().is_some()
    }

    fn is_unhindered(&self) -> bool {
        self.sender.socket.open().is_some() && !self.event_loop.is_lossy() && !self.sender.feed.commands.has_some()
    }

    fn take_in(&mut self) -> bool {
        self.event_loop.read_subscriptions(&self.sender)
    }

    fn send(&mut self, batch: &mut Batch, may_wait: bool) -> Reached {
        self.event_loop.send_batch(&mut self.sender, batch, may_wait)
    }

    fn prepare_sleep(&self) -> Option<Sleep> {
        self.event_loop.prepare_sleep(&self.sender.socket)
    }

    fn sleep(feed: &Feed, sleep: Sleep) {
        let mut items = sleep.items(feed.commands.descriptor());
        let _ = poll(&mut items, sleep.longest());
    }

    fn finish(self, unsent: Option<Batch>) {
        self.sender.finish(unsent.map_or(0, |batch| batch.left));
    }
}

impl Channel for Feed {
    type Batch = Batch;

    fn queue(&self) -> &SendQueue<Batch> {
        &self.queue
    }

    fn wake(&self) {
        self.commands.wake();
    }

    fn clear(&self) {
        self.commands.clear();
    }

    fn is_closing(&self) -> bool {
        self.deadline().is_some()
    }

    fn note_accepted(&self, messages: usize) {
        let depth = self.queue.depth() as u64;
        self.counters.queue_depth.set(depth);
        self.counters.queue_depth_max.raise(depth);
        self.counters.accepted.add(messages as u64);
    }
}
