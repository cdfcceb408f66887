//! One golden file per output format and per error: `tests/golden/cli/*.txt`, each with the command line, what the program
//! got, and what it wrote.
//!
//! `RSYSLOG_ZMQ_BLESS=1 cargo test --test program_golden` writes them anew; look at the difference.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program_support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use program_support::*;

/// One record of every shape, two of them with the topic in a frame of its own.
const RECORDS: [(Option<&str>, &[u8]); 10] = [
    (None, b"<13>2026-01-02T03:04:05.678901+00:00 web1 nginx[42]: GET / 200"),
    (Some("web1.sshd"), b"<86>2026-01-02T03:04:06.000000+00:00 web1 sshd[7]: Accepted publickey for root"),
    (None, b"web1.cron<78>Oct 11 22:14:15 web1 cron: job a=b \"done\""),
    (None, b"<165>1 2026-01-02T03:04:07Z web2 app 7 ID47 [meta x=\"1\"] \xef\xbb\xbfhello"),
    (None, br#"web3.app[9]:@cee:{"@timestamp":"2026-01-02T03:04:08Z","host":"web3","severity":"err","facility":"daemon","syslogtag":"app[9]:","msg":"from JSON","n":{"a":1}}"#),
    (Some("web4"), b"<11>2026-01-02T03:04:09Z web4 kernel: @cee: {\"msg\":\"x\"}"),
    (None, b"Oct 11 22:14:15 web5 su: no priority"),
    (None, b"just text"),
    (None, b"<13>Oct 11 22:14:15 web6 evil: \x1b[31mred\x07\r\nsecond line \xff"),
    (None, b""),
];

/// Compares with a golden file, or writes it.
#[track_caller]
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cli").join(format!("{name}.txt"));
    if std::env::var_os("RSYSLOG_ZMQ_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{} is not\n{text}\nbut\n{golden}", path.display());
}

