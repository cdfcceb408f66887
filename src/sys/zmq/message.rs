//! Messages: one frame each.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::draft::draft;
use super::error::check;
use super::{Error, Result};

/// One frame of a ZeroMQ message.
#[repr(transparent)]
pub struct Message {
    pub(super) raw: zmq_sys::zmq_msg_t,
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
    pub(in crate::sys) fn fill(memory: &mut [MaybeUninit<u8>], write: impl for<'w> FnOnce(&mut Writer<'w>)) {
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
    pub(in crate::sys) unsafe fn of(
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
        let Some(function) = draft().set_group else { return Err(Error::from_errno(libc::ENOTSUP)) };
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
