//! CZMQ-compatible certificate files: a public one at PATH, and the pair at PATH_secret.
//!
//! Read with none of zcert's traps: no fall-back from an unreadable secret to a zero key, no 256-byte path, no umask
//! games. Any thread may call in here; nothing is kept open.

use crate::curve::keys::{KeyError, KeyPair, PublicKey, SecretKey};
use crate::curve::z85::Z85Error;
use crate::curve::zpl::{self, Item, SIZE_LIMIT, ZplError};
use crate::sys::private_file;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

mod writing;

#[cfg(test)]
mod tests;

/// What CZMQ appends to a certificate's path for the file with the secret half.
pub const SECRET_SUFFIX: &str = "_secret";

/// A certificate: a key, maybe its secret, and what its owner wrote about it.
#[derive(Debug)]
pub struct Certificate {
    /// The key to give away.
    pub public: PublicKey,
    /// The key to keep; never read where only the public half is asked for.
    pub secret: Option<SecretKey>,
    /// Names and values as they stand in the file, each name once.
    pub metadata: Vec<(String, String)>,
    /// The file it was read from or written to.
    pub path: Option<PathBuf>,
}

/// Why a certificate cannot be used. None of these goes away by trying again; somebody has to change a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file cannot be opened or read.
    #[error("cannot read the certificate {path:?}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// PATH_secret is there and cannot be read. PATH is not tried then: it has no secret to offer.
    #[error("cannot read the secret certificate {path:?}: {source}")]
    SecretUnreadable {
        /// PATH_secret.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// No ZPL, or too long.
    #[error("certificate {path:?}: {source}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        source: ZplError,
    },
    /// No public key in it.
    #[error("certificate {path:?} has no public-key in a section curve")]
    NoPublicKey {
        /// Which file.
        path: PathBuf,
    },
    /// Two of what there can be only one of.
    #[error("certificate {path:?} has a second {name:?} in line {line}")]
    Twice {
        /// Which file.
        path: PathBuf,
        /// `curve`, `public-key` or `secret-key`.
        name: String,
        /// Where the second one is.
        line: usize,
    },
    /// Not 40 characters of Z85.
    #[error("certificate {path:?}, line {line}, {name}: {source} (keys belong in double quotes)")]
    BadKey {
        /// Which file.
        path: PathBuf,
        /// `public-key` or `secret-key`.
        name: String,
        /// Where.
        line: usize,
        /// What is wrong with it.
        source: Z85Error,
    },
    /// CZMQ writes zeros where it has no key.
    #[error("the public-key of certificate {path:?} is all zeros, which is no key")]
    ZeroPublicKey {
        /// Which file.
        path: PathBuf,
    },
    /// The file has no secret half.
    #[error("certificate {path:?} has no secret key{}", if *.is_secret_missing { ", and there is no secret certificate beside it" } else { "" })]
    NoSecret {
        /// The file that was read.
        path: PathBuf,
        /// There is no `PATH_secret`, so PATH was read.
        is_secret_missing: bool,
    },
    /// Others than the owner may read the secret.
    #[error("secret certificate {path:?} is open to group or others (mode {mode:04o}): chmod 600 {path:?}")]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The two halves do not belong together.
    #[error("the public key in {path:?} does not belong to the secret key in {secret_path:?}")]
    Mismatch {
        /// Where the public key stands.
        path: PathBuf,
        /// Where the secret key stands.
        secret_path: PathBuf,
    },
    /// libzmq cannot do CURVE.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Never overwritten.
    #[error("{path:?} exists already and is left as it is")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The name says that it would be the secret half of another certificate.
    #[error("a certificate's path does not end in {SECRET_SUFFIX:?}: {path:?}")]
    SecretPath {
        /// What was asked for.
        path: PathBuf,
    },
    /// Metadata that would not come back, or that other readers take for a key.
    #[error("metadata: {0}")]
    Metadata(zpl::WriteError),
    /// pyzmq takes any line that begins so for the key itself.
    #[error("metadata cannot be called {0:?}: some readers would take it for the key")]
    MetadataName(String),
    /// The file cannot be written; nothing is left of it.
    #[error("cannot write {path:?}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// `PATH_secret`, of any length.
#[must_use]
pub fn secret_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(SECRET_SUFFIX);
    name.into()
}

impl Certificate {
    /// A certificate that is not on disk yet.
    #[must_use]
    pub fn from_pair(pair: KeyPair, metadata: Vec<(String, String)>) -> Self {
        Self { public: pair.public, secret: Some(pair.secret), metadata, path: None }
    }

    /// Reads the public half; a secret in the file is ignored.
    pub fn read_public(path: &Path) -> Result<Self, CertificateError> {
        let (text, _) = read_file(path).map_err(|fault| fault.at(path))?;
        Self::parse_public(&text, path)
    }

    /// [`Certificate::read_public`] of a text that was read already; `path` is for errors.
    pub fn parse_public(text: &[u8], path: &Path) -> Result<Self, CertificateError> {
        let items = zpl::parse(text).map_err(|source| CertificateError::Syntax { path: path.to_owned(), source })?;
        let curve = curve_section(&items, path)?;
        let no_key = || CertificateError::NoPublicKey { path: path.to_owned() };
        let item = only(curve, "public-key", path)?.ok_or_else(no_key)?;
        let text = item.value.as_ref().ok_or_else(no_key)?.as_key_text();
        let public = PublicKey::from_z85(text).map_err(|source| bad_key(path, item, source))?;
        if public.is_zero() {
            return Err(CertificateError::ZeroPublicKey { path: path.to_owned() });
        }
        Ok(Self { public, secret: None, metadata: metadata_of(&items), path: Some(path.to_owned()) })
    }

