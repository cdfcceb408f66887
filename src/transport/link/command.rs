//! What others tell the thread that owns a socket.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::handle::LinkHandle;
use crate::curve::security::Security;
use crate::sys::waker::LateWaker;

/// Something to do with the socket.
#[derive(Debug)]
pub enum Command {
    /// Connect an endpoint, again or for the first time.
    Connect {
        /// The endpoint's place among the socket's.
        endpoint: usize,
        /// What to connect to.
        new: String,
    },
    /// Disconnect an endpoint, which is connected again later.
    Disconnect(usize),
    /// Open the socket anew with these keys.
    Rekey(Arc<Security>),
}

/// Any thread may give commands; the socket's thread polls the descriptor and takes them.
#[derive(Debug, Default)]
pub struct Commands {
    waker: LateWaker,
    is_stopping: AtomicBool,
    has_some: AtomicBool,
    waiting: Mutex<Vec<Command>>,
    link: Mutex<Option<LinkHandle>>,
}

impl Commands {
    /// The socket that is open from now on.
    pub fn set_link(&self, link: LinkHandle) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
    }

    /// The connections of the socket that is open, for the authenticator.
    #[must_use]
    pub fn link(&self) -> Option<LinkHandle> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the descriptor; before the thread starts, and not before the process may have descriptors.
    pub fn open(&self) -> std::io::Result<()> {
        self.waker.open()
    }

    /// Wakes the thread.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Forgets the wakes so far.
    pub fn clear(&self) {
        self.waker.clear();
    }

    /// The descriptor to poll for reading.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.waker.descriptor()
    }

    /// Tells the thread to stop, for good.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether the thread has been told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Gives a command. One about an endpoint takes the place of an earlier one about it (connecting disconnects first), so a
    /// thread that is held up finds at most one for each endpoint.
    pub fn give(&self, command: Command) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        remove_superseded(&mut waiting, &command);
        waiting.push(command);
        drop(waiting);
        self.has_some.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether commands wait; nearly free.
    #[must_use]
    pub fn has_some(&self) -> bool {
        self.has_some.load(Ordering::Relaxed)
    }

    /// The commands given since the last call; nearly free where there are none.
    #[must_use]
    pub fn take(&self) -> Vec<Command> {
        if !self.has_some() || !self.has_some.swap(false, Ordering::SeqCst) {
            return Vec::new();
        }
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes out what the new command makes superfluous.
fn remove_superseded(waiting: &mut Vec<Command>, command: &Command) {
    waiting.retain(|earlier| match (earlier, command) {
        (Command::Rekey(_), Command::Rekey(_)) => false,
        (
            Command::Connect { endpoint: earlier, .. } | Command::Disconnect(earlier),
            Command::Connect { endpoint, .. } | Command::Disconnect(endpoint),
        ) => earlier != endpoint,
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_once_and_in_order() {
        let commands = Commands::default();
        assert!(commands.take().is_empty() && !commands.has_some());
        commands.give(Command::Rekey(Arc::new(Security::None)));
        commands.give(Command::Connect { endpoint: 0, new: "a".into() });
        assert!(matches!(commands.take()[..], [Command::Rekey(_), Command::Connect { .. }]));
        assert!(commands.take().is_empty());
        assert!(!commands.is_stopping());
        commands.stop();
        assert!(commands.is_stopping());
    }

    #[test]
    fn a_thread_that_is_held_up_finds_one_command_for_each_endpoint() {
        let commands = Commands::default();
        for new in ["b", "c", "d"] {
            commands.give(Command::Connect { endpoint: 7, new: new.into() });
            commands.give(Command::Rekey(Arc::new(Security::None)));
        }
        let taken = commands.take();
        assert_eq!(taken.len(), 2);
        let connects = taken.iter().find(|command| matches!(command, Command::Connect { .. }));
        assert!(matches!(connects, Some(Command::Connect { endpoint: 7, new }) if new == "d"), "{connects:?}");
    }
}
