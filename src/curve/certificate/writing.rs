//! Writing a certificate: both files or none, and never over anything.

use super::{Certificate, CertificateError, SECRET_SUFFIX, secret_path};
use crate::curve::zpl::{WriteError, Writer};
use crate::sys::private_file;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const PUBLIC_MODE: u32 = 0o644;
const SECRET_MODE: u32 = 0o600;

const PUBLIC_BANNER: [&str; 3] = [
    "ZeroMQ CURVE Public Certificate, written by rsyslog-zmq",
    "Exchange securely, or use a secure mechanism to verify the contents",
    "of this file after exchange.",
];
const SECRET_BANNER: [&str; 2] = [
    "ZeroMQ CURVE **Secret** Certificate, written by rsyslog-zmq",
    "DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.",
];

/// A file made by this call; removed again unless it is kept.
struct NewFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl NewFile {
    fn create(path: PathBuf, mode: u32) -> Result<Self, CertificateError> {
        match private_file::create_new(&path, mode) {
            Ok(file) => Ok(Self { path, file, is_kept: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(CertificateError::Exists { path }),
            Err(source) => Err(CertificateError::Write { path, source }),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), CertificateError> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|source| CertificateError::Write { path: self.path.clone(), source })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // The error that led here is the one to tell; there is nothing to add to it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Certificate {
    /// Writes `PATH` (mode 0644) and, where there is a secret, `PATH_secret` (0600 from its first moment on). Neither may
    /// exist; after an error neither is left. What is written is what CZMQ and pyzmq read.
    pub fn write_new(&self, path: &Path) -> Result<(), CertificateError> {
        if path.as_os_str().as_bytes().ends_with(SECRET_SUFFIX.as_bytes()) {
            return Err(CertificateError::SecretPath { path: path.to_owned() });
        }
        let public_text = self.text(false).map_err(CertificateError::Metadata)?;
        let secret_text = self.text(true).map_err(CertificateError::Metadata)?;
        self.check_metadata_names()?;

        // Both names are taken before anything is written to either.
        let mut secret_file = match self.secret {
            Some(_) => Some(NewFile::create(secret_path(path), SECRET_MODE)?),
            None => None,
        };
        let mut public_file = NewFile::create(path.to_owned(), PUBLIC_MODE)?;
        if let Some(file) = &mut secret_file {
            file.write(secret_text.as_str())?;
        }
        public_file.write(public_text.as_str())?;
        sync_directory(path);
        public_file.is_kept = true;
        if let Some(file) = &mut secret_file {
            file.is_kept = true;
        }
        Ok(())
    }

    fn check_metadata_names(&self) -> Result<(), CertificateError> {
        let taken_for_key = |name: &&String| name.starts_with("public-key") || name.starts_with("secret-key");
        match self.metadata.iter().map(|(name, _)| name).find(taken_for_key) {
            Some(name) => Err(CertificateError::MetadataName(name.clone())),
            None => Ok(()),
        }
    }

    fn text(&self, with_secret: bool) -> Result<Writer, WriteError> {
        let mut writer = Writer::new();
        let banner: &[&str] = if with_secret { &SECRET_BANNER } else { &PUBLIC_BANNER };
        banner.iter().chain(&[""]).try_for_each(|line| writer.comment(line))?;
        writer.section("metadata")?;
        self.metadata.iter().try_for_each(|(name, value)| writer.property(name, value))?;
        writer.section("curve")?;
        writer.property("public-key", &self.public.to_string())?;
        if let (true, Some(secret)) = (with_secret, &self.secret) {
            writer.property("secret-key", &secret.to_z85())?;
        }
        Ok(writer)
    }
}

/// Makes the new names last through a power cut where the file system can.
fn sync_directory(path: &Path) {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Some file systems refuse to sync a directory; the files themselves are safe.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}
