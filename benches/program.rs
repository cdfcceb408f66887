//! How much `rsyslog-zmq tail` and `rsyslog-zmq metrics` take in: a publisher in this process offers records at a fixed
//! rate as omczmq does, which waits for a subscriber whose queue is full for a moment. A subscriber that cannot keep up
//! shows as records that fall behind their time.
//!
//! `cargo bench --bench program` runs the program that it builds; `RSYSLOG_ZMQ_BENCH_SECONDS` (5) is the time per case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{Context, DONTWAIT, Message, Socket, kind, option};

/// Bytes of a record.
const SIZE: usize = 200;

struct Publisher {
    socket: Socket,
    endpoint: String,
}

impl Publisher {
    /// As omczmq's: its default high-water mark, and it knows when a subscriber is full.
    fn new() -> Self {
        let socket = Context::new().unwrap().socket(kind::XPUB).unwrap();
        socket.set_int(option::LINGER, 0).unwrap();
        socket.set_int(option::SNDHWM, 1000).unwrap();
        socket.set_int(option::XPUB_NODROP, 1).unwrap();
        socket.set_int(option::RCVTIMEO, 20_000).unwrap();
        // omczmq's sendtimeout: without any progress for so long, a subscriber is cut off.
        socket.set_int(option::SNDTIMEO, 10_000).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = socket.last_endpoint().unwrap();
        Self { socket, endpoint }
    }

