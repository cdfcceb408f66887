use std::os::unix::fs::PermissionsExt;

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    command: CertCommand,
}

/// The exit status, standard output and standard error of a command line.
fn run_with(arguments: &[&str]) -> (u8, String, String) {
    let command = Program::try_parse_from([&["cert"], arguments].concat()).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut messages) = (Vec::new(), Vec::new());
    let status = execute(command.command, &mut out, &mut messages).unwrap();
    (status, String::from_utf8(out).unwrap(), String::from_utf8(messages).unwrap())
}

#[test]
fn a_new_certificate_can_be_shown_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.key");
    let path = path.to_str().unwrap();
    let (status, key, _) = run_with(&["new", path, "--name", "Alice", "--email", "a@b", "--meta", "site=x=y"]);
    assert_eq!((status, key.len()), (0, 41));

    let (status, shown, _) = run_with(&["show", path]);
    assert_eq!((status, shown), (0, format!("public-key: {key}name: Alice\nemail: a@b\nsite: x=y\n")));
    let secret = format!("{path}_secret");
    let (_, json, _) = run_with(&["show", &secret, "-o", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["public_key"], json!(key.trim_end()));
    assert_eq!(json["metadata"]["site"], json!("x=y"));
    assert_eq!(json.as_object().unwrap().len(), 3, "no secret in it: {json}");

    let (status, verified, _) = run_with(&["verify", path]);
    assert_eq!(status, 0);
    assert!(verified.starts_with("ok: ") && verified.contains("pair with public key"), "{verified}");
    std::fs::remove_file(secret).unwrap();
    let (status, verified, _) = run_with(&["verify", path, "-o", "json"]);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!((status, &verified["ok"], &verified["files"][0]["verdict"]), (0, &json!(true), &json!("ok")));
}

#[test]
fn a_certificate_that_exists_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.key");
    std::fs::write(&path, "mine").unwrap();
    let (status, out, messages) = run_with(&["new", path.to_str().unwrap()]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(messages.contains("exists already"), "{messages}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn what_is_wrong_with_a_directory_is_said_file_by_file() {
    let directory = tempfile::tempdir().unwrap();
    let in_it = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let own = directory.path().to_str().unwrap();
    let (status, empty, _) = run_with(&["verify", own]);
    assert_eq!((status, empty.lines().count()), (1, 1), "{empty}");

    run_with(&["new", &in_it("alice.key"), "--name", "Alice"]);
    std::fs::copy(in_it("alice.key"), in_it("laptop.key")).unwrap();
    std::fs::write(in_it("README"), "who is who").unwrap();
    let (status, good, _) = run_with(&["verify", own]);
    assert_eq!((status, good.lines().count()), (0, 3), "{good}");

    std::fs::write(in_it("bob.key"), "curve\n    public-key = \"short\"\n").unwrap();
    std::fs::set_permissions(own, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (status, bad, _) = run_with(&["verify", own]);
    assert_eq!(status, 1);
    assert!(bad.contains("(mode 0777): chmod go-w"), "{bad}");
    assert!(bad.contains("line 2, public-key: a key is 40 characters of Z85, this is 5 bytes"), "{bad}");
}

#[test]
fn a_loose_secret_and_a_missing_file_fail() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.key");
    let path = path.to_str().unwrap();
    run_with(&["new", path]);
    std::fs::set_permissions(format!("{path}_secret"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let (status, bad, _) = run_with(&["verify", path]);
    assert_eq!(status, 1);
    assert!(bad.contains("(mode 0640): chmod 600"), "{bad}");
    assert_eq!(run_with(&["verify", "/nonexistent"]).0, 1);
    let (status, out, messages) = run_with(&["show", "/nonexistent"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(messages.starts_with("rsyslog-zmq: cannot read the certificate"), "{messages}");
}

#[test]
fn metadata_cannot_steer_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mallory.key");
    std::fs::write(
        &path,
        format!("metadata\n    name = \"O'M\u{9b}2J\"\ncurve\n    public-key = \"{}\"\n", "1".repeat(40)),
    )
    .unwrap();
    let (_, shown, _) = run_with(&["show", path.to_str().unwrap()]);
    assert!(shown.ends_with("name: O'M\\u{9b}2J\n"), "{shown:?}");
}

#[test]
fn metadata_without_a_name_is_a_usage_error() {
    for text in ["x", "=x"] {
        let error = Program::try_parse_from(["cert", "new", "p", "--meta", text]).err().unwrap();
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn an_expired_certificate_is_said_although_it_is_admitted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.key");
    let path = path.to_str().unwrap();
    run_with(&["new", path, "--name", "Alice", "--expires", "2020-02-29"]);
    assert!(run_with(&["show", path]).1.contains("expires: 2020-02-29"));
    let (status, verified, _) = run_with(&["verify", path]);
    assert_eq!(status, 1);
    assert!(verified.starts_with("BAD: ") && verified.contains(": expired on 2020-02-29"), "{verified}");
    let (status, verified, _) = run_with(&["verify", directory.path().to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(verified.contains("admits \"Alice\"") && verified.contains("although it expired on 2020-02-29: remove"));

    let good = directory.path().join("bob.key");
    run_with(&["new", good.to_str().unwrap(), "--expires", "2d"]);
    assert_eq!(run_with(&["verify", good.to_str().unwrap()]).0, 0);
}
