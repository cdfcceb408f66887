//! What sockets count. Plain 64-bit integers that any thread may read at any time; who reports them is not known here.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter, or a gauge.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Raises a high-water gauge to `value` if that is more.
    pub fn raise(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The integer itself, for the caller that reports it.
    #[must_use]
    pub fn as_atomic(&self) -> &AtomicU64 {
        &self.0
    }
}

/// What happens to the connections of a socket; from its monitor.
#[derive(Debug, Default)]
pub struct ConnectionCounters {
    /// Gauge: connections whose handshake has succeeded.
    pub active: Counter,
    /// Gauge: endpoints that the socket connects to.
    pub endpoints: Counter,
    /// Peers that connected to a listener of ours.
    pub accepted: Counter,
    /// Connections that ended.
    pub closed: Counter,
    /// Attempts to connect again.
    pub reconnects: Counter,
    /// Connections that were ended because of a frame over the limit.
    pub oversize: Counter,
    /// Connections that were ended because their key is not allowed any more.
    pub revoked: Counter,
    /// Clients that our authenticator admitted.
    pub auth_allowed: Counter,
    /// Clients that our authenticator refused.
    pub auth_denied: Counter,
    /// Handshakes that succeeded.
    pub handshakes_succeeded: Counter,
    /// Handshakes refused by authentication, ours or the peer's.
    pub handshakes_failed_auth: Counter,
    /// Handshakes that were not ZMTP or not with our security.
    pub handshakes_failed_protocol: Counter,
    /// Handshakes that broke off.
    pub handshakes_failed_other: Counter,
}

/// What a sender counts.
#[derive(Debug, Default)]
pub struct SenderCounters {
    /// Its connections.
    pub connections: ConnectionCounters,
    /// Bytes of payload handed to libzmq, topics included.
    pub bytes: Counter,
    /// Log messages taken over.
    pub accepted: Counter,
    /// Log messages handed to libzmq.
    pub sent: Counter,
    /// Copies handed to libzmq: one per topic.
    pub copies: Counter,
    /// Gauge: log messages in the send queue or in the sender's hands.
    pub queue_depth: Counter,
    /// Gauge: the most there have been.
    pub queue_depth_max: Counter,
    /// How often a batch found the queue full.
    pub queue_full_waits: Counter,
    /// Log messages dropped because the queue was full and `onfull` says so.
    pub dropped_queue_full: Counter,
    /// Log messages dropped because a subscriber did not keep up.
    pub dropped_slow_subscriber: Counter,
    /// Log messages that nobody had subscribed to.
    pub dropped_no_subscriber: Counter,
    /// Log messages that could not be delivered before the stop.
    pub dropped_at_close: Counter,
    /// Log messages that libzmq refused for good.
    pub send_failures: Counter,
    /// Gauge: distinct subscriptions.
    pub subscriptions_active: Counter,
    /// How often the action was suspended.
    pub suspended: Counter,
}

/// What a receiver counts.
#[derive(Debug, Default)]
pub struct ReceiverCounters {
    /// Its connections.
    pub connections: ConnectionCounters,
    /// Bytes of payload received, all frames.
    pub bytes: Counter,
    /// ZeroMQ messages received.
    pub received: Counter,
    /// Log messages made of them that were taken over.
    pub submitted: Counter,
    /// Log messages made of them that were refused.
    pub submit_failed: Counter,
    /// ZeroMQ messages or frames that are no log message.
    pub frames_rejected: Counter,
    /// Log messages over the rate limit.
    pub ratelimited: Counter,
}
