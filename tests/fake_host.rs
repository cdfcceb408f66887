//! The modules in a fake host (tests/support/fake_host.c): what the real daemon cannot be driven to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{Context, SNDMORE, kind, option};

/// A directory with a fake host and copies of the module.
struct Bench {
    directory: tempfile::TempDir,
}

fn built_module(name: &str) -> PathBuf {
    let directory = std::env::var_os("RSYSLOG_ZMQ_MODULES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/modules"), PathBuf::from);
    let path = directory.join(name);
    assert!(path.exists(), "{} is not there: run `make build` first", path.display());
    path
}

impl Bench {
    /// Compiles the fake host with these macros defined.
    fn new(defines: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fake_host.c");
        let compiled = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Wno-cast-function-type", "-rdynamic", "-o"])
            .arg(directory.path().join("host"))
            .arg(source)
            .args(defines.iter().map(|define| format!("-D{define}")))
            .arg("-ldl")
            // What an instrumented module needs of its host, as AddressSanitizer's runtime.
            .args(std::env::var("FAKE_HOST_LDFLAGS").unwrap_or_default().split_whitespace())
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A copy of a module under a name of its own.
    fn copy(&self, module: &str, name: &str) -> PathBuf {
        let to = self.path(name);
        std::fs::copy(built_module(module), &to).unwrap();
        to
    }

    fn run(&self, module: &Path, arguments: &[&str]) -> Output {
        Command::new(self.path("host")).arg(module).args(arguments).output().unwrap()
    }

    fn lines(&self, module: &Path, arguments: &[&str]) -> Vec<String> {
        let output = self.run(module, arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some(), "the host crashed: {:?}\n{text}{errors}", output.status);
        text.lines().map(str::to_owned).collect()
    }
}

#[track_caller]
fn assert_lines(lines: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(lines.iter().any(|line| line == wanted), "no line {wanted:?} in {lines:#?}");
    }
}

#[test]
fn both_roles_load_and_unknown_entry_points_are_optional_ones() {
    let bench = Bench::new(&[]);
    let unknown = ["load", "doAction", "endTransaction", "setActionInfo", "somethingOfNextYear"];
    let lines = bench.lines(&bench.copy("imczmq.so", "imczmq.so"), &unknown);
    assert_lines(
        &lines,
        &[
            "modInit 0 version 6",
            "type 0 keep 1 id yes name imczmq",
            "feature 1: -2003, 2: 0, 77: -2003",
            "no doAction: -1004",
            "no somethingOfNextYear: -1004",
        ],
    );
    let lines = bench.lines(&bench.copy("omczmq.so", "omzmq.so"), &unknown);
    assert_lines(
        &lines,
        &[
            "type 1 keep 1 id yes name omzmq",
            "feature 1: 0, 2: -2003, 77: -2003",
            "no endTransaction: -1004",
            "no setActionInfo: -1004",
        ],
    );
}

#[test]
fn a_file_name_without_a_role_is_refused_with_one_line() {
    let bench = Bench::new(&[]);
    let lines = bench.lines(&bench.copy("imczmq.so", "zeromq.so"), &["load"]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[0].starts_with("error: rsyslog-zmq was loaded as \"zeromq.so\", but its file name must begin with im")
    );
    assert_eq!(lines[1], "modInit -2068 version 0");
}

