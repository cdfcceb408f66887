//! From the four security parameters to a socket's CURVE options.
//!
//! Nothing in here ever means less security than was written: what cannot be understood, found or read is an error, and
//! a server socket always enforces its ZAP domain, so that a missing authenticator refuses instead of admitting.

use crate::curve::allow_list::Policy;
use crate::curve::certificate::{Certificate, CertificateError};
use crate::curve::keys::{KeyError, KeyPair, PublicKey};
use crate::sys::zmq::{self, Socket, option};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// In `clientcertpath`: every key (CURVESERVER), or a fresh key for this run (CURVECLIENT).
const ANY: &str = "*";

/// The longest ZAP domain that libzmq takes, in bytes.
const DOMAIN_LIMIT: usize = 255;

/// Which security a socket uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthType {
    /// Neither encryption nor authentication.
    #[default]
    None,
    /// The side that owns the well-known certificate and admits clients.
    CurveServer,
    /// The side that knows the server's public certificate.
    CurveClient,
}

impl AuthType {
    const NAMES: [(&'static str, Self); 3] =
        [("NONE", Self::None), ("CURVESERVER", Self::CurveServer), ("CURVECLIENT", Self::CurveClient)];

    /// The word that configurations use.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("NONE", |(name, _)| name)
    }
}

impl fmt::Display for AuthType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for AuthType {
    type Err = SecurityError;

    fn from_str(text: &str) -> Result<Self, SecurityError> {
        let known = Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, value)| *value).ok_or_else(|| SecurityError::AuthType(text.to_owned()))
    }
}

/// The parameters as they were written; `None` where they were not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecuritySettings {
    /// A word that [`AuthType`] knows.
    pub authtype: Option<String>,
    /// CURVESERVER: our own certificate; CURVECLIENT: the server's public one.
    pub servercertpath: Option<String>,
    /// CURVESERVER: the directory of allowed certificates, or `*`; CURVECLIENT: our own certificate, or `*`.
    pub clientcertpath: Option<String>,
    /// CURVESERVER: off admits every client. Default on.
    pub authenticator: Option<bool>,
}

/// Why a socket's security cannot be set up as written; the socket must not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// Not a word of the list.
    #[error("authtype {0:?} is not one of NONE, CURVESERVER, CURVECLIENT")]
    AuthType(String),
    /// Certificates would be ignored.
    #[error("{parameter} is given without authtype; expected authtype CURVESERVER or CURVECLIENT beside it")]
    NoAuthType {
        /// The parameter that would be ignored.
        parameter: &'static str,
    },
    /// Certificates would be ignored.
    #[error("{parameter} is given, but authtype NONE uses no security; expected CURVESERVER or CURVECLIENT")]
    AuthTypeNone {
        /// The parameter that would be ignored.
        parameter: &'static str,
    },
    /// A parameter that the authtype needs.
    #[error("authtype {authtype} needs {parameter}: {expected}")]
    Missing {
        /// CURVESERVER or CURVECLIENT.
        authtype: AuthType,
        /// What is missing.
        parameter: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A certificate cannot be used.
    #[error("{parameter}: {source}")]
    Certificate {
        /// Where its path was written.
        parameter: &'static str,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The list of allowed clients cannot be read.
    #[error("clientcertpath: cannot read the directory of allowed certificates {path:?}: {source}")]
    AllowList {
        /// The directory.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// libzmq was built without it.
    #[error("this libzmq cannot encrypt (it was built without CURVE)")]
    NoCurve,
    /// libzmq before 4.3 would admit everybody while the authenticator is away.
    #[error("this libzmq cannot enforce authentication (ZMQ_ZAP_ENFORCE_DOMAIN, since 4.3): {0}")]
    NoEnforcement(zmq::Error),
    /// Empty, or too long for libzmq.
    #[error("the authentication domain {0:?} is empty or longer than {DOMAIN_LIMIT} bytes")]
    Domain(String),
    /// No fresh key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// libzmq refused an option.
    #[error("libzmq does not take the socket's {name}: {source}")]
    Option {
        /// What the option is.
        name: &'static str,
        /// Its error.
        source: zmq::Error,
    },
}

/// Whom a CURVE server admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// `authenticator` is off.
    AuthenticatorOff,
    /// `clientcertpath` is `*`.
    AnyKey,
    /// The certificates below this directory.
    Directory(PathBuf),
}

impl Admission {
    /// The authenticator's rule for it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        match self {
            Self::AuthenticatorOff | Self::AnyKey => Policy::Anyone,
            Self::Directory(path) => Policy::Directory(path.clone()),
        }
    }
}

