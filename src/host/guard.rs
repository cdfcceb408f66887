//! The guard between rsyslogd and Rust.
//!
//! Every entry point runs inside `guard`. rsyslogd cancels its threads (`pthread_cancel`), and a cancelled Rust frame
//! aborts the process, so cancellation is off while we are inside; a panic is caught, logged once and answered with a
//! status. Any thread of the host may come through here.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::log;
use super::status::Status;
use crate::abi;

unsafe extern "C" {
    // pthread_setcancelstate(3); the libc crate has no binding for it on Linux.
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// Restores the thread's cancellation state when dropped, also when a panic passes by.
struct CancellationOff {
    before: c_int,
}

impl CancellationOff {
    fn new() -> Self {
        let mut before = 0;
        // SAFETY: `before` is a live int; the call cannot fail with this state (pthread_setcancelstate(3)).
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Self { before }
    }
}

impl Drop for CancellationOff {
    fn drop(&mut self) {
        // SAFETY: this is the state the host had set; a null old pointer is allowed on Linux. The call is no cancellation
        // point, so a pending cancellation acts only once the host's own code runs again.
        unsafe { pthread_setcancelstate(self.before, std::ptr::null_mut()) };
    }
}

/// Runs an entry point's body: cancellation off, panics caught, the answer as the host's number.
pub(super) fn guard(entry_point: &'static str, body: impl FnOnce() -> Status) -> abi::rsRetVal {
    guard_or(entry_point, Status::Failed, body)
}

/// [`guard`] with another answer for a panic: `tryResume` may say nothing but OK and SUSPENDED, since any other number
/// makes the host loop for ever (action.c:855).
pub(super) fn guard_or(entry_point: &'static str, panicked: Status, body: impl FnOnce() -> Status) -> abi::rsRetVal {
    let _cancellation_off = CancellationOff::new();
    catch(entry_point, body).unwrap_or(panicked).code()
}

/// The panic half of the guard, for the module's own threads. `None` after a panic, which has been logged.
pub fn catch<T>(place: &str, body: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let what = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no message");
            log::error(&format!("internal error in {place} ({what}); please report it"));
            // A payload whose own drop panics must not get past the guard.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancellation_state() -> c_int {
        let mut before = 0;
        // SAFETY: as in CancellationOff::new; the state found is put back at once.
        unsafe {
            pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before);
            pthread_setcancelstate(before, std::ptr::null_mut());
        }
        before
    }

    #[test]
    fn a_panic_becomes_a_status_and_cancellation_is_restored() {
        let before = cancellation_state();
        let mut inside = -1;
        let answer = guard("test", || {
            inside = cancellation_state();
            panic!("on purpose");
        });
        assert_eq!(answer, Status::Failed.code());
        assert_eq!(inside, PTHREAD_CANCEL_DISABLE);
        assert_eq!(cancellation_state(), before);
    }

    #[test]
    fn a_panicking_resume_says_suspended() {
        assert_eq!(guard_or("tryResume", Status::Suspended, || panic!("{}", "on purpose")), Status::Suspended.code());
    }
}