#[test]
fn one_file_loaded_through_two_links_is_refused_and_two_copies_are_not() {
    let bench = Bench::new(&[]);
    let first = bench.copy("omczmq.so", "omczmq.so");
    let link = bench.path("omother.so");
    std::os::unix::fs::symlink(&first, &link).unwrap();
    let lines = bench.lines(&first, &["again", link.to_str().unwrap()]);
    assert!(lines.iter().any(|line| line.contains("loaded already under another name")), "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "modInit -2068 version 0");
    let copy = bench.copy("imczmq.so", "imother.so");
    let lines = bench.lines(&first, &["again", copy.to_str().unwrap()]);
    assert_eq!(lines, ["modInit 0 version 6", "modInit 0 version 6"]);
}

#[test]
fn a_host_without_a_required_function_is_refused_with_its_name() {
    let bench = Bench::new(&["WITHOUT_MSGDUP"]);
    let output = bench.run(&bench.copy("imczmq.so", "imczmq.so"), &["load"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("this rsyslogd does not export MsgDup"), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "modInit -2068 version 0\n");
}

#[test]
fn an_unknown_version_of_a_required_interface_is_refused_with_one_line() {
    let bench = Bench::new(&["GLBL_VERSION=99"]);
    let lines = bench.lines(&bench.copy("imczmq.so", "imczmq.so"), &["load"]);
    assert_eq!(
        lines,
        ["error: this rsyslogd's interface glbl has none of the versions 11, 10, 9", "modInit -2068 version 0",]
    );
}

fn input(bench: &Bench) -> Vec<String> {
    let module = bench.copy("imczmq.so", "imczmq.so");
    let port_file = bench.path("port");
    let seen = bench.path("seen");
    std::fs::write(&seen, "").unwrap();
    let arguments = ["input", "@tcp://127.0.0.1:*", port_file.to_str().unwrap(), seen.to_str().unwrap(), "stop"];
    let lines = bench.lines(&module, &arguments);
    let port = std::fs::read_to_string(port_file).unwrap();
    assert!(port.trim_end().parse::<u16>().is_ok_and(|port| port > 0), "{port:?}");
    lines
}

#[test]
fn an_input_goes_through_its_whole_life_and_stops_in_time() {
    for defines in [
        &["GLBL_VERSION=9"][..],
        &["GLBL_VERSION=10", "STATSOBJ_VERSION=14"],
        &["GLBL_VERSION=11", "STATSOBJ_VERSION=16"],
    ] {
        let lines = input(&Bench::new(defines));
        assert_lines(
            &lines,
            &[
                "newInpInst 0",
                "checkCnf 0",
                "activateCnfPrePrivDrop 0",
                "activateCnf 0",
                "counter submitted type 0 flags 1 aligned 1",
                "counter connections_active type 0 flags 0 aligned 1",
                "runInput 0",
                "in time",
                "statistics gone",
                "afterRun 0",
                "freeCnf 0",
                "modExit 0",
            ],
        );
        assert!(!lines.iter().any(|line| line.starts_with("error")), "{lines:#?}");
    }
}

/// A process that does not outlive its test.
struct Guarded(Option<Child>);

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// How many log messages each call of the host's submit had, for one ZeroMQ message of these frames.
fn batches(bench: &Bench, recvmaxbytes: &str, frames: usize, size: usize) -> Vec<usize> {
    let directory = tempfile::tempdir().unwrap();
    let port_file = directory.path().join("port");
    let mut command = Command::new(bench.path("host"));
    command.arg(bench.copy("imczmq.so", "imczmq.so")).args(["receive", "@tcp://127.0.0.1:*"]).arg(&port_file);
    command.args([recvmaxbytes, &frames.to_string()]).stdout(Stdio::piped());
    let mut host = Guarded(Some(command.spawn().unwrap()));
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut port = String::new();
    while !port.ends_with('\n') {
        assert!(Instant::now() < deadline, "the input does not listen");
        std::thread::sleep(Duration::from_millis(10));
        port = std::fs::read_to_string(&port_file).unwrap_or_default();
    }
    let context = Context::new().unwrap();
    let socket = context.socket(kind::PUSH).unwrap();
    socket.set_int(option::LINGER, 0).unwrap();
    socket.connect(&format!("tcp://127.0.0.1:{}", port.trim_end())).unwrap();
    let frame = vec![b'x'; size];
    for number in 1..=frames {
        socket.send_bytes(&frame, if number < frames { SNDMORE } else { 0 }).unwrap();
    }
    while host.0.as_mut().unwrap().try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "not every message was submitted");
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = host.0.take().unwrap().wait_with_output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().filter_map(|line| line.strip_prefix("submitted ")?.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn recvmaxbytes_bounds_what_is_held_and_not_what_has_been_handed_over() {
    let bench = Bench::new(&[]);
    // A ZeroMQ message arrives whole, so nothing but the host's batch of 64 and the limit divides it.
    assert_eq!(batches(&bench, "10000", 128, 100), [64, 64]);
    assert_eq!(batches(&bench, "6400", 128, 100), [64, 64]);
    assert_eq!(batches(&bench, "6300", 128, 100), [63, 63, 2]);
    assert_eq!(batches(&bench, "1024", 8, 1025), [1; 8]);
}

#[test]
fn an_unknown_version_of_the_statistics_interface_costs_the_counters_only() {
    let lines = input(&Bench::new(&["STATSOBJ_VERSION=99"]));
    assert_lines(&lines, &["runInput 0", "in time", "modExit 0"]);
    assert!(!lines.iter().any(|line| line.starts_with("statistics")), "{lines:#?}");
    let said: Vec<_> = lines.iter().filter(|line| line.contains("statsobj")).collect();
    let line = "message 4: imczmq: this rsyslogd's interface statsobj has none of the versions 16, 14, 13; the module works \
                without counters";
    assert_eq!(said, [line]);
}

#[test]
fn an_unknown_version_of_any_other_required_interface_is_refused_with_one_line() {
    for (define, interface, versions) in [("PROP_VERSION=2", "prop", "1"), ("RULESET_VERSION=9", "ruleset", "8")] {
        let bench = Bench::new(&[define]);
        for module in ["imczmq.so", "omczmq.so"] {
            let lines = bench.lines(&bench.copy(module, module), &["load"]);
            let line = format!("error: this rsyslogd's interface {interface} has none of the versions {versions}");
            assert_eq!(lines, [&line, "modInit -2068 version 0"]);
        }
    }
}

#[test]
fn without_a_message_layout_and_without_the_slow_way_the_input_is_refused_and_the_action_is_not() {
    let bench = Bench::new(&["UNKNOWN_LAYOUT", "WITHOUT_PARSE_AND_SUBMIT"]);
    let lines = bench.lines(&bench.copy("imczmq.so", "imczmq.so"), &["load"]);
    let line = "error: this rsyslogd's message layout is not known, and there is no parseAndSubmitMessage that could do \
                without it: an input cannot hand over messages here";
    assert_eq!(lines, [line, "modInit -2068 version 0"]);
    let lines = bench.lines(&bench.copy("omczmq.so", "omczmq.so"), &["load"]);
    assert_eq!(lines[0], "modInit 0 version 6");
}

#[test]
fn a_known_message_layout_does_without_the_slow_way() {
    let lines = input(&Bench::new(&["WITHOUT_PARSE_AND_SUBMIT"]));
    assert_lines(&lines, &["runInput 0", "in time"]);
    assert!(!lines.iter().any(|line| line.contains("layout")), "{lines:#?}");
}

#[test]
fn a_message_layout_that_could_be_in_two_places_is_not_guessed() {
    let lines = input(&Bench::new(&["AMBIGUOUS_LAYOUT"]));
    let said = lines.iter().filter(|line| line.contains("message layout is not known")).count();
    assert_eq!(said, 1, "{lines:#?}");
    assert_lines(&lines, &["runInput 0", "in time"]);
}

#[test]
fn an_unknown_message_layout_is_said_once_and_the_slow_way_is_taken() {
    let bench = Bench::new(&["UNKNOWN_LAYOUT"]);
    let lines = input(&bench);
    let said = lines.iter().filter(|line| line.contains("message layout is not known")).count();
    assert_eq!(said, 1, "{lines:#?}");
    assert_lines(&lines, &["runInput 0", "in time"]);
}

/// A host that runs until it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything that a host says from the start of its input to its end. One log message at a time is sent to it: the next
/// one when the host has said what becomes of the last one.
fn submit(defines: &[&str], answers: &[&str]) -> Vec<String> {
    let bench = Bench::new(defines);
    let (module, port, stop) = (bench.copy("imczmq.so", "imczmq.so"), bench.path("port"), bench.path("stop"));
    let mut host = Command::new(bench.path("host"));
    host.arg(module).args(["submit", "@tcp://127.0.0.1:*"]).args([&port, &stop]).stdout(Stdio::piped());
    let mut host = Running(host.spawn().unwrap());
    let mut all = Vec::new();
    let mut lines = BufReader::new(host.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |wanted: &str| {
        for line in lines.by_ref() {
            let is_wanted = line == wanted;
            all.push(line);
            if is_wanted {
                return;
            }
        }
        panic!("no line {wanted:?} in {all:#?}");
    };
    until("activateCnf 0");
    let socket = Context::new().unwrap().socket(kind::PUSH).unwrap();
    socket.connect(&format!("tcp://127.0.0.1:{}", std::fs::read_to_string(port).unwrap().trim_end())).unwrap();
    for answer in answers {
        socket.send_bytes(b"<13>a record", 0).unwrap();
        until(answer);
    }
    std::fs::write(stop, "").unwrap();
    until("modExit 0");
    all
}

#[test]
fn log_messages_that_the_host_refuses_are_counted_and_said_once() {
    let answers = ["refused 1", "refused 1", "submitted 1 flags 0x30", "submitted 1 flags 0x30"];
    let lines = submit(&["REFUSED_SUBMISSIONS=2"], &answers);
    assert_lines(&lines, &["received is 4", "submitted is 2", "submit_failed is 2"]);
    let said: Vec<_> = lines.iter().filter(|line| line.starts_with("error") || line.starts_with("message 5")).collect();
    let name = "imczmq: _tcp___127_0_0_1__";
    assert_eq!(
        said,
        [
            &format!(
                "error: {name}: rsyslog refused log messages (its error -2153), which are lost; submit_failed counts them"
            ),
            &format!("message 5: {name}: rsyslog takes log messages again; it refused 2"),
        ]
    );
    assert!(!lines.iter().any(|line| line == "destroyed 1"), "what the queue had was the queue's: {lines:#?}");
}

#[test]
fn log_messages_that_no_queue_has_taken_are_freed_and_counted() {
    let answers = ["no queue for 1", "submitted 1 flags 0x30"];
    let lines = submit(&["SUBMISSIONS_WITHOUT_QUEUE=1"], &answers);
    assert_lines(&lines, &["submitted is 1", "submit_failed is 1", "destroyed 1"]);
}

#[test]
fn an_action_without_a_peer_refuses_whole_batches_and_ends_in_any_order() {
    let bench = Bench::new(&[]);
    let lines = bench.lines(&bench.copy("omczmq.so", "omczmq.so"), &["action", ">tcp://127.0.0.1:9"]);
    assert_lines(
        &lines,
        &[
            "newActInst 0",
            "template RSYSLOG_ForwardFormat of 1",
            "createWrkrInstance 0",
            "tryResume -2007",
            "commit of 4: -2007",
            "replay 0: -2007",
            "replay 3: -2007",
            "first waited, replays at once",
            "empty commit: 0",
            "freeInstance 0",
            "commit after: -2007",
            "freeWrkrInstance 0",
            "freeCnf 0",
            "modExit 0",
        ],
    );
}

#[test]
fn a_refused_object_leaves_nothing_behind() {
    let bench = Bench::new(&[]);
    for (module, answer) in [("imczmq.so", "newInpInst -2046"), ("omczmq.so", "newActInst -2046")] {
        let lines = bench.lines(&bench.copy(module, module), &["refused"]);
        assert_lines(&lines, &[answer, "left behind: nothing", "activateCnf 0", "freeCnf 0"]);
        assert!(lines.iter().any(|line| line.starts_with("error: ") && line.contains("socktype")), "{lines:#?}");
    }
}
