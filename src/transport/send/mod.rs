//! The thread that delivers an action's batches.
//!
//! It takes them from the queue and hands them to libzmq, keeps count of its subscribers, and at the end delivers what is
//! left within one deadline. It sleeps in one place, in `zmq_poll` on the socket's and the waker's descriptors; while a
//! subscriber is full it sleeps in a send with a short timeout, because libzmq wakes that one as soon as there is room (XPUB
//! always polls as writable).
//!
//! A small batch that finds the queue empty and the thread asleep need not wake it: its worker sends it in the thread's
//! place, as far as libzmq takes it at once. The rest stays for the thread. The protocol is in `handover.rs`.

mod accounting;
pub mod batch;
mod event_loop;
mod handover;
pub mod queue;
pub mod subscriptions;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;
mod transmitter;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::sys::zmq::option;
use crate::transport::counters::{ConnectionCounters, SenderCounters};
use crate::transport::link::command::Commands;
use crate::transport::link::{LinkEvent, LinkOwner, LinkReport};
use crate::transport::send::batch::Batch;
use crate::transport::send::queue::{Popped, PushError, SendQueue};
use crate::transport::socket::open::OpenError;
use crate::transport::socket::reopening::ReopeningSocket;
use handover::{Handover, SendInPlace};
use transmitter::SocketTransmitter;

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
    /// The socket or a listener cannot be opened.
    OpenFailed(&'a OpenError),
    /// What had failed is open now.
    Recovered,
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
    SubscribersRecovered,
    /// libzmq refused a message for good.
    SendFailed(crate::sys::zmq::Error),
    /// The deadline passed with this many log messages undelivered.
    Undelivered(usize),
}

/// Takes what a sender tells; called in the sender's thread, or in that of a worker that sends in its place.
pub trait SenderEvents: Send {
    /// Something happened. Must not wait: the socket's lock is held.
    fn tell(&self, event: SenderEvent<'_>);
}

/// What the sender shares with those who feed it, and with the driver.
pub struct Feed {
    /// The queue.
    pub queue: SendQueue<Batch>,
    /// Its counters.
    pub counters: SenderCounters,
    /// Wakes the sender and gives it commands; to be opened before it runs.
    pub commands: Commands,
    report: LinkReport,
    /// Successful sends so far: a worker that waits sees from it whether there is progress.
    progress: AtomicU64,
    /// When delivery ends, once a stop has begun.
    deadline: Mutex<Option<Instant>>,
    /// Where a batch can be sent at once, while the sender runs.
    in_place: OnceLock<Weak<dyn SendInPlace<Self>>>,
    /// It takes nothing without a peer; false for publishers.
    needs_peer: AtomicBool,
    /// Peers came or went since the sender has last judged whether the queue is open.
    must_judge: AtomicBool,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}

impl Feed {
    /// A feed whose queue is shut until the sender opens it, and whose connections report here.
    #[must_use]
    pub fn new(queue: SendQueue<Batch>, report: LinkReport) -> Self {
        queue.set_admitting(false);
        Self {
            queue,
            counters: SenderCounters::default(),
            commands: Commands::default(),
            report,
            progress: AtomicU64::new(0),
            deadline: Mutex::new(None),
            in_place: OnceLock::new(),
            needs_peer: AtomicBool::new(true),
            must_judge: AtomicBool::new(true),
        }
    }

    /// Accepts a batch: sends it where nothing is before it, or puts it into the queue. Never waits.
    pub fn offer(&self, batch: Batch) -> Result<(), PushError<Batch>> {
        let in_place = self.in_place.get().and_then(Weak::upgrade);
        handover::offer(self, in_place.as_deref(), batch)
    }

    /// A number that changes with every message that libzmq takes.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Ends the feed: nothing goes in any more, and what is inside is delivered until `deadline`.
    pub fn close(&self, deadline: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        handover::close(self);
    }

    fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkOwner for Feed {
    fn connections(&self) -> &ConnectionCounters {
        &self.counters.connections
    }

    fn commands(&self) -> &Commands {
        &self.commands
    }

    fn tell(&self, event: LinkEvent) {
        (self.report)(event);
    }

    /// Without a peer the queue is shut at once; whether it is open is for the sender to judge.
    fn ready_changed(&self, ready: u64) {
        if ready == 0 && self.needs_peer.load(Ordering::Relaxed) {
            self.queue.set_admitting(false);
        }
        self.must_judge.store(true, Ordering::Release);
        self.commands.wake();
    }
}

/// One slice of waiting: how fast a stop or a peer's event is noticed while libzmq has no room.
const SLICE: Duration = Duration::from_millis(100);
/// How long what libzmq has may take to leave a socket that is opened anew with other keys.
const REOPEN_LINGER: Duration = Duration::from_secs(1);
/// A publisher waits for full subscribers again after this long without one.
const PROBATION: Duration = Duration::from_secs(1);

/// Everything an action's thread needs.
pub struct Sender<E> {
    /// Its socket.
    pub socket: ReopeningSocket,
    /// How to behave.
    pub settings: SenderSettings,
    /// What is shared.
    pub feed: Arc<Feed>,
    /// Takes what it tells.
    pub events: E,
}

impl<E: SenderEvents> Sender<E> {
    /// Runs until the feed is closed and drained, or its deadline has passed.
    pub fn run(self)
    where
        E: 'static,
    {
        let feed = Arc::clone(&self.feed);
        feed.needs_peer.store(!self.socket.socket_type().is_publisher(), Ordering::Relaxed);
        let handover = Arc::new(Handover::new(SocketTransmitter::new(self)));
        let in_place: Arc<dyn SendInPlace<Feed>> = Arc::clone(&handover) as _;
        // Only one sender ever runs for a feed.
        let _ = feed.in_place.set(Arc::downgrade(&in_place));
        drop(in_place);
        handover.serve(&feed);
    }

    /// What is left when the loop ends is undelivered; what libzmq has gets the rest of the deadline.
    fn finish(self, in_hand: usize) {
        self.give_up(in_hand);
        let Some(open) = self.socket.open() else { return };
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
