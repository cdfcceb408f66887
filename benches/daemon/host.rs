//! The installed rsyslogd, and one running with a configuration of ours.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::failure::{Failure, Result};
use crate::options::Options;

/// Whose modules an rsyslogd loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    Distribution,
    Ours,
}

/// What is installed, and what was built.
pub struct Installation {
    rsyslogd: PathBuf,
    /// The directory with rsyslog's own modules.
    host_modules: PathBuf,
    ours: PathBuf,
    /// A private copy of the distribution's pair: installing ours puts it aside under other names.
    distribution: Option<TempDir>,
    /// util-linux's: lets a child die with us, whatever kills us.
    setpriv: Option<PathBuf>,
    pub version: String,
    keeps_directories: bool,
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.is_file())
}

impl Installation {
    pub fn find(options: &Options) -> Result<Self> {
        let missing = |what: &str| Failure::Other(format!("{what} is missing"));
        let rsyslogd = program("rsyslogd").ok_or_else(|| missing("rsyslogd (make deps)"))?;
        let listed = output_of("dpkg", &["-L", "rsyslog"]) + &output_of("rpm", &["-ql", "rsyslog"]);
        let host_modules = listed
            .lines()
            .map(Path::new)
            .find(|file| file.ends_with("lmnet.so"))
            .and_then(Path::parent)
            .ok_or_else(|| missing("the directory with rsyslog's modules"))?
            .to_owned();
        let ours = std::env::var_os("RSYSLOG_ZMQ_MODULES")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/modules"), PathBuf::from);
        if !["imczmq.so", "omczmq.so"].iter().all(|name| ours.join(name).is_file()) {
            return Err(missing(&format!("our pair of modules in {} (make build)", ours.display())));
        }
        let version = output_of(&rsyslogd.to_string_lossy(), &["-v"]);
        let version = version.split_whitespace().nth(1).unwrap_or("of unknown version").to_owned();
        Ok(Self {
            distribution: copy_of_distribution(&host_modules)?,
            rsyslogd,
            host_modules,
            ours,
            setpriv: program("setpriv"),
            version,
            keeps_directories: options.keeps_directories,
        })
    }

    pub fn has(&self, pair: Pair) -> bool {
        pair == Pair::Ours || self.distribution.is_some()
    }

    fn modules(&self, pair: Pair) -> String {
        let first = match (pair, &self.distribution) {
            (Pair::Distribution, Some(copy)) => copy.path(),
            _ => &self.ours,
        };
        format!("{}:{}", first.display(), self.host_modules.display())
    }

    /// A private directory for one measurement.
    pub fn directory(&self) -> Result<TempDir> {
        let mut directory = tempfile::Builder::new().prefix("rsyslog-zmq-bench.").tempdir()?;
        if self.keeps_directories {
            directory.disable_cleanup(true);
        }
        Ok(directory)
    }

    /// Starts an rsyslogd with this configuration, in its measurement's directory.
    pub fn start(&self, pair: Pair, directory: &Path, configuration: &str) -> Result<Daemon> {
        let file = directory.join("rsyslog.conf");
        std::fs::write(&file, configuration)?;
        let modules = self.modules(pair);
        let checked = Command::new(&self.rsyslogd)
            .args(["-N1", "-M", &modules, "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .output()?;
        if !checked.status.success() {
            let said = String::from_utf8_lossy(&checked.stderr);
            // The first line only says that this is a check.
            let reason = said.lines().find(|line| !line.contains("config validation run")).unwrap_or_default();
            let path = directory.to_string_lossy().into_owned();
            return Err(Failure::Refused(reason.trim_start_matches("rsyslogd: ").replace(&format!("{path}/"), "")));
        }
        let mut command = match &self.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.rsyslogd);
                command
            }
            None => Command::new(&self.rsyslogd),
        };
        let log = std::fs::File::create(directory.join("stderr"))?;
        command.args(["-n", "-M", &modules, "-f"]).arg(&file).arg("-i").arg(directory.join("pid"));
        command.current_dir(directory).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Daemon { child: command.spawn()?, pair })
    }
}

/// Copies the distribution's pair, wherever `dpkg-divert` has put it. `None`: there is none.
fn copy_of_distribution(host_modules: &Path) -> Result<Option<TempDir>> {
    let copy = tempfile::Builder::new().prefix("rsyslog-zmq-bench.c.").tempdir()?;
    for name in ["imczmq.so", "omczmq.so"] {
        let path = host_modules.join(name);
        let truename = output_of("dpkg-divert", &["--truename", &path.to_string_lossy()]);
        let path = if truename.trim().is_empty() { path } else { PathBuf::from(truename.trim()) };
        let Ok(content) = std::fs::read(&path) else { return Ok(None) };
        if content.windows(17).any(|window| window == b".rsyslog_zmq_role") {
            return Ok(None);
        }
        std::fs::write(copy.path().join(name), content)?;
    }
    Ok(Some(copy))
}

/// A running rsyslogd; killed when dropped.
pub struct Daemon {
    child: Child,
    pair: Pair,
}

/// Linux's unit of process times for user space, on every architecture that Debian has.
const TICK: Duration = Duration::from_millis(10);

impl Daemon {
    fn process_file(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id()))?)
    }

    /// User and system time of the whole process so far (proc(5), stat).
    pub fn cpu(&self) -> Result<Duration> {
        let stat = self.process_file("stat")?;
        // Behind the name, which may hold anything: state is the first field, utime and stime the 12th and 13th.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }

    /// The most memory it ever had, in bytes.
    pub fn peak_rss(&self) -> Result<u64> {
        let status = self.process_file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        Ok(line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024)
    }

    /// An error once it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Failure::Other(format!("rsyslogd ended: {status}"))),
        }
    }

    /// Waits for a port that rsyslogd writes into a file.
    pub fn port(&mut self, file: &Path) -> Result<u16> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if let Some(port) = text.lines().next().and_then(|line| line.trim().parse().ok()) {
                return Ok(port);
            }
            self.check()?;
            if Instant::now() >= deadline {
                return Err(Failure::TimedOut("rsyslogd's port file"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it has used no processor for `quiet`; when it last did, as far as can be seen.
    pub fn wait_until_idle(&mut self, quiet: Duration, deadline: Instant) -> Result<Instant> {
        let (mut used, mut since) = (self.cpu()?, Instant::now());
        while since.elapsed() < quiet {
            std::thread::sleep(Duration::from_millis(2));
            self.check()?;
            let now = self.cpu()?;
            if now != used {
                (used, since) = (now, Instant::now());
            }
            if Instant::now() >= deadline {
                return Err(Failure::TimedOut("rsyslogd to finish its work"));
            }
        }
        Ok(since)
    }

    /// Ends it: politely, then for good. What is to be said about that, if anything; the C pair is known to crash or to
    /// ignore SIGTERM, so of that nothing is said.
    pub fn stop(mut self) -> Option<String> {
        // Safe while the child has not been waited for: its number is not given away before.
        let _ = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status();
        let patience = if self.pair == Pair::Ours { 15 } else { 1 };
        let deadline = Instant::now() + Duration::from_secs(patience);
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return None,
                Ok(Some(status)) => return self.complaint(format!("rsyslogd ended with {status}")),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => break,
            }
        }
        self.complaint("rsyslogd did not end after SIGTERM".to_owned())
    }

    fn complaint(&self, text: String) -> Option<String> {
        (self.pair == Pair::Ours).then_some(text)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TCP port that is free now.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
