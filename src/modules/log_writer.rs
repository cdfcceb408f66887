//! Log lines that must not wait: a thread of their own writes them.
//!
//! rsyslog's own messages go through its main queue, and writing one waits while that is full. What watches connections, what
//! authenticates, and a worker that sends while it holds a socket's lock must not wait for that: they leave their lines here.
//! Lines that find no room are counted, and the count is written when there is room again.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::host::log;
use crate::sys::signals::spawn_without_signals;

/// Lines that may wait.
const MOST: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
    Notice,
    Info,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<(Severity, String)>,
    unwritten: u64,
    /// There is a thread that writes them.
    is_served: bool,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Leaves lines for the thread. Where there is no thread, a line is written at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Shared>);

impl Log {
    pub(super) fn error(&self, text: String) {
        self.line(Severity::Error, text);
    }

    pub(super) fn warning(&self, text: String) {
        self.line(Severity::Warning, text);
    }

    pub(super) fn notice(&self, text: String) {
        self.line(Severity::Notice, text);
    }

    pub(super) fn info(&self, text: String) {
        self.line(Severity::Info, text);
    }

    fn line(&self, severity: Severity, text: String) {
        let mut state = self.0.lock();
        if !state.is_served {
            drop(state);
            write(severity, &text);
        } else if state.lines.len() >= MOST {
            state.unwritten += 1;
        } else {
            state.lines.push_back((severity, text));
            drop(state);
            self.0.changed.notify_one();
        }
    }

    /// Starts the thread, not before the process may have one.
    pub(super) fn serve(&self) -> std::io::Result<Writer> {
        self.0.lock().is_served = true;
        let shared = Arc::clone(&self.0);
        match spawn_without_signals("zmq-log", move || shared.run()) {
            Ok(thread) => Ok(Writer { shared: Arc::clone(&self.0), thread: Some(thread) }),
            Err(error) => {
                self.0.lock().is_served = false;
                Err(error)
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some((severity, text)) = state.lines.pop_front() {
                drop(state);
                write(severity, &text);
                state = self.lock();
            } else if state.unwritten > 0 {
                let unwritten = std::mem::take(&mut state.unwritten);
                drop(state);
                write(Severity::Warning, &format!("{unwritten} lines about connections could not be written in time"));
                state = self.lock();
            } else if state.is_closed {
                state.is_served = false;
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// The thread. Dropping it writes what is left, and ends it.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(severity: Severity, text: &str) {
    match severity {
        Severity::Error => log::error(text),
        Severity::Warning => log::warning(text),
        Severity::Notice => log::notice(text),
        Severity::Info => log::info(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_while_nothing_is_written_and_counted_beyond() {
        let log = Log::default();
        log.0.lock().is_served = true;
        for number in 0..MOST + 50 {
            log.warning(format!("line {number}"));
        }
        let state = log.0.lock();
        assert_eq!((state.lines.len(), state.unwritten), (MOST, 50));
    }

    #[test]
    fn what_is_left_is_written_before_the_end() {
        let log = Log::default();
        let writer = log.serve().unwrap();
        for number in 0..1000 {
            log.notice(format!("line {number}"));
        }
        drop(writer);
        let state = log.0.lock();
        assert!(state.lines.is_empty() && state.unwritten == 0 && !state.is_served);
    }
}
