//! A daemon that may not open netlink sockets.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds a launcher (see `without_netlink.c`) in a directory.
pub fn without_netlink(directory: &Path) -> PathBuf {
    let launcher = directory.join("without_netlink");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/without_netlink.c");
    let status = Command::new("cc").arg("-o").arg(&launcher).arg(source).status().unwrap();
    assert!(status.success(), "cc: {status}");
    launcher
}
