//! The rate limit of one input, by the rules of rsyslog's own (runtime/ratelimit.c): at most `burst` messages an interval, the
//! rest is dropped; the beginning is logged at once, the number when the next interval begins.

use std::time::{Duration, Instant};

/// How many messages may pass in an interval. Belongs to the receiver's thread.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Duration,
    burst: u64,
    since: Instant,
    count: u64,
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passes.
    Pass,
    /// It passes; before it, this many of the last interval were dropped.
    PassAfter(u64),
    /// It is the first of this interval to be dropped.
    DropFirst,
    /// It is dropped.
    Drop,
}

impl RateLimit {
    /// `None` where the interval is 0: no limit.
    pub(super) fn new(interval: Duration, burst: u64, now: Instant) -> Option<Self> {
        (!interval.is_zero()).then_some(Self { interval, burst, since: now, count: 0 })
    }

    pub(super) fn judge(&mut self, now: Instant) -> Verdict {
        let mut dropped_before = 0;
        if now.duration_since(self.since) >= self.interval {
            dropped_before = self.count.saturating_sub(self.burst);
            self.since = now;
            self.count = 0;
        }
        self.count += 1;
        match self.count.checked_sub(self.burst) {
            Some(1) => Verdict::DropFirst,
            Some(over) if over > 1 => Verdict::Drop,
            _ if dropped_before > 0 => Verdict::PassAfter(dropped_before),
            _ => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_of_the_interval_is_dropped() {
        let start = Instant::now();
        let mut limit = RateLimit::new(Duration::from_secs(5), 2, start).unwrap();
        let verdicts: Vec<Verdict> = (0..5).map(|_| limit.judge(start)).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Pass, Verdict::DropFirst, Verdict::Drop, Verdict::Drop]);
        let later = start + Duration::from_secs(5);
        assert_eq!((limit.judge(later), limit.judge(later)), (Verdict::PassAfter(3), Verdict::Pass));
        assert!(RateLimit::new(Duration::ZERO, 2, start).is_none());
    }
}
