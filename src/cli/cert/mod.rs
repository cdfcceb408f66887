//! `rsyslog-zmq cert`: certificates made, shown and checked. Data goes to standard output, everything else to standard
//! error; a secret key goes nowhere but into its file.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::terminal::{escaped, push_json_escaped};
use crate::curve::certificate::{Certificate, CertificateError, secret_path};
use crate::curve::keys::KeyPair;

pub mod expiry;
mod verify;

/// Done.
const DONE: u8 = 0;
/// Failed.
const FAILED: u8 = 1;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// Make a key pair: PATH to give away, PATH_secret to keep
    New(New),
    /// Show a certificate's public key and what it says about its owner
    Show(Show),
    /// Check a certificate pair, or a directory of allowed certificates, as the modules would
    Verify(Verify),
}

/// `cert new`.
#[derive(Debug, Args)]
pub struct New {
    /// File for the public certificate; the secret one is PATH_secret. Neither may exist
    path: PathBuf,
    /// Name of the owner: the one that log lines show
    #[arg(long, env = "RSYSLOG_ZMQ_CERT_NAME")]
    name: Option<String>,
    /// E-mail address of the owner
    #[arg(long, env = "RSYSLOG_ZMQ_CERT_EMAIL")]
    email: Option<String>,
    /// Organization of the owner
    #[arg(long, env = "RSYSLOG_ZMQ_CERT_ORGANIZATION")]
    organization: Option<String>,
    /// Until when it is meant to be used: a day (2027-01-31) or a time from now (365d); `cert verify` says when it is over
    #[arg(long, env = "RSYSLOG_ZMQ_CERT_EXPIRES", value_name = "DAY|TIME", value_parser = expiry::parse)]
    expires: Option<String>,
    /// Anything else about the owner; may be repeated
    #[arg(long, env = "RSYSLOG_ZMQ_CERT_META", value_name = "NAME=VALUE", value_parser = parse_metadata)]
    meta: Vec<(String, String)>,
}

/// `cert show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Certificate, public or secret
    path: PathBuf,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, env = "RSYSLOG_ZMQ_CERT_OUTPUT")]
    output: Output,
}

/// `cert verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Certificate, or directory of allowed certificates
    #[arg(value_name = "PATH|DIR")]
    path: PathBuf,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, env = "RSYSLOG_ZMQ_CERT_OUTPUT")]
    output: Output,
}

/// Output format of `cert show` and `cert verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
}

fn parse_metadata(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Runs a command: exit status 0 for done, 1 for failed. A reader that closed the pipe early has got what it wanted.
pub fn run(command: CertCommand) -> ExitCode {
    let mut out = io::stdout().lock();
    let mut messages = io::stderr().lock();
    match execute(command, &mut out, &mut messages).and_then(|status| out.flush().map(|()| status)) {
        Ok(status) => ExitCode::from(status),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(DONE),
        Err(error) => {
            // Standard error may be gone as well; the status still tells.
            let _ = writeln!(messages, "rsyslog-zmq: cannot write: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn execute(command: CertCommand, out: &mut dyn Write, messages: &mut dyn Write) -> io::Result<u8> {
    let outcome = match command {
        CertCommand::New(new) => make(new, out, messages),
        CertCommand::Show(show) => self::show(&show, out),
        CertCommand::Verify(verify) => verify::verify(&verify, out),
    };
    match outcome {
        Ok(status) => Ok(status),
        Err(Failure::Certificate(error)) => {
            writeln!(messages, "rsyslog-zmq: {}", escaped(&error.to_string()))?;
            Ok(FAILED)
        }
        Err(Failure::Output(error)) => Err(error),
    }
}

enum Failure {
    Certificate(CertificateError),
    Output(io::Error),
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn make(new: New, out: &mut dyn Write, messages: &mut dyn Write) -> Result<u8, Failure> {
    let named =
        [("name", new.name), ("email", new.email), ("organization", new.organization), (expiry::NAME, new.expires)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let pair = KeyPair::generate().map_err(CertificateError::from)?;
    let certificate = Certificate::from_pair(pair, named.chain(new.meta).collect());
    certificate.write_new(&new.path)?;
    writeln!(out, "{}", certificate.public)?;
    writeln!(messages, "wrote {:?} to give away and {:?} to keep", new.path, secret_path(&new.path))?;
    Ok(DONE)
}

fn show(show: &Show, out: &mut dyn Write) -> Result<u8, Failure> {
    let certificate = Certificate::read_public(&show.path)?;
    match show.output {
        Output::Text => {
            writeln!(out, "public-key: {}", certificate.public)?;
            for (name, value) in &certificate.metadata {
                writeln!(out, "{}: {}", escaped(name), escaped(value))?;
            }
        }
        Output::Json => {
            let metadata: Map<String, Value> =
                certificate.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let key = certificate.public.to_string();
            write_json(out, &json!({ "path": show.path.to_string_lossy(), "public_key": key, "metadata": metadata }))?;
        }
    }
    Ok(DONE)
}

/// One line. Somebody else may have written what is in it: it neither drives a terminal nor misleads its reader.
fn write_json(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    let mut line = Vec::new();
    push_json_escaped(&mut line, &value.to_string());
    line.push(b'\n');
    out.write_all(&line)
}

#[cfg(test)]
mod tests;
