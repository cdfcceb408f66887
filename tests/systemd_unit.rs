//! The unit that runs `rsyslog-zmq metrics`, as systemd reads it.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/trials.rs"]
mod trials;

use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    trials::run(vec![trial!(the_systemd_unit_is_valid, trials::program("systemd-analyze"))])
}

fn the_systemd_unit_is_valid() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/rsyslog-zmq-metrics.service");
    let text = std::fs::read_to_string(unit).unwrap();
    let directory = tempfile::tempdir().unwrap();
    // systemd wants to see the program that a unit starts.
    let copy = directory.path().join("rsyslog-zmq-metrics.service");
    std::fs::write(&copy, text.replace("/usr/bin/rsyslog-zmq", env!("CARGO_BIN_EXE_rsyslog-zmq"))).unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("rsyslog-zmq-metrics.service:"), "{said}");
}
