//! libzmq's C interface as safe values.
//!
//! The `zmq` crate panics on an errno, socket type or event that it does not know, loses a message whose send would
//! block, and lacks the draft types and the newer options, so contexts, sockets and messages are wrapped here directly.
//! A [`Socket`] is `Send` but not `Sync`: it belongs to one thread at a time, as libzmq demands.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Socket types by libzmq's numbers (zmq.h), the draft ones included.
pub mod kind {
    #![allow(missing_docs)]
    use std::ffi::c_int;
    pub const PAIR: c_int = 0;
    pub const PUB: c_int = 1;
    pub const SUB: c_int = 2;
    pub const REQ: c_int = 3;
    pub const REP: c_int = 4;
    pub const DEALER: c_int = 5;
    pub const ROUTER: c_int = 6;
    pub const PULL: c_int = 7;
    pub const PUSH: c_int = 8;
    pub const XPUB: c_int = 9;
    pub const XSUB: c_int = 10;
    pub const STREAM: c_int = 11;
    pub const SERVER: c_int = 12;
    pub const CLIENT: c_int = 13;
    pub const RADIO: c_int = 14;
    pub const DISH: c_int = 15;
    pub const GATHER: c_int = 16;
    pub const SCATTER: c_int = 17;
}

/// Socket options by libzmq's numbers (zmq.h of 4.3.5).
pub mod option {
    #![allow(missing_docs)]
    use std::ffi::c_int;
    pub const AFFINITY: c_int = 4;
    pub const ROUTING_ID: c_int = 5;
    pub const SUBSCRIBE: c_int = 6;
    pub const UNSUBSCRIBE: c_int = 7;
    pub const RCVMORE: c_int = 13;
    pub const FD: c_int = 14;
    pub const EVENTS: c_int = 15;
    pub const TYPE: c_int = 16;
    pub const LINGER: c_int = 17;
    pub const RECONNECT_IVL: c_int = 18;
    pub const BACKLOG: c_int = 19;
    pub const RECONNECT_IVL_MAX: c_int = 21;
    pub const MAXMSGSIZE: c_int = 22;
    pub const SNDHWM: c_int = 23;
    pub const RCVHWM: c_int = 24;
    pub const RCVTIMEO: c_int = 27;
    pub const SNDTIMEO: c_int = 28;
    pub const LAST_ENDPOINT: c_int = 32;
    pub const ROUTER_MANDATORY: c_int = 33;
    pub const TCP_KEEPALIVE: c_int = 34;
    pub const TCP_KEEPALIVE_CNT: c_int = 35;
    pub const TCP_KEEPALIVE_IDLE: c_int = 36;
    pub const TCP_KEEPALIVE_INTVL: c_int = 37;
    pub const XPUB_VERBOSE: c_int = 40;
    pub const IPV6: c_int = 42;
    pub const MECHANISM: c_int = 43;
    pub const CURVE_SERVER: c_int = 47;
    pub const CURVE_PUBLICKEY: c_int = 48;
    pub const CURVE_SECRETKEY: c_int = 49;
    pub const CURVE_SERVERKEY: c_int = 50;
    pub const ZAP_DOMAIN: c_int = 55;
    pub const TOS: c_int = 57;
    pub const HANDSHAKE_IVL: c_int = 66;
    pub const XPUB_NODROP: c_int = 69;
    pub const HEARTBEAT_IVL: c_int = 75;
    pub const HEARTBEAT_TTL: c_int = 76;
    pub const HEARTBEAT_TIMEOUT: c_int = 77;
    pub const XPUB_VERBOSER: c_int = 78;
    pub const CONNECT_TIMEOUT: c_int = 79;
    pub const USE_FD: c_int = 89;
    pub const ZAP_ENFORCE_DOMAIN: c_int = 93;
}

/// Socket monitor events (zmq.h), as bits.
pub mod event {
    #![allow(missing_docs)]
    pub const CONNECTED: u16 = 0x0001;
    pub const CONNECT_DELAYED: u16 = 0x0002;
    pub const CONNECT_RETRIED: u16 = 0x0004;
    pub const LISTENING: u16 = 0x0008;
    pub const BIND_FAILED: u16 = 0x0010;
    pub const ACCEPTED: u16 = 0x0020;
    pub const ACCEPT_FAILED: u16 = 0x0040;
    pub const CLOSED: u16 = 0x0080;
    pub const CLOSE_FAILED: u16 = 0x0100;
    pub const DISCONNECTED: u16 = 0x0200;
    pub const MONITOR_STOPPED: u16 = 0x0400;
    pub const HANDSHAKE_FAILED_NO_DETAIL: u16 = 0x0800;
    pub const HANDSHAKE_SUCCEEDED: u16 = 0x1000;
    pub const HANDSHAKE_FAILED_PROTOCOL: u16 = 0x2000;
    pub const HANDSHAKE_FAILED_AUTH: u16 = 0x4000;
    pub const ALL: u16 = 0xFFFF;
}

