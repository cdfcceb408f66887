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
use crate::transport::socket::listening::Listener;
use crate::transport::socket::open::{OpenError, OpenSocket, SocketPlan, Surroundings};
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
    /// The context of the module and the driver.
    pub surroundings: Surroundings,
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
    /// Takes the records.
    pub intake: I,
}

/// Messages drained per wake-up before commands and the stop are looked at again.
const DRAIN: usize = 1024;
/// How often failed listeners, or the whole socket, are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long the drain at the stop may take: the host waits a second for all its inputs.
const LAST_DRAIN: Duration = Duration::from_millis(500);

/// What the thread knows besides its socket.
struct Progress {
    frames: Frames,
    /// The next try of what failed; `None` where trying again cannot help.
    retry_at: Option<Instant>,
    has_failed: bool,
    /// What the last message showed, and the link's generation then: mostly the next one shows the same.
    last: Option<(u64, i32, PublicKey)>,
}

impl<I: Intake> Receiver<I> {
    /// Runs until it is told to stop, and then passes on what libzmq still has.
    pub fn run(mut self) {
        let frames = Frames::new(self.max_frames);
        let mut progress = Progress { frames, retry_at: Some(Instant::now()), has_failed: false, last: None };
        let mut open: Option<OpenSocket> = None;
        while !self.shared.commands.is_stopping() {
            self.obey(&mut open, &mut progress);
            self.try_failed(&mut open, &mut progress);
            let has_received = open.as_ref().is_some_and(|open| self.drain(open, &mut progress, DRAIN) > 0);
            if !has_received {
                self.sleep(open.as_ref(), &progress);
            }
        }
        if let Some(open) = &mut open {
            self.finish(open, &mut progress);
        }
    }

    /// Ends the connections at once; what is in libzmq's pipes stays readable, and is passed on.
    fn finish(&mut self, open: &mut OpenSocket, progress: &mut Progress) {
        open.detach();
        let deadline = Instant::now() + LAST_DRAIN;
        while self.drain(open, progress, DRAIN) > 0 && Instant::now() < deadline {}
    }

    fn obey(&mut self, open: &mut Option<OpenSocket>, progress: &mut Progress) {
        let commands = self.shared.commands.take();
        if commands.is_empty() {
            return;
        }
        let keys = match open.as_mut() {
            Some(socket) => socket.obey(&self.plan, commands),
            None => OpenSocket::keys_in(commands),
        };
        let Some(security) = keys else { return };
        self.plan.security = security;
        if let Some(mut old) = open.take() {
            self.finish(&mut old, progress);
        }
        progress.retry_at = Some(Instant::now());
    }

    /// Opens the socket, or what of it failed, when that is due.
    fn try_failed(&mut self, open: &mut Option<OpenSocket>, progress: &mut Progress) {
        if progress.retry_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        progress.retry_at = Some(Instant::now() + RETRY);
        let errors = match open {
            Some(open) => open.retry(&self.plan, &mut self.listeners),
            None => match OpenSocket::open(
                &self.surroundings,
                &self.plan,
                &mut self.listeners,
                Arc::clone(&self.shared) as _,
            ) {
                Ok((opened, errors)) => {
                    *open = Some(opened);
                    errors
                }
                Err(error) => {
                    if error.is_permanent() {
                        progress.retry_at = None;
                    }
                    vec![error]
                }
            },
        };
        for error in &errors {
            self.intake.tell(ReceiverEvent::OpenFailed(error));
        }
        if errors.is_empty() {
            progress.retry_at = None;
            if progress.has_failed {
                self.intake.tell(ReceiverEvent::Recovered);
            }
        }
        progress.has_failed = !errors.is_empty();
    }

    fn sleep(&self, open: Option<&OpenSocket>, progress: &Progress) {
        let wait = progress.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
        let mut items = vec![PollItem::descriptor(self.shared.commands.descriptor(), POLLIN)];
        items.extend(open.map(|open| PollItem::socket(&open.socket, POLLIN)));
        let _ = poll(&mut items, wait.map_or(-1, |wait| wait.as_millis() as i64 + 1));
        self.shared.commands.clear();
    }

    /// Receives and passes on at most `most` messages; returns how many there were.
    fn drain(&mut self, open: &OpenSocket, progress: &mut Progress, most: usize) -> usize {
        let mut count = 0;
        while count < most && progress.frames.receive(open) {
            count += 1;
            if self.tracks_keys {
                progress.note(open);
            }
            self.take(&progress.frames);
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

impl Progress {
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
