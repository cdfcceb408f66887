//! `rsyslogd -N1` accepts each file in `rsyslog-conf/`.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use support::trials::{self, trial};
use support::{Certificates, Config, Host, check_config};

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rsyslog-conf");
    let files = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "conf")).collect();
    assert!(!files.is_empty(), "no configurations in {}", directory.display());
    let trials = files.into_iter().map(|file| {
        let text = std::fs::read_to_string(&file).unwrap();
        let missing = missing_module(&text).map(|module| format!("rsyslog's {module}.so"));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        trial(&format!("{name} is accepted"), move || assert_accepted(&text), missing.as_deref())
    });
    trials::run(trials.collect())
}

/// A module of rsyslog's own that a configuration loads and that this rsyslogd was built without.
fn missing_module(text: &str) -> Option<&str> {
    let ours = support::modules::under_test();
    let theirs = Host::current().modules;
    let mut names = text.split("module(load=\"").skip(1).filter_map(|rest| rest.split('"').next());
    names.find(|name| [&ours, &theirs].iter().all(|at| !at.join(format!("{name}.so")).exists()))
}

fn assert_accepted(text: &str) {
    let certificates = Certificates::new();
    certificates.create("aggregator");
    let text = text.replace("/etc/rsyslog/curve.d", &certificates.directory().display().to_string());
    let check = check_config(Config::new(&text));
    assert_eq!(check.status.code(), Some(0), "{}", check.output);
}
