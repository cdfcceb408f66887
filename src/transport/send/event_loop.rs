//! What the sender's thread does between opening its socket and closing it.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::accounting::{Accounting, Outcome};
use super::handover::Reached;
use super::{OnFull, PROBATION, REOPEN_LINGER, SLICE, Sender, SenderEvent, SenderEvents};
use crate::sys::zmq::{DONTWAIT, Message, POLLIN, POLLOUT, PollItem, SNDMORE, Socket, option, poll};
use crate::transport::link::handle::shown_by;
use crate::transport::send::batch::{Batch, Frame};
use crate::transport::send::subscriptions::{Change, Subscriptions};
use crate::transport::socket::open::OpenSocket;
use crate::transport::socket::reopening::ReopeningSocket;
use crate::transport::socket::socket_type::SocketType;

/// Subscriptions read before something else gets its turn: a subscriber that repeats itself must not hold up the others.
const SUBSCRIPTIONS: usize = 256;
/// libzmq takes a connection that has ended out of a listening socket within this.
const SETTLING: Duration = Duration::from_millis(100);

/// How long a frame has waited for room without any progress.
struct Waiting {
    since: Instant,
    /// What each subscriber has taken was noted.
    is_marked: bool,
}

impl Waiting {
    fn begin() -> Self {
        Self { since: Instant::now(), is_marked: false }
    }

    fn restart(&mut self) {
        *self = Self::begin();
    }

    /// Once, in the middle of the timeout.
    fn is_time_to_mark(&mut self, timeout: Option<Duration>) -> bool {
        let is_time = timeout.is_some_and(|timeout| self.since.elapsed() * 2 >= timeout);
        is_time && !std::mem::replace(&mut self.is_marked, true)
    }

    fn is_over(&self, timeout: Option<Duration>) -> bool {
        timeout.is_some_and(|timeout| self.since.elapsed() >= timeout)
    }
}

/// What the sender knows while it works.
pub(super) struct EventLoop {
    subscriptions: Subscriptions,
    received: Message,
    /// When to judge again whether the queue is open: an accepted connection has ended a moment ago.
    judge_at: Option<Instant>,
    /// Whether the next frame begins a ZeroMQ message.
    is_first: bool,
    /// What became of a ZeroMQ message whose first frame did not go out, until its last frame.
    skipped: Option<Outcome>,
    /// Since when a full subscriber has been waited for in vain.
    lossy_since: Option<Instant>,
    is_publisher: bool,
    /// It sees its subscriptions; RADIO does not.
    has_subscriptions: bool,
    accounting: Accounting,
}

/// What ends a sleep of the thread, besides a wake.
pub(super) struct Sleep {
    descriptor: Option<RawFd>,
    longest: Option<Duration>,
}

impl Sleep {
    /// What to poll, besides `waker`.
    pub(super) fn items(&self, waker: RawFd) -> Vec<PollItem<'static>> {
        let descriptors = self.descriptor.into_iter().chain([waker]);
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

impl EventLoop {
    pub(super) fn new(socket_type: SocketType) -> Self {
        Self {
            subscriptions: Subscriptions::default(),
            received: Message::new(),
            judge_at: None,
            is_first: true,
            skipped: None,
            lossy_since: None,
            is_publisher: socket_type.is_publisher(),
            has_subscriptions: socket_type == SocketType::Pub,
            accounting: Accounting::default(),
        }
    }

    /// Opens the queue while messages have somewhere to go: a publisher needs an endpoint, everybody else a peer.
    fn judge<E>(&mut self, sender: &Sender<E>) {
        self.judge_at = None;
        sender.feed.must_judge.store(false, Ordering::Release);
        let queue = &sender.feed.queue;
        let Some(open) = sender.socket.open() else {
            queue.set_admitting(false);
            return;
        };
        if self.is_publisher {
            queue.set_admitting(!open.bound.is_empty() || !open.only_listens());
            return;
        }
        let is_settled = !open.link.accepted_ended_within(SETTLING);
        open.link.with_ready(|ready| {
            queue.set_admitting(ready > 0 || (open.only_listens() && is_settled && has_room(open)));
            if ready == 0 && open.only_listens() && !is_settled {
                self.judge_at = Some(Instant::now() + SETTLING);
            }
        });
    }

