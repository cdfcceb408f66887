//! The built program's `metrics` against real publishers, and its page as HTTP clients see it.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod program_support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use program_support::peers::Process;
use program_support::*;
use rsyslog_zmq::curve::certificate::Certificate;
use rsyslog_zmq::curve::keys::KeyPair;
use rsyslog_zmq::curve::security::Security;
use rsyslog_zmq::sys::zmq::{Context, kind, option};

const RULES: &str = r#"
[[rule]]
metric = "requests_total"
type = "counter"
help = "Requests by their \"status\"."
topic = "web"
match = 'status (?P<status>\d+)'
labels = ["host", "status"]

[[rule]]
metric = "seconds"
type = "histogram"
topic = "web1"
match = 'took (?P<time>\S+)'
value = "time"
unit = "seconds"
buckets = [0.1, 1]
"#;

/// A running `metrics` and its HTTP address.
struct Exporter {
    program: Program,
    address: String,
}

impl Exporter {
    fn start(arguments: &[&str]) -> Self {
        let mut program = Program::start(&[&["metrics", "--listen", "127.0.0.1:0"], arguments].concat());
        program.wait_for("serving metrics at http://");
        let line = program.said.last().unwrap();
        let address = line.split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
        Self { program, address }
    }

    /// The status line and headers, and the body.
    fn request(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{request}\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_owned(), body.to_owned())
    }

    fn page(&self) -> String {
        self.request("GET /metrics HTTP/1.1").1
    }

    /// Asks for the page until it has a line.
    fn wait_for(&self, line: &str) -> String {
        let began = Instant::now();
        loop {
            let page = self.page();
            if page.lines().any(|known| known == line) {
                return page;
            }
            assert!(began.elapsed() < PATIENCE, "never had {line:?}, but\n{page}");
            std::thread::yield_now();
        }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.program.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn end(self) -> Ended {
        self.signal("TERM");
        self.program.end()
    }
}

fn write(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("metrics.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn rules_subscribe_to_what_they_need_and_count_it() {
    let publisher = Publisher::new();
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), &format!("endpoints = \"{}\"\n{RULES}", publisher.endpoint));
    let exporter = Exporter::start(&["--config", path.to_str().unwrap()]);
    assert_eq!(publisher.subscription(), "web", "the network filters first");
    for (number, text) in
        ["status 200 took 12ms", "status 200 took 5s", "status 404 took ?", "nothing"].iter().enumerate()
    {
        let record = format!("<13>Oct 11 22:14:15 web{number} nginx: {text}");
        publisher.send(format!("web{number}{record}"));
        publisher.send_two("web1", record);
    }
    let page = exporter.wait_for("rsyslog_zmq_lines_total{outcome=\"unmatched\"} 2.0");
    for line in [
        "# HELP requests_total Requests by their \"status\".",
        "# TYPE requests_total counter",
        "requests_total{host=\"web0\",status=\"200\"} 2.0",
        "requests_total{host=\"web2\",status=\"404\"} 2.0",
        "seconds_bucket{le=\"0.1\"} 1",
        "seconds_bucket{le=\"+Inf\"} 3",
        "seconds_count 3",
        "rsyslog_zmq_lines_total{outcome=\"matched\"} 6.0",
        "rsyslog_zmq_rule_matches_total{rule=\"seconds\"} 4.0",
        "rsyslog_zmq_rule_value_errors_total{rule=\"seconds\"} 1.0",
        "rsyslog_zmq_series{metric=\"requests_total\"} 3.0",
    ] {
        assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
    }
    let connected = format!("rsyslog_zmq_connected{{endpoint=\"{}\"}} 1.0", publisher.endpoint);
    assert!(page.contains(&connected), "{page}");
    for name in ["rsyslog_zmq_processing_seconds_total", "rsyslog_zmq_build_info{", "process_resident_memory_bytes"] {
        assert!(page.contains(name), "{name} is not in\n{page}");
    }
    assert_eq!(exporter.end().status, 0);
}

