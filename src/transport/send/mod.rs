//! The thread that delivers an action's batches.
//!
//! It takes them from the queue and hands them to libzmq, watches its peers and its subscribers, and at the end delivers
//! what is left within one deadline. It sleeps in one place, in `zmq_poll` on the socket's, the monitor's and the waker's
//! descriptors; while a subscriber is full it sleeps in a send with a short timeout, because libzmq wakes that one as soon
//! as there is room (XPUB always polls as writable).
//!
//! A batch that finds the queue empty and the thread asleep need not wake it: whoever brings the batch sends it, in the
//! thread's place and under its lock (`inline_send.rs`), as far as libzmq takes it at once. The rest stays for the thread.

mod accounting;
pub mod batch;
mod event_loop;
mod inline_send;
pub mod queue;
pub mod subscriptions;
#[cfg(all(test, not(loom)))]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::sys::zmq::{Context, POLLIN, PollItem, option, poll};
use crate::transport::counters::{ConnectionCounters, SenderCounters};
use crate::transport::link::command::{Control, Steered};
use crate::transport::link::reconnect::PeerEvent;
use crate::transport::send::batch::Batch;
use crate::transport::send::queue::{Popped, PushError, SendQueue, Weighed};
use crate::transport::socket::listening::Listener;
use crate::transport::socket::open::{OpenError, OpenSocket, SocketPlan};
use event_loop::{Reached, Work};
use inline_send::{AtDesk, Desk, SendNow};

/// What a sender does when a subscriber, or every peer, is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Wait; see [`SenderSettings::send_timeout`].
    Wait,
    /// Drop and count.
    Drop,
}

/// How a sender behaves.
#[derive(Clone, Copy, Debug)]
pub struct SenderSettings {
    /// How long without any progress counts as stuck; `None`: never.
    pub send_timeout: Option<Duration>,
    /// See [`OnFull`].
    pub on_full: OnFull,
    /// The longest linger of the socket; `None`: what is left of the deadline.
    pub linger: Option<Duration>,
}

