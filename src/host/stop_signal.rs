//! How the host says that it wants to stop.

use std::time::Duration;

use nix::poll::{PollTimeout, poll};

use super::Host;

/// Whether the host has begun to stop: it sets this before it stops the inputs, and with them everything else
/// (threads.c:109).
#[must_use]
pub fn host_is_stopping() -> bool {
    let Some(get) = Host::get().and_then(|host| host.interfaces.input_term_state) else { return false };
    // SAFETY: glbl.GetGlobalInputTermState takes nothing and reads one flag.
    unsafe { get() != 0 }
}

/// Sleeps until the host begins to stop. The host's SIGTTIN cuts the sleep short; a signal that comes between the check
/// and the sleep costs at most a quarter of a second, well within the host's 1000 ms (inputs.timeout.shutdown).
pub fn wait_until_host_stops() {
    while !host_is_stopping() {
        sleep_or_signal(Duration::from_millis(250));
    }
}

fn sleep_or_signal(longest: Duration) {
    let longest = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
    // No descriptors: it returns after the time or with a signal.
    let _ = poll(&mut [], longest);
}