#[test]
fn without_rules_messages_are_counted_and_hosts_are_seen() {
    let publisher = Publisher::new();
    let exporter = Exporter::start(&[&publisher.endpoint]);
    assert_eq!(publisher.subscription(), "");
    publisher.send(record("web1", "nginx", 1));
    publisher.send(record("web1", "nginx", 2));
    publisher.send("plain");
    let page = exporter.wait_for("log_messages_total{program=\"nginx\",severity=\"notice\",facility=\"user\"} 2.0");
    assert!(page.contains("log_last_seen_timestamp_seconds{host=\"web1\"} 1"), "{page}");
    exporter.wait_for("log_messages_total{program=\"\",severity=\"\",facility=\"\"} 1.0");
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let publisher = Publisher::new();
    let exporter = Exporter::start(&[&publisher.endpoint]);
    let (head, body) =
        exporter.request("GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0,*/*;q=0.1");
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.ends_with("# EOF\n") && body.contains("# TYPE rsyslog_zmq_lines counter"), "{body}");
    let (head, body) = exporter.request("GET /metrics HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(!body.contains("# EOF") && body.contains("# TYPE rsyslog_zmq_lines_total counter"), "{body}");
    assert!(exporter.request("GET /nothing HTTP/1.1").0.starts_with("HTTP/1.1 404"));
    assert!(exporter.request("DELETE /metrics HTTP/1.1").0.starts_with("HTTP/1.1 405"));
}

#[test]
fn health_follows_the_connections_and_losses_are_counted() {
    let publisher = Publisher::new();
    let endpoint = publisher.endpoint.clone();
    let mut exporter = Exporter::start(&[&endpoint]);
    publisher.subscription();
    exporter.program.wait_for("connected to");
    let (head, body) = exporter.request("GET /healthz HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(body, format!("{endpoint}: connected\n"));
    drop(publisher);
    exporter.program.wait_for("lost the connection");
    assert!(exporter.request("GET /healthz HTTP/1.1").0.starts_with("HTTP/1.1 503"));
    let publisher = Publisher::open(&Context::new().unwrap(), &endpoint, &Security::None);
    publisher.subscription();
    exporter.program.wait_for("again");
    exporter.wait_for(&format!("rsyslog_zmq_reconnects_total{{endpoint=\"{endpoint}\"}} 1.0"));
}

#[test]
fn a_refused_key_is_said_and_counted() {
    let curve = Curve::new();
    let mut exporter = Exporter::start(&[&curve.publisher.endpoint, "--server-cert", &curve.path("server")]);
    exporter.program.wait_for("the server refused our key");
    exporter
        .wait_for(&format!("rsyslog_zmq_handshake_failures_total{{endpoint=\"{}\"}} 1.0", curve.publisher.endpoint));
    let (head, body) = exporter.request("GET /healthz HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 503") && body.contains("refused our key"), "{head} {body}");
}

#[test]
fn a_hangup_reads_the_configuration_again_and_keeps_what_did_not_change() {
    let publisher = Publisher::new();
    let directory = tempfile::tempdir().unwrap();
    let head = format!("endpoints = \"{}\"\n", publisher.endpoint);
    let path = write(directory.path(), &format!("{head}{RULES}"));
    let mut exporter = Exporter::start(&["--config", path.to_str().unwrap()]);
    publisher.subscription();
    publisher.send_two("web1", "<13>Oct 11 22:14:15 h p: status 200");
    let kept = "requests_total{host=\"h\",status=\"200\"} 1.0";
    exporter.wait_for(kept);

    write(
        directory.path(),
        &format!("{head}{}", RULES.replace("\"web\"", "\"db\"").replace("seconds\"\nt", "time\"\nt")),
    );
    exporter.signal("HUP");
    exporter.program.wait_for("configuration reloaded");
    assert_eq!(publisher.subscription(), "db", "without another connection");
    let page = exporter.wait_for("rsyslog_zmq_config_reloads_total{result=\"ok\"} 1.0");
    assert!(page.contains(kept) && page.contains("time_count") == page.contains("time_sum"), "{page}");
    assert!(page.contains("# TYPE time histogram") && !page.contains("# TYPE seconds "), "{page}");
    publisher.send_two("db7", "<13>Oct 11 22:14:15 h p: status 200");
    exporter.wait_for("requests_total{host=\"h\",status=\"200\"} 2.0");

    write(directory.path(), "endpoints = 7");
    exporter.signal("HUP");
    exporter.program.wait_for("the old configuration stays");
    let page = exporter.wait_for("rsyslog_zmq_config_current 0.0");
    assert!(page.contains("requests_total{host=\"h\",status=\"200\"} 2.0"), "{page}");

    let other = Publisher::new();
    write(directory.path(), &format!("endpoints = \"{}\"\n{RULES}", other.endpoint));
    exporter.signal("HUP");
    assert_eq!(other.subscription(), "web");
    other.send_two("web1", "<13>Oct 11 22:14:15 h p: status 200");
    exporter.wait_for("requests_total{host=\"h\",status=\"200\"} 3.0");
}

