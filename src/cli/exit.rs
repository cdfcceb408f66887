//! How the program ends: its exit statuses, and failures that carry one.
#![forbid(unsafe_code)]

use std::fmt;
use std::process::ExitCode;

use crate::cli::terminal::escaped;

/// The statuses for `--help`.
pub const HELP: &str = "Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused by authentication, 4 nothing reachable \
                        (with --fail-fast).";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was asked to do; status 0.
    Done,
    /// It could not; status 1.
    Failed,
    /// The command line makes no sense; status 2.
    Usage,
    /// The other side refused our key, or security did not fit; status 3.
    Refused,
    /// Nothing could be reached; status 4.
    Unreachable,
    /// All is well, but no record came in time (`doctor`); status 5.
    Silent,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Usage => 2,
            Outcome::Refused => 3,
            Outcome::Unreachable => 4,
            Outcome::Silent => 5,
        })
    }
}

/// Why a command ended early: what failed, what to do about it, and the status.
#[derive(Debug)]
pub struct Failure {
    /// The status.
    pub outcome: Outcome,
    what: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure at run time.
    pub fn failed(what: impl fmt::Display) -> Self {
        Self { outcome: Outcome::Failed, what: what.to_string(), hint: None }
    }

    /// A command line that makes no sense.
    pub fn usage(what: impl fmt::Display) -> Self {
        Self { outcome: Outcome::Usage, what: what.to_string(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl fmt::Display for Failure {
    /// One line, and a second one with the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.what))?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {}", escaped(hint)),
            None => Ok(()),
        }
    }
}
