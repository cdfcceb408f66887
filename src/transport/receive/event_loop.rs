//! The thread that owns an input's socket.
//!
//! Per wake-up it drains what has arrived, up to a bound, and flushes once. It never waits but in `zmq_poll` and inside
//! the intake's own flush, so a stop is noticed at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sys::zmq::{Context, DONTWAIT, Message, POLLIN, PollItem, poll};
use crate::transport::counters::{ConnectionCounters, ReceiverCounters};
use crate::transport::link::command::{Control, Order, Steered};
use crate::transport::link::reconnect::{PeerEvent, PeerTracker};
use crate::transport::socket::listening::Listener;
use crate::transport::socket::open::{OpenError, OpenSocket, SocketPlan};
use crate::transport::wire::framing::Framing;

/// What a receiver shares with those who steer it.
#[derive(Debug, Default)]
pub struct ReceiverShared {
    /// Its orders.
    pub control: Control,
    /// What it counts.
    pub counters: ReceiverCounters,
}

impl Steered for ReceiverShared {
    fn control(&self) -> &Control {
        &self.control
    }

    fn connections(&self) -> &ConnectionCounters {
        &self.counters.connections
    }
}

/// What a receiver tells.
#[derive(Debug)]
pub enum ReceiverEvent<'a> {
    /// The socket or an endpoint cannot be opened; it is tried again.
    OpenFailed(&'a OpenError),
    /// The socket is open, with these endpoints bound and connected.
    Opened(&'a [String], &'a [String]),
    /// Endpoints that had failed are open now.
    Recovered,
    /// A peer came, went or was refused.
    Peer(PeerEvent),
    /// A message with too many frames was dropped.
    TooManyFrames(usize),
}

/// Whoever takes the records; called in the receiver's thread.
pub trait Intake {
    /// One log record. `carrier` is the frame it came in, for the connection's properties.
    fn record(&mut self, carrier: &Message, topic: Option<&[u8]>, record: &[u8]);
    /// Everything that had arrived has been passed on.
    fn flush(&mut self);
    /// Something happened.
    fn tell(&mut self, event: ReceiverEvent<'_>);
}

/// See the module's text.
pub struct Receiver<I> {
    /// The context of the module.
    pub context: Context,
    /// How to open the socket.
    pub plan: SocketPlan,
    /// What is bound already.
    pub listeners: Vec<Option<Listener>>,
    /// Which frames are records.
    pub framing: Framing,
    /// The most frames one message may have.
    pub max_frames: usize,
    /// What is counted, when to stop, and what else others want.
    pub shared: Arc<ReceiverShared>,
    /// Whether the connections' keys must be known, because they may be revoked.
    pub tracks_keys: bool,
    /// Who takes the records.
    pub intake: I,
}

/// Messages drained per wake-up before events and the stop are looked at again.
const DRAIN: usize = 1024;
/// How often failed endpoints are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long the drain at the stop may take: the host waits a second for all its inputs.
const LAST_DRAIN: Duration = Duration::from_millis(500);

impl<I: Intake> Receiver<I> {
    /// Runs until it is told to stop, and then passes on what libzmq still has.
    pub fn run(mut self) {
        let Some(mut open) = self.open() else { return };
        self.intake.tell(ReceiverEvent::Opened(&open.bound, &open.connected));
        let mut frames = Frames::new(self.max_frames);
        let mut peers = self.track(&open);
        let mut retry_at = Instant::now() + RETRY;
        while !self.shared.control.is_stopping() {
            self.look_around(&mut open, &mut peers, &mut retry_at);
            if self.drain(&open, &mut peers, &mut frames, DRAIN) == 0 {
                self.sleep(&open, &peers, retry_at);
            }
        }
        // Sessions end at once; what is in libzmq's pipes stays readable.
        peers.stop_watching();
        open.detach();
        let deadline = Instant::now() + LAST_DRAIN;
        while self.drain(&open, &mut peers, &mut frames, DRAIN) > 0 && Instant::now() < deadline {}
    }

    fn track(&self, open: &OpenSocket) -> PeerTracker {
        let has_heartbeats = self.plan.options.heartbeat_interval.is_some();
        PeerTracker::new(&open.connected, self.plan.backoff()).watching_for_oversize(has_heartbeats)
    }

    fn open(&mut self) -> Option<OpenSocket> {
        let mut has_told = false;
        while !self.shared.control.is_stopping() {
            match OpenSocket::open(&self.context, &self.plan, &mut self.listeners) {
                Ok((open, errors)) => {
                    for error in &errors {
                        self.intake.tell(ReceiverEvent::OpenFailed(error));
                    }
                    return Some(open);
                }
                Err(error) => {
                    if !std::mem::replace(&mut has_told, true) {
                        self.intake.tell(ReceiverEvent::OpenFailed(&error));
                    }
                }
            }
            let _ =
                poll(&mut [PollItem::descriptor(self.shared.control.descriptor(), POLLIN)], RETRY.as_millis() as i64);
        }
        None
    }

    fn look_around(&mut self, open: &mut OpenSocket, peers: &mut PeerTracker, retry_at: &mut Instant) {
        let intake = &mut self.intake;
        let counters = &self.shared.counters;
        let connections = &counters.connections;
        peers.update(&mut open.monitor, connections, |event| {
            if matches!(event, PeerEvent::Oversize { .. }) {
                counters.oversize.increment();
            }
            intake.tell(ReceiverEvent::Peer(event));
        });
        peers.reconnect_due(&open.socket, connections);
        for order in self.shared.control.take_orders() {
            self.obey(open, peers, order);
        }
        if open.has_failed_endpoints() && Instant::now() >= *retry_at {
            *retry_at = Instant::now() + RETRY;
            let _still_failing = open.retry(&self.plan, &mut self.listeners);
            if !open.has_failed_endpoints() {
                self.intake.tell(ReceiverEvent::Recovered);
            }
        }
    }