/// What a run was and did, with what differs from run to run replaced.
fn describe(arguments: &[&str], ended: &Ended, replaced: &[(&str, &str)]) -> String {
    let quoted: Vec<String> = arguments
        .iter()
        .map(
            |argument| {
                if argument.contains([' ', '*', '{']) { format!("'{argument}'") } else { (*argument).to_owned() }
            },
        )
        .collect();
    let mut text = format!("$ rsyslog-zmq {}\n{}", quoted.join(" "), ended.stdout);
    if !ended.stderr.is_empty() {
        let _ = writeln!(text, "--- standard error\n{}", ended.stderr);
    }
    let _ = writeln!(text, "--- status {}", ended.status);
    replaced.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// A `tail` that gets every record.
fn tail(name: &str, flags: &[&str], shown: usize) {
    let publisher = Publisher::new();
    let count = shown.to_string();
    let arguments = [&["tail", "-q", &publisher.endpoint, "-n", &count], flags].concat();
    let program = Program::start(&arguments);
    publisher.subscription();
    for (topic, body) in RECORDS {
        match topic {
            Some(topic) => publisher.send_two(topic, body),
            None => publisher.send(body),
        }
    }
    assert_golden(name, &describe(&arguments, &program.end(), &[(&publisher.endpoint, "tcp://web:24444")]));
}

#[test]
fn output_formats() {
    for (name, flags) in [
        ("format-default", &[][..]),
        ("format-default-colour", &["--color", "always"]),
        ("format-raw", &["-o", "raw", "--include", "web[1-5]|just"]),
        ("format-json", &["-o", "json"]),
        ("format-logfmt", &["-o", "logfmt"]),
        (
            "format-template",
            &["-o", "template={timestamp}|{topic}|{facility}.{severity}|{host}|{program}|{pid}|{message}"],
        ),
        ("format-template-cee", &["-o", "template={cee.msg}|{cee.n}|{cee}|{{}}"]),
        ("format-highlight", &["--highlight", "web1 \\w+|JSON", "--color", "always"]),
    ] {
        let shown = if name == "format-raw" { 7 } else { RECORDS.len() };
        tail(name, flags, shown);
    }
}

#[test]
fn filters() {
    for (name, flags, shown) in [
        ("filter-host", &["--host", "WEB[1", "--host", "web1"][..], 3),
        ("filter-host-pattern", &["--host", "web?,x*"], 8),
        ("filter-program", &["--program", "ngin*", "--program", "app"], 3),
        ("filter-priority", &["--priority", "err"], 2),
        ("filter-priority-facility", &["--priority", "authpriv.info", "--priority", "=notice"], 4),
        ("filter-all", &["--host", "web*", "--priority", "notice", "--include", "GET|JSON", "--exclude", "JSON"], 1),
    ] {
        tail(name, flags, shown);
    }
}

#[test]
fn topic_delimiters() {
    let publisher = Publisher::new();
    for (name, format) in
        [("topic-delimiter", "default"), ("topic-delimiter-raw", "raw"), ("topic-delimiter-logfmt", "logfmt")]
    {
        let arguments = ["tail", "-q", &publisher.endpoint, "-n", "3", "--topic-delimiter", "|", "-o", format];
        let program = Program::start(&arguments);
        publisher.subscription();
        publisher.send("web1|<13>Oct 11 22:14:15 web1 p: a|b");
        publisher.send("no delimiter");
        publisher.send_two("two.frames", "x|y");
        assert_golden(name, &describe(&arguments, &program.end(), &[(&publisher.endpoint, "tcp://web:24444")]));
        publisher.cancellation();
    }
}

#[test]
fn packed_frames() {
    let publisher = Publisher::new();
    let arguments = ["tail", &publisher.endpoint, "-n", "4", "--unpack"];
    let mut program = Program::start(&arguments);
    program.wait_for("connected");
    publisher.subscription();
    publisher.send("3 one3 two");
    publisher.send("4 one3 two");
    publisher.send_two("topic", "5 three4 four4 over");
    assert_golden("unpack", &describe(&arguments, &program.end(), &[(&publisher.endpoint, "tcp://web:24444")]));
}

#[test]
fn errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let unknown = path("unknown.toml", "endpoint = \"x\"\n");
    let rule = path("rule.toml", "[[rule]]\nmetric = \"m\"\ntype = \"counter\"\nlabels = [\"hots\"]\n");
    let broken = path("broken.toml", "[[rule]\n");
    let here = directory.path().to_str().unwrap().to_owned();
    for (name, arguments) in [
        ("error-no-command", &[][..]),
        ("error-no-endpoint", &["tail"]),
        ("error-bad-endpoint", &["tail", "udp://web:1"]),
        ("error-bad-regex", &["tail", "tcp://a:1", "--exclude", "(a"]),
        ("error-bad-highlight", &["tail", "tcp://a:1", "--highlight", "["]),
        ("error-bad-priority", &["tail", "tcp://a:1", "--priority", "grave"]),
        ("error-bad-format", &["tail", "tcp://a:1", "-o", "xml"]),
        ("error-bad-template", &["tail", "tcp://a:1", "-o", "template={hots}"]),
        ("error-bad-delimiter", &["tail", "tcp://a:1", "--topic-delimiter", "::"]),
        ("error-client-without-server", &["tail", "tcp://a:1", "--client-cert", "me"]),
        ("error-no-certificate", &["tail", "tcp://a:1", "--server-cert", "/nonexistent/server"]),
        ("error-unresolved", &["tail", "tcp://no-such-host.invalid:1", "--fail-fast"]),
        ("error-metrics-no-file", &["metrics", "--config", "/nonexistent/metrics.toml"]),
        ("error-metrics-unknown-key", &["metrics", "--check", "--config", &unknown]),
        ("error-metrics-rule", &["metrics", "--check", "--config", &rule]),
        ("error-metrics-syntax", &["metrics", "--check", "--config", &broken]),
        ("error-metrics-nothing", &["metrics"]),
        ("error-doctor-bind", &["doctor", "@tcp://127.0.0.1:1"]),
        ("error-cert-show", &["cert", "show", "/nonexistent/certificate"]),
        ("error-cert-exists", &["cert", "new", &rule]),
    ] {
        assert_golden(name, &describe(arguments, &run(arguments), &[(&here, "DIR")]));
    }
}

