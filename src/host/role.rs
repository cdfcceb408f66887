//! Which module this copy of the library is.
//!
//! One cdylib is installed under two names. The host opens each copy as a library of its own, and `dladdr` on the copy's
//! own `modInit` tells the path it was opened by: a base name that begins with `im` is the input, with `om` the output.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;

/// What a copy is to rsyslogd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `input(type="..")`.
    Input,
    /// `action(type="..")`.
    Output,
}

/// Why a copy has no role.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// The file name says nothing.
    #[error(
        "rsyslog-zmq was loaded as \"{0}\", but its file name must begin with im (input module, as imczmq.so) or om (output module, as omczmq.so)"
    )]
    Name(String),
    /// The dynamic linker does not know the library.
    #[error("rsyslog-zmq cannot find out the file name it was loaded by")]
    Unknown,
}

/// The role and the module name that follow from a path.
pub(super) fn of_path(path: &str) -> Result<(Role, String), RoleError> {
    let base = path.rsplit('/').next().unwrap_or(path);
    let name = base.strip_suffix(".so").unwrap_or(base);
    let role = if name.starts_with("im") {
        Role::Input
    } else if name.starts_with("om") {
        Role::Output
    } else {
        return Err(RoleError::Name(base.to_owned()));
    };
    Ok((role, name.to_owned()))
}

/// The path by which the library that holds `address` was opened.
pub(super) fn path_of(address: *const c_void) -> Result<String, RoleError> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked about; `info` is written where the answer is not 0 (dladdr(3)).
    if unsafe { libc::dladdr(address, info.as_mut_ptr()) } == 0 {
        return Err(RoleError::Unknown);
    }
    // SAFETY: zeroed, so initialised either way.
    let name = unsafe { info.assume_init() }.dli_fname;
    if name.is_null() {
        return Err(RoleError::Unknown);
    }
    // SAFETY: the linker's own NUL-terminated string, which lives as long as the library.
    Ok(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_decides() {
        assert_eq!(of_path("/usr/lib/rsyslog/imczmq.so"), Ok((Role::Input, "imczmq".into())));
        assert_eq!(of_path("omzmq.so"), Ok((Role::Output, "omzmq".into())));
        let error = of_path("/tmp/librsyslog_zmq.so").unwrap_err();
        assert!(error.to_string().contains("\"librsyslog_zmq.so\""), "{error}");
    }
}
