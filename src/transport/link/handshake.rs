//! Which connections are ready, from a monitor that says with which descriptor a connection begins and ends, but not whose
//! handshake succeeded or failed.
//!
//! libzmq 4.3.4 ends some connections without any word about their handshake (old protocol versions, frames over the
//! limit: stream_engine_base.cpp `error (protocol_error)`), so a stranger could make a ready peer look lost.
//! Most of the time it is certain which one is meant: a connection that began after the last success cannot be ready.

use std::collections::HashSet;

/// How a connection that ended had been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its handshake had succeeded.
    Ready,
    /// Its handshake had failed, and that was reported.
    Failed,
    /// Its handshake had failed, and that was not reported.
    FailedSilently,
}

/// The connections of one socket. Fed with its monitor's events in their order.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// Certainly ready.
    ready: HashSet<i32>,
    /// `unassigned` of these are ready.
    maybe: HashSet<i32>,
    /// Certainly not ready yet.
    begun: HashSet<i32>,
    unassigned: u64,
    /// Failures whose connection has not ended yet; it does so next.
    failing: u64,
    /// Refusals whose connection has not ended yet; that is up to the peer, for a while.
    refused: u64,
}

impl Handshakes {
    /// Connections whose handshake has succeeded.
    pub fn ready(&self) -> u64 {
        self.ready.len() as u64 + self.unassigned
    }

    /// A connection stands.
    pub fn begun(&mut self, descriptor: i32) {
        self.ready.remove(&descriptor);
        self.maybe.remove(&descriptor);
        self.begun.insert(descriptor);
    }

    /// Whether this connection's handshake certainly succeeded.
    pub fn is_certainly_ready(&self, descriptor: i32) -> bool {
        self.ready.contains(&descriptor)
    }

    /// One of the handshakes succeeded.
    pub fn succeeded(&mut self) {
        self.maybe.extend(self.begun.drain());
        self.unassigned += 1;
        self.settle();
    }

    /// One of the handshakes failed.
    pub fn failed(&mut self) {
        self.failing += 1;
    }

    /// One of the handshakes was refused by authentication.
    pub fn refused(&mut self) {
        self.refused += 1;
    }

    /// Whether a failure was reported of a connection that has not ended yet.
    pub fn is_failing(&self) -> bool {
        self.failing > 0
    }

    /// A connection ended.
    pub fn ended(&mut self, descriptor: i32) -> Ended {
        let is_reported = take_one(&mut self.failing);
        if self.ready.remove(&descriptor) {
            return Ended::Ready;
        }
        let is_begun = self.begun.remove(&descriptor);
        self.maybe.remove(&descriptor);
        let ended = if is_reported || take_one(&mut self.refused) {
            Ended::Failed
        } else if !is_begun && take_one(&mut self.unassigned) {
            Ended::Ready
        } else {
            Ended::FailedSilently
        };
        self.settle();
        ended
    }

    fn settle(&mut self) {
        if self.unassigned == 0 {
            self.begun.extend(self.maybe.drain());
        } else if self.unassigned == self.maybe.len() as u64 {
            self.ready.extend(self.maybe.drain());
            self.unassigned = 0;
        }
    }
}

fn take_one(count: &mut u64) -> bool {
    let has_one = *count > 0;
    *count -= u64::from(has_one);
    has_one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_ends_in_silence_does_not_pass_for_a_ready_one() {
        let mut handshakes = Handshakes::default();
        handshakes.begun(5);
        handshakes.succeeded();
        for _ in 0..3 {
            handshakes.begun(6);
            assert_eq!(handshakes.ended(6), Ended::FailedSilently);
            assert_eq!(handshakes.ready(), 1);
        }
        assert_eq!(handshakes.ended(5), Ended::Ready);
        assert_eq!(handshakes.ready(), 0);
    }

    #[test]
    fn a_held_connection_leaves_no_doubt_about_later_ones() {
        let mut handshakes = Handshakes::default();
        handshakes.begun(5);
        handshakes.begun(6);
        handshakes.succeeded();
        handshakes.begun(7);
        assert_eq!(handshakes.ended(7), Ended::FailedSilently);
        assert_eq!(handshakes.ready(), 1);
        handshakes.failed();
        assert_eq!(handshakes.ended(5), Ended::Failed, "so the other one is ready");
        handshakes.begun(5);
        handshakes.refused();
        assert_eq!(handshakes.ended(6), Ended::Ready);
        assert_eq!(handshakes.ended(5), Ended::Failed);
        assert_eq!(handshakes.ready(), 0);
    }

    #[test]
    fn refusals_and_failures_are_told_from_losses() {
        let mut handshakes = Handshakes::default();
        handshakes.begun(1);
        handshakes.begun(2);
        handshakes.succeeded();
        handshakes.succeeded();
        assert_eq!(handshakes.ready(), 2);
        handshakes.begun(3);
        handshakes.refused();
        handshakes.begun(4);
        handshakes.failed();
        assert_eq!(handshakes.ended(4), Ended::Failed);
        assert_eq!(handshakes.ended(1), Ended::Ready);
        assert_eq!(handshakes.ended(3), Ended::Failed);
        handshakes.failed();
        assert_eq!(handshakes.ended(2), Ended::Ready, "it broke the protocol after its handshake");
        assert_eq!(handshakes.ready(), 0);
    }
}