    /// Does what others want, and what is due.
    pub(super) fn turn<E: SenderEvents>(&mut self, sender: &mut Sender<E>) {
        if sender.socket.obey() {
            self.close(sender);
        }
        if let Some(attempt) = sender.socket.retry() {
            for error in &attempt.errors {
                sender.events.tell(SenderEvent::OpenFailed(error));
            }
            if attempt.has_recovered {
                sender.events.tell(SenderEvent::Recovered);
            }
            self.judge(sender);
        }
        self.read_subscriptions(sender);
        let is_due = self.judge_at.is_some_and(|at| at <= Instant::now());
        if is_due || sender.feed.must_judge.load(Ordering::Acquire) {
            self.judge(sender);
        }
    }

    /// Closes the socket, to open it anew. What libzmq still has for its peers gets a second to leave.
    fn close<E>(&mut self, sender: &mut Sender<E>) {
        if let Some(mut old) = sender.socket.take() {
            let _ = old.socket.set_int(option::LINGER, REOPEN_LINGER.as_millis() as i32);
            old.detach();
        }
        self.subscriptions = Subscriptions::default();
        sender.feed.counters.subscriptions_active.set(0);
        if !std::mem::replace(&mut self.is_first, true) {
            // libzmq drops a message whose last frame is missing.
            self.skipped = Some(Outcome::Refused);
        }
        self.judge(sender);
    }

    /// Takes in which subscriptions began and ended; `true` where there may be more of them.
    pub(super) fn read_subscriptions<E: SenderEvents>(&mut self, sender: &Sender<E>) -> bool {
        let Some(open) = sender.socket.open().filter(|_| self.has_subscriptions) else { return false };
        for _ in 0..SUBSCRIPTIONS {
            if open.socket.receive(&mut self.received, DONTWAIT).is_err() {
                return false;
            }
            if let Some((descriptor, key)) = shown_by(&self.received) {
                open.link.note(descriptor, key);
            }
            let message = self.received.as_slice();
            match self.subscriptions.apply(message) {
                Change::Added => sender.events.tell(SenderEvent::Subscribed(&message[1..])),
                Change::Removed => sender.events.tell(SenderEvent::Unsubscribed(&message[1..])),
                Change::None => continue,
            }
            sender.feed.counters.subscriptions_active.set(self.subscriptions.len() as u64);
        }
        true
    }

    /// Whether full subscribers lose messages at the moment.
    pub(super) fn is_lossy(&self) -> bool {
        self.lossy_since.is_some()
    }

    /// What to wait for until there is something to do; `None` where there is something now.
    ///
    /// The socket's own descriptor is polled, not the socket, because others may use it meanwhile. Such a descriptor tells only
    /// of what comes after the last look at the socket's events (zmq_getsockopt(3), `ZMQ_FD`), so that look is taken here, and
    /// a worker that sends meanwhile sees for itself what its calls have taken in.
    pub(super) fn prepare_sleep(&self, socket: &ReopeningSocket) -> Option<Sleep> {
        let open = socket.open();
        // DEALER and CLIENT could be sent answers: nobody reads them, so they must not keep us awake.
        let wanted = if self.has_subscriptions { POLLIN } else { 0 };
        if open.is_some_and(|open| has_events(&open.socket, wanted)) {
            return None;
        }
        let due = [socket.due(), self.judge_at].into_iter().flatten().min();
        let longest = due.map(|at| at.saturating_duration_since(Instant::now()));
        let descriptor = open.and_then(|open| open.socket.get_int(option::FD).ok());
        Some(Sleep { descriptor, longest })
    }

    /// Sends a batch from where it was left. Without `may_wait` as far as libzmq takes it at once.
    pub(super) fn send_batch<E: SenderEvents>(
        &mut self,
        sender: &mut Sender<E>,
        batch: &mut Batch,
        may_wait: bool,
    ) -> Reached {
        let mut reached = Reached::End;
        while let Some(frame) = batch.frames.get_mut(batch.next) {
            let outcome = match self.skipped {
                Some(outcome) => outcome,
                None => self.send_frame(sender, frame, may_wait),
            };
            match outcome {
                Outcome::TooLate => reached = Reached::Deadline,
                Outcome::Full => reached = Reached::Full,
                _ => {}
            }
            if reached != Reached::End {
                break;
            }
            self.accounting.add(frame, outcome);
            batch.left -= frame.records as usize;
            batch.next += 1;
            self.is_first = !frame.has_more;
            self.skipped = (frame.has_more && !outcome.went_out()).then_some(outcome);
        }
        self.accounting.flush(&sender.feed);
        sender.feed.progress.fetch_add(1, Ordering::Relaxed);
        reached
    }

