//! An action that suspends itself to spare rsyslog's main queue: whether it still waits, and what is logged about it.
//!
//! The host offers a refused batch again, message by message and then whole, before it counts the action as suspended
//! (action.c actionCommit). None of that waits once more: only after a resumption, which the host asks for, does the
//! action wait again. Any worker of the action may come here. The line about the beginning is written while the main queue
//! may be full, so it goes to standard error as well.

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
    pub(super) fn refuses_at_once(&self) -> bool {
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
    fn only_after_a_resumption_does_the_action_wait_again() {
        let suspension = Suspension::default();
        assert!(!suspension.refuses_at_once());
        suspension.resume();
        suspension.begin("a", Duration::from_secs(10));
        assert!(suspension.refuses_at_once());
        suspension.resume();
        assert!(!suspension.refuses_at_once());
        suspension.begin("a", Duration::from_secs(10));
        assert!(suspension.refuses_at_once());
        suspension.end("a");
        assert!(!suspension.refuses_at_once());
    }
}
