//! The keys of a subscriber, from its flags or its configuration.
#![forbid(unsafe_code)]

use std::path::Path;

use crate::cli::exit::Failure;
use crate::curve::certificate::Certificate;
use crate::curve::keys::KeyPair;
use crate::curve::security::Security;

/// Where our own key came from, for the hint when a server refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Plaintext.
    None,
    /// Made for this run.
    Fresh,
    /// Read from a certificate.
    File,
}

/// What [`load`] found.
pub struct Keys {
    /// For the sockets.
    pub security: Security,
    /// Where they came from.
    pub kind: Kind,
}

/// Reads the certificates. A client certificate without a server's is an error: the connection would be in plaintext.
pub fn load(server: Option<&Path>, client: Option<&Path>) -> Result<Keys, Failure> {
    let Some(server) = server else {
        return match client {
            None => Ok(Keys { security: Security::None, kind: Kind::None }),
            Some(_) => Err(Failure::usage("a client certificate needs the server's public certificate beside it")
                .hint("add --server-cert FILE with the certificate that the server gave out")),
        };
    };
    let server = Certificate::read_public(server).map_err(Failure::failed)?.public;
    let (pair, kind) = match client {
        Some(path) if path != Path::new("*") => {
            let certificate = Certificate::read_pair(path).map_err(Failure::failed)?;
            let missing = || {
                Failure::failed(format_args!("the certificate {path:?} has no secret key"))
                    .hint("a certificate of one's own is two files: FILE and FILE_secret")
            };
            (certificate.into_pair().ok_or_else(missing)?, Kind::File)
        }
        _ => (KeyPair::generate().map_err(Failure::failed)?, Kind::Fresh),
    };
    Ok(Keys { security: Security::CurveClient { server, pair }, kind })
}
