//! A real rsyslogd of a test's own: started, watched, ended, and killed at the latest when the test is over.

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::feed::{Feeder, Record, feed};
use super::wait::{LONG, SHORT, becomes_true, wait_until};
use super::{Host, memcheck, modules, statistics};

/// In front of every configuration: rsyslog's own messages to a file of their own and nowhere else, and the templates that
/// tests write with. `sequence` prints only the number of a [`super::Record`]. One worker keeps the order.
const PREAMBLE: &str = r#"
global(workDirectory="{dir}" processInternalMessages="on" net.enableDNS="off" maxMessageSize="{maxmessagesize}"
       inputs.timeout.shutdown="{inputstimeout}")
main_queue(queue.workerThreads="1" {mainqueue})
template(name="sequence" type="list") { property(name="msg" position.from="2" position.to="9") constant(value="\n") }
template(name="host-sequence" type="list") {
  property(name="hostname") constant(value=" ") property(name="msg" position.from="2" position.to="9") constant(value="\n")
}
template(name="message" type="string" string="%msg%\n")
template(name="text" type="string" string="%msg%")
template(name="raw" type="string" string="%rawmsg%\n")
template(name="program" type="string" string="%programname%")
template(name="host-program" type="string" string="%hostname%.%programname%")
if $inputname == "rsyslogd" then { action(type="omfile" file="{dir}/rsyslogd.log" template="message") stop }
"#;

/// What `{feed}` stands for: a syslog listener for [`super::Feeder`]. One thread keeps a connection's order.
const FEED: &str = r#"module(load="imptcp" threads="1")
input(type="imptcp" address="127.0.0.1" port="0" listenPortFileName="{dir}/feed.port")"#;

/// What `{stats}` stands for: counters once a second.
const STATS: &str =
    r#"module(load="impstats" interval="1" resetCounters="off" log.syslog="off" log.file="{dir}/stats")"#;

/// What `{receive}` stands for: the sequence numbers, one a line, in `received`; probes elsewhere.
const RECEIVE: &str = r#"
if $msg startswith " 99999999" then { action(type="omfile" file="{dir}/probes" template="sequence") stop }
action(type="omfile" file="{dir}/received" template="sequence")"#;

/// A configuration and how rsyslogd is to be started with it. In the text, `{feed}`, `{stats}` and `{receive}` stand for
/// ready parts, `{dir}` for the daemon's directory, `{distro}` for the directory of the daemon's own modules, `{modules}`
/// for that of the modules under test, and `{NAME}` for what [`Config::with`] says.
pub struct Config {
    text: String,
    preamble: &'static str,
    values: Vec<(String, String)>,
    memcheck: bool,
    launcher: Vec<String>,
    host: Host,
    environment: Vec<(String, String)>,
}

impl Config {
    /// A configuration with this text, for the daemon that `RSYSLOGD` names or the system's own.
    pub fn new(text: &str) -> Self {
        Self::on(&Host::current(), text)
    }

