//! What the authenticator tells: typed for counting, with the text of a log line.

use crate::curve::keys::PublicKey;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Something that happened in the authenticator. `Display` is one line in plain English; whatever came from a peer or a
/// file name is escaped in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthEvent {
    /// A peer was admitted.
    Allowed {
        /// The ZAP domain, that is the socket.
        domain: String,
        /// The peer's address.
        address: String,
        /// The peer's key.
        key: PublicKey,
        /// The name of its certificate.
        name: Option<Arc<str>>,
    },
    /// A peer was refused.
    Denied {
        /// The ZAP domain, that is the socket; empty when the request did not say.
        domain: String,
        /// The peer's address; empty when the request did not say.
        address: String,
        /// The peer's key, where it has shown one.
        key: Option<PublicKey>,
        /// The name the key had while it was listed.
        name: Option<Arc<str>>,
        /// Why.
        reason: DenialReason,
    },
    /// A file or sub-directory of an allow list admits nobody because it cannot be read.
    FileSkipped {
        /// The ZAP domain.
        domain: String,
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An allow list's directory cannot be read: nobody is admitted until it can.
    DirectoryUnavailable {
        /// The ZAP domain.
        domain: String,
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It can be read again.
    DirectoryBack {
        /// The ZAP domain.
        domain: String,
        /// Which one.
        path: PathBuf,
    },
    /// A key is not listed any more; its live connections have to end.
    Revoked {
        /// The ZAP domain.
        domain: String,
        /// The key.
        key: PublicKey,
        /// The name it had.
        name: Option<Arc<str>>,
    },
    /// The thread has ended without being asked: everybody is refused from now on.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// Why a peer was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DenialReason {
    /// No certificate in the allow list has its key.
    NotListed,
    /// Its certificate was removed from the allow list.
    Removed,
    /// The allow list cannot be read, and why.
    DirectoryUnavailable(String),
    /// Too many others wait for a look at the allow list; trying again may help.
    Busy,
    /// The socket asked for a domain that nobody configured.
    UnknownDomain,
    /// The peer does not speak CURVE but this.
    Mechanism(String),
    /// The request was malformed.
    Malformed(String),
    /// A fault in the authenticator itself.
    Internal,
}

impl fmt::Display for DenialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed => f.write_str("its key is not in the list of allowed certificates"),
            Self::Removed => f.write_str("its key was removed from the list of allowed certificates"),
            Self::DirectoryUnavailable(reason) => write!(f, "nobody is admitted, {reason}"),
            Self::Busy => f.write_str("too many handshakes wait for a look at the list of allowed certificates"),
            Self::UnknownDomain => f.write_str("there is no list of allowed certificates for this socket"),
            Self::Mechanism(mechanism) => {
                write!(f, "it uses the mechanism {}, expected CURVE", mechanism.escape_debug())
            }
            Self::Malformed(problem) => write!(f, "malformed authentication request: {problem}"),
            Self::Internal => f.write_str("internal error in the authenticator"),
        }
    }
}

/// `client "alice" at 192.0.2.1 with key ...`, as much of it as is known.
struct Client<'a> {
    name: Option<&'a str>,
    address: &'a str,
    key: Option<&'a PublicKey>,
}

impl fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("client")?;
        if let Some(name) = self.name {
            write!(f, " {name:?}")?;
        }
        if !self.address.is_empty() {
            write!(f, " at {}", self.address.escape_debug())?;
        }
        self.key.map_or(Ok(()), |key| write!(f, " with key {key}"))
    }
}

impl fmt::Display for AuthEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed { domain, address, key, name } => {
                let client = Client { name: name.as_deref(), address, key: Some(key) };
                write!(f, "{}: admitted {client}", domain.escape_debug())
            }
            Self::Denied { domain, address, key, name, reason } => {
                let client = Client { name: name.as_deref(), address, key: key.as_ref() };
                write!(f, "{}: refused {client}: {reason}", domain.escape_debug())
            }
            Self::FileSkipped { domain, path, reason } => {
                write!(
                    f,
                    "{}: {path:?} in the list of allowed certificates is skipped: {reason}",
                    domain.escape_debug()
                )
            }
            Self::DirectoryUnavailable { domain, path, reason } => {
                write!(
                    f,
                    "{}: nobody is admitted while the allowed certificates in {path:?} are unavailable: {reason}",
                    domain.escape_debug()
                )
            }
            Self::DirectoryBack { domain, path } => {
                write!(f, "{}: the allowed certificates in {path:?} are available again", domain.escape_debug())
            }
            Self::Revoked { domain, key, name } => {
                let client = Client { name: name.as_deref(), address: "", key: Some(key) };
                write!(f, "{}: {client} was removed from the list of allowed certificates", domain.escape_debug())
            }
            Self::Stopped { reason } => {
                write!(f, "the authenticator has stopped, every client is refused from now on: {reason}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_says_who_and_why_and_escapes_what_strangers_wrote() {
        let event = AuthEvent::Denied {
            domain: "imczmq(logs)".into(),
            address: "192.0.2.1\n\x1b[2J".into(),
            key: Some(PublicKey::from_bytes([0; 32])),
            name: Some("Al\"ice\x07".into()),
            reason: DenialReason::Mechanism("PLAIN\r".into()),
        };
        assert_eq!(
            event.to_string(),
            "imczmq(logs): refused client \"Al\\\"ice\\u{7}\" at 192.0.2.1\\n\\u{1b}[2J with key \
             0000000000000000000000000000000000000000: it uses the mechanism PLAIN\\r, expected CURVE"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let event = AuthEvent::Denied {
            domain: "d".into(),
            address: String::new(),
            key: None,
            name: None,
            reason: DenialReason::Internal,
        };
        assert_eq!(event.to_string(), "d: refused client: internal error in the authenticator");
    }
}
