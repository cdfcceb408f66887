//! An allow list's directory, explained path by path to a person.

use super::file::{Content, read};
use super::tree;
use crate::curve::keys::PublicKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`inspect`] found one path to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A certificate that admits this key.
    Admits {
        /// The key.
        key: PublicKey,
        /// The name it goes by.
        name: Arc<str>,
    },
    /// Something that should be a certificate and is none that can be used, and why.
    Broken(String),
    /// No certificate; ignored.
    NoCertificate,
}

/// What an allow list would make of a directory, path by path; an error is why it would admit nobody.
pub fn inspect(directory: &Path) -> Result<Vec<(PathBuf, Finding)>, String> {
    let found = tree::walk(directory).map_err(|unreadable| unreadable.reason)?;
    let mut findings: Vec<_> =
        found.problems.into_iter().map(|(path, reason)| (path, Finding::Broken(reason))).collect();
    for file in found.files {
        let finding = match read(directory, &file.path).map(|known| known.content) {
            Ok(Content::Certificate(listed)) => Finding::Admits { key: listed.key, name: Arc::clone(&listed.name) },
            Ok(Content::Broken(reason)) => Finding::Broken(reason),
            Ok(Content::NoCertificate) => Finding::NoCertificate,
            Err(error) => Finding::Broken(error.to_string()),
        };
        findings.push((file.path, finding));
    }
    findings.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(findings)
}
