//! What the modules cost inside the real rsyslogd, beside the distribution's C pair.
//!
//! Everybody of a group (the reference, the C pair, ours, ours packed) is measured once per round, one right after the
//! other and in turning order, each with an rsyslogd of its own. A machine is never quiet, so no figure means much by
//! itself; the ratios of neighbours do. `make bench` runs it; `--help` has the options.
//!
//! Loopback and free ports only, private directories, and every child dies with this process.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "a program, not a library")]

mod cases;
mod failure;
mod feeder;
mod flood;
mod host;
mod input;
mod keys;
mod latency;
mod options;
mod output;
mod packed;
mod report;
mod sender;
mod sink;
mod table;

use std::io::Write;
use std::process::ExitCode;

use failure::Result;
use options::Options;

fn run() -> Result<()> {
    let Some(options) = Options::from_arguments(std::env::args().skip(1))? else {
        std::io::stdout().write_all(options::HELP.as_bytes())?;
        return Ok(());
    };
    let installation = host::Installation::find(&options)?;
    let mut report = report::Report::begin(&options, &installation)?;
    for group in cases::groups(&options) {
        if let Some(rows) = cases::measure(&group, &options, &installation)? {
            report.group(&group, &rows)?;
        }
    }
    for case in sender::cases(&options) {
        report.senders(case.name, &sender::measure(case, &options)?)?;
    }
    report.end()
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
