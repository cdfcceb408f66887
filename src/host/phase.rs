//! The phases of rsyslogd's life as types.
//!
//! The configuration is loaded BEFORE rsyslogd forks, and the child closes every descriptor from 3 up (rsyslogd.c:356);
//! `-N1` never gets further. Opening a socket or starting a thread takes a token of a later phase, and
//! only the entry points of those phases make one.

/// Proof that rsyslogd has forked and still has the privileges it was started with (`activateCnfPrePrivDrop`).
#[derive(Clone, Copy, Debug)]
pub struct BeforePrivilegeDrop(());

/// Proof that rsyslogd has forked and dropped its privileges (`activateCnf` and everything after it).
#[derive(Clone, Copy, Debug)]
pub struct Running(());

impl BeforePrivilegeDrop {
    pub(super) const fn entered() -> Self {
        Self(())
    }
}

impl Running {
    pub(super) const fn entered() -> Self {
        Self(())
    }
}