    /// A configuration with this text, for this daemon.
    pub fn on(host: &Host, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            preamble: PREAMBLE,
            values: Vec::new(),
            memcheck: false,
            launcher: Vec::new(),
            host: host.clone(),
            environment: Vec::new(),
        }
    }

    /// Replaces `{name}` by `value`, in what earlier calls put in as well.
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.values.push((name.to_owned(), value.to_string()));
        self
    }

    /// Takes the text as it is, as a system's own rsyslog.conf, with nothing in front of it. rsyslogd's messages then go where
    /// the text says, so [`Config::start`] cannot see them.
    pub fn verbatim(mut self) -> Self {
        self.preamble = "";
        self
    }

    /// Runs rsyslogd under valgrind's memcheck.
    pub fn under_memcheck(mut self) -> Self {
        self.memcheck = true;
        self
    }

    /// Sets a variable in rsyslogd's environment.
    pub fn environment(mut self, name: &str, value: impl Display) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Starts rsyslogd through a command that replaces itself (exec) by its arguments. `{dir}` stands for the daemon's
    /// directory.
    pub fn launched_by(mut self, command: &[&str]) -> Self {
        self.launcher = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts rsyslogd and waits until it says that it has started.
    pub fn start(self) -> Daemon {
        let daemon = self.spawn();
        daemon.wait_for_log("] start");
        daemon
    }

    /// Starts rsyslogd and does not wait.
    pub fn spawn(self) -> Daemon {
        let directory = tempfile::tempdir().unwrap();
        let configuration = self.write(directory.path());
        let (out, error) = outputs(directory.path());
        let mut command = match self.launcher.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                let directory = directory.path().display().to_string();
                command.args(arguments.iter().map(|word| word.replace("{dir}", &directory)));
                command.arg(&self.host.daemon).arg(modules_argument(&self.host));
                command
            }
            None if self.memcheck => memcheck::command(directory.path(), &self.host),
            None => rsyslogd_command(&self.host),
        };
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .arg("-n")
            .arg(format!("-i{}", directory.path().join("rsyslogd.pid").display()))
            .arg(format!("-f{}", configuration.display()))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(error);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let patience = if self.memcheck { 4 } else { 1 };
        let needs_nudges = self.host.release.sits_on_what_a_hangup_logs();
        Daemon { child, directory, status: None, patience, needs_nudges }
    }

    /// The whole text, in a file.
    fn write(&self, directory: &Path) -> PathBuf {
        let mut text = format!("{}{}\n", self.preamble, self.text);
        for (name, part) in [("feed", FEED), ("stats", STATS), ("receive", RECEIVE)] {
            text = text.replace(&format!("{{{name}}}"), part);
        }
        for (name, value) in &self.values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text = text
            .replace("{maxmessagesize}", "8k")
            .replace("{inputstimeout}", "10000")
            .replace("{mainqueue}", "")
            .replace("{dir}", &directory.display().to_string())
            .replace("{distro}", &self.host.modules.display().to_string())
            .replace("{modules}", &modules::under_test().display().to_string());
        let file = directory.join("rsyslog.conf");
        std::fs::write(&file, text).unwrap();
        file
    }
}

/// rsyslogd with the modules under test in front of its own.
pub fn rsyslogd_command(host: &Host) -> Command {
    let mut command = Command::new(&host.daemon);
    command.arg(modules_argument(host));
    if host.is_debug_build {
        // A worker that has ended but was not joined yet trips an assertion of the host's at the end (wti.c wtiDestruct); with
        // this it only says so, as a release build does in silence.
        command.env("RSYSLOG_DEBUG_TIMEOUTS_TO_STDERR", "on");
    }
    command
}

/// The `-M` argument: modules under test win over the daemon's of the same name.
pub fn modules_argument(host: &Host) -> String {
    format!("-M{}:{}", modules::under_test().display(), host.modules.display())
}

fn outputs(directory: &Path) -> (File, File) {
    (File::create(directory.join("stdout")).unwrap(), File::create(directory.join("stderr")).unwrap())
}

/// How `rsyslogd -N1` ended and what it said.
pub struct Check {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output and standard error.
    pub output: String,
}

/// Runs `rsyslogd -N1` on a configuration.
pub fn check_config(config: Config) -> Check {
    let directory = tempfile::tempdir().unwrap();
    let configuration = config.write(directory.path());
    let (out, error) = outputs(directory.path());
    let mut child = rsyslogd_command(&config.host)
        .envs(config.environment.iter().map(|(name, value)| (name, value)))
        .arg("-N1")
        .arg(format!("-f{}", configuration.display()))
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(error)
        .spawn()
        .unwrap();
    let mut status = None;
    let ended = becomes_true(LONG, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let output = read(&directory.path().join("stdout")) + &read(&directory.path().join("stderr"));
    Check { status: status.unwrap_or_else(|| panic!("rsyslogd -N1 does not end: {output}")), output }
}

/// A text file's content; empty where there is none yet.
pub fn read(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}

/// How a daemon ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// From SIGTERM to the end.
    pub elapsed: Duration,
}