    /// Offers records at a rate; returns how many were sent, how often the subscriber's queue was full, how many records
    /// the publisher is behind at the end, and how long it took.
    fn offer(&self, rate: usize, time: Duration) -> Offered {
        let (mut sent, mut waits) = (0, 0);
        let began = Instant::now();
        let due = |elapsed: Duration| (elapsed.as_secs_f64() * rate as f64) as usize;
        while began.elapsed() < time {
            // What is due by now, a millisecond's worth or so at once.
            let until = due(began.elapsed());
            while sent < until {
                let mut message = Message::from_parts(&[record(sent).as_bytes()]).unwrap();
                if self.socket.send(&mut message, DONTWAIT).is_err() {
                    waits += 1;
                    self.socket.send(&mut message, 0).expect("a subscriber that makes progress");
                }
                sent += 1;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        let took = began.elapsed();
        Offered { sent, waits, behind: due(took).saturating_sub(sent), time: took }
    }
}

struct Offered {
    sent: usize,
    waits: usize,
    behind: usize,
    time: Duration,
}

fn record(number: usize) -> String {
    let (status, time) = (if number % 10 == 0 { 500 } else { 200 }, number % 97);
    let mut text = format!(
        "<13>2026-01-02T03:04:05.678901+00:00 web{} nginx[42]: GET /item/{number} status {status} took {time}ms agent ",
        number % 20
    );
    while text.len() < SIZE {
        text.push('x');
    }
    text
}

/// What a process has used: its largest resident memory in MB, and its processor time.
fn used(child: &Child) -> (f64, Duration) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap();
    let status = read("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    let stat = read("stat");
    // Behind the name, which may hold anything: utime and stime are fields 14 and 15, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (kilobytes / 1024.0, Duration::from_millis(ticks * 10))
}

fn start(arguments: &[&str], endpoint: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsyslog-zmq"));
    command.args(arguments).arg(endpoint).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

struct Row {
    rate: usize,
    offered: Offered,
    processed: String,
    memory: f64,
    processor: Duration,
}

fn tail(rate: usize, time: Duration, arguments: &[&str]) -> Row {
    let publisher = Publisher::new();
    let mut child = start(&[&["tail"], arguments].concat(), &publisher.endpoint);
    publisher.socket.receive(&mut Message::new(), 0).expect("a subscription");
    let offered = publisher.offer(rate, time);
    // What is still on its way.
    std::thread::sleep(Duration::from_millis(700));
    let (memory, processor) = used(&child);
    signal(&child, "INT");
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success(), "{stderr}");
    let summary = stderr.lines().last().unwrap().trim_start_matches("rsyslog-zmq: ").to_owned();
    Row { rate, offered, processed: summary, memory, processor }
}

fn metrics(rate: usize, time: Duration, rules: usize) -> Row {
    let publisher = Publisher::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.toml");
    std::fs::write(&path, configuration(rules)).unwrap();
    let arguments = ["metrics", "--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()];
    let mut child = start(&arguments, &publisher.endpoint);
    publisher.socket.receive(&mut Message::new(), 0).expect("a subscription");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        Some(line.split_once("http://")?.1.strip_suffix("/metrics")?.to_owned())
    });
    let address = address.expect("an address");
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let offered = publisher.offer(rate, time);
    std::thread::sleep(Duration::from_millis(700));
    let page = scrape(&address);
    let (memory, processor) = used(&child);
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
    drain.join().unwrap();
    let value = |name: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {page}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let counted =
        value("rsyslog_zmq_lines_total{outcome=\"matched\"}") + value("rsyslog_zmq_lines_total{outcome=\"unm");
    Row { rate, offered, processed: format!("{counted} counted"), memory, processor }
}

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Rules of which two match every record, and the others look for something else.
fn configuration(rules: usize) -> String {
    let mut text = String::from(
        "[[rule]]\nmetric = \"requests_total\"\ntype = \"counter\"\nprogram = \"nginx\"\n\
         match = '(?P<method>[A-Z]+) \\S+ status (?P<status>\\d{3})'\nlabels = [\"host\", \"method\", \"status\"]\n\
         [[rule]]\nmetric = \"seconds\"\ntype = \"histogram\"\nmatch = 'took (?P<time>\\S+)'\nvalue = \"time\"\n\
         labels = [\"host\"]\n",
    );
    for number in 2..rules {
        let _ = write!(
            text,
            "[[rule]]\nmetric = \"rule_{number}_total\"\ntype = \"counter\"\n\
             match = 'error {number}: (?P<what>\\w+) failed after \\d+ attempts'\nlabels = [\"what\"]\n"
        );
    }
    text
}

fn main() {
    let seconds = std::env::var("RSYSLOG_ZMQ_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let time = Duration::from_secs(seconds);
    println!("{SIZE} bytes a record, {seconds} s a case, one subscriber, tcp on the loopback interface");
    let filters = ["--include", "status \\d+", "--exclude", "took 9[0-9]ms", "-o", "json"];
    type Case<'a> = (&'a str, Box<dyn Fn() -> Row + 'a>);
    let cases: [Case<'_>; 6] = [
        ("tail", Box::new(|| tail(200_000, time, &[]))),
        ("tail -o raw", Box::new(|| tail(200_000, time, &["-o", "raw"]))),
        ("tail, two filters, json", Box::new(|| tail(100_000, time, &filters))),
        ("tail, two filters, json", Box::new(|| tail(200_000, time, &filters))),
        ("metrics, 20 rules", Box::new(|| metrics(100_000, time, 20))),
        ("metrics, 20 rules", Box::new(|| metrics(200_000, time, 20))),
    ];
    println!(
        "{:<24} {:>9} {:>9} {:>6} {:>6} {:>7} {:>5}  result",
        "case", "offered/s", "sent/s", "waits", "behind", "peak MB", "CPU %"
    );
    for (name, case) in cases {
        let Row { rate, offered, processed, memory, processor } = case();
        let seconds = offered.time.as_secs_f64();
        println!(
            "{name:<24} {rate:>9} {:>9.0} {:>6} {:>6} {memory:>7.1} {:>5.0}  {} sent, {processed}",
            offered.sent as f64 / seconds,
            offered.waits,
            offered.behind,
            100.0 * processor.as_secs_f64() / seconds,
            offered.sent,
        );
    }
}
