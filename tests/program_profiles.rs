//! Profiles: flags from a file, and what wins over them.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program_support;

use std::process::Output;

use program_support::*;
use tempfile::TempDir;

/// A configuration directory with this file in it.
fn config(text: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("rsyslog-zmq")).unwrap();
    std::fs::write(home.path().join("rsyslog-zmq/config.toml"), text).unwrap();
    home
}

fn start(home: &TempDir, environment: &[(&str, &str)], arguments: &[&str]) -> std::process::Child {
    let mut command = command(arguments);
    command.env("XDG_CONFIG_HOME", home.path()).envs(environment.iter().copied());
    command.spawn().unwrap()
}

fn fails(home: &TempDir, arguments: &[&str]) -> String {
    let output = start(home, &[], arguments).wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn text(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn every_flag_works_in_a_profile_and_the_command_line_and_the_environment_win() {
    let publisher = Publisher::new();
    let home = config(&format!(
        "[profile.test]\nendpoint = [\"{}\"]\ntopic = [\"a\", \"b\"]\noutput = \"template={{message}}\"\n\
         count = 2\nquiet = true\nfail-fast = false\npriority = \"err\"\n",
        publisher.endpoint
    ));
    let records =
        ["a<13>Oct 11 22:14:15 h p: notice", "a<11>Oct 11 22:14:15 h p: one", "b<11>Oct 11 22:14:15 h p: two"];
    let publish = |topics: usize| {
        let mut found: Vec<String> = (0..topics).map(|_| publisher.subscription()).collect();
        found.sort();
        records.iter().for_each(|record| publisher.send(record));
        found
    };

    let child = start(&home, &[], &["tail", "--profile", "test"]);
    assert_eq!(publish(2), ["a", "b"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!((text(&output), output.stderr.as_slice()), ("one\ntwo\n", &b""[..]));
    publisher.cancellation();

    let child = start(&home, &[("RSYSLOG_ZMQ_COUNT", "1")], &["tail", "--profile", "test", "-t", "b", "-o", "raw"]);
    assert_eq!(publish(1), ["b"]);
    assert_eq!(text(&child.wait_with_output().unwrap()), format!("{}\n", records[2]));
    publisher.cancellation();

    // A flag that cannot go with one of the profile takes its place too.
    let child = start(&home, &[("RSYSLOG_ZMQ_PROFILE", "test")], &["tail", "--topics", "a", "--json", "-n", "1"]);
    assert_eq!(publisher.subscription(), "a");
    publisher.send("a<11>Oct 11 22:14:15 h p: @cee: {\"x\":1}");
    assert_eq!(text(&child.wait_with_output().unwrap()), "{\"x\":1}\n");
}

#[test]
fn certificates_are_looked_for_beside_the_file() {
    let curve = Curve::new();
    let home = config(&format!(
        "[profile.test]\nendpoint = \"{}\"\nserver-cert = \"server\"\nclient-cert = \"me\"\ncount = 1\n",
        curve.publisher.endpoint
    ));
    let me = curve.make("me");
    curve.admit(&me);
    for file in ["server", "me", "me_secret"] {
        std::fs::copy(curve.path(file), home.path().join("rsyslog-zmq").join(file)).unwrap();
    }
    let child = start(&home, &[], &["tail", "--profile", "test"]);
    curve.publisher.subscription();
    curve.publisher.send("in secret");
    assert_eq!(text(&child.wait_with_output().unwrap()), "in secret\n");
    // doctor takes what concerns the connection, and leaves the rest alone.
    let child = start(&home, &[], &["doctor", "--profile", "test"]);
    curve.publisher.subscription();
    curve.publisher.send("in secret again");
    assert!(text(&child.wait_with_output().unwrap()).ends_with("in secret again\n"));
}

#[test]
fn what_is_wrong_with_a_profile_is_said() {
    let home = config("[profile.one]\nendpoint = \"tcp://a:1\"\n[profile.two]\n");
    let said = fails(&home, &["tail", "--profile", "three"]);
    assert!(said.contains("no profile \"three\"") && said.contains("there is one, two"), "{said}");
    let said = fails(&home, &["tail", "--profile", "two"]);
    assert!(said.contains("no endpoint: neither the command line nor the profile has one"), "{said}");
    for (line, reason) in [
        ("bogus = 1", "there is no flag --bogus"),
        ("quiet = 1.5", "quiet is neither text, a number, true or false"),
        ("quiet = \"maybe\"", "quiet is true or false, not \"maybe\""),
        ("count = 0", "invalid value '0' for '--count <COUNT>'"),
        ("profile = \"one\"", "there is no flag --profile"),
        ("topic = [1, {}]", "topic is neither"),
        ("topic = [", "config.toml\": line"),
    ] {
        let home = config(&format!("[profile.p]\nendpoint = \"tcp://127.0.0.1:9\"\n{line}\n"));
        let said = fails(&home, &["tail", "--profile", "p"]);
        assert!(said.contains(reason), "{line}: {said}");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let said = fails(&nowhere, &["tail", "--profile", "p"]);
    assert!(said.contains("cannot read the profiles in"), "{said}");
}