/// Do not block: fail with `EAGAIN`.
pub const DONTWAIT: c_int = 1;
/// More frames of the same message follow.
pub const SNDMORE: c_int = 2;
/// Readable, for [`poll`].
pub const POLLIN: i16 = 1;
/// Writable, for [`poll`].
pub const POLLOUT: i16 = 2;

/// An errno of libzmq or of the operating system; `Display` is libzmq's own text for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(c_int);

impl Error {
    /// The errno of the last failed libzmq call of this thread.
    fn last() -> Self {
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

fn check(rc: c_int) -> Result<()> {
    if rc == -1 { Err(Error::last()) } else { Ok(()) }
}

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

    /// A socket of a type from [`kind`]; `EINVAL` where this libzmq has no such type.
    pub fn socket(&self, socket_kind: c_int) -> Result<Socket> {
        // SAFETY: the context is live: `self` holds it.
        let raw = unsafe { zmq_sys::zmq_socket(self.handle.0, socket_kind) };
        if raw.is_null() {
            return Err(Error::last());
        }
        Ok(Socket { raw, context: self.clone() })
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

/// Whether the libzmq at run time has `capability` (`"curve"`, `"draft"`, `"ipc"`, ..; zmq_has(3)).
#[must_use]
pub fn has(capability: &str) -> bool {
    zmq::has(capability).unwrap_or(false)
}

/// Whether the libzmq at run time tells its monitors when a handshake is over. There is no capability to ask for; the events
/// became stable together with zmq_stopwatch_intermediate (zmq.h of 4.3.0), and where both are drafts they come together too.
/// Measured with 4.2.5, which has neither: a connection is made, and nobody hears of its handshake.
#[must_use]
pub fn reports_handshakes() -> bool {
    !optional_function(c"zmq_stopwatch_intermediate").is_null()
}

/// The run-time libzmq's (major, minor, patch).
#[must_use]
pub fn version() -> (i32, i32, i32) {
    zmq::version()
}

/// A socket; closed when dropped.
pub struct Socket {
    raw: *mut c_void,
    context: Context,
}

// SAFETY: a libzmq socket may be handed from one thread to another with a full fence (zmq_socket(3)); every way of moving
// a value between threads in Rust is one. It is not `Sync`.
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
    CString::new(text).map_err(|_| Error(libc::EINVAL))
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
}

/// One frame of a ZeroMQ message.
#[repr(transparent)]
pub struct Message {
    raw: zmq_sys::zmq_msg_t,
}

// SAFETY: a zmq_msg_t is plain data that may be built in one thread and sent in another; shared content is counted
// atomically (zmq_msg_copy(3)).
unsafe impl Send for Message {}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: every Message is initialised, and closed only here.
        unsafe { zmq_sys::zmq_msg_close(&raw mut self.raw) };
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the content: it may be a log record or a key.
        write!(f, "Message({} bytes)", self.as_slice().len())
    }
}

/// Fills a new message from its start; see [`Message::written`].
///
/// `'w` belongs to one message: the writers of two messages have two types, so that neither can take the other's place
/// and outlive its memory.
///
/// ```
/// use rsyslog_zmq::sys::zmq::Message;
/// let outer = Message::written(1, |outer| {
///     let inner = Message::written(1, |inner| inner.put(b"i"));
///     outer.put(b"o");
/// });
/// ```
///
/// ```compile_fail
/// use rsyslog_zmq::sys::zmq::Message;
/// let outer = Message::written(1, |outer| {
///     let inner = Message::written(1, |inner| std::mem::swap(outer, inner));
///     outer.put(b"o");
/// });
/// ```
pub struct Writer<'w> {
    left: &'w mut [MaybeUninit<u8>],
}

