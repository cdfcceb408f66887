//! What the sender's thread does between opening its socket and closing it.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::accounting::{Outcome, Tally};
use super::{OnFull, PROBATION, REOPEN_LINGER, RETRY, SLICE, Sender, SenderEvent, SenderEvents};
use crate::sys::zmq::{DONTWAIT, Message, POLLIN, POLLOUT, PollItem, SNDMORE, Socket, option, poll};
use crate::transport::link::command::Order;
use crate::transport::link::reconnect::PeerTracker;
use crate::transport::send::batch::{Batch, Frame};
use crate::transport::send::subscriptions::{Change, Subscriptions};
use crate::transport::socket::open::OpenSocket;
use crate::transport::socket::socket_type::SocketType;

/// How long a frame has waited for room without any progress.
struct Waiting {
    since: Instant,
}

impl Waiting {
    fn begin() -> Self {
        Self { since: Instant::now() }
    }

    fn restart(&mut self) {
        self.since = Instant::now();
    }

    fn is_over(&self, timeout: Option<Duration>) -> bool {
        timeout.is_some_and(|timeout| self.since.elapsed() >= timeout)
    }
}

/// What the sender knows while it works.
pub(super) struct Work {
    peers: PeerTracker,
    subscriptions: Subscriptions,
    received: Message,
    retry_at: Instant,
    /// Whether the next frame begins a ZeroMQ message.
    is_first: bool,
    /// What became of a ZeroMQ message whose first frame did not go out, until its last frame.
    skipped: Option<Outcome>,
    /// Since when a full subscriber has been waited for in vain.
    lossy_since: Option<Instant>,
    is_publisher: bool,
    /// It sees who listens to what; RADIO does not.
    has_subscriptions: bool,
    tally: Tally,
}

/// How far a batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// All of it is dealt with.
    End,
    /// libzmq has no room for the next frame.
    Full,
    /// The deadline passed.
    Deadline,
}

/// See [`Work::prepare_sleep`].
pub(super) struct Sleep {
    descriptors: [Option<i32>; 2],
    longest: Option<Duration>,
}

impl Sleep {
    /// What to poll, besides `waker`.
    pub(super) fn items(&self, waker: RawFd) -> Vec<PollItem<'static>> {
        let descriptors = self.descriptors.iter().flatten().copied().chain([waker]);
        descriptors.map(|descriptor| PollItem::descriptor(descriptor, POLLIN)).collect()
    }

    /// In milliseconds; -1: no limit.
    pub(super) fn longest(&self) -> i64 {
        self.longest.map_or(-1, |due| due.as_millis() as i64 + 1)
    }
}

/// Whether a socket has any of these events; takes in what its I/O thread has for it.
fn has_events(socket: &Socket, wanted: i16) -> bool {
    socket.get_int(option::EVENTS).is_ok_and(|events| events & i32::from(wanted) != 0)
}

/// Whether libzmq would take a message: a listening socket without peers never does, so this is the last word on a count of
/// peers that strangers' half-open connections may have confused.
fn has_room(open: &OpenSocket) -> bool {
    has_events(&open.socket, POLLOUT)
}

impl Work {
    pub(super) fn new<E>(sender: &Sender<E>, open: &OpenSocket) -> Self {
        Self {
            peers: PeerTracker::new(&open.connected, sender.plan.backoff()),
            subscriptions: Subscriptions::default(),
            received: Message::new(),
            retry_at: Instant::now() + RETRY,
            is_first: true,
            skipped: None,
            lossy_since: None,
            is_publisher: sender.plan.socket_type.is_publisher(),
            has_subscriptions: sender.plan.socket_type == SocketType::Pub,
            tally: Tally::default(),
        }
    }

