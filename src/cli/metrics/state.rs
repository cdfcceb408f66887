//! All that a scrape shows, behind one lock: the receiving thread holds it per batch, a scrape while it writes its page.
#![forbid(unsafe_code)]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::cli::frame_decoding::FrameDecoding;
use crate::cli::metrics::rules::Rules;
use crate::cli::metrics::series::Store;
use crate::transport::subscribe::{Received, State as Connection};

/// What happened to an endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As it was written, or where it listens.
    pub address: String,
    /// What is known of it now.
    pub connection: Connection,
    /// Handshakes that succeeded.
    pub connects: u64,
    /// Handshakes that failed.
    pub handshake_failures: u64,
}

impl Endpoint {
    /// An endpoint of which nothing is known yet.
    pub fn new(address: String) -> Self {
        Self { address, connection: Connection::Connecting, connects: 0, handshake_failures: 0 }
    }

    /// Whether records may come from it.
    pub fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Connected | Connection::Listening)
    }
}

/// Lines by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// A rule matched.
    pub matched: u64,
    /// No rule did.
    pub unmatched: u64,
    /// Frames that were not packed although they should be.
    pub rejected: u64,
}

/// See the module.
#[derive(Debug)]
pub struct ExporterState {
    /// The rules.
    pub rules: Rules,
    /// Their series.
    pub store: Store,
    /// Lines by outcome.
    pub lines: Lines,
    /// Time spent on them.
    pub processing: Duration,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Reloads that worked and that did not.
    pub reloads: (u64, u64),
    /// Whether the last reload worked.
    pub is_configuration_current: bool,
    /// When the program started.
    pub started: SystemTime,
}

impl ExporterState {
    /// Nothing has happened yet.
    pub fn new(rules: Rules, store: Store) -> Self {
        Self {
            rules,
            store,
            lines: Lines::default(),
            processing: Duration::ZERO,
            endpoints: Vec::new(),
            reloads: (0, 0),
            is_configuration_current: true,
            started: SystemTime::now(),
        }
    }

    /// The endpoints of a new configuration; what was counted of those that stay is kept.
    pub fn adopt_endpoints(&mut self, endpoints: Vec<Endpoint>) {
        let old = std::mem::replace(&mut self.endpoints, endpoints);
        for endpoint in &mut self.endpoints {
            if let Some(known) = old.iter().find(|known| known.address == endpoint.address) {
                (endpoint.connects, endpoint.handshake_failures) = (known.connects, known.handshake_failures);
            }
        }
    }

    /// Counts the records of a message.
    pub fn count(&mut self, decoding: FrameDecoding, topic: Option<&[u8]>, body: &[u8], now: Instant) {
        let Self { rules, store, lines, .. } = self;
        let result = decoding.records(topic, body, &mut |topic, record| {
            let outcome =
                if rules.apply(topic, record, now, store) { &mut lines.matched } else { &mut lines.unmatched };
            *outcome += 1;
        });
        if result.is_err() {
            self.lines.rejected += 1;
        }
    }

    /// Counts what arrived.
    pub fn count_all(&mut self, decoding: FrameDecoding, received: &mut Vec<Received>) {
        let began = Instant::now();
        for record in received.drain(..) {
            self.count(decoding, record.topic.as_ref().map(|topic| topic.as_slice()), record.body.as_slice(), began);
        }
        self.processing += began.elapsed();
    }
}

/// An [`ExporterState`] that threads share.
#[derive(Debug)]
pub struct SharedState(Mutex<ExporterState>);

impl SharedState {
    /// Shares it.
    pub fn new(status: ExporterState) -> Self {
        Self(Mutex::new(status))
    }

    /// Waits for the other side.
    pub fn lock(&self) -> MutexGuard<'_, ExporterState> {
        // Counters and maps: valid whatever a panicking thread was doing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
