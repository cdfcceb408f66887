//! rsyslogd under valgrind's memcheck, and which of its findings concern the modules under test.

use std::path::Path;
use std::process::Command;

use super::daemon::{modules_argument, read};
use super::{Host, modules};

/// valgrind with rsyslogd, writing `memcheck.xml` into `directory`.
pub fn command(directory: &Path, host: &Host) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args([
            "--tool=memcheck",
            "--leak-check=full",
            "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite",
        ])
        .args(["--num-callers=50", "--fair-sched=try", "--xml=yes"])
        .arg(format!("--xml-file={}", directory.join("memcheck.xml").display()))
        .arg(&host.daemon)
        .arg(modules_argument(host));
    command
}

/// The errors in a report that have a frame of a module under test; the host's and other libraries' own are not ours to
/// judge.
pub fn findings(report: &Path) -> Vec<String> {
    let text = read(report);
    assert!(text.contains("</valgrindoutput>"), "valgrind did not finish its report {}", report.display());
    let directory = modules::under_test();
    let ours = ["imczmq.so", "omczmq.so"].map(|name| format!("<obj>{}</obj>", directory.join(name).display()));
    let errors = text.split("<error>").skip(1).filter_map(|rest| Some(rest.split_once("</error>")?.0));
    errors.filter(|error| ours.iter().any(|object| error.contains(object))).map(str::to_owned).collect()
}
