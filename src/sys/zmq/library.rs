//! The libzmq at run time: what it is and has.

use std::ffi::{CStr, c_void};

/// Whether the libzmq at run time has `capability` (`"curve"`, `"draft"`, `"ipc"`, ..; zmq_has(3)).
#[must_use]
pub fn has(capability: &str) -> bool {
    zmq::has(capability).unwrap_or(false)
}

/// Whether the libzmq at run time reports to its monitors when a handshake is over. There is no capability to ask for; the events
/// became stable together with zmq_stopwatch_intermediate (zmq.h of 4.3.0), and where both are drafts they come together too.
/// Measured with 4.2.5, which has neither: a connection is reported, and its handshake is not.
#[must_use]
pub fn reports_handshakes() -> bool {
    !optional_function(c"zmq_stopwatch_intermediate").is_null()
}

/// The run-time libzmq's (major, minor, patch).
#[must_use]
pub fn version() -> (i32, i32, i32) {
    zmq::version()
}

/// A function of the libzmq at run time that not every release or build has; null where it is missing.
pub(in crate::sys) fn optional_function(name: &CStr) -> *mut c_void {
    // libzmq is linked in, but a module's own dependencies are not in the global scope: look in libzmq itself.
    // SAFETY: dlopen with NOLOAD only looks up a library that is loaded already; both arguments are valid.
    let library = unsafe { libc::dlopen(c"libzmq.so.5".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
    if library.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: the handle is live and never closed; the name is NUL-terminated.
    unsafe { libc::dlsym(library, name.as_ptr()) }
}
