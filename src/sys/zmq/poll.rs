//! Waiting for sockets and descriptors.

use std::ffi::{c_int, c_long};
use std::marker::PhantomData;
use std::os::fd::RawFd;

use super::{Error, POLLIN, POLLOUT, Result, Socket};

/// What [`poll`] waits for on one socket or descriptor, and then what is ready.
#[repr(transparent)]
pub struct PollItem<'a> {
    raw: zmq_sys::zmq_pollitem_t,
    _socket: PhantomData<&'a Socket>,
}

impl<'a> PollItem<'a> {
    /// Waits for `events` ([`POLLIN`], [`POLLOUT`]) on a socket.
    #[must_use]
    pub fn socket(socket: &'a Socket, events: i16) -> Self {
        Self { raw: zmq_sys::zmq_pollitem_t { socket: socket.raw, fd: 0, events, revents: 0 }, _socket: PhantomData }
    }

    /// Waits for `events` on a descriptor.
    #[must_use]
    pub fn descriptor(descriptor: RawFd, events: i16) -> Self {
        Self {
            raw: zmq_sys::zmq_pollitem_t { socket: std::ptr::null_mut(), fd: descriptor, events, revents: 0 },
            _socket: PhantomData,
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
    let count = c_int::try_from(items.len()).map_err(|_| Error::from_errno(libc::EINVAL))?;
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
