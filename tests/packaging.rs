//! What the files in `packaging/` have to agree on with the project; that they build and install is `make deb`,
//! `make rpm` and `make test-deb`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The directories that packages make and documents name.
const DIRECTORIES: [&str; 2] = ["/etc/rsyslog/curve.d", "/run/rsyslog-zmq"];

#[test]
fn the_packages_have_the_version_of_the_crate() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = read("packaging/debian/changelog");
    assert!(changelog.starts_with(&format!("rsyslog-zmq ({version}) ")), "{}", changelog.lines().next().unwrap());
    let entry = read("packaging/rpm/rsyslog-zmq.spec").lines().find(|line| line.starts_with("* ")).unwrap().to_owned();
    assert!(entry.ends_with(&format!(" - {version}-1")), "{entry}");
}

#[test]
fn the_rust_that_the_packages_ask_for_is_the_crates() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    let control = read("packaging/debian/control");
    assert!(control.contains(&format!("cargo:native (>= {version})")), "{control}");
    assert!(control.contains(&format!("rustc:native (>= {version})")), "{control}");
    assert!(read("packaging/rpm/rsyslog-zmq.spec").contains(&format!("cargo >= {version}\n")));
}

#[test]
fn packages_ask_for_the_libzmq_that_the_modules_take() {
    let control = read("packaging/debian/control");
    assert!(control.contains("libzmq3-dev (>= 4.3.3)"), "{control}");
    assert_eq!(control.matches("libzmq5 (>= 4.3.3),").count(), 2, "{control}");
    let spec = read("packaging/rpm/rsyslog-zmq.spec");
    assert!(spec.contains("pkgconfig(libzmq) >= 4.3.3\n"), "{spec}");
    assert_eq!(spec.matches("(zeromq >= 4.3.3 or libzmq5 >= 4.3.3)").count(), 2, "{spec}");
}

#[test]
fn every_man_page_and_completion_is_in_both_packages() {
    let debian =
        ["install", "manpages"].map(|part| read(&format!("packaging/debian/rsyslog-zmq-tools.{part}"))).concat();
    let spec = read("packaging/rpm/rsyslog-zmq.spec");
    for (page, file) in
        [("completions/_rsyslog-zmq", "_rsyslog-zmq"), ("completions/rsyslog-zmq.fish", "rsyslog-zmq.fish")]
    {
        assert!(top().join("packaging").join(page).is_file(), "{page}");
        assert!(debian.contains(file) && spec.contains(file), "{file}");
    }
    assert!(debian.contains("packaging/man/*.1") && spec.contains("/man1/rsyslog-zmq*.1*"));
}

#[test]
fn the_directories_that_documents_name_are_those_that_packages_make() {
    let makes = |file: &str, directory: &str| read(file).contains(directory.trim_start_matches('/'));
    assert!(makes("packaging/debian/rsyslog-zmq.dirs", DIRECTORIES[0]));
    assert!(makes("packaging/tmpfiles.d/rsyslog-zmq.conf", DIRECTORIES[1]));
    for directory in DIRECTORIES {
        assert!(makes("packaging/debian/rsyslog-zmq.README.Debian", directory), "{directory}");
    }
    // What AppArmor has to allow, and what the examples tell people to use.
    let apparmor = read("packaging/apparmor/rsyslog-zmq.apparmor");
    assert!(apparmor.contains("/etc/rsyslog/curve.d/** r,") && apparmor.contains("@{run}/rsyslog-zmq/** rw,"));
    for entry in std::fs::read_dir(top().join("rsyslog-conf")).unwrap() {
        let path = entry.unwrap().path();
        for path_in_use in std::fs::read_to_string(&path).unwrap().split('"').filter(|word| word.starts_with("/etc/")) {
            let is_known =
                Path::new(path_in_use).starts_with(DIRECTORIES[0]) || path_in_use.starts_with("/etc/rsyslog-zmq/");
            assert!(is_known, "{} uses {path_in_use}", path.display());
        }
    }
}
