//! Signals as something that can be polled for: SIGINT and SIGTERM end a command, SIGHUP reloads where that means anything.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The end that is waited on; one thread owns it.
#[derive(Debug)]
pub struct Interrupts {
    reader: UnixStream,
    end: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

/// The end that can be pulled from inside.
#[derive(Debug)]
pub struct Waker {
    writer: UnixStream,
    end: Arc<AtomicBool>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To end.
    End,
    /// To read the configuration again.
    Reload,
    /// Nothing.
    Nothing,
}

/// Catches SIGINT and SIGTERM, and SIGHUP too where `reloads`. A second signal to end ends the process at once, should the
/// output be stuck.
pub fn catch(reloads: bool) -> std::io::Result<(Waker, Interrupts)> {
    let (writer, reader) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    let (end, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&end))?;
        signal_hook::flag::register(signal, Arc::clone(&end))?;
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    if reloads {
        signal_hook::flag::register(SIGHUP, Arc::clone(&reload))?;
        signal_hook::low_level::pipe::register(SIGHUP, writer.try_clone()?)?;
    }
    Ok((Waker { writer, end: Arc::clone(&end) }, Interrupts { reader, end, reload }))
}

impl Waker {
    /// As if a signal to end had come.
    pub fn end(&self) {
        self.end.store(true, Ordering::SeqCst);
        // A full pipe wakes as well.
        let _ = (&self.writer).write_all(b"x");
    }
}

impl Interrupts {
    /// What to poll.
    pub fn descriptor(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// Says what was asked for since the last call; ending comes first.
    pub fn take(&mut self) -> Asked {
        let mut buffer = [0; 64];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        if self.end.load(Ordering::SeqCst) {
            Asked::End
        } else if self.reload.swap(false, Ordering::SeqCst) {
            Asked::Reload
        } else {
            Asked::Nothing
        }
    }
}
