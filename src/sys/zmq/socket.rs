//! Sockets.

use std::ffi::{CStr, CString, c_int, c_void};

use super::draft::draft;
use super::error::check;
use super::{Context, Error, Message, Result, option};

/// A socket; closed when dropped.
pub struct Socket {
    pub(super) raw: *mut c_void,
    pub(super) context: Context,
}

// SAFETY: a libzmq socket may be handed from one thread to another with a full memory barrier (zmq_socket(3)); every way of
// moving a value between threads in Rust is one. It is not `Sync`.
unsafe impl Send for Socket {}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the socket is live and closed only here.
        unsafe { zmq_sys::zmq_close(self.raw) };
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Socket")
    }
}

fn text_argument(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::from_errno(libc::EINVAL))
}

impl Socket {
    /// The context the socket belongs to.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Sets an option whose value is a C `int` (most of them).
    pub fn set_int(&self, option: c_int, value: c_int) -> Result<()> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option whose value is an `int64_t` (`MAXMSGSIZE`).
    pub fn set_i64(&self, option: c_int, value: i64) -> Result<()> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option whose value is a byte string (`SUBSCRIBE`, keys, `ZAP_DOMAIN`).
    pub fn set_bytes(&self, option: c_int, value: &[u8]) -> Result<()> {
        // SAFETY: the socket is live; the pointer and length are of one slice, which libzmq copies.
        check(unsafe { zmq_sys::zmq_setsockopt(self.raw, option, value.as_ptr().cast(), value.len()) })
    }

    /// Reads an option whose value is a C `int`.
    pub fn get_int(&self, option: c_int) -> Result<c_int> {
        let mut value: c_int = 0;
        let mut length = size_of::<c_int>();
        // SAFETY: the socket is live; value and length describe one int.
        check(unsafe { zmq_sys::zmq_getsockopt(self.raw, option, (&raw mut value).cast(), &raw mut length) })?;
        Ok(value)
    }

    /// The endpoint the last `bind` really got, with the port that a wildcard was given.
    pub fn last_endpoint(&self) -> Result<String> {
        let mut buffer = [0_u8; 1024];
        let mut length = buffer.len();
        // SAFETY: the socket is live; pointer and length describe one buffer.
        check(unsafe {
            zmq_sys::zmq_getsockopt(self.raw, option::LAST_ENDPOINT, buffer.as_mut_ptr().cast(), &raw mut length)
        })?;
        let text = buffer.get(..length).unwrap_or_default();
        let text = text.strip_suffix(&[0]).unwrap_or(text);
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Listens on an endpoint.
    pub fn bind(&self, endpoint: &str) -> Result<()> {
        let endpoint = text_argument(endpoint)?;
        // SAFETY: the socket is live and the string NUL-terminated.
        check(unsafe { zmq_sys::zmq_bind(self.raw, endpoint.as_ptr()) })
    }

    /// Connects to an endpoint, now or as soon as it can be reached.
    pub fn connect(&self, endpoint: &str) -> Result<()> {
        let endpoint = text_argument(endpoint)?;
        // SAFETY: as for `bind`.
        check(unsafe { zmq_sys::zmq_connect(self.raw, endpoint.as_ptr()) })
    }

    /// Stops listening on an endpoint and ends its connections; what has arrived stays readable.
    pub fn unbind(&self, endpoint: &str) -> Result<()> {
        let endpoint = text_argument(endpoint)?;
        // SAFETY: as for `bind`.
        check(unsafe { zmq_sys::zmq_unbind(self.raw, endpoint.as_ptr()) })
    }

    /// Ends the connection to an endpoint.
    pub fn disconnect(&self, endpoint: &str) -> Result<()> {
        let endpoint = text_argument(endpoint)?;
        // SAFETY: as for `bind`.
        check(unsafe { zmq_sys::zmq_disconnect(self.raw, endpoint.as_ptr()) })
    }

    /// Publishes this socket's events on a PAIR socket at `endpoint` (inproc only).
    pub fn monitor(&self, endpoint: &str, events: u16) -> Result<()> {
        let endpoint = text_argument(endpoint)?;
        // SAFETY: as for `bind`.
        check(unsafe { zmq_sys::zmq_socket_monitor(self.raw, endpoint.as_ptr(), c_int::from(events)) })
    }

    /// Sends one frame. On success the message is empty again; on failure it is untouched and may be sent again.
    pub fn send(&self, message: &mut Message, flags: c_int) -> Result<()> {
        // SAFETY: socket and message are live; on success libzmq takes the content and leaves an empty message.
        check(unsafe { zmq_sys::zmq_msg_send(&raw mut message.raw, self.raw, flags) })
    }

    /// Sends one frame made of these bytes.
    pub fn send_bytes(&self, bytes: &[u8], flags: c_int) -> Result<()> {
        // SAFETY: the socket is live; pointer and length are of one slice, which libzmq copies.
        check(unsafe { zmq_sys::zmq_send(self.raw, bytes.as_ptr().cast(), bytes.len(), flags) })
    }

    /// Receives one frame into `message`, whose old content is dropped.
    pub fn receive(&self, message: &mut Message, flags: c_int) -> Result<()> {
        // SAFETY: socket and message are live; libzmq closes the old content.
        check(unsafe { zmq_sys::zmq_msg_recv(&raw mut message.raw, self.raw, flags) })
    }

    /// Joins a group (DISH); `ENOTSUP` without the draft API.
    pub fn join(&self, group: &CStr) -> Result<()> {
        let Some(function) = draft().join else { return Err(Error::from_errno(libc::ENOTSUP)) };
        // SAFETY: the symbol is libzmq's zmq_join, whose signature this is; both arguments are live.
        check(unsafe { function(self.raw, group.as_ptr()) })
    }
}