/// A running rsyslogd; killed when dropped. While a test fails, what the daemon said is printed.
pub struct Daemon {
    child: Child,
    directory: TempDir,
    status: Option<ExitStatus>,
    /// Valgrind is slow: limits are multiplied by this.
    patience: u32,
    /// See [`super::hosts::Release::sits_on_what_a_hangup_logs`].
    needs_nudges: bool,
}

impl Daemon {
    /// Starts rsyslogd with this text and waits until it says that it has started.
    pub fn start(text: &str) -> Self {
        Config::new(text).start()
    }

    /// A file in the daemon's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything rsyslogd has said: its own messages, standard output and standard error.
    pub fn log(&self) -> String {
        let log = ["rsyslogd.log", "stdout", "stderr"].map(|name| read(&self.file(name))).concat();
        // Wakes the main thread and does nothing else, once rsyslogd handles it.
        if self.needs_nudges && log.contains("] start") && self.status.is_none() && self.is_alive() {
            self.signal(libc::SIGTTOU);
        }
        log
    }

    /// Waits for a text in the log; fails when rsyslogd ends instead.
    pub fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} in rsyslogd's log"), SHORT * self.patience, || {
            let found = self.log().contains(text);
            assert!(found || self.is_alive(), "rsyslogd ended before it said {text:?}");
            found
        });
    }

    /// The first port in `NAME.port`, as soon as it is there.
    pub fn port(&self, name: &str) -> u16 {
        self.ports(name, 1)[0]
    }

    /// The `count` ports in `NAME.port`, as soon as they are there.
    pub fn ports(&self, name: &str, count: usize) -> Vec<u16> {
        let file = self.file(&format!("{name}.port"));
        let mut ports = Vec::new();
        wait_until(&format!("{count} port(s) in {}", file.display()), SHORT * self.patience, || {
            ports = read(&file).split_whitespace().map(|port| port.parse().unwrap()).collect();
            assert!(ports.len() >= count || self.is_alive(), "rsyslogd ended before it listened");
            ports.len() >= count
        });
        ports
    }

    /// The endpoint `ipc://{dir}/NAME.ipc`.
    pub fn ipc(&self, name: &str) -> String {
        format!("ipc://{}", self.file(&format!("{name}.ipc")).display())
    }

    /// The endpoint on loopback with the first port in `NAME.port`.
    pub fn tcp(&self, name: &str) -> String {
        format!("tcp://127.0.0.1:{}", self.port(name))
    }

    /// A connection to `{feed}`.
    pub fn feeder(&self) -> Feeder {
        Feeder::connect(self.port("feed"))
    }

    /// Feeds the records 0..count of `size` bytes.
    pub fn feed(&self, count: usize, size: usize) {
        feed(self.port("feed"), count, size);
    }

    /// Waits until a file has `count` lines of `width` bytes (the newline counts); fails at once when there are more.
    pub fn wait_for_lines(&self, name: &str, count: usize, width: usize) {
        let file = self.file(name);
        let size = || std::fs::metadata(&file).map_or(0, |data| usize::try_from(data.len()).unwrap());
        let (mut before, mut enough) = (0, false);
        // As long as lines keep coming, time does not run out.
        while !enough {
            let moved = becomes_true(SHORT * self.patience, || {
                assert!(self.is_alive(), "rsyslogd ended with {} of {count} lines in {name}", size() / width);
                enough = size() >= count * width;
                enough || size() != before
            });
            assert!(moved, "no more than {} of {count} lines in {name}", size() / width);
            before = size();
        }
        assert_eq!(size(), count * width, "more than {count} lines in {name}");
    }

    /// Waits until `received` has the sequence 0..count, and checks that each is there once and in order.
    pub fn assert_received(&self, count: usize) {
        self.wait_for_lines("received", count, super::sequence::WIDTH + 1);
        super::assert_sequence(&self.file("received"), count);
    }

    /// Feeds probes until one arrives here: a subscription of this daemon's is in force then.
    pub fn await_subscription(&self, feeder: &mut Feeder, record: Record<'_>) {
        wait_until("the subscription to be in force", SHORT * self.patience, || {
            feeder.probe(record);
            becomes_true(Duration::from_millis(100), || !read(&self.file("probes")).is_empty())
        });
    }

    /// Waits until a file holds a text.
    pub fn wait_for_text(&self, name: &str, text: &str) {
        let file = self.file(name);
        wait_until(&format!("{text:?} in {}", file.display()), SHORT * self.patience, || read(&file).contains(text));
    }

    /// The last value of a counter that impstats wrote, once it satisfies `wanted`.
    pub fn wait_for_counter(&self, object: &str, counter: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let mut last = None;
        let found = becomes_true(SHORT * self.patience, || {
            last = statistics::last(&read(&self.file("stats")), object, counter);
            last.is_some_and(&wanted)
        });
        assert!(found, "counter {counter} of {object} is {last:?}; statistics:\n{}", read(&self.file("stats")));
        last.unwrap()
    }

    /// Waits until a counter is above zero and the same in two lines of impstats: what it counts has come to a halt.
    pub fn wait_for_halt(&self, object: &str, counter: &str) -> u64 {
        let mut halted = None;
        wait_until(&format!("counter {counter} of {object} to stop moving"), SHORT * self.patience, || {
            let values = statistics::all(&read(&self.file("stats")), object, counter);
            halted = match values.as_slice() {
                [.., before, last] if *last > 0 && before == last => Some(*last),
                _ => None,
            };
            halted.is_some()
        });
        halted.unwrap()
    }

    /// Whether the process runs.
    pub fn is_alive(&self) -> bool {
        // SAFETY: signal 0 only asks whether the process is there; the id is our own child's, not yet waited for, so it
        // cannot have gone to another process.
        let reachable = unsafe { libc::kill(self.raw_id(), 0) } == 0;
        // A child that has ended stays a zombie until it is waited for.
        reachable && !read(Path::new(&format!("/proc/{}/stat", self.id()))).contains(") Z ")
    }

    fn raw_id(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.id()).unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: the id is our own child's, not yet waited for, so it cannot have gone to another process.
        let failed = unsafe { libc::kill(self.raw_id(), signal) };
        assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> Ended {
        let start = Instant::now();
        self.signal(libc::SIGTERM);
        let status = self.wait();
        Ended { status, elapsed: start.elapsed() }
    }

    /// Waits for the end, which something else has brought about.
    pub fn wait(&mut self) -> ExitStatus {
        let ended = becomes_true(Duration::from_secs(60) * self.patience, || {
            self.status = self.child.try_wait().unwrap();
            self.status.is_some()
        });
        assert!(ended, "rsyslogd does not end");
        self.status.unwrap()
    }

    /// Ends the daemon, which must end well.
    pub fn stop(&mut self) -> Duration {
        let ended = self.terminate();
        assert_eq!(ended.status.code(), Some(0), "rsyslogd ended with {}", ended.status);
        ended.elapsed
    }

    /// What memcheck found with a frame of the modules under test; for a daemon that has ended.
    pub fn memcheck_findings(&self) -> Vec<String> {
        assert!(self.status.is_some(), "memcheck reports leaks at the end");
        memcheck::findings(&self.file("memcheck.xml"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.status.is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        if std::thread::panicking() {
            let configuration = read(&self.file("rsyslog.conf"));
            let own = configuration.lines().skip(PREAMBLE.lines().count()).collect::<Vec<_>>().join("\n");
            eprintln!("---- rsyslogd {} was run with\n{own}\n---- and said\n{}", self.id(), self.log());
        }
    }
}
