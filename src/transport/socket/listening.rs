//! Listening sockets that are bound before libzmq sees them.
//!
//! They are bound while rsyslogd is still root (ports below 1024, protected directories) and handed over with
//! `ZMQ_USE_FD`. libzmq then never calls `getifaddrs`, which aborts the daemon under systemd's
//! `RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX` (libzmq 4.3.4 ip_resolver.cpp:531).

use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::sys::{descriptors, network_interfaces};
use crate::transport::address::endpoint::{Address, Host, Port};

/// Who may use a Unix socket; `None` leaves what the process makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketFile {
    /// The owner's user id.
    pub owner: Option<u32>,
    /// The group's id.
    pub group: Option<u32>,
    /// The permission bits.
    pub mode: Option<u32>,
}

/// A bound and listening socket. The path of a Unix socket is removed when this is dropped: libzmq never removes one
/// that was made outside it.
#[derive(Debug)]
pub struct Listener {
    descriptor: OwnedFd,
    path: Option<PathBuf>,
    port: Option<u16>,
}

impl Listener {
    /// Binds `address` and listens. `None` for what libzmq has to bind itself: inproc, abstract and made-up ipc names,
    /// and interface names.
    pub fn bind(
        address: &Address,
        wants_ipv6: bool,
        backlog: Option<i32>,
        file: SocketFile,
    ) -> io::Result<Option<Self>> {
        let listener = match address {
            Address::Tcp { host, port, .. } => {
                let ip = match host {
                    Host::Any if wants_ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                    Host::Any => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    Host::Ipv4(ip) => IpAddr::V4(*ip),
                    Host::Ipv6(ip, None) => IpAddr::V6(*ip),
                    Host::Ipv6(_, Some(_)) | Host::Name(_) => {
                        network_interfaces::check_listable()?;
                        return Ok(None);
                    }
                };
                let port = match port {
                    Port::Any => 0,
                    Port::Number(number) => *number,
                };
                bind_tcp(SocketAddr::new(ip, port))?
            }
            Address::Ipc(path) if path.starts_with('@') || path == "*" => return Ok(None),
            Address::Ipc(path) => bind_unix(Path::new(path), file)?,
            Address::Inproc(_) => return Ok(None),
        };
        if let Some(backlog) = backlog {
            descriptors::listen(listener.descriptor.as_fd(), backlog)?;
        }
        Ok(Some(listener))
    }

    /// A duplicate for libzmq to own: it closes what it was given.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }

    /// The TCP port that was bound.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path of a Unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Gone already, or not removable after a privilege drop: the next start removes it.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let port = Some(listener.local_addr()?.port());
    Ok(Listener { descriptor: listener.into(), path: None, port })
}

fn bind_unix(path: &Path, file: SocketFile) -> io::Result<Listener> {
    // A socket that was left by an earlier run is in the way; one that somebody listens on is theirs.
    let is_socket = path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket());
    if is_socket {
        match UnixStream::connect(path) {
            Ok(_) => return Err(io::Error::from(io::ErrorKind::AddrInUse)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(error) => return Err(error),
        }
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    // From here on the path is removed if anything fails.
    let bound = Listener { descriptor: listener.into(), path: Some(path.to_owned()), port: None };
    if let Some(mode) = file.mode {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    if file.owner.is_some() || file.group.is_some() {
        std::os::unix::fs::lchown(path, file.owner, file.group)?;
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::address::endpoint::Endpoint;

    fn address(text: &str) -> Address {
        Endpoint::parse_list(text).unwrap().remove(0).address
    }

    #[test]
    fn a_wildcard_port_is_known_after_binding() {
        let listener =
            Listener::bind(&address("@tcp://127.0.0.1:*"), false, Some(5), SocketFile::default()).unwrap().unwrap();
        let port = listener.port().unwrap();
        let taken = Listener::bind(&address(&format!("@tcp://127.0.0.1:{port}")), false, None, SocketFile::default());
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let text = format!("@ipc://{}", path.display());
        drop(UnixListener::bind(&path).unwrap());
        let first = Listener::bind(&address(&text), false, None, SocketFile::default()).unwrap().unwrap();
        let second = Listener::bind(&address(&text), false, None, SocketFile::default());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists(), "our own socket is cleaned up");
        std::fs::write(&path, "a file").unwrap();
        assert!(Listener::bind(&address(&text), false, None, SocketFile::default()).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    }

    #[test]
    fn a_unix_socket_gets_its_mode_and_owner() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let address = address(&format!("@ipc://{}", path.display()));
        let me = directory.path().metadata().unwrap();
        let file = SocketFile { owner: Some(me.uid()), group: Some(me.gid()), mode: Some(0o600) };
        let listener = Listener::bind(&address, false, None, file).unwrap().unwrap();
        let found = path.metadata().unwrap();
        assert_eq!((found.mode() & 0o777, found.uid(), found.gid()), (0o600, me.uid(), me.gid()));
        assert_eq!(listener.path(), Some(path.as_path()));
    }

    #[test]
    fn what_only_libzmq_can_bind_is_left_to_it() {
        for text in ["@inproc://x", "@ipc://@abstract", "@tcp://lo:5555"] {
            assert!(Listener::bind(&address(text), false, None, SocketFile::default()).unwrap().is_none(), "{text}");
        }
    }
}
