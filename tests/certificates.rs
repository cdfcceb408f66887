//! Certificate files across programs: what CZMQ and pyzmq write is read here, and what is written here is read by both.
//!
//! Needs the C compiler, libczmq's headers and Debian's python3-zmq.

// Clippy knows the tests of an integration test as such, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use rsyslog_zmq::curve::allow_list::{AllowList, Decision, Policy};
use rsyslog_zmq::curve::certificate::{Certificate, CertificateError, secret_path};
use rsyslog_zmq::curve::keys::{KeyPair, PublicKey, SecretKey};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The python3 that the distribution's python3-zmq belongs to.
const PYTHON: &str = "/usr/bin/python3";

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Standard output of a command that has to succeed, by lines.
fn output_of(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Runs CZMQ's side, compiled once for all tests.
fn czmq(arguments: &[&str]) -> Vec<String> {
    static PROGRAM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PROGRAM.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("czmq_certificate");
        let source = in_repository("tests/peers/czmq_certificate.c");
        output_of(Command::new("cc").arg("-o").arg(&program).arg(source).args(["-lczmq", "-lzmq"]));
        (directory, program)
    });
    output_of(Command::new(program).args(arguments))
}

fn pyzmq(script: &str, arguments: &[&str]) -> Vec<String> {
    output_of(Command::new(PYTHON).arg("-c").arg(script).args(arguments))
}

fn metadata() -> Vec<(String, String)> {
    [("name", "Alice # 1"), ("email", "alice@example.org")].map(|(name, value)| (name.into(), value.into())).into()
}

/// A golden certificate, with the permissions that a secret has and git does not keep.
fn golden(writer: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    for name in ["alice.key", "alice.key_secret"] {
        fs::copy(in_repository("tests/golden/certificates").join(writer).join(name), directory.path().join(name))
            .unwrap();
    }
    let path = directory.path().join("alice.key");
    fs::set_permissions(secret_path(&path), Permissions::from_mode(0o600)).unwrap();
    (directory, path)
}

#[test]
fn golden_files_of_all_writers_are_read_with_both_halves() {
    for (writer, key, name) in [
        ("czmq", "j0vncXHLCvdmxj#JFst<UnvC1NGOz[8fk=bIorTw", Some("Alice # 1")),
        // pyzmq does not quote metadata, and a # after white space begins a comment (RFC 4).
        ("pyzmq", "kKt<YLKY96k>qqNUz$RvpfzQjs:-Xl}mqq3LK$m]", Some("Alice")),
        ("rsyslog-zmq", "kKt<YLKY96k>qqNUz$RvpfzQjs:-Xl}mqq3LK$m]", Some("Alice # 1")),
    ] {
        let (_directory, path) = golden(writer);
        let key = PublicKey::from_z85(key).unwrap();
        assert_eq!(Certificate::read_public(&path).unwrap().public, key, "{writer}");
        let pair = Certificate::read_pair(&path).unwrap();
        assert_eq!((pair.public, pair.metadata("name")), (key, name), "{writer}");
        assert_eq!(pair.secret.unwrap().derive_public().unwrap(), key, "{writer}");
    }
}

#[test]
fn what_is_written_is_the_golden_file_byte_by_byte() {
    let (_directory, path) = golden("pyzmq");
    let pair = Certificate::read_pair(&path).unwrap().into_pair().unwrap();
    let place = tempfile::tempdir().unwrap();
    let written = place.path().join("alice.key");
    Certificate::from_pair(pair, metadata()).write_new(&written).unwrap();
    let golden = in_repository("tests/golden/certificates/rsyslog-zmq/alice.key");
    for path in [(&written, &golden), (&secret_path(&written), &secret_path(&golden))] {
        assert_eq!(fs::read_to_string(path.0).unwrap(), fs::read_to_string(path.1).unwrap());
    }
}

#[test]
fn czmqs_certificates_are_read_here() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.key");
    for _ in 0..20 {
        let key = PublicKey::from_z85(&czmq(&["write", path.to_str().unwrap()])[0]).unwrap();
        let certificate = Certificate::read_pair(&path).unwrap();
        assert_eq!((certificate.public, certificate.metadata("name")), (key, Some("Alice # 1")));
        assert_eq!(Certificate::read_public(&path).unwrap().metadata("email"), Some("alice@example.org"));
        let mut list = AllowList::new(Policy::Directory(directory.path().to_owned()));
        assert!(matches!(list.check(&key), Decision::Allowed { name: Some(name), .. } if &*name == "Alice # 1"));
    }
}

#[test]
fn o18_a_secret_file_in_which_czmq_wrote_zeros_is_no_pair() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.key");
    let key = PublicKey::from_z85(&czmq(&["public", path.to_str().unwrap()])[0]).unwrap();
    assert!(fs::read_to_string(secret_path(&path)).unwrap().contains(&"0".repeat(40)));
    let error = Certificate::read_pair(&path).unwrap_err();
    assert!(matches!(error, CertificateError::NoSecret { .. }), "{error}");
    assert_eq!(Certificate::read_public(&path).unwrap().public, key);
}

#[test]
fn pyzmqs_certificates_are_read_here_once_their_secret_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let script = "import os, sys, zmq.auth\nos.umask(0o022)\n\
                  path, _ = zmq.auth.create_certificates(sys.argv[1], 'alice', metadata={'name': 'Alice'})\n\
                  print(zmq.auth.load_certificate(path)[0].decode())";
    let key = PublicKey::from_z85(&pyzmq(script, &[directory.path().to_str().unwrap()])[0]).unwrap();
    let path = directory.path().join("alice.key");
    assert_eq!(Certificate::read_public(&path).unwrap().public, key);
    let error = Certificate::read_pair(&path).unwrap_err().to_string();
    assert!(error.contains("alice.key_secret\" is open to group or others (mode 0644): chmod 600"), "{error}");
    fs::set_permissions(secret_path(&path), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Certificate::read_pair(&path).unwrap().public, key);
}

#[test]
fn ours_are_read_by_czmq_and_pyzmq() {
    let directory = tempfile::tempdir().unwrap();
    let script = "import sys, zmq.auth\n\
                  for path in sys.argv[1:]:\n\
                  \x20   public, secret = zmq.auth.load_certificate(path)\n\
                  \x20   print(public.decode())\n\
                  \x20   print(secret.decode() if secret else 'none')";
    for number in 0..20 {
        let path = directory.path().join(format!("alice-{number}.key"));
        let certificate = Certificate::from_pair(KeyPair::generate().unwrap(), metadata());
        certificate.write_new(&path).unwrap();
        let public = certificate.public.to_string();
        let secret = certificate.secret.as_ref().map(SecretKey::to_z85).unwrap();
        let (path_text, secret_file) = (path.to_str().unwrap(), secret_path(&path));

        assert_eq!(czmq(&["read", path_text]), [public.as_str(), secret.as_str(), "Alice # 1"]);
        let read = pyzmq(script, &[path_text, secret_file.to_str().unwrap()]);
        assert_eq!(read, [public.as_str(), "none", public.as_str(), secret.as_str()]);

        fs::remove_file(&secret_file).unwrap();
        assert_eq!(czmq(&["read", path_text]), [public.as_str(), "0".repeat(40).as_str(), "Alice # 1"]);
    }
}
