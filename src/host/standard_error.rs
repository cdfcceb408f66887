//! rsyslogd's standard error, for lines that must not depend on its main queue.
//!
//! The host's own messages go through that queue, and only errors go to standard error as well (tools/rsyslogd.c
//! logmsgInternal). Under systemd standard error is the journal. Any thread may write; nothing here waits.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// Device and inode of the file that was standard error when the module was loaded.
static FILE: OnceLock<Option<(libc::dev_t, libc::ino_t)>> = OnceLock::new();

/// Remembers which file standard error is. A daemon in the background closes descriptor 2 after its start (rsyslogd.c, after
/// tellChildReady), and the number may go to any other file then.
pub(super) fn remember() {
    FILE.get_or_init(|| identity(libc::STDERR_FILENO));
}

fn identity(descriptor: c_int) -> Option<(libc::dev_t, libc::ino_t)> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat(2) writes one stat structure where it succeeds, and refuses a bad descriptor.
    if unsafe { libc::fstat(descriptor, status.as_mut_ptr()) } == -1 {
        return None;
    }
    // SAFETY: fstat has succeeded.
    let status = unsafe { status.assume_init() };
    Some((status.st_dev, status.st_ino))
}

/// Writes the line as rsyslogd writes its errors, if standard error is still what it was and takes it at once.
pub(super) fn write_line(line: &CStr) {
    if FILE.get().is_some_and(|file| file.is_some() && *file == identity(libc::STDERR_FILENO)) {
        write_at_once(libc::STDERR_FILENO, &[b"rsyslogd: ", line.to_bytes(), b"\n"].concat());
    }
}

/// Writes to a socket, pipe, terminal or file, unless that would have to wait: it is lost then. `text` fits into PIPE_BUF.
fn write_at_once(descriptor: c_int, text: &[u8]) {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: send(2) reads the slice, and refuses a descriptor that is no socket.
    let sent = unsafe { libc::send(descriptor, text.as_ptr().cast(), text.len(), flags) };
    if sent >= 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOTSOCK) {
        return;
    }
    let mut wanted = libc::pollfd { fd: descriptor, events: libc::POLLOUT, revents: 0 };
    // SAFETY: poll(2) reads and writes the one element, and does not wait.
    let ready = unsafe { libc::poll(&raw mut wanted, 1, 0) };
    // A pipe with room for PIPE_BUF bytes takes them whole and at once (pipe(7)); one without a reader says POLLERR.
    if ready == 1 && wanted.revents == libc::POLLOUT {
        // SAFETY: write(2) reads the slice.
        unsafe { libc::write(descriptor, text.as_ptr().cast(), text.len()) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_full_pipe_or_socket_or_one_without_a_reader_is_not_waited_for() {
        const LINE: &[u8] = &[b'x'; 4096];
        let (mut reader, writer) = pipe().unwrap();
        // The kernel lets nobody have a pipe of more than a megabyte unasked (pipe-max-size).
        for _ in 0..1000 {
            write_at_once(writer.as_raw_fd(), LINE);
        }
        let mut read = vec![0; LINE.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(read, LINE);
        drop(reader);
        write_at_once(writer.as_raw_fd(), LINE);

        let (mut near, far) = UnixStream::pair().unwrap();
        for _ in 0..1000 {
            write_at_once(far.as_raw_fd(), LINE);
        }
        near.read_exact(&mut read).unwrap();
        assert_eq!(read, LINE);
        drop(near);
        write_at_once(far.as_raw_fd(), LINE);
    }
}
