//! One file of an allow list: what it says, and whether it still says so.

use super::tree::{self, Identity};
use crate::curve::certificate::{Certificate, ReadFault, read_file};
use crate::curve::keys::PublicKey;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A key that a certificate admits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) key: PublicKey,
    /// The certificate's `name`, or the file's path below the root.
    pub(super) name: Arc<str>,
    pub(super) metadata: Arc<[(String, String)]>,
    /// The file.
    pub(super) path: PathBuf,
}

/// What a file was when it was read.
#[derive(Debug)]
pub(super) enum Content {
    Certificate(Arc<Listed>),
    Broken(String),
    NoCertificate,
}

#[derive(Debug)]
pub(super) struct KnownFile {
    /// `None`: read again at the next look, whatever it says.
    pub(super) identity: Option<Identity>,
    pub(super) content: Content,
}

impl KnownFile {
    /// Whether the file is what it was when `listed` was read from it. One that may have changed unseen is read again.
    pub(super) fn still_has(&mut self, listed: &Listed, root: &Path) -> bool {
        if let Some(identity) = self.identity {
            return std::fs::metadata(&listed.path).is_ok_and(|metadata| Identity::of(&metadata) == identity);
        }
        match read(root, &listed.path) {
            Ok(KnownFile { identity, content: Content::Certificate(now) }) if *now == *listed => {
                self.identity = identity;
                true
            }
            Ok(_) | Err(_) => false,
        }
    }
}

/// Reads one file of the tree; an error is a want of resources.
pub(super) fn read(root: &Path, path: &Path) -> io::Result<KnownFile> {
    let before = std::time::SystemTime::now();
    let (text, metadata) = match read_file(path) {
        Ok(read) => read,
        Err(ReadFault::Io(error)) if tree::is_shortage(&error) => return Err(error),
        // A directory's permissions may change without a trace in the file's own times.
        Err(fault) => return Ok(KnownFile { identity: None, content: Content::Broken(fault.at(path).to_string()) }),
    };
    let identity = Identity::of(&metadata).if_settled(before);
    let content = match Certificate::parse_public(&text, path) {
        Ok(certificate) => {
            let own_name = certificate.metadata("name").filter(|name| !name.is_empty());
            let name = match own_name {
                Some(name) => Arc::from(name),
                None => Arc::from(path.strip_prefix(root).unwrap_or(path).to_string_lossy()),
            };
            Content::Certificate(Arc::new(Listed {
                key: certificate.public,
                name,
                metadata: certificate.metadata.into(),
                path: path.to_owned(),
            }))
        }
        // A note to colleagues in the directory is no broken certificate.
        Err(_) if !text.windows(PUBLIC_KEY.len()).any(|window| window == PUBLIC_KEY) => Content::NoCertificate,
        Err(error) => Content::Broken(error.to_string()),
    };
    Ok(KnownFile { identity, content })
}

const PUBLIC_KEY: &[u8] = b"public-key";
