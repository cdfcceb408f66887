//! Opening files that hold keys: nothing is followed, overwritten or left readable on the way.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Creates a file that did not exist, with this mode from its first moment on (one `open(2)`: `O_CREAT|O_EXCL`, which
/// follows no symlink). The umask can only have taken bits away; they are put back, so the mode is exactly this one. On
/// a file system that keeps no such modes it is an error, and no file is left.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)?;
    if let Err(error) = insist_on_mode(&file, mode) {
        // The first error is the one to report.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

fn insist_on_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    let found = file.metadata()?.permissions().mode() & 0o7777;
    if found != mode {
        let text = format!("the file system gave it mode {found:04o} instead of {mode:04o}");
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    Ok(())
}

/// Opens a regular file for reading. The metadata is that of the file that was opened, wherever its name leads later.
/// Symlinks are followed, as configuration management likes to set them. Anything else than a regular file is an error
/// of kind [`io::ErrorKind::InvalidInput`]; a FIFO does not block.
pub fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, metadata))
}

/// Reads a file of at most `limit` bytes into memory that is wiped when dropped. `None`: it is longer.
pub fn read_at_most(file: &mut File, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Allocated once: a growing vector would leave copies of the key behind.
    let mut buffer = Zeroizing::new(vec![0_u8; limit + 1]);
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if filled > limit {
        return Ok(None);
    }
    buffer.truncate(filled);
    Ok(Some(buffer))
}

/// For tests that need permissions to hold although root runs them: `body` in a thread whose file accesses are those of
/// an unprivileged user (setfsuid(2) is per thread). Another user than root stays who it is.
#[cfg(test)]
pub(crate) fn without_privileges<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    const NOBODY: u32 = 65534;
    std::thread::scope(|scope| {
        let unprivileged = || {
            // SAFETY: no pointers; the calls change this thread alone, which ends below.
            unsafe { libc::syscall(libc::SYS_setfsgid, NOBODY) };
            // SAFETY: as above.
            unsafe { libc::syscall(libc::SYS_setfsuid, NOBODY) };
            body()
        };
        scope.spawn(unprivileged).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_its_mode_and_an_old_one_is_never_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let file = create_new(&path, 0o600).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(create_new(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).unwrap();
        assert_eq!(create_new(&link, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!directory.path().join("elsewhere").exists());
    }

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(open_regular(directory.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open_regular(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let path = directory.path().join("file");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_at_most(&mut open_regular(&path).unwrap().0, 5).unwrap().unwrap().as_slice(), b"12345");
        assert!(read_at_most(&mut open_regular(&path).unwrap().0, 4).unwrap().is_none());
    }
}
