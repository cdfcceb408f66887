//! Measuring an output: a TCP feeder into imptcp, rsyslogd, sinks.

use std::path::Path;
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{Context, kind, option};

use crate::failure::{Failure, Result};
use crate::feeder::{Feeder, PRIMER};
use crate::host::{Daemon, Installation, Pair, free_port};
use crate::keys::Keys;
use crate::options::Options;
use crate::report::Outcome;
use crate::sink::{Plan, Sink};

/// Bytes of a message that is fed.
const SIZE: usize = 200;

/// What is done with the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nothing: the ruleset ends at once. What is left is rsyslog's own work.
    Null,
    Push,
    Pub {
        subscribers: usize,
    },
    /// PUB, after another subscriber that never reads has been waited for and cut off.
    PubAfterCutOff {
        subscribers: usize,
    },
    /// PUB under two topics made by templates, each in a frame of its own.
    PubDynamic,
}

/// One contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    pub pair: Pair,
    pub route: Route,
    pub has_curve: bool,
    pub is_packed: bool,
}

impl Setup {
    /// Copies of a message that each sink gets.
    fn copies(self) -> u64 {
        if self.route == Route::PubDynamic { 2 } else { 1 }
    }

    fn subscribers(self) -> usize {
        match self.route {
            Route::Null => 0,
            Route::Push | Route::PubDynamic => 1,
            Route::Pub { subscribers } | Route::PubAfterCutOff { subscribers } => subscribers,
        }
    }

    fn is_publisher(self) -> bool {
        matches!(self.route, Route::Pub { .. } | Route::PubAfterCutOff { .. } | Route::PubDynamic)
    }

    /// The same text for both pairs, but for what only ours knows.
    fn configuration(self, directory: &Path, endpoint: &str, keys: Option<&Keys>) -> String {
        let packing = if self.is_packed { " packing=\"on\"" } else { "" };
        let action = match self.route {
            Route::Null => "stop".to_owned(),
            Route::Push => format!("action(type=\"omczmq\" socktype=\"PUSH\" endpoints=\">{endpoint}\"{packing})"),
            Route::Pub { .. } | Route::PubAfterCutOff { .. } => {
                format!("action(type=\"omczmq\" socktype=\"PUB\" endpoints=\"@{endpoint}\"{packing})")
            }
            Route::PubDynamic => format!(
                "action(type=\"omczmq\" socktype=\"PUB\" endpoints=\"@{endpoint}\" topics=\"program,host_program\" \
                 dynatopic=\"on\" topicframe=\"on\"{packing})"
            ),
        };
        let module = match self.route {
            Route::Null => String::new(),
            _ => format!("module(load=\"omczmq\" {})", keys.map(Keys::client_parameters).unwrap_or_default()),
        };
        let directory = directory.display();
        // imptcp waits a second for a full queue and then discards; nothing is to be lost before it reaches the action.
        format!(
            "global(workDirectory=\"{directory}\" net.enableDNS=\"off\")\n\
             main_queue(queue.timeoutEnqueue=\"60000\")\n\
             module(load=\"imptcp\")\n\
             {module}\n\
             template(name=\"program\" type=\"string\" string=\"%programname%\")\n\
             template(name=\"host_program\" type=\"string\" string=\"%hostname%.%programname%\")\n\
             input(type=\"imptcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"{directory}/port\" \
             ruleset=\"bench\")\n\
             ruleset(name=\"bench\") {{ {action} }}\n\
             action(type=\"omfile\" file=\"{directory}/log\")\n"
        )
    }
}

/// An rsyslogd that is known to deliver to every sink.
pub struct Course {
    pub daemon: Daemon,
    pub feeder: Feeder,
    pub sinks: Vec<Sink>,
    /// Last: the daemon ends before its directory.
    _directory: tempfile::TempDir,
}

impl Course {
    pub fn open(setup: Setup, installation: &Installation, plan: Plan<'_>) -> Result<Self> {
        let directory = installation.directory()?;
        let keys = if setup.has_curve { Some(Keys::generate(directory.path())?) } else { None };
        let mut plan = Plan { keys: keys.as_ref(), is_packed: setup.is_packed, ..plan };
        let published = format!("tcp://127.0.0.1:{}", if setup.is_publisher() { free_port()? } else { 0 });
        if setup.is_publisher() {
            plan.connects_to = Some(&published);
        }
        let sinks = (0..setup.subscribers()).map(|_| Sink::start(&plan)).collect::<Result<Vec<_>>>()?;
        let endpoint = sinks.first().map_or("", |sink| sink.endpoint.as_str());
        let configuration = setup.configuration(directory.path(), endpoint, keys.as_ref());
        let mut daemon = installation.start(setup.pair, directory.path(), &configuration)?;
        let port = daemon.port(&directory.path().join("port"))?;
        let feeder = Feeder::connect(port, SIZE)?;
        let mut course = Self { daemon, feeder, sinks, _directory: directory };
        course.prime()?;
        if matches!(setup.route, Route::PubAfterCutOff { .. }) {
            course.have_one_cut_off(&published)?;
        }
        Ok(course)
    }