/// A publisher that connects to where `metrics` listens.
fn connecting_publisher(endpoint: &str) -> Publisher {
    let socket = Context::new().unwrap().socket(kind::XPUB).unwrap();
    socket.set_int(option::LINGER, 0).unwrap();
    socket.set_int(option::RCVTIMEO, i32::try_from(PATIENCE.as_millis()).unwrap()).unwrap();
    socket.set_int(option::XPUB_VERBOSE, 1).unwrap();
    socket.connect(endpoint).unwrap();
    Publisher { socket, endpoint: endpoint.to_owned() }
}

#[test]
fn a_hangup_with_another_configuration_listens_on_the_same_endpoint_again() {
    let directory = tempfile::tempdir().unwrap();
    let ipc = format!("ipc://{}/in.ipc", directory.path().display());
    let path = write(directory.path(), &format!("endpoints = [\"@tcp://127.0.0.1:*\", \"@{ipc}\"]"));
    let mut exporter = Exporter::start(&["--config", path.to_str().unwrap()]);
    let page = exporter.page();
    let tcp = page.split("rsyslog_zmq_connected{endpoint=\"").find(|part| part.starts_with("tcp://")).unwrap();
    let tcp = tcp.split('"').next().unwrap();
    let publishers = [connecting_publisher(tcp), connecting_publisher(&ipc)];
    publishers.iter().for_each(|publisher| assert_eq!(publisher.subscription(), ""));

    // The same addresses, but the connections have to be made anew.
    write(directory.path(), &format!("endpoints = [\"@{tcp}\", \"@{ipc}\"]\nheartbeat = \"5s\""));
    exporter.signal("HUP");
    exporter.program.wait_for("configuration reloaded");
    publishers.iter().for_each(|publisher| assert_eq!(publisher.subscription(), ""));
    publishers.iter().for_each(|publisher| publisher.send(record("web1", "nginx", 1)));
    let line = "log_messages_total{program=\"nginx\",severity=\"notice\",facility=\"user\"}";
    exporter.wait_for(&format!("{line} 2.0"));

    // One that cannot listen leaves the old one as it was.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    write(directory.path(), &format!("endpoints = [\"@{tcp}\", \"@tcp://{taken}\"]\ntopics = \"web\""));
    exporter.signal("HUP");
    exporter
        .program
        .wait_for(&format!("the old configuration stays: cannot listen on tcp://{taken}: Address already in use"));
    publishers.iter().for_each(|publisher| assert_eq!(publisher.subscription(), ""));
    publishers.iter().for_each(|publisher| publisher.send(record("web1", "nginx", 2)));
    let page = exporter.wait_for(&format!("{line} 4.0"));
    assert!(page.contains("rsyslog_zmq_config_current 0.0"), "{page}");
    assert_eq!(exporter.end().status, 0);
}

