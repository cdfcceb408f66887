//! The built program's `doctor`: the first step that fails, what to change, and the status that names the class.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program_support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use program_support::*;
use rsyslog_zmq::sys::zmq::{Context, kind};

/// Runs it with a short wait.
fn doctor(arguments: &[&str]) -> Ended {
    run(&[&["doctor", "--wait", "2s"], arguments].concat())
}

/// The last step's line and the advice under it.
fn failure(ended: &Ended) -> (String, String) {
    let at = ended.stdout.find("FAIL").unwrap_or_else(|| panic!("nothing failed:\n{}{}", ended.stdout, ended.stderr));
    let (line, advice) = ended.stdout[at..].split_once('\n').unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    (words(line), words(advice))
}

#[track_caller]
fn assert_fails(ended: &Ended, status: i32, what: &str, advice: &str) {
    let (line, said) = failure(ended);
    assert_eq!(ended.status, status, "{line}");
    assert!(line.contains(what), "{line}");
    assert!(said.contains(advice), "{said}");
    assert_eq!(ended.stdout.matches("FAIL").count(), 1, "nothing is tried behind what fails");
}

#[test]
fn a_healthy_publisher_is_walked_to_its_first_record() {
    let curve = Curve::new();
    let me = curve.make("me");
    curve.admit(&me);
    let program = Program::start(&[
        "doctor",
        &curve.publisher.endpoint,
        "--server-cert",
        &curve.path("server"),
        "--client-cert",
        &me,
        "--topic",
        "web1.",
    ]);
    assert_eq!(curve.publisher.subscription(), "web1.");
    curve.publisher.send_two("web1.nginx", record("web1", "nginx", 7));
    let ended = program.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    let steps: Vec<&str> = ended.stdout.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(steps, ["endpoint", "keys", "network", "greeting", "handshake", "topics", "record"]);
    assert!(ended.stdout.lines().all(|line| line.starts_with("ok ")), "{}", ended.stdout);
    assert!(ended.stdout.contains("ZMTP 3.1, CURVE"), "{}", ended.stdout);
    assert!(ended.stdout.contains(&format!("[web1.nginx] {}", shown("web1", "nginx", 7))), "{}", ended.stdout);
}

#[test]
fn key_files_are_status_1() {
    let curve = Curve::new();
    let me = curve.make("me");
    let with = |server: &str| doctor(&[&curve.publisher.endpoint, "--server-cert", server, "--client-cert", &me]);
    assert_fails(&with("/nonexistent"), 1, "/nonexistent", "rsyslog-zmq cert verify FILE");
    std::fs::set_permissions(format!("{me}_secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_fails(&with(&curve.path("server")), 1, "chmod 600", "cert verify");
    std::fs::remove_file(format!("{me}_secret")).unwrap();
    assert_fails(&with(&curve.path("server")), 1, "FAIL keys", "");
}

#[test]
fn names_and_networks_are_status_4() {
    assert_fails(
        &doctor(&["tcp://no-such-host.invalid:9"]),
        4,
        "FAIL name the name \"no-such-host.invalid\"",
        "spelling",
    );
    let closed = Publisher::new().endpoint;
    assert_fails(&doctor(&[&closed]), 4, "FAIL network nothing listens there", "omczmq action that binds this port");
    let ended = doctor(&["ipc:///nonexistent/socket"]);
    assert_fails(&ended, 4, "FAIL network nothing listens there", "binds this path");
}

#[test]
fn what_does_not_speak_zeromq_is_status_4() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n").unwrap();
        // Until the other side has read it and hangs up, with whatever error.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_fails(&doctor(&[&endpoint]), 4, "FAIL greeting what answers there does not speak ZeroMQ", "right port");
    peer.join().unwrap();
}

#[test]
fn mechanisms_that_do_not_meet_are_status_3() {
    let curve = Curve::new();
    let ended = doctor(&[&curve.publisher.endpoint]);
    assert_fails(&ended, 3, "ZMTP 3.1, CURVE, and we speak NULL", "add --server-cert FILE");
    let plain = Publisher::new();
    let ended = doctor(&[&plain.endpoint, "--server-cert", &curve.path("server")]);
    assert_fails(&ended, 3, "ZMTP 3.1, NULL, and we speak CURVE", "authtype=\"CURVESERVER\"");
}

#[test]
fn keys_that_are_refused_are_status_3() {
    let curve = Curve::new();
    let (server, stranger) = (curve.path("server"), curve.make("stranger"));
    let ended = doctor(&[&curve.publisher.endpoint, "--server-cert", &server, "--client-cert", &stranger]);
    assert_fails(&ended, 3, "FAIL handshake the server refused our key", "copy our public certificate");
    let ended = doctor(&[&curve.publisher.endpoint, "--server-cert", &server]);
    assert_fails(&ended, 3, "the server refused our key", "use --client-cert FILE");
    let ended = doctor(&[&curve.publisher.endpoint, "--server-cert", &stranger]);
    assert_fails(&ended, 3, "broke off the CURVE handshake", "get its public one again");
}

#[test]
fn a_socket_that_is_no_publisher_is_status_3() {
    let context = Context::new().unwrap();
    let socket = context.socket(kind::PULL).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let ended = doctor(&[&socket.last_endpoint().unwrap()]);
    assert_eq!(ended.status, 3, "{}", ended.stdout);
    let (line, _) = failure(&ended);
    assert!(line.starts_with("FAIL handshake"), "{line}");
}

#[test]
fn a_quiet_publisher_is_status_5_and_several_endpoints_are_all_walked() {
    let (publisher, closed) = (Publisher::new(), Publisher::new().endpoint);
    let ended = run(&["doctor", "--wait", "300ms", &publisher.endpoint, "--topic", "x"]);
    assert_fails(&ended, 5, "FAIL record none within 0.3 s", "leave --topic out");
    let ended = run(&["doctor", "--wait", "300ms", &closed, &publisher.endpoint]);
    assert_eq!((ended.status, ended.stdout.matches("FAIL").count()), (4, 2), "{}", ended.stdout);
}

#[test]
fn what_a_publisher_sends_cannot_drive_a_terminal() {
    let publisher = Publisher::new();
    let program = Program::start(&["doctor", &publisher.endpoint]);
    publisher.subscription();
    publisher.send_two("\u{1b}[2J", b"\x1b]0;owned\x07\x9b");
    let ended = program.end();
    assert_eq!(ended.status, 0, "{}", ended.stdout);
    assert!(!ended.stdout.chars().any(|c| c.is_control() && c != '\n'), "{:?}", ended.stdout);
}

#[test]
fn what_cannot_be_connected_to_is_a_usage_error() {
    for endpoint in ["@tcp://127.0.0.1:9", "inproc://x"] {
        let ended = doctor(&[endpoint]);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{endpoint}");
        assert!(ended.stderr.contains("can be connected to"), "{}", ended.stderr);
    }
}
