//! A libzmq with the draft API and CURVE, built from the sources of the `zeromq-src` crate. No distribution ships one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The argument with which a test's own executable is called to compile: `zeromq-src` reads what a build script is told in
/// the environment, which is not to be changed in a process with threads.
const COMPILE: &str = "--compile-libzmq-with-drafts";

/// Compiles and ends the process, if that is what this process was started for.
pub fn compile_if_asked() {
    if std::env::args().nth(1).as_deref() == Some(COMPILE) {
        zeromq_src::Build::new()
            .enable_draft(true)
            .with_libsodium(Some(zeromq_src::LibLocation::new("/usr/lib", "/usr/include")))
            .build();
        std::process::exit(0);
    }
}

/// The directory with a `libzmq.so.5` that has drafts, built at the first call and kept in the target directory; or why
/// there is none.
pub fn directory() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libzmq-with-drafts");
    let library = directory.join("libzmq.so.5");
    if library.exists() {
        return Ok(directory);
    }
    for (what, arguments) in [
        ("a C++ compiler", &["-x", "c++", "/dev/null"][..]),
        ("sodium.h", &["-include", "sodium.h", "-x", "c++", "/dev/null"]),
    ] {
        let found = Command::new("c++").args(["-fsyntax-only"]).args(arguments).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!("{what} is missing"));
        }
    }
    std::fs::create_dir_all(&directory).unwrap();
    let machine = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    run(Command::new(std::env::current_exe().unwrap())
        .arg(COMPILE)
        .env("OUT_DIR", &directory)
        .envs(["TARGET", "HOST"].map(|name| (name, &machine)))
        .env("CARGO_CFG_TARGET_ENV", "gnu")
        .env("OPT_LEVEL", "1")
        .env("DEBUG", "false"));
    let unfinished = directory.join("unfinished.so");
    run(Command::new("c++")
        .args(["-shared", "-Wl,-soname,libzmq.so.5", "-Wl,--whole-archive"])
        .arg(directory.join("lib/libzmq.a"))
        .args(["-Wl,--no-whole-archive", "-lsodium", "-lpthread", "-o"])
        .arg(&unfinished));
    std::fs::rename(unfinished, library).unwrap();
    Ok(directory)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