/// What a sender tells.
#[derive(Debug)]
pub enum SenderEvent<'a> {
    /// The socket or an endpoint cannot be opened; it is tried again.
    OpenFailed(&'a OpenError),
    /// Endpoints that had failed are open now.
    Recovered,
    /// A peer came, went or was refused.
    Peer(PeerEvent),
    /// The first subscriber of a topic.
    Subscribed(&'a [u8]),
    /// The last subscriber of a topic has gone.
    Unsubscribed(&'a [u8]),
    /// A subscriber did not take anything for the send timeout and was cut off.
    CutOff {
        /// Its address.
        address: String,
    },
    /// It came back, took nothing again and was cut off at once.
    Relapsed {
        /// Its address.
        address: String,
    },
    /// A subscriber is stuck but cannot be told from the others: full ones lose messages until it recovers.
    Lossy,
    /// The stuck subscriber has recovered.
    Patient,
    /// libzmq refused a message for good.
    SendFailed(crate::sys::zmq::Error),
    /// The deadline passed with this many log messages undelivered.
    Undelivered(usize),
}

/// Whoever listens to a sender; called in the sender's thread, or by whoever sends in its place.
pub trait SenderEvents: Send {
    /// Something happened.
    fn tell(&self, event: SenderEvent<'_>);
}

/// What the sender shares with those who feed it.
#[derive(Debug)]
pub struct Feed {
    /// The queue.
    pub queue: SendQueue<Batch>,
    /// Its counters.
    pub counters: SenderCounters,
    /// Wakes the sender and gives it orders; to be opened before it runs.
    pub control: Control,
    /// Successful sends so far: whoever waits sees from it whether there is progress.
    progress: AtomicU64,
    /// When delivery ends, once a stop has begun.
    deadline: Mutex<Option<Instant>>,
    /// Where a batch can be sent at once, while the sender runs.
    desk: OnceLock<Weak<dyn SendNow>>,
}

impl Feed {
    /// A feed whose queue is shut until the sender opens it.
    #[must_use]
    pub fn new(queue: SendQueue<Batch>) -> Self {
        queue.set_admitting(false);
        Self {
            queue,
            counters: SenderCounters::default(),
            control: Control::default(),
            progress: AtomicU64::new(0),
            deadline: Mutex::new(None),
            desk: OnceLock::new(),
        }
    }

    /// Accepts a batch: sends it where nothing is before it, or puts it into the queue. Never waits.
    pub fn offer(&self, batch: Batch) -> Result<(), PushError<Batch>> {
        let desk = self.desk.get().and_then(Weak::upgrade);
        let batch = match desk {
            Some(desk) => match desk.send_now(batch) {
                Ok(()) => return Ok(()),
                Err(batch) => batch,
            },
            None => batch,
        };
        let messages = batch.messages();
        let must_wake = self.queue.push(batch)?;
        self.note_accepted(messages);
        if must_wake {
            self.control.wake();
        }
        Ok(())
    }

    fn note_accepted(&self, messages: usize) {
        let depth = self.queue.depth() as u64;
        self.counters.queue_depth.set(depth);
        self.counters.queue_depth_max.raise(depth);
        self.counters.accepted.add(messages as u64);
    }

    /// A number that changes with every message that libzmq takes.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Ends the feed: nothing goes in any more, and what is inside is delivered until `deadline`.
    pub fn close(&self, deadline: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        self.queue.close();
        self.control.wake();
    }

    fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steered for Feed {
    fn control(&self) -> &Control {
        &self.control
    }

    fn connections(&self) -> &ConnectionCounters {
        &self.counters.connections
    }
}

/// One slice of waiting: how fast a stop or a peer's event is noticed while libzmq has no room.
const SLICE: Duration = Duration::from_millis(100);
/// How long what libzmq has may take to leave a socket that is opened anew with other keys.
const REOPEN_LINGER: Duration = Duration::from_secs(1);
/// How often failed endpoints are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// A stuck publisher becomes patient again after this long without a full subscriber.
const PROBATION: Duration = Duration::from_secs(1);

/// See the module's text.
pub struct Sender<E> {
    /// The context of the module.
    pub context: Context,
    /// How to open the socket.
    pub plan: SocketPlan,
    /// What is bound already.
    pub listeners: Vec<Option<Listener>>,
    /// How to behave.
    pub settings: SenderSettings,
    /// What is shared.
    pub feed: Arc<Feed>,
    /// Who listens.
    pub events: E,
}

impl<E: SenderEvents> Sender<E> {
    /// Runs until the feed is closed and drained, or its deadline has passed.
    pub fn run(mut self)
    where
        E: 'static,
    {
        let feed = Arc::clone(&self.feed);
        let Some(open) = self.open() else {
            self.give_up(0);
            return;
        };
        let work = Work::new(&self, &open);
        let desk = Arc::new(Desk::new(AtDesk { sender: self, open, work }));
        let direct: Arc<dyn SendNow> = Arc::clone(&desk) as _;
        // Only one sender ever runs for a feed.
        let _ = feed.desk.set(Arc::downgrade(&direct));
        drop(direct);
        desk.serve(&feed);
    }

    /// Opens the socket; tried again until it works or the feed is closed.
    fn open(&mut self) -> Option<OpenSocket> {
        let mut has_told = false;
        loop {
            match OpenSocket::open(&self.context, &self.plan, &mut self.listeners) {
                Ok((open, errors)) => {
                    for error in &errors {
                        self.events.tell(SenderEvent::OpenFailed(error));
                    }
                    return Some(open);
                }
                Err(error) => {
                    if !std::mem::replace(&mut has_told, true) {
                        self.events.tell(SenderEvent::OpenFailed(&error));
                    }
                }
            }
            let _ = poll(&mut [PollItem::descriptor(self.feed.control.descriptor(), POLLIN)], RETRY.as_millis() as i64);
            self.feed.control.clear();
            if self.feed.deadline().is_some() {
                return None;
            }
        }
    }

    /// What is left when the loop ends is undelivered; what libzmq has gets the rest of the deadline.
    fn finish(&self, open: OpenSocket, in_hand: usize) {
        self.give_up(in_hand);
        let left = self.feed.deadline().map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        let linger = self.settings.linger.unwrap_or(left).min(left);
        let _ = open.socket.set_int(option::LINGER, i32::try_from(linger.as_millis()).unwrap_or(0));
    }

    fn give_up(&self, in_hand: usize) {
        let mut lost = in_hand;
        loop {
            match self.feed.queue.pop() {
                Popped::Batch(batch) => lost += batch.left,
                Popped::Empty => {
                    self.feed.queue.close();
                }
                Popped::Finished => break,
            }
        }
        if lost > 0 {
            self.feed.counters.dropped_at_close.add(lost as u64);
            self.events.tell(SenderEvent::Undelivered(lost));
        }
        self.feed.counters.queue_depth.set(0);
    }
}