    /// Reads both halves and checks them against each other: from `PATH_secret` if there is one, else from `PATH`. The
    /// secret must be the owner's alone. Where both files are there, they must name the same public key: `PATH` is what
    /// the peers were given.
    pub fn read_pair(path: &Path) -> Result<Self, CertificateError> {
        let secret_file = secret_path(path);
        match read_file(&secret_file) {
            Ok((text, metadata)) => {
                check_permissions(&secret_file, &metadata)?;
                let certificate = Self::parse_pair(&text, &secret_file, false)?;
                certificate.check_against(path)?;
                Ok(certificate)
            }
            Err(fault) if fault.is_absent() && is_absent(&secret_file) => {
                let (text, metadata) = read_file(path).map_err(|fault| fault.at(path))?;
                let certificate = Self::parse_pair(&text, path, true)?;
                check_permissions(path, &metadata)?;
                Ok(certificate)
            }
            Err(fault) => Err(fault.at_secret(&secret_file)),
        }
    }

    fn parse_pair(text: &[u8], path: &Path, is_secret_missing: bool) -> Result<Self, CertificateError> {
        let mut certificate = Self::parse_public(text, path)?;
        let items = zpl::parse(text).map_err(|source| CertificateError::Syntax { path: path.to_owned(), source })?;
        let item = only(curve_section(&items, path)?, "secret-key", path)?;
        let no_secret = || CertificateError::NoSecret { path: path.to_owned(), is_secret_missing };
        let item = item.ok_or_else(no_secret)?;
        let text = item.value.as_ref().map(zpl::Value::as_key_text).filter(|text| !text.is_empty());
        let secret = SecretKey::from_z85(text.ok_or_else(no_secret)?).map_err(|source| bad_key(path, item, source))?;
        if secret.is_zero() {
            return Err(no_secret());
        }
        if secret.derive_public()? != certificate.public {
            return Err(CertificateError::Mismatch { path: path.to_owned(), secret_path: path.to_owned() });
        }
        certificate.secret = Some(secret);
        Ok(certificate)
    }

    /// Compares with the public certificate at `path`; one that is missing says nothing.
    fn check_against(&self, path: &Path) -> Result<(), CertificateError> {
        match read_file(path) {
            Ok((text, _)) if Self::parse_public(&text, path)?.public != self.public => {
                Err(CertificateError::Mismatch { path: path.to_owned(), secret_path: secret_path(path) })
            }
            _ => Ok(()),
        }
    }

    /// The value of a metadata name.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Both halves, where there are both.
    #[must_use]
    pub fn into_pair(self) -> Option<KeyPair> {
        Some(KeyPair { public: self.public, secret: self.secret? })
    }
}

/// Why a file was not read.
pub(crate) enum ReadFault {
    Io(io::Error),
    TooLarge,
}

impl ReadFault {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn at(self, path: &Path) -> CertificateError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => CertificateError::Unreadable { path, source },
            Self::TooLarge => CertificateError::Syntax { path, source: ZplError::TooLarge },
        }
    }

    fn at_secret(self, path: &Path) -> CertificateError {
        match self {
            Self::Io(source) => CertificateError::SecretUnreadable { path: path.to_owned(), source },
            Self::TooLarge => self.at(path),
        }
    }
}

pub(crate) fn read_file(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), ReadFault> {
    let (mut file, metadata) = private_file::open_regular(path).map_err(ReadFault::Io)?;
    let text = private_file::read_at_most(&mut file, SIZE_LIMIT).map_err(ReadFault::Io)?;
    Ok((text.ok_or(ReadFault::TooLarge)?, metadata))
}

/// Not even a symlink that leads nowhere: that one is a secret that cannot be read.
fn is_absent(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

fn check_permissions(path: &Path, metadata: &Metadata) -> Result<(), CertificateError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CertificateError::Permissions { path: path.to_owned(), mode });
    }
    Ok(())
}

fn bad_key(path: &Path, item: &Item, source: Z85Error) -> CertificateError {
    CertificateError::BadKey { path: path.to_owned(), name: item.name.clone(), line: item.line, source }
}

fn only<'a>(items: &'a [Item], name: &str, path: &Path) -> Result<Option<&'a Item>, CertificateError> {
    let mut found = items.iter().filter(|item| item.name == name);
    let first = found.next();
    match found.next() {
        Some(second) => {
            Err(CertificateError::Twice { path: path.to_owned(), name: name.to_owned(), line: second.line })
        }
        None => Ok(first),
    }
}

fn curve_section<'a>(items: &'a [Item], path: &Path) -> Result<&'a [Item], CertificateError> {
    let section = only(items, "curve", path)?;
    Ok(&section.ok_or_else(|| CertificateError::NoPublicKey { path: path.to_owned() })?.children)
}

/// The first of each name, as zhash_insert keeps it.
fn metadata_of(items: &[Item]) -> Vec<(String, String)> {
    let mut metadata: Vec<(String, String)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for item in items.iter().filter(|item| item.name == "metadata").flat_map(|section| &section.children) {
        if seen.insert(item.name.as_str()) {
            let value = item.value.as_ref().map_or("", zpl::Value::as_str);
            metadata.push((item.name.clone(), value.to_owned()));
        }
    }
    metadata
}
