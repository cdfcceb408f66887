//! What the program says about publishers that do not answer as they should, and that it comes back when the cause is gone.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod program_support;

use std::any::Any;
use std::path::Path;

use program_support::peers::{Process, Server, Unanswered};
use program_support::watched::*;
use program_support::*;
use rsyslog_zmq::curve::certificate::Certificate;
use rsyslog_zmq::curve::keys::KeyPair;
use rsyslog_zmq::sys::zmq::{Context, kind};

/// What lives until a case is over.
type Kept = Box<dyn Any>;

/// One reason, from the start of `tail` to the first record after it is gone.
fn reason(endpoint: &str, arguments: &[&str], text: &str, remove: impl FnOnce() -> Kept) {
    let mut watched = Watched::start(endpoint, arguments);
    watched.says(text);
    watched.is_calm();
    let _kept = remove();
    watched.says(CONNECTED);
    watched.shows_a_record();
}

/// A key pair, and the path of its certificate.
fn keys(directory: &Path, name: &str) -> (KeyPair, String) {
    let certificate = Certificate::from_pair(KeyPair::generate().unwrap(), Vec::new());
    let path = directory.join(name);
    certificate.write_new(&path).unwrap();
    (certificate.into_pair().unwrap(), path.to_str().unwrap().to_owned())
}

fn publish(endpoint: &str) -> Kept {
    Box::new(Process::start(endpoint, None))
}

/// Runs cases side by side, because they mostly wait.
fn all(cases: &[(&str, fn())]) {
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let threads: Vec<_> = cases.iter().map(|(name, case)| (*name, scope.spawn(case))).collect();
        threads.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}");
}

fn stopped_from_the_start() {
    let publisher = Process::start("tcp://127.0.0.1:*", None);
    publisher.signal("STOP");
    reason(&publisher.endpoint.clone(), &[], SILENT, || {
        publisher.signal("CONT");
        Box::new(publisher)
    });
}

fn stopped_from_the_start_with_curve() {
    let directory = tempfile::tempdir().unwrap();
    let (pair, server) = keys(directory.path(), "server");
    let publisher = Process::start("tcp://127.0.0.1:*", Some(&pair));
    publisher.signal("STOP");
    reason(&publisher.endpoint.clone(), &["--server-cert", &server], SILENT, || {
        publisher.signal("CONT");
        Box::new(publisher)
    });
}

fn stopped_and_restarted_with_curve() {
    let directory = tempfile::tempdir().unwrap();
    let (pair, server) = keys(directory.path(), "server");
    let publisher = Process::start("tcp://127.0.0.1:*", Some(&pair));
    publisher.signal("STOP");
    reason(&publisher.endpoint.clone(), &["--server-cert", &server], SILENT, || {
        let endpoint = publisher.endpoint.clone();
        drop(publisher);
        Box::new(Process::start(&endpoint, Some(&pair)))
    });
}

fn mute() {
    let server = Server::mute();
    let endpoint = server.endpoint.clone();
    reason(&endpoint, &[], SILENT, || {
        drop(server);
        publish(&endpoint)
    });
}

fn a_web_server() {
    let server = Server::http();
    let endpoint = server.endpoint.clone();
    reason(&endpoint, &[], NOT_OURS, || {
        drop(server);
        publish(&endpoint)
    });
}

fn a_web_server_with_curve() {
    let directory = tempfile::tempdir().unwrap();
    let (pair, certificate) = keys(directory.path(), "server");
    let server = Server::http();
    let endpoint = server.endpoint.clone();
    reason(&endpoint, &["--server-cert", &certificate], NOT_OURS, || {
        drop(server);
        Box::new(Process::start(&endpoint, Some(&pair)))
    });
}

fn a_server_that_hangs_up() {
    let server = Server::hanging_up();
    let endpoint = server.endpoint.clone();
    reason(&endpoint, &[], CLOSED, || {
        drop(server);
        publish(&endpoint)
    });
}

fn another_kind_of_socket() {
    let context = Context::new().unwrap();
    let socket = context.socket(kind::PULL).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.last_endpoint().unwrap();
    reason(&endpoint, &[], HUNG_UP, || {
        drop(socket);
        publish(&endpoint)
    });
}

fn our_key_is_refused() {
    let curve = Curve::new();
    let me = curve.make("me");
    let arguments = ["--server-cert", &curve.path("server"), "--client-cert", &me];
    reason(&curve.publisher.endpoint.clone(), &arguments, KEY, || {
        curve.admit(&me);
        curve.publisher.subscription();
        curve.publisher.send("record");
        Box::new(curve)
    });
}