/// A socket's security, with its keys. Wiped when dropped.
#[derive(Debug)]
pub enum Security {
    /// Neither encryption nor authentication.
    None,
    /// Admits clients.
    CurveServer {
        /// Its own keys.
        pair: KeyPair,
        /// Whom it admits.
        admission: Admission,
    },
    /// Trusts one server.
    CurveClient {
        /// The server's key.
        server: PublicKey,
        /// Its own keys.
        pair: KeyPair,
    },
}

/// The parameters after their own check, before any file.
enum Plan<'a> {
    None,
    Server { own: &'a Path, admission: Admission },
    Client { server: &'a Path, own: Option<&'a Path> },
}

impl SecuritySettings {
    /// What a socket uses: its own parameters first, the module's for the rest. A socket that writes its own authtype takes
    /// nothing from the module.
    #[must_use]
    pub fn inherit(own: &Self, module_defaults: &Self) -> Self {
        if own.authtype.is_some() {
            return own.clone();
        }
        let module = module_defaults.clone();
        Self {
            authtype: module.authtype,
            servercertpath: own.servercertpath.clone().or(module.servercertpath),
            clientcertpath: own.clientcertpath.clone().or(module.clientcertpath),
            authenticator: own.authenticator.or(module.authenticator),
        }
    }

    /// Whether each load makes a new key pair, so that loading again tells nothing.
    #[must_use]
    pub fn uses_fresh_keys(&self) -> bool {
        matches!(self.plan(), Ok(Plan::Client { own: None, .. }))
    }

    /// Checks the parameters and every file they name, and forgets what it read. For the configuration's load: makes no
    /// thread and keeps no descriptor.
    pub fn check(&self) -> Result<(), SecurityError> {
        match self.plan()? {
            Plan::None => Ok(()),
            Plan::Server { own, admission } => {
                require_curve()?;
                read_pair("servercertpath", own)?;
                check_admission(&admission)
            }
            Plan::Client { server, own } => {
                require_curve()?;
                read_public("servercertpath", server)?;
                own.map_or(Ok(()), |own| read_pair("clientcertpath", own).map(drop))
            }
        }
    }

    /// Reads the keys.
    pub fn load(&self) -> Result<Security, SecurityError> {
        match self.plan()? {
            Plan::None => Ok(Security::None),
            Plan::Server { own, admission } => {
                require_curve()?;
                let pair = read_pair("servercertpath", own)?;
                check_admission(&admission)?;
                Ok(Security::CurveServer { pair, admission })
            }
            Plan::Client { server, own } => {
                require_curve()?;
                let server = read_public("servercertpath", server)?;
                let pair = match own {
                    Some(own) => read_pair("clientcertpath", own)?,
                    None => KeyPair::generate()?,
                };
                Ok(Security::CurveClient { server, pair })
            }
        }
    }

    fn plan(&self) -> Result<Plan<'_>, SecurityError> {
        let authtype = self.authtype.as_deref().map(AuthType::from_str).transpose()?;
        match authtype.unwrap_or_default() {
            AuthType::None => match (self.first_security_parameter(), authtype) {
                (None, _) => Ok(Plan::None),
                (Some(parameter), None) => Err(SecurityError::NoAuthType { parameter }),
                (Some(parameter), Some(_)) => Err(SecurityError::AuthTypeNone { parameter }),
            },
            AuthType::CurveServer => Ok(Plan::Server {
                own: required(&self.servercertpath, AuthType::CurveServer, "servercertpath", "our own certificate")?,
                admission: self.admission()?,
            }),
            AuthType::CurveClient => {
                let (authtype, expected) = (AuthType::CurveClient, "our own certificate, or \"*\" for a fresh key");
                let server = "the server's public certificate";
                let own = required(&self.clientcertpath, authtype, "clientcertpath", expected)?;
                Ok(Plan::Client {
                    server: required(&self.servercertpath, authtype, "servercertpath", server)?,
                    own: Some(own).filter(|own| *own != Path::new(ANY)),
                })
            }
        }
    }

    fn admission(&self) -> Result<Admission, SecurityError> {
        if self.authenticator == Some(false) {
            return Ok(Admission::AuthenticatorOff);
        }
        let expected = "the directory of allowed certificates, or \"*\" for every key";
        let path = required(&self.clientcertpath, AuthType::CurveServer, "clientcertpath", expected)?;
        Ok(if path == Path::new(ANY) { Admission::AnyKey } else { Admission::Directory(path.to_owned()) })
    }

    /// The first parameter that asks for security; `authenticator` off asks for none.
    fn first_security_parameter(&self) -> Option<&'static str> {
        let is_given = [
            ("servercertpath", self.servercertpath.is_some()),
            ("clientcertpath", self.clientcertpath.is_some()),
            ("authenticator", self.authenticator == Some(true)),
        ];
        is_given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}