impl Writer<'_> {
    /// Lets `write` fill `memory`; what it leaves out is zero. All of `memory` is initialised afterwards, since the
    /// only writer with this lifetime still has the rest of it.
    pub(super) fn fill(memory: &mut [MaybeUninit<u8>], write: impl for<'w> FnOnce(&mut Writer<'w>)) {
        let mut writer = Writer { left: memory };
        write(&mut writer);
        writer.left.fill(MaybeUninit::new(0));
    }

    /// Puts these bytes in, as far as there is room.
    pub fn put(&mut self, bytes: &[u8]) {
        let left = std::mem::take(&mut self.left);
        let length = bytes.len().min(left.len());
        let (to, left) = left.split_at_mut(length);
        // SAFETY: `MaybeUninit<u8>` has the layout of `u8` (the standard library's promise), and the length is at most
        // the slice's own.
        to.copy_from_slice(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<MaybeUninit<u8>>(), length) });
        self.left = left;
    }
}

impl Message {
    /// An empty message, for receiving into.
    #[must_use]
    pub fn new() -> Self {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: zmq_msg_init initialises the memory it is given and cannot fail.
        unsafe { zmq_sys::zmq_msg_init(raw.as_mut_ptr()) };
        // SAFETY: initialised by the line above.
        Self { raw: unsafe { raw.assume_init() } }
    }

    /// A message whose content is these parts, one after the other: one allocation (none up to about 30 bytes).
    /// `ENOMEM` is the only error.
    pub fn from_parts(parts: &[&[u8]]) -> Result<Self> {
        let length = parts.iter().map(|part| part.len()).sum();
        Self::written(length, |writer| {
            for part in parts {
                writer.put(part);
            }
        })
    }

    /// A message of exactly `length` bytes that `write` puts in; what it leaves out is zero, what it puts in beyond is
    /// dropped. `ENOMEM` is the only error.
    pub fn written(length: usize, write: impl for<'w> FnOnce(&mut Writer<'w>)) -> Result<Self> {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: zmq_msg_init_size initialises the memory it is given where it succeeds.
        check(unsafe { zmq_sys::zmq_msg_init_size(raw.as_mut_ptr(), length) })?;
        // SAFETY: initialised by the line above.
        let mut message = Self { raw: unsafe { raw.assume_init() } };
        // SAFETY: the message is live.
        let to = unsafe { zmq_sys::zmq_msg_data(&raw mut message.raw) }.cast::<MaybeUninit<u8>>();
        if !to.is_null() {
            // SAFETY: libzmq promises `length` bytes there, initialised or not, to which nothing else refers.
            let memory = unsafe { std::slice::from_raw_parts_mut(to, length) };
            Writer::fill(memory, write);
        }
        Ok(message)
    }

    /// A message whose content lies elsewhere. `ENOMEM` is the only error; `gone` is not called then.
    ///
    /// # Safety
    /// The bytes stay alive and unchanged until libzmq calls `gone` with `hint`, once and in any thread.
    pub(super) unsafe fn of(
        start: NonNull<u8>,
        length: usize,
        gone: unsafe extern "C" fn(*mut c_void, *mut c_void),
        hint: *mut c_void,
    ) -> Result<Self> {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: zmq_msg_init_data initialises the memory it is given where it succeeds; the rest is the caller's promise.
        check(unsafe {
            zmq_sys::zmq_msg_init_data(raw.as_mut_ptr(), start.as_ptr().cast(), length, Some(gone), hint)
        })?;
        // SAFETY: initialised by the line above.
        Ok(Self { raw: unsafe { raw.assume_init() } })
    }

    /// A second handle on the same content: nothing is copied but the handle (short messages are copied whole).
    pub fn share(&mut self) -> Result<Self> {
        let mut copy = Self::new();
        // SAFETY: both messages are live.
        check(unsafe { zmq_sys::zmq_msg_copy(&raw mut copy.raw, &raw mut self.raw) })?;
        Ok(copy)
    }

    /// The content's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: the message is live; zmq_msg_size only reads it.
        unsafe { zmq_sys::zmq_msg_size(&raw const self.raw) }
    }

    /// Whether there is no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let raw = (&raw const self.raw).cast_mut();
        // SAFETY: the message is live; zmq_msg_data does not change it although its C signature is not const.
        let data = unsafe { zmq_sys::zmq_msg_data(raw) }.cast::<u8>();
        // SAFETY: as above.
        let length = unsafe { zmq_sys::zmq_msg_size(raw) };
        if data.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: libzmq promises `length` readable bytes at `data` while the message lives and is not sent.
        unsafe { std::slice::from_raw_parts(data, length) }
    }

    /// Whether more frames of the same message follow.
    #[must_use]
    pub fn has_more(&self) -> bool {
        // SAFETY: the message is live; zmq_msg_more only reads it.
        unsafe { zmq_sys::zmq_msg_more(&raw const self.raw) != 0 }
    }

    /// A property of the connection the message came by: `Peer-Address`, `User-Id`, `Socket-Type`, `__fd`, or one that
    /// the ZAP handler returned (zmq_msg_gets(3)).
    #[must_use]
    pub fn property(&self, name: &CStr) -> Option<&str> {
        // SAFETY: message and name are live; the result belongs to the message's metadata.
        let value = unsafe { zmq_sys::zmq_msg_gets((&raw const self.raw).cast_mut(), name.as_ptr()) };
        if value.is_null() {
            return None;
        }
        // SAFETY: libzmq returns a NUL-terminated string that lives as long as the message's content.
        unsafe { CStr::from_ptr(value) }.to_str().ok()
    }

    /// Sets the group of a RADIO message (at most 255 bytes on current releases); `ENOTSUP` without the draft API.
    pub fn set_group(&mut self, group: &CStr) -> Result<()> {
        let Some(function) = draft().set_group else { return Err(Error(libc::ENOTSUP)) };
        // SAFETY: the symbol is libzmq's zmq_msg_set_group, whose signature this is; both arguments are live.
        check(unsafe { function(&raw mut self.raw, group.as_ptr()) })
    }

    /// The group of a message that DISH received.
    #[must_use]
    pub fn group(&self) -> Option<&CStr> {
        let function = draft().group?;
        // SAFETY: the symbol is libzmq's zmq_msg_group, whose signature this is; the message is live.
        let value = unsafe { function((&raw const self.raw).cast_mut()) };
        // SAFETY: a NUL-terminated string inside the message.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
    }
}