    /// Opens the queue while messages have somewhere to go: a publisher needs an endpoint, everybody else a peer.
    pub(super) fn admit<E>(&self, sender: &Sender<E>, open: &OpenSocket) {
        let is_open = if self.is_publisher {
            !open.bound.is_empty() || !open.connected.is_empty()
        } else {
            self.peers.live() > 0 || (open.connected.is_empty() && has_room(open))
        };
        sender.feed.queue.set_admitting(is_open);
    }

    /// Takes in what the monitor and the subscribers have to say, and does what is due.
    pub(super) fn look_around<E: SenderEvents>(&mut self, sender: &mut Sender<E>, open: &mut OpenSocket) {
        let before = self.peers.live();
        let events = &sender.events;
        let connections = &sender.feed.counters.connections;
        self.peers.update(&mut open.monitor, connections, |event| events.tell(SenderEvent::Peer(event)));
        self.peers.reconnect_due(&open.socket, connections);
        self.hear_subscribers(sender, open);
        for order in sender.feed.control.take_orders() {
            self.obey(sender, open, order);
        }
        if open.has_failed_endpoints() && Instant::now() >= self.retry_at {
            self.retry_at = Instant::now() + RETRY;
            let _still_failing = open.retry(&sender.plan, &mut sender.listeners);
            if !open.has_failed_endpoints() {
                sender.events.tell(SenderEvent::Recovered);
            }
            self.admit(sender, open);
        }
        if (before == 0) != (self.peers.live() == 0) {
            self.admit(sender, open);
        }
    }

    fn obey<E: SenderEvents>(&mut self, sender: &mut Sender<E>, open: &mut OpenSocket, order: Order) {
        match order {
            Order::Revoke(revoked) => {
                let ended = self.peers.connections.revoke(&revoked);
                sender.feed.counters.connections.revoked.add(ended as u64);
            }
            Order::Readmit(key) => self.peers.connections.readmit(&key),
            Order::Rekey(security) => {
                sender.plan.security = security;
                self.reopen(sender, open);
            }
        }
    }

    /// Opens the socket anew. What libzmq still has for its peers gets a second to leave.
    fn reopen<E: SenderEvents>(&mut self, sender: &mut Sender<E>, open: &mut OpenSocket) {
        let _ = open.socket.set_int(option::LINGER, REOPEN_LINGER.as_millis() as i32);
        open.detach();
        match OpenSocket::open(&sender.context, &sender.plan, &mut sender.listeners) {
            Ok((anew, errors)) => {
                for error in &errors {
                    sender.events.tell(SenderEvent::OpenFailed(error));
                }
                *open = anew;
                self.peers = PeerTracker::new(&open.connected, sender.plan.backoff());
                self.subscriptions = Subscriptions::default();
                sender.feed.counters.connections.active.set(0);
                sender.feed.counters.subscriptions_active.set(0);
                self.admit(sender, open);
            }
            Err(error) => sender.events.tell(SenderEvent::OpenFailed(&error)),
        }
    }

    /// Takes in who has begun and who has ended to listen.
    pub(super) fn hear_subscribers<E: SenderEvents>(&mut self, sender: &Sender<E>, open: &OpenSocket) {
        if !self.has_subscriptions {
            return;
        }
        while open.socket.receive(&mut self.received, DONTWAIT).is_ok() {
            if self.peers.connections.note(&self.received) {
                sender.feed.counters.connections.revoked.increment();
            }
            let message = self.received.as_slice();
            match self.subscriptions.apply(message) {
                Change::Added => sender.events.tell(SenderEvent::Subscribed(&message[1..])),
                Change::Removed => sender.events.tell(SenderEvent::Unsubscribed(&message[1..])),
                Change::None => continue,
            }
            sender.feed.counters.subscriptions_active.set(self.subscriptions.len() as u64);
        }
    }

    /// Whether a batch can be sent without the thread having something to see to first.
    pub(super) fn is_unhindered<E: SenderEvents>(&mut self, sender: &Sender<E>, open: &OpenSocket) -> bool {
        if self.lossy_since.is_some() {
            return false;
        }
        if has_events(open.monitor.socket(), POLLIN) {
            // Having looked has taken away what would have woken the thread.
            sender.feed.control.wake();
            return false;
        }
        self.hear_subscribers(sender, open);
        true
    }