#[test]
fn a_hangup_reads_rotated_certificates_and_a_broken_one_changes_nothing() {
    let curve = Curve::new();
    let me = curve.make("me");
    let mut exporter =
        Exporter::start(&[&curve.publisher.endpoint, "--server-cert", &curve.path("server"), "--client-cert", &me]);
    exporter.program.wait_for("the server refused our key");
    let renewed = curve.make("renewed");
    curve.admit(&renewed);
    for suffix in ["", "_secret"] {
        std::fs::rename(format!("{renewed}{suffix}"), format!("{me}{suffix}")).unwrap();
    }
    exporter.signal("HUP");
    exporter.program.wait_for("configuration reloaded");
    exporter.program.wait_for("connected to");
    assert_eq!(curve.publisher.subscription(), "");

    // The connection stays: there is no other subscription before the record is counted.
    std::fs::write(format!("{me}_secret"), "").unwrap();
    exporter.signal("HUP");
    exporter.program.wait_for("the old configuration stays: certificate");
    curve.publisher.send(record("web1", "nginx", 1));
    exporter.wait_for("log_messages_total{program=\"nginx\",severity=\"notice\",facility=\"user\"} 1.0");
    let reconnects = format!("rsyslog_zmq_reconnects_total{{endpoint=\"{}\"}} 0.0", curve.publisher.endpoint);
    assert!(exporter.page().contains(&reconnects), "{}", exporter.page());
}

#[test]
fn packed_frames_are_unpacked_and_others_are_rejected() {
    let publisher = Publisher::new();
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), &format!("endpoints = \"{}\"\nunpack = true", publisher.endpoint));
    let exporter = Exporter::start(&["--config", path.to_str().unwrap()]);
    publisher.subscription();
    publisher.send("3 one3 two");
    publisher.send("4 one3 two");
    exporter.wait_for("rsyslog_zmq_lines_total{outcome=\"rejected\"} 1.0");
    exporter.wait_for("log_messages_total{program=\"\",severity=\"\",facility=\"\"} 2.0");
}

#[test]
fn an_address_that_is_taken_is_status_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&["metrics", "ipc:///nonexistent/socket", "--listen", &address]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{}", ended.stderr);
}

#[test]
fn it_comes_back_after_a_frame_over_the_limit() {
    let publisher = Publisher::new();
    let mut exporter = Exporter::start(&[&publisher.endpoint]);
    publisher.subscription();
    exporter.program.wait_for("connected to");
    publisher.send(vec![b'x'; 17 << 20]);
    exporter.program.wait_for("sent a frame over the limit of 16 MiB, and the connection was ended; reconnecting");
    publisher.subscription();
    publisher.send(record("web1", "nginx", 1));
    exporter.wait_for("log_messages_total{program=\"nginx\",severity=\"notice\",facility=\"user\"} 1.0");
    exporter.program.wait_for("again");
    assert!(!exporter.end().stderr.contains("lost the connection"), "that is another thing");
}

#[test]
fn a_publisher_with_another_key_is_named_and_a_hangup_with_its_certificate_brings_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let certificate = Certificate::from_pair(KeyPair::generate().unwrap(), Vec::new());
        let path = directory.path().join(name);
        certificate.write_new(&path).unwrap();
        (certificate.into_pair().unwrap(), path)
    };
    let ((first, server), (second, renewed)) = (make("server"), make("renewed"));
    let publisher = Process::start("tcp://127.0.0.1:*", Some(&first));
    let endpoint = publisher.endpoint.clone();
    let mut exporter = Exporter::start(&[&endpoint, "--server-cert", server.to_str().unwrap()]);
    exporter.program.wait_for(&format!("connected to {endpoint}"));
    drop(publisher);
    let _publisher = Process::start(&endpoint, Some(&second));
    exporter.program.wait_for("the server certificate may not be its own");
    assert!(exporter.request("GET /healthz HTTP/1.1").0.starts_with("HTTP/1.1 503"));
    std::fs::rename(renewed, server).unwrap();
    exporter.signal("HUP");
    exporter.program.wait_for("configuration reloaded");
    exporter.program.wait_for(&format!("connected to {endpoint} again"));
    assert!(exporter.request("GET /healthz HTTP/1.1").0.starts_with("HTTP/1.1 200"));
}
