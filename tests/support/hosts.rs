//! Which rsyslogd a test starts: the system's own, the one that `RSYSLOGD` names, or each of `RSYSLOGD_UNDER_TEST`.
//!
//! Where hosts differ by their nature the difference has a name here, with the release it came with, so that a test can
//! ask for it and stays strict everywhere else.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The distribution's own daemon.
const SYSTEM: &str = "/usr/sbin/rsyslogd";

/// An rsyslogd and the directory of its own modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The daemon.
    pub daemon: PathBuf,
    /// Where its `lmnet.so` and the like are.
    pub modules: PathBuf,
    /// The release it calls itself.
    pub release: Release,
    /// Configured with `--enable-debug`: another layout of its objects, and assertions.
    pub is_debug_build: bool,
}

/// A release as `rsyslogd -v` says it, such as 8.2302.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    text: String,
    /// Year and month: 2302.
    month: u32,
}

impl fmt::Display for Release {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(to)
    }
}

impl Release {
    /// The release in the first line of `rsyslogd -v`: `rsyslogd  8.2302.0 (aka 2023.02) compiled with:`.
    pub fn in_version(said: &str) -> Option<Self> {
        let text = said.split_whitespace().nth(1)?.trim_end_matches(',');
        let month = text.split('.').nth(1)?.parse().ok()?;
        said.starts_with("rsyslogd").then(|| Self { text: text.to_owned(), month })
    }

    /// Whether what is logged while a SIGHUP is being acted on waits until something else wakes the main thread
    /// (tools/rsyslogd.c mainloop of 8.2112: it writes the internal messages first and sleeps after the hangup; seen with none
    /// of our modules loaded).
    pub fn sits_on_what_a_hangup_logs(&self) -> bool {
        self.month == 2112
    }

    /// Whether a batch that the action refused goes back into the queue at the end (action.c, since 8.2606). Older ones
    /// count it as done before they hand it over, and lose it.
    pub fn keeps_a_refused_batch_at_the_end(&self) -> bool {
        self.month >= 2606
    }
}

impl fmt::Display for Host {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = if self.is_debug_build { " --enable-debug" } else { "" };
        write!(to, "{}{build} ({})", self.release, self.daemon.display())
    }
}

impl Host {
    /// The daemon at this path, whose modules are looked for in its own prefix, so that an installation anywhere, under a
    /// DESTDIR as well, will do: `PREFIX/sbin/rsyslogd` with `PREFIX/lib64/rsyslog`, `PREFIX/lib/rsyslog` or
    /// `PREFIX/lib/MULTIARCH/rsyslog`.
    pub fn at(daemon: &Path) -> Self {
        let modules = modules_of(daemon).unwrap_or_else(|| {
            panic!(
                "no lmnet.so in a lib*/rsyslog beside the directory of {}; name an installed rsyslogd",
                daemon.display()
            )
        });
        Self::with_modules(daemon, modules)
    }

    fn with_modules(daemon: &Path, modules: PathBuf) -> Self {
        let version = Command::new(daemon).arg("-v").output();
        let version = version.unwrap_or_else(|error| panic!("{} -v: {error}", daemon.display()));
        let said = String::from_utf8_lossy(&version.stdout).into_owned();
        let release = Release::in_version(&said)
            .unwrap_or_else(|| panic!("{} -v does not say its release: {said:?}", daemon.display()));
        let is_debug_build = said.lines().any(|line| line.contains("FEATURE_DEBUG") && line.ends_with("Yes"));
        Self { daemon: daemon.to_owned(), modules, release, is_debug_build }
    }

    /// The distribution's own.
    pub fn of_system() -> Self {
        Self::at(Path::new(SYSTEM))
    }

    /// The one that tests run on unless they say otherwise: `RSYSLOGD`, with its modules in `RSYSLOG_MODDIR` where that is
    /// set, or the system's own.
    pub fn current() -> Self {
        let daemon = std::env::var_os("RSYSLOGD").map_or_else(|| PathBuf::from(SYSTEM), PathBuf::from);
        match std::env::var_os("RSYSLOG_MODDIR") {
            Some(modules) => Self::with_modules(&daemon, PathBuf::from(modules)),
            None => Self::at(&daemon),
        }
    }

    /// The system's own and every one that `RSYSLOGD_UNDER_TEST` names (paths with colons between them), each once.
    pub fn all() -> Vec<Self> {
        let named = std::env::var_os("RSYSLOGD_UNDER_TEST").unwrap_or_default();
        let mut hosts = vec![Self::of_system()];
        for path in std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()) {
            let host = Self::at(&path);
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }
}

fn modules_of(daemon: &Path) -> Option<PathBuf> {
    let prefix = daemon.parent()?.parent()?;
    let multiarch = std::fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    [prefix.join("lib64"), prefix.join("lib")]
        .into_iter()
        .chain(multiarch)
        .map(|directory| directory.join("rsyslog"))
        .find(|directory| directory.join("lmnet.so").is_file())
}
