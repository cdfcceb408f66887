//! The keys of a subscriber, from its flags or its configuration.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use crate::cli::exit::Failure;
use crate::curve::certificate::Certificate;
use crate::curve::keys::KeyPair;
use crate::curve::security::Security;

/// Where our own key came from, for the hint when a server refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// Plaintext.
    None,
    /// Made for this run.
    Fresh,
    /// Read from a certificate.
    File,
}

/// What [`load`] found.
pub struct ClientKeys {
    /// For the sockets.
    pub security: Arc<Security>,
    /// Where they came from.
    pub origin: KeyOrigin,
}

impl ClientKeys {
    /// Whether the files had the same content both times; keys made for this run are as good as each other.
    pub fn are_like(&self, other: &Self) -> bool {
        match (&*self.security, &*other.security) {
            (Security::None, Security::None) => true,
            (
                Security::CurveClient { server, pair },
                Security::CurveClient { server: other_server, pair: other_pair },
            ) => {
                let is_own_like = self.origin == KeyOrigin::Fresh || pair.public == other_pair.public;
                self.origin == other.origin && server == other_server && is_own_like
            }
            _ => false,
        }
    }
}

/// Reads the certificates. A client certificate without a server's is an error: the connection would be in plaintext.
pub fn load(server: Option<&Path>, client: Option<&Path>) -> Result<ClientKeys, Failure> {
    let Some(server) = server else {
        return match client {
            None => Ok(ClientKeys { security: Arc::new(Security::None), origin: KeyOrigin::None }),
            Some(_) => Err(Failure::usage("a client certificate needs the server's public certificate beside it")
                .hint("add --server-cert FILE with the certificate that the server gave out")),
        };
    };
    let server = Certificate::read_public(server).map_err(Failure::failed)?.public;
    let (pair, origin) = match client {
        Some(path) if path != Path::new("*") => {
            let certificate = Certificate::read_pair(path).map_err(Failure::failed)?;
            let missing = || {
                Failure::failed(format_args!("the certificate {path:?} has no secret key"))
                    .hint("a certificate of one's own is two files: FILE and FILE_secret")
            };
            (certificate.into_pair().ok_or_else(missing)?, KeyOrigin::File)
        }
        _ => (KeyPair::generate().map_err(Failure::failed)?, KeyOrigin::Fresh),
    };
    Ok(ClientKeys { security: Arc::new(Security::CurveClient { server, pair }), origin })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::keys::PublicKey;

    fn keys(server: u8, pair: KeyPair, origin: KeyOrigin) -> ClientKeys {
        ClientKeys {
            security: Arc::new(Security::CurveClient { server: PublicKey::from_bytes([server; 32]), pair }),
            origin,
        }
    }

    #[test]
    fn another_key_in_a_file_is_a_difference_and_another_key_for_this_run_is_none() {
        let pair = || KeyPair::generate().unwrap();
        assert!(keys(1, pair(), KeyOrigin::Fresh).are_like(&keys(1, pair(), KeyOrigin::Fresh)));
        assert!(!keys(1, pair(), KeyOrigin::File).are_like(&keys(1, pair(), KeyOrigin::File)));
        assert!(!keys(1, pair(), KeyOrigin::Fresh).are_like(&keys(2, pair(), KeyOrigin::Fresh)));
        assert!(!keys(1, pair(), KeyOrigin::Fresh).are_like(&keys(1, pair(), KeyOrigin::File)));
        assert!(load(None, None).unwrap().are_like(&load(None, None).unwrap()));
        assert!(!load(None, None).unwrap().are_like(&keys(1, pair(), KeyOrigin::Fresh)));
    }
}
