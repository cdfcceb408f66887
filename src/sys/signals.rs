//! Threads of our own inside a daemon that steers by signals: they must never take one.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

/// Starts a named thread with every signal blocked, so that the daemon's own threads go on receiving theirs. The name is
/// cut to the 15 bytes that Linux shows.
pub fn spawn_without_signals<T, F>(name: &str, body: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the set it is given.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: `all` was initialised above; `before` is written by the call.
    let failed = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    // A new thread inherits the mask of the one that starts it (pthread_sigmask(3)).
    let thread = Builder::new().name(name.chars().take(15).collect()).spawn(body);
    // SAFETY: `before` was written by the successful call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    thread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks_sigterm() -> bool {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: a null new set only asks for the present one, which is written to `mask`.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), mask.as_mut_ptr());
            libc::sigismember(mask.as_ptr(), libc::SIGTERM) == 1
        }
    }

    #[test]
    fn the_thread_takes_no_signals_and_its_parent_keeps_its_mask() {
        let parent = blocks_sigterm();
        let child = spawn_without_signals("signals-test", blocks_sigterm).unwrap().join().unwrap();
        assert!(child);
        assert_eq!(blocks_sigterm(), parent);
    }
}
