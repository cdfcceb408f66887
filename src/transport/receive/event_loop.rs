//! The thread that owns an input's socket.
//!
//! Per wake-up it drains what has arrived, up to a bound, and flushes once. It never waits but in `zmq_poll` and inside
//! the intake's own flush, so a stop is noticed at once. While a full queue holds it up, the driver goes on watching the
//! socket's connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::curve::keys::PublicKey;
use crate::sys::zmq::{DONTWAIT, Message, POLLIN, PollItem, poll};
use crate::transport::counters::{ConnectionCounters, ReceiverCounters};
use crate::transport::link::command::Commands;
use crate::transport::link::handle::shown_by;
use crate::transport::link::{LinkEvent, LinkOwner, LinkReport};
use crate::transport::socket::open::{OpenError, OpenSocket};
use crate::transport::socket::reopening::{Attempt, ReopeningSocket};
use crate::transport::wire::framing::Framing;

/// What a receiver shares with its owner and with the driver.
pub struct ReceiverShared {
    /// Its commands.
    pub commands: Commands,
    /// What it counts.
    pub counters: ReceiverCounters,
    report: LinkReport,
}

impl ReceiverShared {
    /// Shared parts of a receiver whose connections report here.
    #[must_use]
    pub fn new(report: LinkReport) -> Self {
        Self { commands: Commands::default(), counters: ReceiverCounters::default(), report }
    }
}

impl std::fmt::Debug for ReceiverShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReceiverShared")
    }
}

impl LinkOwner for ReceiverShared {
    fn connections(&self) -> &ConnectionCounters {
        &self.counters.connections
    }

    fn commands(&self) -> &Commands {
        &self.commands
    }

    fn tell(&self, event: LinkEvent) {
        (self.report)(event);
    }
}

/// What a receiver tells.
#[derive(Debug)]
pub enum ReceiverEvent<'a> {
    /// The socket or a listener cannot be opened.
    OpenFailed(&'a OpenError),
    /// What had failed is open now.
    Recovered,
    /// A message with too many frames was dropped.
    TooManyFrames(usize),
}

/// Takes the records; called in the receiver's thread.
pub trait Intake {
    /// One log record. `carrier` is the frame it came in, for the connection's properties.
    fn record(&mut self, carrier: &Message, topic: Option<&[u8]>, record: &[u8]);
    /// Everything that had arrived has been passed on.
    fn flush(&mut self);
    /// Something happened.
    fn tell(&mut self, event: ReceiverEvent<'_>);
}

/// Everything an input's thread needs.
pub struct Receiver<I> {
    /// Its socket.
    pub socket: ReopeningSocket,
    /// Which frames are records.
    pub framing: Framing,
    /// The most frames one message may have.
    pub max_frames: usize,
    /// What is counted, when to stop, and what else others want.
    pub shared: Arc<ReceiverShared>,
    /// Whether the connections' keys must be known, because they may be revoked.
    pub tracks_keys: bool,
    /// Takes the records.
    pub intake: I,
}

/// Messages drained per wake-up before commands and the stop are looked at again.
const DRAIN: usize = 1024;
/// How long the drain at the stop may take: the host waits a second for all its inputs.
const LAST_DRAIN: Duration = Duration::from_millis(500);

impl<I: Intake> Receiver<I> {
    /// Runs until it is told to stop, and then passes on what libzmq still has.
    pub fn run(self) {
        let Self { mut socket, framing, max_frames, shared, tracks_keys, intake } = self;
        let frames = Frames::new(max_frames);
        let mut passage = Passage { frames, framing, shared, tracks_keys, last: None, intake };
        while !passage.shared.commands.is_stopping() {
            if socket.obey() {
                passage.finish(socket.take());
            }
            if let Some(attempt) = socket.retry() {
                passage.tell(&attempt);
            }
            let has_received = socket.open().is_some_and(|open| passage.drain(open) > 0);
            if !has_received {
                sleep(&socket, &passage.shared.commands);
            }
        }
        passage.finish(socket.take());
    }
}

fn sleep(socket: &ReopeningSocket, commands: &Commands) {
    let wait = socket.due().map(|at| at.saturating_duration_since(Instant::now()));
    let mut items = vec![PollItem::descriptor(commands.descriptor(), POLLIN)];
    items.extend(socket.open().map(|open| PollItem::socket(&open.socket, POLLIN)));
    let _ = poll(&mut items, wait.map_or(-1, |wait| wait.as_millis() as i64 + 1));
    commands.clear();
}

/// The way of the records from a socket to the intake.
struct Passage<I> {
    frames: Frames,
    framing: Framing,
    shared: Arc<ReceiverShared>,
    tracks_keys: bool,
    /// What the last message showed, and the link's generation then: mostly the next one shows the same.
    last: Option<(u64, i32, PublicKey)>,
    intake: I,
}

impl<I: Intake> Passage<I> {
    fn tell(&mut self, attempt: &Attempt) {
        for error in &attempt.errors {
            self.intake.tell(ReceiverEvent::OpenFailed(error));
        }
        if attempt.has_recovered {
            self.intake.tell(ReceiverEvent::Recovered);
        }
    }

    /// Ends the connections at once; what is in libzmq's pipes stays readable, and is passed on.
    fn finish(&mut self, open: Option<OpenSocket>) {
        let Some(mut open) = open else { return };
        open.detach();
        let deadline = Instant::now() + LAST_DRAIN;
        while self.drain(&open) > 0 && Instant::now() < deadline {}
    }

    /// Receives and passes on what has arrived, up to a bound; returns how many messages there were.
    fn drain(&mut self, open: &OpenSocket) -> usize {
        let mut count = 0;
        while count < DRAIN && self.frames.receive(open) {
            count += 1;
            if self.tracks_keys {
                self.note(open);
            }
            self.pass_on();
        }
        if count > 0 {
            self.intake.flush();
        }
        count
    }

    fn pass_on(&mut self) {
        let frames = &self.frames;
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

    /// Lets the driver know by which connection the message came.
    fn note(&mut self, open: &OpenSocket) {
        let Some((descriptor, key)) = self.frames.last().and_then(shown_by) else { return };
        let now = (open.link.generation(), descriptor, key);
        if self.last != Some(now) {
            self.last = Some(now);
            open.link.note(descriptor, key);
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