impl Socket {
    /// Joins a group (DISH); `ENOTSUP` without the draft API.
    pub fn join(&self, group: &CStr) -> Result<()> {
        let Some(function) = draft().join else { return Err(Error(libc::ENOTSUP)) };
        // SAFETY: the symbol is libzmq's zmq_join, whose signature this is; both arguments are live.
        check(unsafe { function(self.raw, group.as_ptr()) })
    }
}

/// The draft API's functions, which a stable libzmq does not export.
struct Draft {
    set_group: Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t, *const c_char) -> c_int>,
    group: Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t) -> *const c_char>,
    join: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int>,
}

/// A function of the libzmq at run time that not every release or build has; null where it is missing.
pub(super) fn optional_function(name: &CStr) -> *mut c_void {
    // libzmq is linked in, but a module's own dependencies are not in the global scope: look in libzmq itself.
    // SAFETY: dlopen with NOLOAD only looks up a library that is loaded already; both arguments are valid.
    let library = unsafe { libc::dlopen(c"libzmq.so.5".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
    if library.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: the handle is live and never closed; the name is NUL-terminated.
    unsafe { libc::dlsym(library, name.as_ptr()) }
}

fn draft() -> &'static Draft {
    static DRAFT: OnceLock<Draft> = OnceLock::new();
    DRAFT.get_or_init(|| {
        if !has("draft") {
            return Draft { set_group: None, group: None, join: None };
        }
        // SAFETY: a null pointer becomes None; otherwise the symbol is the function of this name and signature (zmq.h
        // of 4.2 to 4.3.5, ZMQ_BUILD_DRAFT_API).
        unsafe {
            Draft {
                set_group: std::mem::transmute::<
                    *mut c_void,
                    Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t, *const c_char) -> c_int>,
                >(optional_function(c"zmq_msg_set_group")),
                group: std::mem::transmute::<
                    *mut c_void,
                    Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t) -> *const c_char>,
                >(optional_function(c"zmq_msg_group")),
                join: std::mem::transmute::<
                    *mut c_void,
                    Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int>,
                >(optional_function(c"zmq_join")),
            }
        }
    })
}

/// What [`poll`] waits for on one socket or descriptor, and then what is ready.
#[repr(transparent)]
pub struct PollItem<'a> {
    raw: zmq_sys::zmq_pollitem_t,
    _socket: std::marker::PhantomData<&'a Socket>,
}