fn another_server_key() {
    let directory = tempfile::tempdir().unwrap();
    let ((used, _), (named, certificate)) = (keys(directory.path(), "used"), keys(directory.path(), "named"));
    let publisher = Process::start("tcp://127.0.0.1:*", Some(&used));
    let endpoint = publisher.endpoint.clone();
    reason(&endpoint, &["--server-cert", &certificate], SERVER_KEY, || {
        drop(publisher);
        Box::new(Process::start(&endpoint, Some(&named)))
    });
}

fn curve_there_and_not_here() {
    let directory = tempfile::tempdir().unwrap();
    let (pair, _) = keys(directory.path(), "server");
    let publisher = Process::start("tcp://127.0.0.1:*", Some(&pair));
    let endpoint = publisher.endpoint.clone();
    reason(&endpoint, &[], NEEDS_CURVE, || {
        drop(publisher);
        publish(&endpoint)
    });
}

fn curve_here_and_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let (pair, certificate) = keys(directory.path(), "server");
    let publisher = Process::start("tcp://127.0.0.1:*", None);
    let endpoint = publisher.endpoint.clone();
    reason(&endpoint, &["--server-cert", &certificate], NEEDS_PLAIN, || {
        drop(publisher);
        Box::new(Process::start(&endpoint, Some(&pair)))
    });
}

fn behind_a_firewall() {
    let port = Unanswered::new();
    let endpoint = port.endpoint.clone();
    reason(&endpoint, &[], NO_ANSWER, || {
        drop(port);
        publish(&endpoint)
    });
}

fn nothing_listens() {
    let endpoint = Publisher::new().endpoint;
    reason(&endpoint, &[], NOTHING, || publish(&endpoint));
}

fn a_name_that_does_not_resolve() {
    // RFC 6761, section 6.4: "invalid" never resolves, so nothing can make this one come back.
    let mut watched = Watched::start("tcp://no-such-host.invalid:9", &[]);
    watched.says("cannot reach {}: the name \"no-such-host.invalid\" does not resolve; trying again");
    watched.is_calm();
}

#[test]
fn each_reason_is_named_once_and_rightly_until_it_is_gone() {
    all(&[
        ("stopped_from_the_start", stopped_from_the_start),
        ("stopped_from_the_start_with_curve", stopped_from_the_start_with_curve),
        ("stopped_and_restarted_with_curve", stopped_and_restarted_with_curve),
        ("mute", mute),
        ("a_web_server", a_web_server),
        ("a_web_server_with_curve", a_web_server_with_curve),
        ("a_server_that_hangs_up", a_server_that_hangs_up),
        ("another_kind_of_socket", another_kind_of_socket),
        ("our_key_is_refused", our_key_is_refused),
        ("another_server_key", another_server_key),
        ("curve_there_and_not_here", curve_there_and_not_here),
        ("curve_here_and_not_there", curve_here_and_not_there),
        ("behind_a_firewall", behind_a_firewall),
        ("nothing_listens", nothing_listens),
        ("a_name_that_does_not_resolve", a_name_that_does_not_resolve),
    ]);
}

fn stopped_in_mid_stream() {
    let publisher = Process::start("tcp://127.0.0.1:*", None);
    let mut watched = Watched::start(&publisher.endpoint, &[]);
    watched.says(CONNECTED);
    watched.shows_a_record();
    publisher.signal("STOP");
    watched.says(LOST);
    watched.says(SILENT);
    watched.is_calm();
    publisher.signal("CONT");
    watched.says(AGAIN);
    watched.shows_a_record();
}

fn restarted_with_another_key() {
    let directory = tempfile::tempdir().unwrap();
    let ((first, certificate), (second, _)) = (keys(directory.path(), "first"), keys(directory.path(), "second"));
    let publisher = Process::start("tcp://127.0.0.1:*", Some(&first));
    let endpoint = publisher.endpoint.clone();
    let mut watched = Watched::start(&endpoint, &["--server-cert", &certificate]);
    watched.says(CONNECTED);
    watched.shows_a_record();
    drop(publisher);
    watched.says(LOST);
    let publisher = Process::start(&endpoint, Some(&second));
    // It was away for as long as it took to start.
    if watched.comes_next(NOTHING) {
        watched.says(NOTHING);
    }
    watched.says(SERVER_KEY);
    watched.is_calm();
    drop(publisher);
    let _publisher = Process::start(&endpoint, Some(&first));
    if watched.comes_next(NOTHING) {
        watched.says(NOTHING);
    }
    watched.says(AGAIN);
    watched.shows_a_record();
}

fn a_frame_over_the_limit() {
    let publisher = Publisher::new();
    let mut watched = Watched::start(&publisher.endpoint, &[]);
    watched.says(CONNECTED);
    for _ in 0..3 {
        publisher.subscription();
        publisher.send("record");
        watched.shows_a_record();
        publisher.send(vec![b'x'; 17 << 20]);
        watched.says(OVERSIZE);
        watched.says(AGAIN);
    }
    publisher.subscription();
    publisher.send("record");
    watched.shows_a_record();
}