    /// What to wait for until there is something to do; `None` when there is something now.
    ///
    /// The sockets' own descriptors are polled, not the sockets, because others may use them meanwhile. Such a descriptor
    /// tells only of what comes after the last look at the socket's events (zmq_getsockopt(3), `ZMQ_FD`), so that look is
    /// taken here, and whoever sends meanwhile sees for itself what its calls have taken in.
    pub(super) fn prepare_sleep(&self, open: &OpenSocket) -> Option<Sleep> {
        // DEALER and CLIENT could be sent answers: nobody reads them, so they must not keep us awake.
        let wanted = if self.has_subscriptions { POLLIN } else { 0 };
        if has_events(open.monitor.socket(), POLLIN) || has_events(&open.socket, wanted) {
            return None;
        }
        let mut longest = self.peers.until_due();
        if open.has_failed_endpoints() {
            let retry = self.retry_at.saturating_duration_since(Instant::now());
            longest = Some(longest.map_or(retry, |due| due.min(retry)));
        }
        let sockets = [open.monitor.socket(), &open.socket];
        Some(Sleep { descriptors: sockets.map(|socket| socket.get_int(option::FD).ok()), longest })
    }

    /// Sends a batch from where it was left. Without `may_wait` as far as libzmq takes it at once.
    pub(super) fn send_batch<E: SenderEvents>(
        &mut self,
        sender: &mut Sender<E>,
        open: &mut OpenSocket,
        batch: &mut Batch,
        may_wait: bool,
    ) -> Reached {
        let mut reached = Reached::End;
        while let Some(frame) = batch.frames.get_mut(batch.next) {
            let outcome = match self.skipped {
                Some(outcome) => outcome,
                None => self.send_frame(sender, open, frame, may_wait),
            };
            match outcome {
                Outcome::TooLate => reached = Reached::Deadline,
                Outcome::Full => reached = Reached::Full,
                _ => {}
            }
            if reached != Reached::End {
                break;
            }
            self.tally.add(frame, outcome);
            batch.left -= frame.records as usize;
            batch.next += 1;
            self.is_first = !frame.has_more;
            self.skipped = (frame.has_more && !outcome.went_out()).then_some(outcome);
        }
        self.tally.flush(&sender.feed);
        sender.feed.progress.fetch_add(1, Ordering::Relaxed);
        reached
    }

    fn send_frame<E: SenderEvents>(
        &mut self,
        sender: &mut Sender<E>,
        open: &mut OpenSocket,
        frame: &mut Frame,
        may_wait: bool,
    ) -> Outcome {
        if self.is_first && self.has_subscriptions && !self.subscriptions.match_everything() {
            // libzmq would drop it too, after looking through its own copy of the subscriptions.
            if !self.subscriptions.match_frame(frame.message.as_slice()) {
                return Outcome::NoSubscriber;
            }
        }
        let flags = if frame.has_more { SNDMORE } else { 0 };
        if self.lossy_since.is_none() && open.socket.send(&mut frame.message, flags | DONTWAIT).is_ok() {
            return Outcome::Sent;
        }
        self.send_patiently(sender, open, frame, flags, may_wait)
    }

