//! Users and groups by name (getpwnam_r(3), getgrnam_r(3)).

use nix::unistd::{Group, User};

/// The id of a user: a number as it is, a name looked up. `None` where there is no such user.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    name.parse().ok().or_else(|| Some(User::from_name(name).ok()??.uid.as_raw()))
}

/// The id of a group: a number as it is, a name looked up. `None` where there is no such group.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    name.parse().ok().or_else(|| Some(Group::from_name(name).ok()??.gid.as_raw()))
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
