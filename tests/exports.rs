//! The files themselves: one exported symbol, the system's libzmq, never unloaded, and not the same file twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::path::Path;
use std::process::Command;

use support::modules::under_test;

fn output(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(file)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn mod_init_is_the_only_exported_symbol() {
    for name in ["imczmq.so", "omczmq.so"] {
        let listed = output("nm", &["-D", "--defined-only"], &under_test().join(name));
        let symbols: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(symbols, ["modInit"], "{name}");
    }
}

#[test]
fn the_systems_libzmq_is_what_it_uses() {
    for name in ["imczmq.so", "omczmq.so"] {
        let listed = output("ldd", &[], &under_test().join(name));
        let libzmq =
            listed.lines().find(|line| line.contains("libzmq.so.5")).unwrap_or_else(|| panic!("{name}: {listed}"));
        assert!(libzmq.contains("=> /lib") || libzmq.contains("=> /usr/lib"), "{name}: {libzmq}");
        assert!(!listed.contains("libczmq"), "{name}: {listed}");
    }
}

#[test]
fn it_is_never_unloaded() {
    for name in ["imczmq.so", "omczmq.so"] {
        let listed = output("readelf", &["-d", "--wide"], &under_test().join(name));
        let flags =
            listed.lines().find(|line| line.contains("(FLAGS_1)")).unwrap_or_else(|| panic!("{name}: {listed}"));
        assert!(flags.contains("NODELETE"), "{name}: {flags}");
    }
}

#[test]
fn the_two_files_differ() {
    let [input, output] = ["imczmq.so", "omczmq.so"].map(|name| std::fs::read(under_test().join(name)).unwrap());
    assert!(input != output, "a file system that merges equal files would make one module of the two");
}