    fn obey(&mut self, open: &mut OpenSocket, peers: &mut PeerTracker, order: Order) {
        match order {
            Order::Revoke(revoked) => {
                let ended = peers.connections.revoke(&revoked);
                self.shared.counters.connections.revoked.add(ended as u64);
            }
            Order::Readmit(key) => peers.connections.readmit(&key),
            Order::Rekey(security) => {
                self.plan.security = security;
                self.reopen(open, peers);
            }
        }
    }

    /// Opens the socket anew; what has arrived is passed on first.
    fn reopen(&mut self, open: &mut OpenSocket, peers: &mut PeerTracker) {
        peers.stop_watching();
        open.detach();
        let mut frames = Frames::new(self.max_frames);
        let deadline = Instant::now() + LAST_DRAIN;
        while self.drain(open, peers, &mut frames, DRAIN) > 0 && Instant::now() < deadline {}
        match OpenSocket::open(&self.context, &self.plan, &mut self.listeners) {
            Ok((anew, errors)) => {
                for error in &errors {
                    self.intake.tell(ReceiverEvent::OpenFailed(error));
                }
                *open = anew;
                *peers = self.track(open);
                self.shared.counters.connections.active.set(0);
            }
            Err(error) => self.intake.tell(ReceiverEvent::OpenFailed(&error)),
        }
    }

    fn sleep(&self, open: &OpenSocket, peers: &PeerTracker, retry_at: Instant) {
        let mut longest = peers.until_due();
        if open.has_failed_endpoints() {
            let retry = retry_at.saturating_duration_since(Instant::now());
            longest = Some(longest.map_or(retry, |due| due.min(retry)));
        }
        let mut items = [
            PollItem::descriptor(self.shared.control.descriptor(), POLLIN),
            PollItem::socket(open.monitor.socket(), POLLIN),
            PollItem::socket(&open.socket, POLLIN),
        ];
        let _ = poll(&mut items, longest.map_or(-1, |due| due.as_millis() as i64 + 1));
        self.shared.control.clear();
    }

    /// Receives and passes on at most `most` messages; returns how many there were.
    fn drain(&mut self, open: &OpenSocket, peers: &mut PeerTracker, frames: &mut Frames, most: usize) -> usize {
        let mut count = 0;
        while count < most && frames.receive(open) {
            count += 1;
            if self.tracks_keys && frames.last().is_some_and(|frame| peers.connections.note(frame)) {
                self.shared.counters.connections.revoked.increment();
            }
            self.take(frames);
        }
        if count > 0 {
            self.intake.flush();
        }
        count
    }

    fn take(&mut self, frames: &Frames) {
        let counters = &self.shared.counters;
        counters.received.increment();
        counters.bytes.add(frames.bytes as u64);
        if frames.count > frames.kept.len() {
            counters.frames_rejected.increment();
            self.intake.tell(ReceiverEvent::TooManyFrames(frames.count));
            return;
        }
        let kept = frames.kept.get(..frames.count).unwrap_or_default();
        let layout = self.framing.layout(frames.lengths.get(..frames.count).unwrap_or_default());
        let topic = layout.topic.and_then(|index| kept.get(index)).map(Message::as_slice);
        let records = kept.get(layout.records_from..).unwrap_or_default();
        if records.is_empty() {
            counters.frames_rejected.increment();
        }
        let intake = &mut self.intake;
        for frame in records {
            let is_valid = self.framing.records(frame.as_slice(), |stripped, record| {
                intake.record(frame, topic.or(stripped), record);
            });
            if !is_valid {
                counters.frames_rejected.increment();
            }
        }
    }
}

/// The frames of the message being received; reused from message to message.
struct Frames {
    kept: Vec<Message>,
    lengths: Vec<usize>,
    /// How many there were, also those that were not kept.
    count: usize,
    bytes: usize,
}

impl Frames {
    fn new(most: usize) -> Self {
        Self { kept: (0..most).map(|_| Message::new()).collect(), lengths: vec![0; most], count: 0, bytes: 0 }
    }

    /// The last frame that was kept. A ROUTER's first one has no properties (router.cpp `xhas_in`).
    fn last(&self) -> Option<&Message> {
        self.kept.get(..self.count).unwrap_or(&self.kept).last()
    }

    /// Receives one whole message; `false` where there is none. libzmq delivers a message only when all its frames are
    /// there, so nothing waits for the rest of one. Frames over the maximum are received and forgotten.
    fn receive(&mut self, open: &OpenSocket) -> bool {
        self.count = 0;
        self.bytes = 0;
        let mut excess = Message::new();
        loop {
            let frame = self.kept.get_mut(self.count).unwrap_or(&mut excess);
            match open.socket.receive(frame, DONTWAIT) {
                Ok(()) => {}
                Err(error) if error.interrupted() => continue,
                Err(_) => return false,
            }
            let length = frame.as_slice().len();
            let has_more = frame.has_more();
            if let Some(place) = self.lengths.get_mut(self.count) {
                *place = length;
            }
            self.bytes += length;
            self.count += 1;
            if !has_more {
                return true;
            }
        }
    }
}
