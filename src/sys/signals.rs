//! Threads of our own inside a daemon that steers by signals: they must never take one.

use std::io;
use std::thread::{Builder, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow};

/// Starts a named thread with every signal blocked, so that the daemon's own threads go on receiving theirs. The name is
/// cut to the 15 bytes that Linux shows.
pub fn spawn_without_signals<T, F>(name: &str, body: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    // A new thread inherits the mask of the one that starts it (pthread_sigmask(3)).
    let thread = Builder::new().name(name.chars().take(15).collect()).spawn(body);
    // Only a mask that is none could fail.
    let _ = before.thread_set_mask();
    thread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks_sigterm() -> bool {
        SigSet::thread_get_mask().unwrap().contains(nix::sys::signal::SIGTERM)
    }

    #[test]
    fn the_thread_takes_no_signals_and_its_parent_keeps_its_mask() {
        let parent = blocks_sigterm();
        let child = spawn_without_signals("signals-test", blocks_sigterm).unwrap().join().unwrap();
        assert!(child);
        assert_eq!(blocks_sigterm(), parent);
    }
}