fn required<'a>(
    value: &'a Option<String>,
    authtype: AuthType,
    parameter: &'static str,
    expected: &'static str,
) -> Result<&'a Path, SecurityError> {
    let path = value.as_deref().filter(|path| !path.is_empty());
    path.map(Path::new).ok_or(SecurityError::Missing { authtype, parameter, expected })
}

fn require_curve() -> Result<(), SecurityError> {
    if zmq::has("curve") { Ok(()) } else { Err(SecurityError::NoCurve) }
}

fn read_pair(parameter: &'static str, path: &Path) -> Result<KeyPair, SecurityError> {
    let failed = |source| SecurityError::Certificate { parameter, source };
    let certificate = Certificate::read_pair(path).map_err(failed)?;
    let no_secret = CertificateError::NoSecret { path: path.to_owned(), is_secret_missing: false };
    certificate.into_pair().ok_or_else(|| failed(no_secret))
}

fn read_public(parameter: &'static str, path: &Path) -> Result<PublicKey, SecurityError> {
    let certificate = Certificate::read_public(path);
    certificate.map(|read| read.public).map_err(|source| SecurityError::Certificate { parameter, source })
}

fn check_admission(admission: &Admission) -> Result<(), SecurityError> {
    match admission {
        Admission::AuthenticatorOff | Admission::AnyKey => Ok(()),
        Admission::Directory(path) => {
            std::fs::read_dir(path).map(drop).map_err(|source| SecurityError::AllowList { path: path.clone(), source })
        }
    }
}

impl Security {
    /// What an administrator should be told once, at load.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match self {
            Self::CurveServer { admission: Admission::AuthenticatorOff, .. } => Some(
                "authenticator is off: every client that knows the server's public key is admitted, and clientcertpath \
                 is not looked at",
            ),
            _ => None,
        }
    }

    /// Whether the keys are the same ones, so that a socket with these need not be opened anew.
    #[must_use]
    pub fn has_same_keys(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::CurveServer { pair, .. }, Self::CurveServer { pair: other, .. }) => pair.public == other.public,
            (Self::CurveClient { server, pair }, Self::CurveClient { server: other_server, pair: other }) => {
                server == other_server && pair.public == other.public
            }
            _ => false,
        }
    }

    /// The rule that the authenticator needs for this socket's domain; `None` where it is never asked.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        match self {
            Self::CurveServer { admission, .. } => Some(admission.policy()),
            Self::None | Self::CurveClient { .. } => None,
        }
    }

    /// Sets a socket's options, before it is bound or connected. `domain` is the socket's own ZAP domain, and is used on
    /// servers only. After an error the socket must be closed, not opened.
    pub fn apply(&self, socket: &Socket, domain: &str) -> Result<(), SecurityError> {
        let set = |name, code, value: &[u8]| {
            socket.set_bytes(code, value).map_err(|source| SecurityError::Option { name, source })
        };
        match self {
            Self::None => Ok(()),
            Self::CurveServer { pair, .. } => {
                require_curve()?;
                if domain.is_empty() || domain.len() > DOMAIN_LIMIT || domain.contains('\0') {
                    return Err(SecurityError::Domain(domain.to_owned()));
                }
                socket.set_int(option::ZAP_ENFORCE_DOMAIN, 1).map_err(SecurityError::NoEnforcement)?;
                set("authentication domain", option::ZAP_DOMAIN, domain.as_bytes())?;
                set("CURVE server role", option::CURVE_SERVER, &1_i32.to_ne_bytes())?;
                set("public key", option::CURVE_PUBLICKEY, pair.public.as_bytes())?;
                set("secret key", option::CURVE_SECRETKEY, pair.secret.as_bytes())
            }
            Self::CurveClient { server, pair } => {
                require_curve()?;
                set("server key", option::CURVE_SERVERKEY, server.as_bytes())?;
                set("public key", option::CURVE_PUBLICKEY, pair.public.as_bytes())?;
                set("secret key", option::CURVE_SECRETKEY, pair.secret.as_bytes())
            }
        }
    }
}
