//! Tests that need what not every machine has, as a list: where it is missing, the runner shows them as ignored.

use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Trial};

/// A test that runs unless something is missing here.
pub fn trial(name: &str, test: impl FnOnce() + Send + 'static, missing: Option<&str>) -> Trial {
    let run = move || {
        test();
        Ok(())
    };
    let kind = missing.map(|missing| format!("needs {missing}")).unwrap_or_default();
    Trial::test(name, run).with_kind(kind).with_ignored_flag(missing.is_some())
}

/// Runs the list by the arguments of the command line.
pub fn run(trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test with its function's name, and what is missing for it.
#[macro_export]
macro_rules! trial {
    ($test:ident) => {
        trials::trial(stringify!($test), $test, None)
    };
    ($test:ident, $missing:expr) => {
        trials::trial(stringify!($test), $test, $missing)
    };
}

/// Root, where the test's process is another user's.
pub fn root() -> Option<&'static str> {
    // SAFETY: only asks.
    (unsafe { libc::geteuid() } != 0).then_some("root")
}

/// A program, where it cannot be run.
pub fn program(name: &str) -> Option<&str> {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_err().then_some(name)
}
