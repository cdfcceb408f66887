//! What the sockets of one module share at run time: a private context, its authenticator, the driver that watches
//! connections, and the thread that writes log lines.
//!
//! ZAP is per context (RFC 27), so a context of the module's own keeps both modules, and anything else in the process
//! that uses libzmq, out of each other's way.

use std::sync::Arc;

use super::admissions::Admissions;
use super::log_writer::{Log, Writer};
use crate::curve::authenticator::{Authenticator, AuthenticatorError};
use crate::curve::security::Security;
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::sys::zmq::{Context, Error};
use crate::transport::link::LinkOwner;
use crate::transport::link::driver::{Driver, DriverError};
use crate::transport::socket::open::{MayOpenSockets, Surroundings};

impl MayOpenSockets for BeforePrivilegeDrop {}
impl MayOpenSockets for Running {}

/// Why a module cannot work at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum RuntimeError {
    /// No context.
    #[error("cannot make a ZeroMQ context: {0}")]
    Context(Error),
    /// No authenticator; sockets that need one are not opened.
    #[error("cannot start the authenticator: {0}")]
    Authenticator(#[from] AuthenticatorError),
    /// Nothing can watch connections.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Nothing can write log lines.
    #[error("cannot start the thread that writes log lines: {0}")]
    Log(std::io::Error),
}

/// What the sockets of one module share. The authenticator and the driver end before the context, the log last.
pub(super) struct Runtime {
    authenticator: Option<Authenticator>,
    admissions: Arc<Admissions>,
    surroundings: Surroundings,
    _writer: Writer,
}

impl Runtime {
    /// Starts a context, and an authenticator where any of the sockets needs one.
    pub(super) fn start<'a>(
        _phase: impl MayOpenSockets,
        mut security: impl Iterator<Item = &'a Security>,
        log: &Log,
    ) -> Result<Self, RuntimeError> {
        let writer = log.serve().map_err(RuntimeError::Log)?;
        let context = Context::new().map_err(RuntimeError::Context)?;
        let driver = Arc::new(Driver::start()?);
        let admissions = Arc::new(Admissions::new(log.clone()));
        let authenticator = if security.any(|security| security.policy().is_some()) {
            let admissions = Arc::clone(&admissions);
            Some(Authenticator::start(&context, Arc::new(move |event| admissions.take(&event)))?)
        } else {
            None
        };
        Ok(Self { authenticator, admissions, surroundings: Surroundings { driver, context }, _writer: writer })
    }

    pub(super) fn surroundings(&self) -> Surroundings {
        self.surroundings.clone()
    }

    /// Admits clients of a server socket by its own rule; before the socket is opened.
    pub(super) fn admit(&self, domain: &str, security: &Security, owner: Arc<dyn LinkOwner>) {
        if let (Some(authenticator), Some(policy)) = (&self.authenticator, security.policy()) {
            self.admissions.register(domain, owner);
            authenticator.add_domain(domain, policy);
        }
    }

    /// Reads the allow lists again.
    pub(super) fn refresh(&self) {
        if let Some(authenticator) = &self.authenticator {
            authenticator.refresh();
        }
    }
}

/// A name that no other socket of the module has: it is the ZAP domain, so two sockets must never share one.
pub(super) fn unique_name(wanted: &str, taken: &[String]) -> String {
    // A domain has at least one byte (curve::security refuses an empty one).
    let wanted = if wanted.is_empty() { "unnamed" } else { wanted };
    let base = cut(wanted, LONGEST_NAME);
    if !taken.iter().any(|name| name == base) {
        return base.to_owned();
    }
    let numbered = |number: u32| {
        let number = format!("-{number}");
        cut(wanted, LONGEST_NAME - number.len()).to_owned() + &number
    };
    (2..).map(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}

/// What libzmq takes for a ZAP domain, in bytes (RFC 27; options.cpp `ZMQ_ZAP_DOMAIN`).
const LONGEST_NAME: usize = 255;

/// As much of the text as fits into so many bytes, whole characters only.
fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_within_a_module() {
        let mut taken = Vec::new();
        for expected in ["logs", "logs-2", "logs-3"] {
            let name = unique_name("logs", &taken);
            assert_eq!(name, expected);
            taken.push(name);
        }
        assert_eq!(unique_name("", &[]), "unnamed");
    }

    #[test]
    fn names_fit_into_a_zap_domain_and_stay_unique() {
        for letter in ["x", "\u{e4}", "\u{20ac}", "\u{1f600}"] {
            let long = letter.repeat(300);
            let mut taken: Vec<String> = Vec::new();
            for number in 1..=120 {
                // They differ only behind what fits.
                let name = unique_name(&format!("{long}{number}"), &taken);
                assert!(!name.is_empty() && name.len() <= LONGEST_NAME && !taken.contains(&name), "{name}");
                assert!(name.len() > LONGEST_NAME - letter.len() - 1, "{name} is cut too short");
                taken.push(name);
            }
        }
        let fits = "\u{e4}".repeat(127);
        assert_eq!(unique_name(&fits, &[]), fits);
    }
}
