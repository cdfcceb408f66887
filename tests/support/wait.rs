//! Waiting for a condition with a deadline.

use std::time::{Duration, Instant};

/// For what takes moments on an idle machine.
pub const SHORT: Duration = Duration::from_secs(20);
/// For what moves many messages.
pub const LONG: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(10);

/// Looks at `condition` until it holds; fails the test with `what` when it does not within `limit`.
pub fn wait_until(what: &str, limit: Duration, condition: impl FnMut() -> bool) {
    assert!(becomes_true(limit, condition), "waited {limit:?} in vain for {what}");
}

/// Whether `condition` comes to hold within `limit`.
pub fn becomes_true(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(STEP);
    }
}
