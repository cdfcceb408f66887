//! Failures of libzmq.

use std::ffi::{CStr, c_int};

/// An errno of libzmq or of the operating system; `Display` is libzmq's own text for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(c_int);

impl Error {
    /// The errno of the last failed libzmq call of this thread.
    pub(super) fn last() -> Self {
        // SAFETY: zmq_errno only reads this thread's errno (libzmq's promise).
        Self(unsafe { zmq_sys::zmq_errno() })
    }

    /// An error with this errno.
    #[must_use]
    pub const fn from_errno(errno: c_int) -> Self {
        Self(errno)
    }

    /// The number, as in `<errno.h>` or `<zmq.h>`.
    #[must_use]
    pub const fn errno(self) -> c_int {
        self.0
    }

    /// Nothing to receive, or no room to send, right now.
    #[must_use]
    pub const fn would_block(self) -> bool {
        self.0 == libc::EAGAIN
    }

    /// A signal arrived: call again.
    #[must_use]
    pub const fn interrupted(self) -> bool {
        self.0 == libc::EINTR
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SAFETY: zmq_strerror returns a NUL-terminated static or thread-local text for any number (libzmq's promise).
        let text = unsafe { CStr::from_ptr(zmq_sys::zmq_strerror(self.0)) };
        f.write_str(&text.to_string_lossy())
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Error({}: {self})", self.0)
    }
}

impl std::error::Error for Error {}

/// The result of a libzmq call.
pub type Result<T> = std::result::Result<T, Error>;

/// The error behind a return code of -1.
pub(in crate::sys) fn check(rc: c_int) -> Result<()> {
    if rc == -1 { Err(Error::last()) } else { Ok(()) }
}
