//! Users and groups by name (getpwnam_r(3), getgrnam_r(3)).

use std::ffi::{CString, c_char, c_int};
use std::mem::MaybeUninit;

/// The largest buffer a look-up may ask for.
const LARGEST: usize = 1 << 20;

/// The id of a user: a number as it is, a name looked up. `None` where there is no such user.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    if let Ok(id) = name.parse() {
        return Some(id);
    }
    let name = CString::new(name).ok()?;
    with_buffer(|buffer, length| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = std::ptr::null_mut();
        // SAFETY: a NUL-terminated name, a place for the entry, and a buffer of this length for its strings.
        let failed = unsafe { libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), buffer, length, &raw mut found) };
        // SAFETY: where something was found, `found` points to `entry`, which the call has filled.
        (failed, (!found.is_null()).then(|| unsafe { (*found).pw_uid }))
    })
}

/// The id of a group: a number as it is, a name looked up. `None` where there is no such group.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    if let Ok(id) = name.parse() {
        return Some(id);
    }
    let name = CString::new(name).ok()?;
    with_buffer(|buffer, length| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = std::ptr::null_mut();
        // SAFETY: as for users.
        let failed = unsafe { libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), buffer, length, &raw mut found) };
        // SAFETY: as for users.
        (failed, (!found.is_null()).then(|| unsafe { (*found).gr_gid }))
    })
}

/// Repeats a look-up with a larger buffer as long as it asks for one.
fn with_buffer(look_up: impl Fn(*mut c_char, usize) -> (c_int, Option<u32>)) -> Option<u32> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let (failed, found) = look_up(buffer.as_mut_ptr(), buffer.len());
        if failed != libc::ERANGE || buffer.len() >= LARGEST {
            return found;
        }
        buffer.resize(buffer.len() * 4, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_ids_and_strangers_are_none() {
        assert_eq!((user_id("root"), group_id("root")), (Some(0), Some(0)));
        assert_eq!((user_id("4711"), group_id("4711")), (Some(4711), Some(4711)));
        assert_eq!((user_id("no such user"), group_id("no such group")), (None, None));
    }
}