    fn send_frame<E: SenderEvents>(&mut self, sender: &mut Sender<E>, frame: &mut Frame, may_wait: bool) -> Outcome {
        if self.is_first && self.has_subscriptions && !self.subscriptions.match_everything() {
            // libzmq would drop it too, after looking through its own copy of the subscriptions.
            if !self.subscriptions.match_frame(frame.message.as_slice()) {
                return Outcome::NoSubscriber;
            }
        }
        let flags = if frame.has_more { SNDMORE } else { 0 };
        let Some(socket) = sender.socket.open().map(|open| &open.socket) else { return Outcome::Full };
        if self.lossy_since.is_none() && socket.send(&mut frame.message, flags | DONTWAIT).is_ok() {
            return Outcome::Sent;
        }
        self.send_or_wait(sender, frame, flags, may_wait)
    }

    /// Sends a frame that did not go out at once.
    #[cold]
    fn send_or_wait<E: SenderEvents>(
        &mut self,
        sender: &mut Sender<E>,
        frame: &mut Frame,
        flags: i32,
        may_wait: bool,
    ) -> Outcome {
        let mut waiting: Option<Waiting> = None;
        loop {
            // It was closed while this frame waited.
            let Some(open) = sender.socket.open() else { return self.skipped.unwrap_or(Outcome::Full) };
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
                    self.accounting.flush(&sender.feed);
                    let waiting = waiting.get_or_insert_with(Waiting::begin);
                    if self.is_publisher {
                        cut_off_relapsed(sender, open);
                    }
                    if self.wait_for_room(sender, frame, flags) {
                        sender.feed.progress.fetch_add(1, Ordering::Relaxed);
                        return Outcome::Sent;
                    }
                    if sender.feed.deadline().is_some_and(|at| at <= Instant::now()) {
                        return Outcome::TooLate;
                    }
                    if self.is_publisher && waiting.is_time_to_mark(sender.settings.send_timeout) {
                        sender.socket.open().into_iter().for_each(|open| open.link.mark_progress());
                    }
                    if self.is_publisher && waiting.is_over(sender.settings.send_timeout) {
                        if let Some(open) = sender.socket.open() {
                            self.deal_with_stuck_subscriber(sender, open);
                        }
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
    fn wait_for_room<E: SenderEvents>(&mut self, sender: &mut Sender<E>, frame: &mut Frame, flags: i32) -> bool {
        let Some(socket) = sender.socket.open().map(|open| &open.socket) else { return false };
        if self.is_publisher {
            let _ = socket.set_int(option::SNDTIMEO, SLICE.as_millis() as i32);
            let is_sent = socket.send(&mut frame.message, flags).is_ok();
            self.turn(sender);
            return is_sent;
        }
        let commands = &sender.feed.commands;
        let mut items = [PollItem::socket(socket, POLLOUT), PollItem::descriptor(commands.descriptor(), POLLIN)];
        let _ = poll(&mut items, SLICE.as_millis() as i64);
        commands.clear();
        self.turn(sender);
        false
    }

    /// Sends to the peers that have room. Those that have none lose this one.
    fn send_lossy(&mut self, open: &OpenSocket, frame: &mut Frame, flags: i32) -> Outcome {
        if !self.is_publisher || open.socket.set_int(option::XPUB_NODROP, 0).is_err() {
            return Outcome::Dropped;
        }
        let _ = open.socket.send(&mut frame.message, flags | DONTWAIT);
        let _ = open.socket.set_int(option::XPUB_NODROP, 1);
        Outcome::Lossy
    }

    fn deal_with_stuck_subscriber<E: SenderEvents>(&mut self, sender: &Sender<E>, open: &OpenSocket) {
        let cut = open.link.cut_off_stuck();
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
            sender.events.tell(SenderEvent::SubscribersRecovered);
        }
    }
}

/// A peer that was cut off and has come back is cut off at once.
fn cut_off_relapsed<E: SenderEvents>(sender: &Sender<E>, open: &OpenSocket) {
    for address in open.link.cut_off_relapsed() {
        sender.events.tell(SenderEvent::Relapsed { address: address.to_string() });
    }
}
