//! Where the modules are: those under test and the distribution's.

use std::path::{Path, PathBuf};

/// The directory with the `imczmq.so` and `omczmq.so` under test: `RSYSLOG_ZMQ_MODULES`, or what `make build` left beside
/// this test's own executable.
pub fn under_test() -> PathBuf {
    let directory = match std::env::var_os("RSYSLOG_ZMQ_MODULES") {
        Some(directory) => PathBuf::from(directory),
        None => std::env::current_exe()
            .unwrap()
            .ancestors()
            .map(|directory| directory.join("release/modules"))
            .find(|directory| directory.is_dir())
            .expect("no modules to test: run `make build` first, or set RSYSLOG_ZMQ_MODULES"),
    };
    for name in ["imczmq.so", "omczmq.so"] {
        let file = directory.join(name);
        assert!(file.is_file(), "{} is missing: run `make build` first", file.display());
    }
    directory
}

/// The directory of rsyslog's own modules, by the packagings' customs: multiarch, lib64, lib.
pub fn of_distribution() -> PathBuf {
    if let Some(directory) = std::env::var_os("RSYSLOG_MODDIR") {
        return PathBuf::from(directory);
    }
    let multiarch =
        std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("rsyslog"));
    ["/usr/lib64/rsyslog", "/usr/lib/rsyslog"]
        .into_iter()
        .map(PathBuf::from)
        .chain(multiarch)
        .find(|directory| directory.join("lmnet.so").is_file())
        .expect("rsyslog's module directory is not to be found: install rsyslog, or set RSYSLOG_MODDIR")
}

/// The rsyslogd to test with.
pub fn rsyslogd() -> PathBuf {
    std::env::var_os("RSYSLOGD").map_or_else(|| PathBuf::from("/usr/sbin/rsyslogd"), PathBuf::from)
}

/// Copies a module under test to another directory or name.
pub fn copy(name: &str, to: &Path) {
    std::fs::copy(under_test().join(name), to).unwrap();
}