#[test]
fn what_happens_to_a_connection_is_named_once_and_rightly_and_it_comes_back() {
    all(&[
        ("stopped_in_mid_stream", stopped_in_mid_stream),
        ("restarted_with_another_key", restarted_with_another_key),
        ("a_frame_over_the_limit", a_frame_over_the_limit),
    ]);
}

/// What `tail --fail-fast` and `doctor` say of one endpoint, and their common status.
fn agreed(endpoint: &str, arguments: &[&str], status: i32, text: &str, found: &str) {
    let ended = run(&[&["tail", endpoint, "--fail-fast"], arguments].concat());
    let text = text.replace("{}", endpoint).replace("; trying again", "");
    assert_eq!((ended.status, ended.stderr), (status, format!("rsyslog-zmq: {text}")));
    let ended = run(&[&["doctor", endpoint, "--wait", "2s"], arguments].concat());
    assert_eq!(ended.status, status, "{}", ended.stdout);
    let failed = ended.stdout.lines().find(|line| line.starts_with("FAIL")).unwrap_or_default();
    assert!(failed.contains(found), "{failed}");
}

#[test]
fn with_fail_fast_tail_and_doctor_give_the_same_reason_and_status() {
    all(&[
        ("stopped", || {
            let publisher = Process::start("tcp://127.0.0.1:*", None);
            publisher.signal("STOP");
            agreed(&publisher.endpoint, &[], 4, SILENT, "it accepts the connection and says nothing");
        }),
        ("mute", || agreed(&Server::mute().endpoint, &[], 4, SILENT, "it accepts the connection and says nothing")),
        ("web server", || agreed(&Server::http().endpoint, &[], 4, NOT_OURS, "does not speak ZeroMQ")),
        ("hanging up", || agreed(&Server::hanging_up().endpoint, &[], 4, CLOSED, "closes the connection at once")),
        ("unanswered", || agreed(&Unanswered::new().endpoint, &[], 4, NO_ANSWER, "no answer")),
        ("nothing", || {
            let endpoint = Publisher::new().endpoint;
            agreed(&endpoint, &[], 4, NOTHING, "nothing listens there");
        }),
        ("name", || {
            let text = "cannot reach {}: the name \"no-such-host.invalid\" does not resolve";
            agreed("tcp://no-such-host.invalid:9", &[], 4, text, "the name \"no-such-host.invalid\" does not resolve");
        }),
        ("keys", || {
            let curve = Curve::new();
            let (me, server) = (curve.make("me"), curve.path("server"));
            let endpoint = &curve.publisher.endpoint;
            let with = |server| ["--server-cert", server, "--client-cert", &me];
            agreed(endpoint, &with(&server), 3, KEY, "the server refused our key");
            agreed(endpoint, &with(&me), 3, SERVER_KEY, "the server broke off the CURVE handshake");
            agreed(endpoint, &[], 3, NEEDS_CURVE, "CURVE, and we speak NULL");
            agreed(&Publisher::new().endpoint, &with(&server), 3, NEEDS_PLAIN, "NULL, and we speak CURVE");
            agreed(&Server::http().endpoint, &with(&server), 4, NOT_OURS, "does not speak ZeroMQ");
        }),
    ]);
}

#[test]
fn with_fail_fast_the_end_of_a_connection_is_status_4_and_named() {
    all(&[
        ("stopped", || {
            let publisher = Process::start("tcp://127.0.0.1:*", None);
            let mut watched = Watched::start(&publisher.endpoint, &["--fail-fast"]);
            watched.says(CONNECTED);
            publisher.signal("STOP");
            watched.says(LOST.trim_end_matches("; reconnecting"));
            assert_eq!(watched.tail.end().status, 4);
        }),
        ("oversize", || {
            let publisher = Publisher::new();
            let mut watched = Watched::start(&publisher.endpoint, &["--fail-fast"]);
            publisher.subscription();
            publisher.send(vec![b'x'; 17 << 20]);
            watched.says(CONNECTED);
            watched.says(&OVERSIZE.replace("; reconnecting", ""));
            assert_eq!(watched.tail.end().status, 4);

            let doctor = Program::start(&["doctor", &publisher.endpoint]);
            publisher.subscription();
            publisher.send(vec![b'x'; 17 << 20]);
            let ended = doctor.end();
            assert_eq!(ended.status, 5, "connected, and no record");
            assert!(ended.stdout.contains("FAIL  record     a frame over the limit of 16 MiB"), "{}", ended.stdout);
        }),
    ]);
}
