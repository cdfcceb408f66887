//! Where the modules under test are.

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

/// Copies a module under test to another directory or name.
pub fn copy(name: &str, to: &Path) {
    std::fs::copy(under_test().join(name), to).unwrap();
}