    /// Sends a frame that did not go out at once.
    #[cold]
    fn send_patiently<E: SenderEvents>(
        &mut self,
        sender: &mut Sender<E>,
        open: &mut OpenSocket,
        frame: &mut Frame,
        flags: i32,
        may_wait: bool,
    ) -> Outcome {
        let mut waiting: Option<Waiting> = None;
        loop {
            match open.socket.send(&mut frame.message, flags | DONTWAIT) {
                Ok(()) => {
                    if waiting.is_some() {
                        sender.feed.progress.fetch_add(1, Ordering::Relaxed);
                    }
                    self.end_probation(sender);
                    return Outcome::Sent;
                }
                Err(error) if error.would_block() && !may_wait => return Outcome::Full,
                Err(error) if error.would_block() => {
                    if sender.settings.on_full == OnFull::Drop {
                        return self.send_lossy(open, frame, flags);
                    }
                    if self.lossy_since.is_some() {
                        self.lossy_since = Some(Instant::now());
                        return self.send_lossy(open, frame, flags);
                    }
                    self.tally.flush(&sender.feed);
                    let waiting = waiting.get_or_insert_with(Waiting::begin);
                    if self.is_publisher {
                        self.cut_off_relapsed(sender);
                    }
                    if self.wait_for_room(sender, open, frame, flags) {
                        sender.feed.progress.fetch_add(1, Ordering::Relaxed);
                        return Outcome::Sent;
                    }
                    if sender.feed.deadline().is_some_and(|at| at <= Instant::now()) {
                        return Outcome::TooLate;
                    }
                    if self.is_publisher && waiting.is_over(sender.settings.send_timeout) {
                        self.deal_with_stuck_subscriber(sender);
                        waiting.restart();
                    }
                }
                Err(error) if error.interrupted() => {}
                Err(error) => {
                    sender.events.tell(SenderEvent::SendFailed(error));
                    return Outcome::Refused;
                }
            }
        }
    }

    /// Waits one slice; `true` when the frame went out meanwhile.
    fn wait_for_room<E: SenderEvents>(
        &mut self,
        sender: &mut Sender<E>,
        open: &mut OpenSocket,
        frame: &mut Frame,
        flags: i32,
    ) -> bool {
        if self.is_publisher {
            let _ = open.socket.set_int(option::SNDTIMEO, SLICE.as_millis() as i32);
            let is_sent = open.socket.send(&mut frame.message, flags).is_ok();
            self.look_around(sender, open);
            return is_sent;
        }
        let mut items = [
            PollItem::socket(&open.socket, POLLOUT),
            PollItem::socket(open.monitor.socket(), POLLIN),
            PollItem::descriptor(sender.feed.control.descriptor(), POLLIN),
        ];
        let _ = poll(&mut items, SLICE.as_millis() as i64);
        sender.feed.control.clear();
        self.look_around(sender, open);
        false
    }

    /// Sends to whoever has room. Those who have none lose this one.
    fn send_lossy(&mut self, open: &OpenSocket, frame: &mut Frame, flags: i32) -> Outcome {
        if !self.is_publisher || open.socket.set_int(option::XPUB_NODROP, 0).is_err() {
            return Outcome::Dropped;
        }
        let _ = open.socket.send(&mut frame.message, flags | DONTWAIT);
        let _ = open.socket.set_int(option::XPUB_NODROP, 1);
        Outcome::Lossy
    }

    /// A peer that was cut off and has come back gets no patience.
    fn cut_off_relapsed<E: SenderEvents>(&mut self, sender: &Sender<E>) {
        for address in self.peers.connections.cut_off_relapsed() {
            sender.events.tell(SenderEvent::Relapsed { address: address.to_string() });
        }
    }

    fn deal_with_stuck_subscriber<E: SenderEvents>(&mut self, sender: &Sender<E>) {
        let cut = self.peers.connections.cut_off_stuck();
        if cut.is_empty() {
            self.lossy_since = Some(Instant::now());
            sender.events.tell(SenderEvent::Lossy);
        }
        for address in cut {
            sender.events.tell(SenderEvent::CutOff { address: address.to_string() });
        }
    }

    fn end_probation<E: SenderEvents>(&mut self, sender: &Sender<E>) {
        if self.lossy_since.is_some_and(|since| since.elapsed() >= PROBATION) {
            self.lossy_since = None;
            sender.events.tell(SenderEvent::Patient);
        }
    }
}
