//! A daemon under what systemd puts around rsyslog.service on Debian 13 and Ubuntu 24.04; see `hardened/hardened.c`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Config, modules};

/// A distribution's rsyslog.service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// With private files, and without the capabilities that a change of user needs.
    Debian13,
    /// With the capabilities to become another user, and everybody's files.
    Ubuntu2404,
}

impl Unit {
    /// Every unit that is known here.
    pub const ALL: [Self; 2] = [Self::Debian13, Self::Ubuntu2404];

    /// The launcher's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian13 => "debian-13",
            Self::Ubuntu2404 => "ubuntu-24.04",
        }
    }
}

/// The launcher, built into a directory of its own that goes away with this.
pub struct Hardened {
    directory: tempfile::TempDir,
}

impl Hardened {
    /// Builds the launcher.
    pub fn new() -> Self {
        let hardened = Self { directory: tempfile::tempdir().unwrap() };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/hardened/build.sh");
        let status = Command::new(script).arg(hardened.launcher()).status().unwrap();
        assert!(status.success(), "build.sh: {status}");
        hardened
    }

    /// The executable.
    pub fn launcher(&self) -> PathBuf {
        self.directory.path().join("hardened")
    }

    /// The configuration, to be started under a unit. Of what is in private places (`/tmp`, `/root`, ..), the daemon sees its
    /// own directory, the modules under test and `directories`.
    pub fn around(&self, config: Config, unit: Unit, directories: &[&Path]) -> Config {
        let modules = modules::under_test();
        let mut command = vec![self.launcher().display().to_string(), unit.name().to_owned(), "{dir}".to_owned()];
        command.extend(directories.iter().chain([&modules.as_path()]).map(|path| path.display().to_string()));
        command.push("--".to_owned());
        config.launched_by(&command.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
