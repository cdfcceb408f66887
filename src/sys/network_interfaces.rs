//! Whether this process may ask for the machine's network interfaces.

use std::io;

/// Fails where getifaddrs(3) fails: under systemd's `RestrictAddressFamilies` without AF_NETLINK. libzmq aborts the process
/// there (4.3.4 ip_resolver.cpp:531) instead of reporting it.
pub fn check_listable() -> io::Result<()> {
    nix::ifaddrs::getifaddrs()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn interfaces_can_be_listed_where_nothing_forbids_it() {
        super::check_listable().unwrap();
    }
}
