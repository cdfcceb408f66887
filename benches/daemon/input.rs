//! Measuring an input: senders that flood it, a ruleset with a queue of its own, a file that is /dev/null.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};
use crate::flood::{Flood, Sender};
use crate::host::{Daemon, Installation, Pair, free_port};
use crate::keys::Keys;
use crate::options::Options;
use crate::report::Outcome;

/// What the messages come in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The same messages over plain TCP: what rsyslog does by itself.
    Imptcp,
    Pull,
    /// Two frames, the first one a topic.
    Sub,
}

/// One contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    pub pair: Pair,
    pub entry: Entry,
    pub has_curve: bool,
    pub is_packed: bool,
    pub senders: usize,
    pub size: usize,
}

impl Setup {
    fn configuration(self, directory: &Path, endpoints: &str, keys: Option<&Keys>) -> String {
        let unpack = if self.is_packed { " unpack=\"on\"" } else { "" };
        let curve = keys.map(Keys::server_parameters).unwrap_or_default();
        let directory = directory.display();
        let input = match self.entry {
            Entry::Imptcp => format!(
                "module(load=\"imptcp\")\n\
                 input(type=\"imptcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"{directory}/port\" \
                 ruleset=\"bench\")"
            ),
            Entry::Pull => format!(
                "module(load=\"imczmq\" {curve})\n\
                 input(type=\"imczmq\" socktype=\"PULL\" endpoints=\"{endpoints}\" ruleset=\"bench\"{unpack})"
            ),
            Entry::Sub => format!(
                "module(load=\"imczmq\" {curve})\n\
                 input(type=\"imczmq\" socktype=\"SUB\" endpoints=\"{endpoints}\" topics=\"\" ruleset=\"bench\"{unpack})"
            ),
        };
        // A full queue makes the input wait instead of discarding, whatever its flow control.
        format!(
            "global(workDirectory=\"{directory}\" net.enableDNS=\"off\")\n\
             module(load=\"impstats\" interval=\"1\" format=\"json\" resetCounters=\"off\" log.syslog=\"off\" \
             log.file=\"{directory}/stats\")\n\
             {input}\n\
             ruleset(name=\"bench\" queue.type=\"LinkedList\" queue.size=\"100000\" queue.timeoutEnqueue=\"60000\") {{\n\
             action(type=\"omfile\" name=\"taken\" file=\"/dev/null\")\n}}\n\
             action(type=\"omfile\" file=\"{directory}/log\")\n"
        )
    }

    fn senders(self, port: u16, keys: Option<&Keys>) -> Result<Vec<Sender>> {
        let endpoint = format!("tcp://127.0.0.1:{port}");
        let one = |_| match self.entry {
            Entry::Imptcp => Sender::tcp(port, self.size),
            _ => Sender::push(&endpoint, keys, self.is_packed, self.size),
        };
        (0..self.senders).map(one).collect()
    }
}

/// What the ruleset's action has counted, by impstats, which writes once a second.
struct Statistics {
    file: PathBuf,
}

impl Statistics {
    /// How often it was written, and what it said last.
    fn read(&self) -> (usize, u64) {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let lines = text.lines().filter(|line| line.contains("\"taken\"") && line.contains("\"processed\""));
        let (count, last) = lines.fold((0, ""), |(count, _), line| (count + 1, line));
        let number = last.split("\"processed\":").nth(1).unwrap_or_default().trim_start();
        let digits = number.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
        (count, digits.parse().unwrap_or(0))
    }

    /// Waits until it says `at_least`, or the same twice in a row after that was written which is about to be.
    fn settle(&self, daemon: &mut Daemon, at_least: u64, deadline: Instant) -> Result<u64> {
        let (mut reports, mut processed) = self.read();
        let mut unchanged = 0;
        while unchanged < 3 && (processed < at_least || unchanged < 1) {
            std::thread::sleep(Duration::from_millis(10));
            daemon.check()?;
            if Instant::now() >= deadline {
                return Err(Failure::TimedOut("rsyslogd's counters"));
            }
            let (now_reports, now_processed) = self.read();
            if now_reports == reports {
                continue;
            }
            unchanged = if now_processed == processed { unchanged + 1 } else { 0 };
            (reports, processed) = (now_reports, now_processed);
        }
        Ok(processed)
    }
}

/// Measures one contestant once.
pub fn measure(setup: Setup, options: &Options, installation: &Installation) -> Result<Outcome> {
    let directory = installation.directory()?;
    let keys = if setup.has_curve { Some(Keys::generate(directory.path())?) } else { None };
    let (mut senders, mut port) = (Vec::new(), 0);
    let endpoints = match setup.entry {
        Entry::Sub => {
            let mut endpoints = Vec::new();
            for _ in 0..setup.senders {
                let (sender, endpoint) = Sender::publisher(setup.size)?;
                senders.push(sender);
                endpoints.push(format!(">{endpoint}"));
            }
            endpoints.join(",")
        }
        _ => {
            port = free_port()?;
            format!("@tcp://127.0.0.1:{port}")
        }
    };
    let configuration = setup.configuration(directory.path(), &endpoints, keys.as_ref());
    let mut daemon = installation.start(setup.pair, directory.path(), &configuration)?;
    if setup.entry == Entry::Imptcp {
        port = daemon.port(&directory.path().join("port"))?;
    }
    if senders.is_empty() {
        senders = setup.senders(port, keys.as_ref())?;
    }
    senders.iter_mut().try_for_each(Sender::prime)?;
    let statistics = Statistics { file: directory.path().join("stats") };
    let primed = statistics.settle(&mut daemon, setup.senders as u64, Instant::now() + Duration::from_secs(20))?;
    if primed < setup.senders as u64 {
        return Err(Failure::TimedOut("the first message of every sender"));
    }

    let messages = options.messages;
    let deadline = Instant::now() + Duration::from_secs(60 + messages / 10_000);
    let cpu_before = daemon.cpu()?;
    let began = Instant::now();
    let senders = Flood::start(senders, messages)?.wait()?;
    let ended = daemon.wait_until_idle(Duration::from_millis(300), deadline)?;
    let cpu = daemon.cpu()?.saturating_sub(cpu_before);
    let processed = statistics.settle(&mut daemon, primed + messages, deadline)?.saturating_sub(primed);
    let peak_rss = daemon.peak_rss()?;
    let complaint = daemon.stop();
    drop(senders);
    Ok(Outcome {
        messages,
        copies: 1,
        delivered: processed.min(messages),
        lost: messages.saturating_sub(processed),
        extra: processed.saturating_sub(messages),
        elapsed: ended.saturating_duration_since(began),
        cpu,
        peak_rss,
        latency: None,
        notes: complaint.into_iter().collect(),
    })
}
