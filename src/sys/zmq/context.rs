//! Contexts.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use super::{Error, Result, Socket};

struct ContextHandle(*mut c_void);

// SAFETY: a libzmq context is thread safe (zmq_ctx_new(3)).
unsafe impl Send for ContextHandle {}
// SAFETY: as above.
unsafe impl Sync for ContextHandle {}

impl Drop for ContextHandle {
    fn drop(&mut self) {
        loop {
            // SAFETY: the handle is live and this is its only termination; every socket holds a clone of the context, so
            // all of them are closed by now and the call does not wait for one.
            let rc = unsafe { zmq_sys::zmq_ctx_term(self.0) };
            if rc == 0 || !Error::last().interrupted() {
                return;
            }
        }
    }
}

/// A ZeroMQ context; clones share it, and each socket holds one. Dropping the last one ends its I/O threads, after the
/// linger of its closed sockets.
#[derive(Clone)]
pub struct Context {
    handle: Arc<ContextHandle>,
}

impl Context {
    /// A context with one I/O thread, which starts with the first socket.
    pub fn new() -> Result<Self> {
        // SAFETY: no preconditions (zmq_ctx_new(3)).
        let raw = unsafe { zmq_sys::zmq_ctx_new() };
        if raw.is_null() {
            return Err(Error::last());
        }
        Ok(Self { handle: Arc::new(ContextHandle(raw)) })
    }

    /// A socket of a type from [`super::kind`]; `EINVAL` where this libzmq has no such type.
    pub fn socket(&self, socket_kind: c_int) -> Result<Socket> {
        // SAFETY: the context is live: `self` holds it.
        let raw = unsafe { zmq_sys::zmq_socket(self.handle.0, socket_kind) };
        if raw.is_null() {
            return Err(Error::last());
        }
        Ok(Socket { raw, context: self.clone() })
    }

    /// Lets the context have so many sockets; before the first one.
    #[cfg(test)]
    pub(crate) fn limit_sockets(&self, count: c_int) {
        // SAFETY: the context is live: `self` holds it.
        assert_eq!(unsafe { zmq_sys::zmq_ctx_set(self.handle.0, zmq_sys::ZMQ_MAX_SOCKETS as c_int, count) }, 0);
    }

    /// Makes every socket of the context fail with `ETERM` from now on, as its termination would.
    #[cfg(test)]
    pub(crate) fn shut_down(&self) {
        // SAFETY: the context is live: `self` holds it.
        assert_eq!(unsafe { zmq_sys::zmq_ctx_shutdown(self.handle.0) }, 0);
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}
