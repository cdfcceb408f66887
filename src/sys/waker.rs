//! Waking a thread that sleeps in `zmq_poll`: an eventfd (eventfd(2)).

use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Any thread may wake; one thread polls the descriptor and clears it.
#[derive(Debug)]
pub struct Waker {
    descriptor: EventFd,
}

impl Waker {
    /// A waker without a wake.
    pub fn new() -> std::io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self { descriptor: EventFd::from_flags(flags)? })
    }

    /// Makes the descriptor readable until [`Waker::clear`].
    pub fn wake(&self) {
        // It can only fail when the counter is full, and then the descriptor is readable already.
        let _ = self.descriptor.write(1);
    }

    /// Forgets every wake so far.
    pub fn clear(&self) {
        // Nothing to read is no error here.
        let _ = self.descriptor.read();
    }

    /// The descriptor to poll for reading.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

/// A waker that is made before its descriptor may be: rsyslogd closes every descriptor when it forks.
#[derive(Debug, Default)]
pub struct LateWaker {
    waker: OnceLock<Waker>,
}

impl LateWaker {
    /// Opens the descriptor, once. Before that a wake does nothing: no thread can be asleep on it.
    pub fn open(&self) -> std::io::Result<()> {
        if self.waker.get().is_none() {
            let _ = self.waker.set(Waker::new()?);
        }
        Ok(())
    }

    /// As [`Waker::wake`].
    pub fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// As [`Waker::clear`].
    pub fn clear(&self) {
        if let Some(waker) = self.waker.get() {
            waker.clear();
        }
    }

    /// As [`Waker::descriptor`]; -1, which no poll accepts, before it is open.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.waker.get().map_or(-1, Waker::descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::zmq::{POLLIN, PollItem, poll};

    #[test]
    fn a_wake_before_the_poll_is_not_lost() {
        let waker = Waker::new().unwrap();
        let ready = |timeout| poll(&mut [PollItem::descriptor(waker.descriptor(), POLLIN)], timeout).unwrap();
        assert_eq!(ready(0), 0);
        waker.wake();
        waker.wake();
        assert_eq!(ready(-1), 1);
        waker.clear();
        assert_eq!(ready(0), 0);
    }
}
