//! Threads that receive what rsyslogd sends, as fast as libzmq can, and count it by number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{Context, DONTWAIT, Message, Socket, kind, option};

use crate::failure::{Failure, Result};
use crate::feeder::{PRIMER, number_of};
use crate::keys::Keys;
use crate::packed;

/// How to receive.
pub struct Plan<'a> {
    /// Bound by the sink (PULL), or an endpoint to connect to (SUB).
    pub connects_to: Option<&'a str>,
    pub keys: Option<&'a Keys>,
    pub is_packed: bool,
    /// How many messages will be fed; their numbers are below this.
    pub messages: u64,
    /// When each message was fed, in nanoseconds since `started`; for latencies.
    pub fed_at: Option<Arc<Vec<AtomicU64>>>,
    /// What times are measured from.
    pub started: Instant,
}

#[derive(Default)]
struct Shared {
    /// Copies of numbered messages.
    received: AtomicU64,
    primers: AtomicU64,
    /// Nanoseconds since `started`.
    last_arrival: AtomicU64,
    stops: AtomicBool,
}

pub struct Sink {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Counts>>,
    /// Where rsyslogd connects to.
    pub endpoint: String,
    started: Instant,
}

/// What a sink has seen.
#[derive(Debug, Default)]
pub struct Counts {
    /// How often each number came.
    seen: Vec<u8>,
    /// Frames without a number.
    pub malformed: u64,
    /// Nanoseconds.
    pub latencies: Vec<u64>,
}

impl Counts {
    /// Copies that did not come, where each message has this many.
    pub fn lost(&self, copies: u64) -> u64 {
        self.seen.iter().map(|&seen| copies.saturating_sub(u64::from(seen))).sum()
    }

    /// Copies that came too often.
    pub fn duplicates(&self, copies: u64) -> u64 {
        self.seen.iter().map(|&seen| u64::from(seen).saturating_sub(copies)).sum()
    }
}

/// More than a publisher's own limit, so that what rsyslogd's side holds decides.
const HIGH_WATER_MARK: i32 = 100_000;

impl Sink {
    pub fn start(plan: &Plan<'_>) -> Result<Self> {
        // A context, and so an I/O thread, of its own.
        let context = Context::new()?;
        let socket = context.socket(if plan.connects_to.is_some() { kind::SUB } else { kind::PULL })?;
        socket.set_int(option::LINGER, 0)?;
        socket.set_int(option::RCVHWM, HIGH_WATER_MARK)?;
        socket.set_int(option::RCVTIMEO, 20)?;
        socket.set_int(option::RECONNECT_IVL, 10)?;
        if let Some(keys) = plan.keys {
            keys.make_server(&socket)?;
        }
        let endpoint = match plan.connects_to {
            Some(endpoint) => {
                socket.set_bytes(option::SUBSCRIBE, b"")?;
                socket.connect(endpoint)?;
                endpoint.to_owned()
            }
            None => {
                socket.bind("tcp://127.0.0.1:*")?;
                socket.last_endpoint()?
            }
        };
        let shared = Arc::new(Shared::default());
        let counting = Counting {
            shared: Arc::clone(&shared),
            counts: Counts { seen: vec![0; plan.messages as usize], malformed: 0, latencies: Vec::new() },
            fed_at: plan.fed_at.clone(),
            is_packed: plan.is_packed,
            started: plan.started,
            received: 0,
        };
        let thread = std::thread::Builder::new().name("sink".to_owned()).spawn(move || counting.run(&socket))?;
        Ok(Self { shared, thread: Some(thread), endpoint, started: plan.started })
    }

    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    pub fn primers(&self) -> u64 {
        self.shared.primers.load(Ordering::Relaxed)
    }

    pub fn last_arrival(&self) -> Instant {
        self.started + Duration::from_nanos(self.shared.last_arrival.load(Ordering::Relaxed))
    }

    /// Ends it.
    pub fn finish(mut self) -> Result<Counts> {
        self.shared.stops.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        let counts = thread.and_then(|thread| thread.join().ok());
        counts.ok_or_else(|| Failure::Other("a sink's thread has died".to_owned()))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Counting {
    shared: Arc<Shared>,
    counts: Counts,
    fed_at: Option<Arc<Vec<AtomicU64>>>,
    is_packed: bool,
    started: Instant,
    received: u64,
}

impl Counting {
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn run(mut self, socket: &Socket) -> Counts {
        let mut message = Message::new();
        while !self.shared.stops.load(Ordering::Relaxed) {
            // Waits at most the socket's receive timeout.
            if socket.receive(&mut message, 0).is_err() {
                continue;
            }
            let before = self.received;
            loop {
                self.count(&message);
                if socket.receive(&mut message, DONTWAIT).is_err() {
                    break;
                }
            }
            if self.received != before {
                self.shared.last_arrival.store(self.now(), Ordering::Relaxed);
            }
            self.shared.received.store(self.received, Ordering::Relaxed);
        }
        self.counts
    }

    fn count(&mut self, message: &Message) {
        if message.has_more() {
            // A topic.
            return;
        }
        if !self.is_packed {
            self.count_record(message.as_slice());
            return;
        }
        for record in packed::records(message.as_slice()) {
            self.count_record(record);
        }
    }

    fn count_record(&mut self, record: &[u8]) {
        let Some(number) = number_of(record) else {
            self.counts.malformed += 1;
            return;
        };
        if number >= PRIMER {
            self.shared.primers.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some(seen) = self.counts.seen.get_mut(number as usize) else {
            self.counts.malformed += 1;
            return;
        };
        *seen = seen.saturating_add(1);
        self.received += 1;
        if self.received % 256 == 0 {
            self.shared.received.store(self.received, Ordering::Relaxed);
        }
        if let Some(fed_at) = self.fed_at.as_ref().and_then(|fed_at| fed_at.get(number as usize)) {
            let latency = self.now().saturating_sub(fed_at.load(Ordering::Relaxed));
            self.counts.latencies.push(latency);
        }
    }
}