    /// The C pair opens its socket at the first message, and subscribers need a moment: feeds until every sink has got
    /// something.
    fn prime(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut number = PRIMER;
        loop {
            self.feeder.feed(number, 1)?;
            number += 1;
            std::thread::sleep(Duration::from_millis(10));
            self.daemon.check()?;
            if number > PRIMER + 10 && self.sinks.iter().all(|sink| sink.primers() > 0) {
                break;
            }
            if Instant::now() >= deadline {
                return Err(Failure::TimedOut("the first message to arrive"));
            }
        }
        self.daemon.wait_until_idle(Duration::from_millis(150), deadline + Duration::from_secs(10))?;
        Ok(())
    }

    /// Lets a subscriber that never reads hold everybody up until it is cut off.
    fn have_one_cut_off(&mut self, endpoint: &str) -> Result<()> {
        // Far more than the kernel and both high-water marks hold for it.
        const BURST: u64 = 150_000;
        let stuck = Context::new()?.socket(kind::SUB)?;
        stuck.set_int(option::RCVHWM, 1)?;
        stuck.set_bytes(option::SUBSCRIBE, b"")?;
        stuck.connect(endpoint)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        // Nothing tells when its subscription has come; within the burst it has.
        let before: Vec<u64> = self.sinks.iter().map(Sink::primers).collect();
        let began = Instant::now();
        self.feeder.feed(PRIMER + 1_000_000, BURST)?;
        while self.sinks.iter().zip(&before).any(|(sink, before)| sink.primers() < before + BURST) {
            std::thread::sleep(Duration::from_millis(10));
            self.daemon.check()?;
            if Instant::now() >= deadline {
                return Err(Failure::TimedOut("the subscriber that never reads to be cut off"));
            }
        }
        if began.elapsed() < Duration::from_secs(9) {
            return Err(Failure::Other("the subscriber that never reads held nobody up".to_owned()));
        }
        self.daemon.wait_until_idle(Duration::from_millis(150), deadline)?;
        Ok(())
    }

    fn received(&self) -> u64 {
        self.sinks.iter().map(Sink::received).sum()
    }

    /// Waits until everything has arrived, or nothing more does; when the last did.
    pub fn wait_for_arrival(&mut self, expected: u64, deadline: Instant) -> Result<Instant> {
        const QUIET: Duration = Duration::from_millis(1500);
        if self.sinks.is_empty() {
            return self.daemon.wait_until_idle(Duration::from_millis(150), deadline);
        }
        let (mut received, mut since) = (self.received(), Instant::now());
        let (mut used, mut busy_until) = (self.daemon.cpu()?, Instant::now());
        while received < expected && (since.elapsed() < QUIET || busy_until.elapsed() < QUIET) {
            std::thread::sleep(Duration::from_millis(5));
            self.daemon.check()?;
            if Instant::now() >= deadline {
                return Err(Failure::TimedOut("the messages to arrive"));
            }
            let (now_received, now_used) = (self.received(), self.daemon.cpu()?);
            if now_received != received {
                (received, since) = (now_received, Instant::now());
            }
            if now_used != used {
                (used, busy_until) = (now_used, Instant::now());
            }
        }
        // The sinks publish their counts before the time.
        std::thread::sleep(Duration::from_millis(30));
        self.daemon.wait_until_idle(Duration::from_millis(60), deadline)?;
        Ok(self.sinks.iter().map(Sink::last_arrival).max().unwrap_or(since))
    }
}

/// Measures one contestant once.
pub fn measure(setup: Setup, options: &Options, installation: &Installation) -> Result<Outcome> {
    let messages = options.messages;
    let plan =
        Plan { connects_to: None, keys: None, is_packed: false, messages, fed_at: None, started: Instant::now() };
    let mut course = Course::open(setup, installation, plan)?;
    let deadline = Instant::now() + Duration::from_secs(60 + messages / 10_000);
    let expected = messages * setup.copies() * course.sinks.len() as u64;

    let cpu_before = course.daemon.cpu()?;
    let began = Instant::now();
    course.feeder.feed(0, messages)?;
    let ended = course.wait_for_arrival(expected, deadline)?;
    let cpu = course.daemon.cpu()?.saturating_sub(cpu_before);
    let peak_rss = course.daemon.peak_rss()?;

    let complaint = course.daemon.stop();
    let (mut lost, mut extra, mut malformed) = (0, 0, 0);
    for sink in course.sinks {
        let counts = sink.finish()?;
        lost += counts.lost(setup.copies());
        extra += counts.duplicates(setup.copies());
        malformed += counts.malformed;
    }
    let malformed = (malformed > 0).then(|| format!("{malformed} frames were no message"));
    Ok(Outcome {
        messages,
        copies: (expected / messages).max(1),
        delivered: if expected == 0 { messages } else { expected - lost },
        lost,
        extra,
        elapsed: ended.saturating_duration_since(began),
        cpu,
        peak_rss,
        latency: None,
        notes: complaint.into_iter().chain(malformed).collect(),
    })
}
