//! The built program's `tail` against real publishers in this process.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program_support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Instant;

use program_support::*;
use rsyslog_zmq::curve::security::Security;
use rsyslog_zmq::sys::zmq::{Context, kind, option};

#[test]
fn topics_choose_what_is_shown_with_one_frame_and_with_two() {
    let publisher = Publisher::new();
    let mut tail = Program::start(&["tail", &publisher.endpoint, "--topic", "web1.nginx", "--topic", "db1", "-n", "4"]);
    let mut topics = [publisher.subscription(), publisher.subscription()];
    topics.sort();
    assert_eq!(topics, ["db1", "web1.nginx"]);
    for (number, (host, program)) in
        [("web1", "nginx"), ("web2", "nginx"), ("db1", "postgres"), ("web1", "sshd")].into_iter().enumerate()
    {
        let record = record(host, program, number);
        publisher.send(format!("{host}.{program}{record}"));
        publisher.send_two(&format!("{host}.{program}"), record);
    }
    for (host, program, number) in [("web1", "nginx", 0), ("db1", "postgres", 2)] {
        assert_eq!(tail.line(), shown(host, program, number));
        assert_eq!(tail.line(), shown(host, program, number));
    }
    let ended = tail.end();
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
    assert_eq!(ended.stderr, format!("rsyslog-zmq: connected to {}", publisher.endpoint));
}

#[test]
fn several_endpoints_are_shown_together_and_no_topic_means_everything() {
    let publishers = [Publisher::new(), Publisher::new()];
    let list = format!("{},{}", publishers[0].endpoint, publishers[1].endpoint);
    let tail = Program::start(&["tail", "-q", &list, "-n", "2"]);
    for publisher in &publishers {
        assert_eq!(publisher.subscription(), "");
        publisher.send(&publisher.endpoint);
    }
    let ended = tail.end();
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    lines.sort_unstable();
    let mut expected = publishers.iter().map(|publisher| publisher.endpoint.as_str()).collect::<Vec<_>>();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "-q says nothing about connections");
}

#[test]
fn an_endpoint_may_listen_and_publishers_connect_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = format!("ipc://{}/socket", directory.path().display());
    let mut tail = Program::start(&["tail", &format!("@{path}"), "-n", "1"]);
    tail.wait_for(&format!("listening on {path}"));
    let context = Context::new().unwrap();
    let socket = context.socket(kind::XPUB).unwrap();
    socket.connect(&path).unwrap();
    let publisher = Publisher { socket, endpoint: path };
    publisher.subscription();
    publisher.send("hello");
    assert_eq!(tail.line(), "hello");
    assert_eq!(tail.end().status, 0);
}

#[test]
fn include_and_exclude_choose_records_and_the_count_counts_what_is_shown() {
    let publisher = Publisher::new();
    let tail = Program::start(&["tail", "-q", &publisher.endpoint, "-i", "error", "-i", "fail", "-x", "ping", "-n2"]);
    publisher.subscription();
    for text in ["an error", "nothing", "ping failed", "it failed", "an error too many"] {
        publisher.send(text);
    }
    let ended = tail.end();
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "an error\nit failed\n"));
}

#[test]
fn a_reader_that_closes_the_pipe_has_had_enough_and_that_is_success() {
    let publisher = Publisher::new();
    let mut child = command(&["tail", "-q", &publisher.endpoint]).spawn().unwrap();
    publisher.subscription();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    publisher.send("the only line that is read");
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    drop(reader);
    let began = Instant::now();
    let status = loop {
        publisher.send("nobody reads this");
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(began.elapsed() < PATIENCE, "it goes on without a reader"),
        }
        std::thread::yield_now();
    };
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_reader_that_closes_the_pipe_is_noticed_also_when_nothing_more_arrives() {
    let publisher = Publisher::new();
    let mut child = command(&["tail", "-q", &publisher.endpoint]).spawn().unwrap();
    publisher.subscription();
    publisher.send("the only line");
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn ctrl_c_ends_it_with_one_summary_line() {
    let publisher = Publisher::new();
    let mut tail = Program::start(&["tail", &publisher.endpoint]);
    publisher.subscription();
    publisher.send("one");
    publisher.send("two");
    assert_eq!([tail.line(), tail.line()], ["one", "two"]);
    tail.interrupt();
    let ended = tail.end();
    assert_eq!(ended.status, 0);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("rsyslog-zmq: 2 records shown in "), "{lines:?}");
}

