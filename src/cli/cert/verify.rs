//! `cert verify`: what the modules would say to a certificate or to a directory of allowed ones.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{DONE, FAILED, Failure, Output, Verify, expiry, write_json};
use crate::cli::terminal::escaped;
use crate::curve::allow_list::{self, Finding};
use crate::curve::certificate::{Certificate, CertificateError};

/// One line of a verification.
struct Line {
    path: PathBuf,
    verdict: Verdict,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Ignored,
    Bad,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Ignored => "ignored",
            Self::Bad => "BAD",
        }
    }
}

/// Prints a line for each file; the status says whether all is well.
pub fn verify(verify: &Verify, out: &mut dyn Write) -> Result<u8, Failure> {
    let lines = if verify.path.is_dir() { verify_directory(&verify.path) } else { verify_pair(&verify.path) };
    let is_good = lines.iter().all(|line| line.verdict != Verdict::Bad);
    match verify.output {
        Output::Text => {
            for line in &lines {
                writeln!(out, "{}: {:?}: {}", line.verdict.word(), line.path, escaped(&line.text))?;
            }
        }
        Output::Json => {
            let entry = |line: &Line| {
                json!({
                    "path": line.path.to_string_lossy(),
                    "verdict": line.verdict.word().to_ascii_lowercase(),
                    "text": line.text,
                })
            };
            let files: Vec<Value> = lines.iter().map(entry).collect();
            write_json(out, &json!({ "path": verify.path.to_string_lossy(), "ok": is_good, "files": files }))?;
        }
    }
    Ok(if is_good { DONE } else { FAILED })
}

fn verify_pair(path: &Path) -> Vec<Line> {
    let line = |verdict, text| Line { path: path.to_owned(), verdict, text };
    // Nothing is wrong with a certificate that was given to us.
    let read = match Certificate::read_pair(path) {
        Err(CertificateError::NoSecret { is_secret_missing: true, .. }) => {
            Certificate::read_public(path).map(|public| ("public certificate with key", public))
        }
        pair => pair.map(|pair| ("pair with public key", pair)),
    };
    vec![match read {
        Ok((what, certificate)) => match expiry::complaint(&certificate) {
            None => line(Verdict::Good, format!("{what} {}", certificate.public)),
            Some(complaint) => line(Verdict::Bad, format!("{what} {}: {complaint}", certificate.public)),
        },
        Err(error) => line(Verdict::Bad, error.to_string()),
    }]
}

fn verify_directory(directory: &Path) -> Vec<Line> {
    let line = |verdict, text| Line { path: directory.to_owned(), verdict, text };
    let findings = match allow_list::inspect(directory) {
        Ok(findings) => findings,
        Err(reason) => return vec![line(Verdict::Bad, reason)],
    };
    let mut lines = Vec::new();
    let mode = directory.metadata().map_or(0, |metadata| metadata.permissions().mode() & 0o7777);
    if mode & 0o022 != 0 {
        let text = format!("group or others may add clients (mode {mode:04o}): chmod go-w {directory:?}");
        lines.push(line(Verdict::Bad, text));
    }
    let mut first_paths = HashMap::new();
    for (path, finding) in findings {
        let (verdict, text) = match finding {
            Finding::Admits { key, name } => {
                let first = first_paths.insert(key, path.clone());
                let again = first.map_or(String::new(), |first| format!(", as {first:?} does"));
                let text = format!("admits {name:?} with key {key}{again}");
                // The authenticator does not look at it, so it is for us to say.
                match Certificate::read_public(&path).ok().and_then(|certificate| expiry::complaint(&certificate)) {
                    Some(complaint) => (Verdict::Bad, format!("{text}, although it {complaint}: remove the file")),
                    None => (Verdict::Good, text),
                }
            }
            Finding::Broken(reason) => (Verdict::Bad, reason),
            Finding::NoCertificate => (Verdict::Ignored, "no certificate".to_owned()),
        };
        lines.push(Line { path, verdict, text });
    }
    if first_paths.is_empty() {
        lines.push(line(Verdict::Bad, "no certificate in here: nobody is admitted".to_owned()));
    }
    lines
}