#[test]
fn one_shot_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.toml");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rsyslog-conf/metrics.toml");
    std::fs::copy(rules, &path).unwrap();
    let here = directory.path().to_str().unwrap().to_owned();
    let check = ["metrics", "--check", "--config", path.to_str().unwrap()];
    assert_golden("metrics-check", &describe(&check, &run(&check), &[(&here, "DIR")]));
    let arguments = ["metrics", "--one-shot", "--config", path.to_str().unwrap()];
    let mut child = command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    let lines = "web1.nginx<14>Oct 11 22:14:15 web1 nginx[1]: 10.0.0.1 \"GET /a HTTP/1.1\" 200 512 0.012\n\
                 web1.nginx<14>Oct 11 22:14:16 web1 nginx[1]: 10.0.0.2 \"POST /b HTTP/1.1\" 502 0 3.5\n\
                 web2.sshd<86>Oct 11 22:14:17 web2 sshd[5]: Failed password for invalid user admin from 10.0.0.3 port 5 ssh2\n\
                 web2.sshd<86>Oct 11 22:14:18 web2 sshd[5]: pam_unix(sshd:session): session opened for user root(uid=0)\n\
                 db1.postgres<14>Oct 11 22:14:19 db1 postgres[9]: temporary file: path \"x\", size 3.4 MiB\n\
                 nothing that a rule knows\n";
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let ended = Ended {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_golden("metrics-one-shot", &describe(&arguments, &ended, &[(&here, "DIR")]));
}

#[test]
fn certificates() {
    let directory = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/certificates/czmq");
    for file in ["alice.key", "alice.key_secret"] {
        std::fs::copy(golden.join(file), directory.path().join(file)).unwrap();
    }
    use std::os::unix::fs::PermissionsExt;
    let set = |file: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path().join(file), mode).unwrap();
    };
    set("", 0o755);
    set("alice.key_secret", 0o600);
    std::fs::write(directory.path().join("README"), "who is who").unwrap();
    std::fs::write(directory.path().join("bob.key"), "curve\n    public-key = \"short\"\n").unwrap();
    let here = directory.path().to_str().unwrap().to_owned();
    let alice = directory.path().join("alice.key").to_str().unwrap().to_owned();
    for (name, arguments) in [
        ("cert-show", &["cert", "show", &alice][..]),
        ("cert-show-json", &["cert", "show", &alice, "-o", "json"]),
        ("cert-verify", &["cert", "verify", &alice]),
        ("cert-verify-directory", &["cert", "verify", &here]),
        ("cert-verify-directory-json", &["cert", "verify", &here, "-o", "json"]),
    ] {
        assert_golden(name, &describe(arguments, &run(arguments), &[(&here, "DIR")]));
    }
    set("alice.key_secret", 0o644);
    let arguments = ["cert", "verify", &alice];
    assert_golden("cert-verify-mode", &describe(&arguments, &run(&arguments), &[(&here, "DIR")]));
}

#[test]
fn certificates_that_would_mislead() {
    let directory = tempfile::tempdir().unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = "metadata\n    name = \"bob\u{202e}ecila\u{2066}\"\n    email = \"a\u{200b}b\u{9b}2J@x\"\n    expires = \
                \"\u{61c}2027\u{e0031}\"\ncurve\n    public-key = \"1111111111111111111111111111111111111111\"\n";
    let path = directory.path().join("mallory.key");
    std::fs::write(&path, text).unwrap();
    let here = directory.path().to_str().unwrap().to_owned();
    let path = path.to_str().unwrap();
    for (name, arguments) in [
        ("cert-show-marks", &["cert", "show", path][..]),
        ("cert-show-marks-json", &["cert", "show", path, "-o", "json"]),
        ("cert-verify-marks", &["cert", "verify", &here]),
        ("cert-verify-marks-json", &["cert", "verify", &here, "-o", "json"]),
    ] {
        let ended = run(arguments);
        assert!(ended.stdout.is_ascii(), "{}", ended.stdout.escape_unicode());
        assert_golden(name, &describe(arguments, &ended, &[(&here, "DIR")]));
    }
}
