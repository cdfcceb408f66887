//! The page of `metrics` as a real Prometheus takes it: promtool's lint, and a server that scrapes it.
//!
//! Both are in Debian's `prometheus` package; without it these tests are ignored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program_support;
#[allow(dead_code)]
#[path = "support/trials.rs"]
mod trials;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use program_support::*;

const RULES: &str = r#"
[[rule]]
metric = "requests_total"
type = "counter"
match = 'status (?P<status>\d+)'
labels = ["host", "status"]

[[rule]]
metric = "response_seconds"
type = "histogram"
help = "Time \\ to \"answer\"."
match = 'took (?P<time>\S+)'
value = "time"

[[rule]]
metric = "strange_label"
type = "gauge"
match = 'strange (?P<text>.*)'
value = "now"
labels = ["text"]
"#;

fn main() -> ExitCode {
    trials::run(vec![
        trial!(promtool_finds_nothing_to_complain_about, trials::program("promtool")),
        trial!(a_prometheus_server_scrapes_it, trials::program("prometheus")),
    ])
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// `metrics` with the rules above, and where it serves.
fn start(directory: &Path, endpoint: &str) -> (Program, String) {
    let path = directory.join("metrics.toml");
    std::fs::write(&path, format!("endpoints = \"{endpoint}\"\nbuilt-ins = true\n{RULES}")).unwrap();
    let mut program = Program::start(&["metrics", "--config", path.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    program.wait_for("serving metrics at http://");
    let line = program.said.last().unwrap();
    let address = line.split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
    (program, address)
}

fn publish(publisher: &Publisher) {
    publisher.send("<13>Oct 11 22:14:15 web1 nginx: status 200 took 12ms");
    publisher.send("<13>Oct 11 22:14:15 web1 nginx: strange \"quoted\\ \u{1b}[31m é");
    publisher.send(&b"<13>Oct 11 22:14:15 web1 nginx: strange \xff"[..]);
}

fn wait_for_page(address: &str) -> String {
    let began = Instant::now();
    loop {
        let page = get(address, "/metrics").expect("a page");
        if page.contains("rsyslog_zmq_lines_total{outcome=\"matched\"} 3.0") {
            return page;
        }
        assert!(began.elapsed() < PATIENCE, "{page}");
        std::thread::yield_now();
    }
}

fn promtool_finds_nothing_to_complain_about() {
    let (publisher, directory) = (Publisher::new(), tempfile::tempdir().unwrap());
    let (_program, address) = start(directory.path(), &publisher.endpoint);
    publisher.subscription();
    publish(&publisher);
    let page = wait_for_page(&address);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}\n{page}");
}

fn a_prometheus_server_scrapes_it() {
    let (publisher, directory) = (Publisher::new(), tempfile::tempdir().unwrap());
    let (_program, address) = start(directory.path(), &publisher.endpoint);
    publisher.subscription();
    publish(&publisher);
    wait_for_page(&address);
    let configuration = directory.path().join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\nscrape_configs:\n  - job_name: logs\n    \
         static_configs:\n      - targets: ['{address}']\n"
    );
    std::fs::write(&configuration, text).unwrap();
    // Prometheus takes no port 0 that it would tell us of.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut prometheus = Command::new("prometheus");
    prometheus
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut prometheus = Killed(prometheus.spawn().unwrap());
    let mut lines = BufReader::new(prometheus.0.stderr.take().unwrap()).lines();
    let is_ready = |line: &str| line.contains("Server is ready to receive web requests");
    assert!(lines.any(|line| line.is_ok_and(|line| is_ready(&line))), "Prometheus does not start");
    std::thread::spawn(move || lines.for_each(drop));
    let server = format!("127.0.0.1:{port}");
    let query = |text: &str| get(&server, &format!("/api/v1/query?query={text}")).expect("an answer");
    let began = Instant::now();
    let wait_for = |text: &str, wanted: &str| loop {
        let answer = query(text);
        if answer.contains(wanted) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{text}: {answer}");
        std::thread::yield_now();
    };
    wait_for("requests_total", "\"status\":\"200\"},\"value\":[");
    wait_for("requests_total", ",\"1\"]");
    wait_for("response_seconds_bucket%7Ble=%22%2BInf%22%7D", ",\"1\"]");
    wait_for("log_messages_total", "\"program\":\"nginx\"");
    wait_for("count(strange_label)", ",\"2\"]");
    wait_for("rsyslog_zmq_connected", ",\"1\"]");
    wait_for("up%7Bjob=%22logs%22%7D", ",\"1\"]");
}