impl<'a> PollItem<'a> {
    /// Waits for `events` ([`POLLIN`], [`POLLOUT`]) on a socket.
    #[must_use]
    pub fn socket(socket: &'a Socket, events: i16) -> Self {
        Self {
            raw: zmq_sys::zmq_pollitem_t { socket: socket.raw, fd: 0, events, revents: 0 },
            _socket: std::marker::PhantomData,
        }
    }

    /// Waits for `events` on a descriptor.
    #[must_use]
    pub fn descriptor(descriptor: RawFd, events: i16) -> Self {
        Self {
            raw: zmq_sys::zmq_pollitem_t { socket: std::ptr::null_mut(), fd: descriptor, events, revents: 0 },
            _socket: std::marker::PhantomData,
        }
    }

    /// Whether the last [`poll`] found something to read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.raw.revents & POLLIN != 0
    }

    /// Whether the last [`poll`] found room to write.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.raw.revents & POLLOUT != 0
    }
}

/// Waits until an item is ready, at most `timeout_ms` milliseconds (-1: for ever). Returns how many are; a signal counts
/// as none.
pub fn poll(items: &mut [PollItem<'_>], timeout_ms: i64) -> Result<usize> {
    let count = c_int::try_from(items.len()).map_err(|_| Error(libc::EINVAL))?;
    // A C long has 32 bits on some systems; 24 days are as good as any longer wait, since every caller goes round.
    let timeout_ms = c_long::try_from(timeout_ms).unwrap_or(c_long::MAX);
    // SAFETY: PollItem is a transparent wrapper of zmq_pollitem_t; sockets in it are live for 'a, and the slice is ours.
    let ready = unsafe { zmq_sys::zmq_poll(items.as_mut_ptr().cast(), count, timeout_ms) };
    match usize::try_from(ready) {
        Ok(ready) => Ok(ready),
        Err(_) if Error::last().interrupted() => Ok(0),
        Err(_) => Err(Error::last()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_concatenation_of_its_parts() {
        let message = Message::from_parts(&[b"topic", b"", b"record"]).unwrap();
        assert_eq!(message.as_slice(), b"topicrecord");
        assert!(Message::from_parts(&[]).unwrap().as_slice().is_empty());
    }

    #[test]
    fn a_written_message_has_its_length_whatever_is_put_in() {
        let message = Message::written(4, |writer| writer.put(b"ab")).unwrap();
        assert_eq!(message.as_slice(), b"ab\0\0");
        let message = Message::written(4, |writer| writer.put(b"abcdef")).unwrap();
        assert_eq!(message.as_slice(), b"abcd");
    }

    #[test]
    fn a_send_that_would_block_keeps_the_message() {
        let context = Context::new().unwrap();
        let socket = context.socket(kind::PUSH).unwrap();
        let mut message = Message::from_parts(&[b"still here"]).unwrap();
        let error = socket.send(&mut message, DONTWAIT).unwrap_err();
        assert!(error.would_block(), "{error:?}");
        assert_eq!(message.as_slice(), b"still here");
    }

    #[test]
    fn an_unknown_socket_type_and_a_nul_in_an_endpoint_are_errors() {
        let context = Context::new().unwrap();
        assert_eq!(context.socket(999).unwrap_err().errno(), libc::EINVAL);
        let socket = context.socket(kind::PULL).unwrap();
        assert_eq!(socket.bind("tcp://127.0.0.1:\0").unwrap_err().errno(), libc::EINVAL);
        let error = socket.bind("ipc:///nonexistent/directory/socket").unwrap_err();
        assert_eq!(error.errno(), libc::ENOENT);
    }

    #[test]
    fn frames_travel_with_their_more_flag() {
        let context = Context::new().unwrap();
        let pull = context.socket(kind::PULL).unwrap();
        pull.bind("inproc://frames").unwrap();
        let push = context.socket(kind::PUSH).unwrap();
        push.connect("inproc://frames").unwrap();
        push.send_bytes(b"one", SNDMORE).unwrap();
        push.send_bytes(b"two", 0).unwrap();
        let mut message = Message::new();
        pull.receive(&mut message, 0).unwrap();
        assert_eq!((message.as_slice(), message.has_more()), (&b"one"[..], true));
        pull.receive(&mut message, 0).unwrap();
        assert_eq!((message.as_slice(), message.has_more()), (&b"two"[..], false));
    }
}
