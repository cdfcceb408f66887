//! What is said about an action that suspends itself to spare rsyslog's main queue: one line when it begins, one when it ends.
//!
//! Any worker of the action may come here. The line about the beginning is written while the main queue may be full, so it
//! goes to standard error as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::host::log;

/// Whether an action has suspended itself.
#[derive(Debug, Default)]
pub(super) struct Suspension(AtomicBool);

impl Suspension {
    /// Nobody took anything for this long.
    pub(super) fn begin(&self, name: &str, standstill: Duration) {
        if !self.0.swap(true, Ordering::Relaxed) {
            log::urgent_warning(&format!(
                "{name}: no peer took anything for {} s; suspended, rsyslog tries again after action.resumeInterval; add \
                 queue.type=\"LinkedList\" to the action to keep the messages",
                standstill.as_secs()
            ));
        }
    }

    /// Something was taken.
    pub(super) fn end(&self, name: &str) {
        if self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed) {
            log::urgent_notice(&format!("{name}: messages are taken again; no longer suspended"));
        }
    }
}
