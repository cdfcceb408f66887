//! An action that suspends itself to spare rsyslog's main queue: whether it still waits, and what is said about it.
//!
//! The host offers a refused batch again, message by message and then whole, before it counts the action as suspended
//! (action.c actionCommit). None of that waits once more: only a resumption, which the host asks for, brings the patience
//! back. Any worker of the action may come here. The line about the beginning is written while the main queue may be full, so
//! it goes to standard error as well.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::host::log;

/// Something was taken last.
const WORKS: u8 = 0;
/// Nothing is waited for.
const SUSPENDED: u8 = 1;
/// The host has asked, and there was room.
const RESUMED: u8 = 2;

/// How an action stands.
#[derive(Debug, Default)]
pub(super) struct Suspension(AtomicU8);

impl Suspension {
    /// Nobody took anything for this long.
    pub(super) fn begin(&self, name: &str, standstill: Duration) {
        if self.0.swap(SUSPENDED, Ordering::Relaxed) == WORKS {
            log::urgent_warning(&format!(
                "{name}: no peer took anything for {} s; suspended, rsyslog tries again after action.resumeInterval; add \
                 queue.type=\"LinkedList\" to the action to keep the messages",
                standstill.as_secs()
            ));
        }
    }

    /// Whether what does not fit is refused at once.
    pub(super) fn is_impatient(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SUSPENDED
    }

    /// The host has asked whether to resume, and there is room.
    pub(super) fn resume(&self) {
        let _ = self.0.compare_exchange(SUSPENDED, RESUMED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Something was taken.
    pub(super) fn end(&self, name: &str) {
        if self.0.load(Ordering::Relaxed) != WORKS && self.0.swap(WORKS, Ordering::Relaxed) != WORKS {
            log::urgent_notice(&format!("{name}: messages are taken again; no longer suspended"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_resumption_brings_the_patience_back() {
        let suspension = Suspension::default();
        assert!(!suspension.is_impatient());
        suspension.resume();
        suspension.begin("a", Duration::from_secs(10));
        assert!(suspension.is_impatient());
        suspension.resume();
        assert!(!suspension.is_impatient());
        suspension.begin("a", Duration::from_secs(10));
        assert!(suspension.is_impatient());
        suspension.end("a");
        assert!(!suspension.is_impatient());
    }
}
