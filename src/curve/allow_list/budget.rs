//! How much time may go into looks that handshakes ask for, beside the one look a second.

use std::time::{Duration, Instant};

/// One part in so many of the time goes into them.
const SHARE: u32 = 10;
/// So long a time's share may be used in one go: 100 ms of looks.
const WINDOW: Duration = Duration::from_secs(1);

/// Time, not their number: a look takes microseconds for ten files on a local disk, and seconds for ten thousand on a slow one.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When the time spent so far has become a [`SHARE`] of the time that has passed.
    earned_at: Option<Instant>,
}

impl Budget {
    /// Whether another look may begin. The last one may take more than is left; later ones wait for it to be earned.
    pub(super) fn has_some(&self, now: Instant) -> bool {
        self.earned_at.is_none_or(|earned_at| earned_at.saturating_duration_since(now) < WINDOW)
    }

    /// A look has taken so long.
    pub(super) fn charge(&mut self, now: Instant, spent: Duration) {
        let begin = self.earned_at.map_or(now, |earned_at| earned_at.max(now));
        self.earned_at = begin.checked_add(spent.saturating_mul(SHARE)).or(self.earned_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_take_a_tenth_of_the_time_at_most() {
        let (begin, mut budget, mut looks) = (Instant::now(), Budget::default(), 0);
        for millisecond in 0..10_000 {
            let now = begin + Duration::from_millis(millisecond);
            while budget.has_some(now) {
                budget.charge(now, Duration::from_millis(10));
                looks += 1;
            }
        }
        // The share of the first second at once, and then that of each of ten seconds.
        assert_eq!(looks, 10 + 100);
    }

    #[test]
    fn a_look_of_a_slow_disk_is_paid_for_before_the_next_one() {
        let (begin, mut budget) = (Instant::now(), Budget::default());
        assert!(budget.has_some(begin));
        budget.charge(begin, Duration::from_secs(2));
        assert!(!budget.has_some(begin + Duration::from_secs(19)));
        assert!(budget.has_some(begin + Duration::from_secs(20)));
    }
}