#[test]
fn a_duration_ends_it_also_when_nothing_arrives() {
    let publisher = Publisher::new();
    let ended = run(&["tail", &publisher.endpoint, "--duration", "300ms"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
    assert!(ended.stderr.contains("0 records shown in 0."), "{}", ended.stderr);
}

#[test]
fn a_publisher_that_restarts_ten_times_is_found_again_and_only_what_was_sent_meanwhile_is_missed() {
    let mut publisher = Publisher::new();
    let endpoint = publisher.endpoint.clone();
    let mut tail = Program::start(&["tail", &endpoint]);
    for round in 0..10 {
        publisher.subscription();
        for number in 0..100 {
            publisher.send(format!("round {round}, number {number}"));
        }
        for number in 0..100 {
            assert_eq!(tail.line(), format!("round {round}, number {number}"));
        }
        drop(publisher);
        tail.wait_for(&format!("lost the connection to {endpoint}; reconnecting"));
        publisher = Publisher::open(&Context::new().unwrap(), &endpoint, &Security::None);
        tail.wait_for(&format!("connected to {endpoint} again"));
    }
    tail.interrupt();
    let ended = tail.end();
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
    assert_eq!(ended.stderr.matches("reconnecting").count(), 10, "each loss is said once: {}", ended.stderr);
    assert!(ended.stderr.contains("1000 records shown"), "{}", ended.stderr);
}

#[test]
fn a_publisher_that_comes_later_is_waited_for() {
    let publisher = Publisher::new();
    let endpoint = publisher.endpoint.clone();
    drop(publisher);
    let mut tail = Program::start(&["tail", &endpoint, "-n", "1"]);
    tail.wait_for(&format!("cannot reach {endpoint}: nothing listens there; trying again"));
    let publisher = Publisher::open(&Context::new().unwrap(), &endpoint, &Security::None);
    publisher.subscription();
    publisher.send("at last");
    assert_eq!(tail.line(), "at last");
    assert_eq!(tail.end().status, 0);
}

#[test]
fn with_fail_fast_an_endpoint_that_cannot_be_reached_is_status_4() {
    let endpoint = Publisher::new().endpoint;
    let ended = run(&["tail", "-q", &endpoint, "--fail-fast"]);
    assert_eq!(ended.status, 4);
    assert_eq!(ended.stderr, format!("rsyslog-zmq: cannot reach {endpoint}: nothing listens there"));
    let ended = run(&["tail", "tcp://no-such-host.invalid:9", "--fail-fast"]);
    assert_eq!(ended.status, 4);
    assert!(ended.stderr.contains("the name \"no-such-host.invalid\" does not resolve"), "{}", ended.stderr);
}

#[test]
fn with_fail_fast_one_reachable_endpoint_is_enough_to_go_on() {
    let (publisher, closed) = (Publisher::new(), Publisher::new().endpoint);
    let mut tail = Program::start(&["tail", &closed, &publisher.endpoint, "--fail-fast", "-n", "1"]);
    tail.wait_for("cannot reach");
    publisher.subscription();
    publisher.send("still here");
    assert_eq!(tail.line(), "still here");
    assert_eq!(tail.end().status, 0);
}

#[test]
fn an_admitted_key_gets_records_over_curve() {
    let curve = Curve::new();
    let me = curve.make("me");
    curve.admit(&me);
    let arguments =
        ["tail", &curve.publisher.endpoint, "--server-cert", &curve.path("server"), "--client-cert", &me, "-n", "1"];
    let mut tail = Program::start(&arguments);
    curve.publisher.subscription();
    curve.publisher.send("in secret");
    assert_eq!(tail.line(), "in secret");
    assert_eq!(tail.end().status, 0);
}

#[test]
fn a_refused_key_is_said_and_is_status_3() {
    let curve = Curve::new();
    let server = curve.path("server");
    let me = curve.make("stranger");
    let arguments = ["tail", &curve.publisher.endpoint, "--server-cert", &server, "--client-cert", &me];
    let ended = run(&[&arguments[..], &["--fail-fast"]].concat());
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("the server refused our key"), "{}", ended.stderr);
    assert!(ended.stderr.contains("directory of allowed certificates needs our public certificate"));
    // Without --fail-fast it goes on trying; a run that only ever was refused still says so with its status.
    let ended = run(&[&arguments[..], &["--duration", "700ms"]].concat());
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("refused our key; trying again").count(), 1, "said once: {}", ended.stderr);
    // The default is a fresh key, and the hint is another one.
    let ended = run(&["tail", &curve.publisher.endpoint, "--server-cert", &server, "--fail-fast"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("this run's key is a fresh one; use --client-cert FILE"), "{}", ended.stderr);
}

#[test]
fn a_key_that_is_admitted_later_gets_in_without_a_restart() {
    let curve = Curve::new();
    let me = curve.make("later");
    let arguments =
        ["tail", &curve.publisher.endpoint, "--server-cert", &curve.path("server"), "--client-cert", &me, "-n", "1"];
    let mut tail = Program::start(&arguments);
    tail.wait_for("the server refused our key; trying again");
    curve.admit(&me);
    curve.publisher.subscription();
    curve.publisher.send("welcome");
    assert_eq!(tail.line(), "welcome");
    assert_eq!(tail.end().status, 0);
}

#[test]
fn a_wrong_server_certificate_is_said_and_is_status_3() {
    let curve = Curve::new();
    let other = curve.make("other");
    let ended = run(&["tail", &curve.publisher.endpoint, "--server-cert", &other, "--fail-fast"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("the server certificate may not be its own"), "{}", ended.stderr);
    assert!(ended.stderr.contains("compare --server-cert"), "{}", ended.stderr);
}

#[test]
fn plaintext_and_curve_do_not_meet_and_both_directions_are_status_3() {
    let curve = Curve::new();
    let ended = run(&["tail", &curve.publisher.endpoint, "--fail-fast"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    let plain = Publisher::new();
    let ended = run(&["tail", &plain.endpoint, "--server-cert", &curve.path("server"), "--fail-fast"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
}

#[test]
fn json_is_one_valid_object_a_line_whatever_arrives() {
    let publisher = Publisher::new();
    let nasty: [&[u8]; 8] = [
        b"",
        b"\xff\xfe\x00\x1b[31m\n\r\"\\",
        b"web1.nginx<13>2026-01-02T03:04:05+00:00 web1 nginx: two\nlines",
        b"<165>1 - - - - - [broken \xed\xa0\x80",
        b"host.tag@cee:{\"a\":\n{\"b\":[1,2]}}",
        b"host.tag@cee:{not json",
        "\u{2028}\u{202e}\u{feff}\u{7f}".as_bytes(),
        &[b'x'; 100_000],
    ];
    let count = nasty.len().to_string();
    let tail = Program::start(&["tail", "-q", &publisher.endpoint, "-o", "json", "-n", &count]);
    publisher.subscription();
    for record in nasty {
        publisher.send(record);
    }
    let ended = tail.end();
    assert_eq!(ended.status, 0);
    let lines: Vec<&str> = ended.stdout.split_terminator('\n').collect();
    assert_eq!(lines.len(), nasty.len());
    for (line, record) in lines.iter().zip(nasty) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(value["endpoint"], publisher.endpoint.as_str());
        assert_eq!(value.get("raw_hex").is_some(), std::str::from_utf8(record).is_err());
    }
    let value: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!((&value["topic"], &value["message"]), (&"web1.nginx".into(), &"two\nlines".into()));
    let value: serde_json::Value = serde_json::from_str(lines[4]).unwrap();
    assert_eq!(value["cee"]["a"]["b"][1], 2);
}

#[test]
fn logtalez_flags_show_the_json_and_say_where_there_is_none() {
    let curve = Curve::new();
    let me = curve.make("logtalez");
    curve.admit(&me);
    let (endpoints, server) = (format!("--endpoints={}", curve.publisher.endpoint), curve.path("server"));
    let keys = ["-servercertpath", &server, "-clientcertpath", &me];
    let mut tail = Program::start(&[&["tail", &endpoints, "--topics=host1.sshd", "--json"], &keys[..]].concat());
    assert_eq!(curve.publisher.subscription(), "host1.sshd");
    curve.publisher.send("host1.sshd: no cookie here");
    curve.publisher.send("host1.sshd: none here either");
    curve.publisher.send(format!("host1.sshd@cee:{{\"msg\":\"{}\"}}", "x".repeat(70_000)));
    let value: serde_json::Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!(value["msg"].as_str().map(str::len), Some(70_000), "LogTalez panics over 64 KiB");
    tail.interrupt();
    let ended = tail.end();
    assert_eq!(ended.status, 0);
    assert_eq!(ended.stderr.matches("has no valid JSON after \"@cee:\"").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("1 record shown"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with(", 2 without JSON left out"), "{}", ended.stderr);

    // Without --json LogTalez prints the whole frame, topic and priority included.
    let mut tail = Program::start(&[&["tail", &endpoints, "--topics="], &keys[..]].concat());
    curve.publisher.subscription();
    curve.publisher.send("a.b<13>Oct 11 22:14:15 a b: c");
    assert_eq!(tail.line(), "a.b<13>Oct 11 22:14:15 a b: c");
}

#[test]
fn a_stopped_reader_holds_up_no_publisher_and_what_is_lost_is_said() {
    const RECORDS: usize = 300_000;
    let publisher = Publisher::new();
    // The publisher waits for subscribers that are full, as omczmq does: a tail that stopped reading would stop it.
    publisher.socket.set_int(option::XPUB_NODROP, 1).unwrap();
    publisher.socket.set_int(option::SNDTIMEO, i32::try_from(PATIENCE.as_millis()).unwrap()).unwrap();
    let mut tail = Program::start(&["tail", &publisher.endpoint, "-o", "raw"]);
    publisher.subscription();
    for number in 0..RECORDS {
        publisher.send(format!("{number:0>100}"));
    }
    let mut read = 0;
    let mut last: Option<usize> = None;
    publisher.send("the end");
    let mut sent_end = 1;
    // The end may be among what is dropped as long as the queue is full.
    loop {
        let line = tail.line();
        if line == "the end" {
            break;
        }
        let number = line.parse().unwrap();
        assert!(last.is_none_or(|last| last < number), "in order, each once");
        last = Some(number);
        read += 1;
        if read % 1000 == 0 {
            publisher.send("the end");
            sent_end += 1;
        }
    }
    assert!(read < RECORDS, "the test does not show anything: nothing was dropped");
    tail.interrupt();
    let ended = tail.end();
    assert_eq!(ended.status, 0);
    let dropped: usize = ended
        .stderr
        .lines()
        .filter_map(|line| line.strip_suffix(" lines dropped: the output is slower than the publishers"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    let ends_shown = 1 + ended.stdout.lines().filter(|line| *line == "the end").count();
    assert_eq!(read + ends_shown + dropped, RECORDS + sent_end, "{}", ended.stderr);
}

#[test]
fn escape_sequences_in_records_change_nothing_on_a_terminal() {
    let publisher = Publisher::new();
    for format in ["default", "raw", "json", "logfmt", "template={message}{raw}"] {
        let line = format!(
            "{} tail -q {} -n 1 -o '{format}' --color never",
            env!("CARGO_BIN_EXE_rsyslog-zmq"),
            publisher.endpoint
        );
        // script(1) runs it on a terminal of its own and copies what would be shown.
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = script.spawn().unwrap();
        publisher.subscription();
        publisher.send(b"\x1b]0;owned\x07\x1b[2J<13>\x9b31m \xc2\x9b31m\x08\x7f\r\n\xe2\x80\xae");
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let shown = output.stdout.strip_suffix(b"\r\n").expect("one line");
        let shown = std::str::from_utf8(shown).unwrap();
        assert!(!shown.contains(|character: char| character.is_control() || character == '\u{202e}'), "{shown:?}");
        assert!(shown.contains("]0;owned"), "{shown:?}");
        publisher.cancellation();
    }
}

#[test]
fn usage_errors_are_status_2_and_help_is_success() {
    for (arguments, text) in [
        (&["tail"][..], "required"),
        (&["tail", "tcp://a:1 tcp://b:2"], "separated by a comma"),
        (&["tail", "udp://a:1"], "not one of tcp, ipc, inproc"),
        (&["tail", "tcp://a:1", "--client-cert", "x"], "add --server-cert FILE"),
        (&["tail", "tcp://a:1", "--include", "("], "--include"),
        (&["tail", "tcp://*:1"], "cannot be connected to"),
        (&["bogus"], "unrecognized subcommand"),
        (&[], "Usage:"),
    ] {
        let ended = run(arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.stderr.contains(text), "{arguments:?}: {}", ended.stderr);
    }
    for arguments in [&["--help"][..], &["tail", "--help"], &["cert", "--help"], &["--version"]] {
        let ended = run(arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_status_1_and_names_the_file() {
    let ended = run(&["tail", "tcp://127.0.0.1:9", "--server-cert", "/nonexistent/certificate"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("/nonexistent/certificate"), "{}", ended.stderr);
}

#[test]
fn flags_can_come_from_the_environment() {
    let publisher = Publisher::new();
    let mut command = command(&["tail"]);
    command.env("RSYSLOG_ZMQ_ENDPOINT", &publisher.endpoint).env("RSYSLOG_ZMQ_TOPIC", "a,b");
    command.env("RSYSLOG_ZMQ_COUNT", "1").env("RSYSLOG_ZMQ_QUIET", "true").env("RSYSLOG_ZMQ_OUTPUT", "raw");
    let child = command.spawn().unwrap();
    let mut topics = [publisher.subscription(), publisher.subscription()];
    topics.sort();
    assert_eq!(topics, ["a", "b"]);
    publisher.send("b<13>x");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"b<13>x\n"[..]));
    assert_eq!(output.stderr, b"");
}

#[test]
fn an_output_that_cannot_be_written_is_status_1() {
    let publisher = Publisher::new();
    let mut command = command(&["tail", "-q", &publisher.endpoint]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = command.stdout(full).spawn().unwrap();
    publisher.subscription();
    publisher.send("x");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the output"));
}
