//! `rsyslog-zmq metrics`: log streams become time series that Prometheus scrapes.
//!
//! The main thread receives and counts; the threads of `http` answer. They meet in [`state::SharedState`].
#![forbid(unsafe_code)]

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::connection_report;
use crate::cli::exit::{Failure, Outcome};
use crate::cli::frame_decoding::FrameDecoding;
use crate::cli::interrupts::{Asked, catch};
use crate::transport::subscribe::{State, SubscriberEvent};

mod built_in;
pub mod compile;
pub mod compile_error;
pub mod configuration;
pub mod exposition;
mod http;
mod own;
pub mod rules;
pub mod series;
pub mod state;
mod subscription;
pub mod value;

use compile::{Compiled, compile};
use configuration::{Configuration, LISTEN, List};
use exposition::{Extent, PageFormat};
use state::{ExporterState, SharedState};
use subscription::{Network, Plan, ReplaceError, Subscription};

/// How often idle series are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Make metrics of log streams, for Prometheus.
///
/// Subscribes to publishers, applies the rules of a configuration file to every record, and serves the result at /metrics
/// (Prometheus's and OpenMetrics' text formats) with /healthz beside it. Without rules it counts messages by program,
/// severity and facility, and says when each host was last heard of. SIGHUP reads the configuration and the certificates
/// again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rsyslog-zmq metrics tcp://logs.example.com:24444 --server-cert logs.pub --client-cert me
  rsyslog-zmq metrics --config /etc/rsyslog-zmq/metrics.toml
  rsyslog-zmq metrics --config metrics.toml --check
  rsyslog-zmq metrics --config metrics.toml --one-shot < /var/log/syslog

A configuration:
  endpoints = [\"tcp://logs.example.com:24444\"]
  server-cert = \"logs.pub\"
  client-cert = \"me\"

  [[rule]]
  metric = \"nginx_response_seconds\"
  type = \"histogram\"
  topic = \"web\"                     # topics that begin so; the publisher sends nothing else
  program = \"nginx\"
  match = '\"(?P<method>[A-Z]+) .* (?P<status>\\d{3}) in (?P<time>\\S+)$'
  value = \"time\"                    # 12ms, 1.5s, 3.4 KiB, 85%
  labels = [\"host\", \"method\", \"status\"]")]
pub struct MetricsCommand {
    /// Where to, instead of the configuration's endpoints.
    #[arg(value_name = "ENDPOINT", env = "RSYSLOG_ZMQ_METRICS_ENDPOINT")]
    endpoint: Vec<String>,

    /// The configuration; without it there are the built-in metrics.
    #[arg(short, long, value_name = "FILE", env = "RSYSLOG_ZMQ_METRICS_CONFIG", required_unless_present = "endpoint")]
    config: Option<PathBuf>,

    /// Only check the configuration, and say what it would do.
    #[arg(long, env = "RSYSLOG_ZMQ_METRICS_CHECK", conflicts_with = "one_shot")]
    check: bool,

    /// Apply the rules to the lines on standard input and print the metrics.
    #[arg(long, env = "RSYSLOG_ZMQ_METRICS_ONE_SHOT")]
    one_shot: bool,

    /// Where to serve /metrics, instead of the configuration's address [default: 127.0.0.1:9517].
    #[arg(long, value_name = "ADDRESS:PORT", env = "RSYSLOG_ZMQ_METRICS_LISTEN")]
    listen: Option<SocketAddr>,

    /// The publishers' public certificate. Without it the connection is in plaintext.
    #[arg(long, value_name = "FILE", env = "RSYSLOG_ZMQ_METRICS_SERVER_CERT")]
    server_cert: Option<PathBuf>,

    /// Our own certificate (FILE and FILE_secret), or * for a fresh key pair that lasts for this run [default: *].
    #[arg(long, value_name = "FILE|*", env = "RSYSLOG_ZMQ_METRICS_CLIENT_CERT")]
    client_cert: Option<PathBuf>,

    /// Subscribe to topics that begin with TOPIC, instead of what follows from the rules; repeatable.
    #[arg(short, long, value_name = "TOPIC", env = "RSYSLOG_ZMQ_METRICS_TOPIC", value_delimiter = ',')]
    topic: Vec<String>,

    /// Say nothing about connections, only errors.
    #[arg(short, long, env = "RSYSLOG_ZMQ_METRICS_QUIET")]
    quiet: bool,
}

impl MetricsCommand {
    /// The configuration with what the command line says instead.
    fn configuration(&self) -> Result<Configuration, Failure> {
        let mut configuration = match &self.config {
            Some(path) => Configuration::read(path).map_err(Failure::failed)?,
            None => Configuration::default(),
        };
        if !self.endpoint.is_empty() {
            configuration.endpoints = List(self.endpoint.clone());
        }
        if !self.topic.is_empty() {
            configuration.topics = Some(List(self.topic.clone()));
        }
        configuration.server_cert = self.server_cert.clone().or(configuration.server_cert);
        configuration.client_cert = self.client_cert.clone().or(configuration.client_cert);
        configuration.listen = self.listen.or(configuration.listen);
        Ok(configuration)
    }
}

/// Runs `rsyslog-zmq metrics`.
pub fn run(command: &MetricsCommand) -> Result<Outcome, Failure> {
    let configuration = command.configuration()?;
    let compiled = compile(&configuration).map_err(Failure::failed)?;
    let network = Network::of(&configuration)?;
    if command.check {
        return check(command, &compiled);
    }
    if command.one_shot {
        return one_shot(compiled, network.decoding);
    }
    Exporter::start(command, configuration, compiled, network)?.serve()
}

fn output(text: &str) -> Result<Outcome, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(error) => Err(Failure::failed(format_args!("cannot write the output: {error}"))),
    }
}

fn check(command: &MetricsCommand, compiled: &Compiled) -> Result<Outcome, Failure> {
    let prefixes: Vec<String> =
        compiled.prefixes.iter().map(|prefix| format!("{:?}", String::from_utf8_lossy(prefix))).collect();
    let topics = if prefixes.is_empty() { "everything".to_owned() } else { prefixes.join(", ") };
    let file = command.config.as_ref().map_or("no configuration".to_owned(), |path| path.display().to_string());
    let (rules, metrics) = (compiled.rules.len(), compiled.store.metrics().len());
    output(&format!("{file}: ok, {rules} rules for {metrics} metrics; subscribes to {topics}\n"))
}

fn one_shot(compiled: Compiled, decoding: FrameDecoding) -> Result<Outcome, Failure> {
    let mut status = ExporterState::new(compiled.rules, compiled.store);
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        let length = read.map_err(|error| Failure::failed(format_args!("cannot read standard input: {error}")))?;
        if length == 0 {
            break;
        }
        let record = line.strip_suffix(b"\n").unwrap_or(&line);
        status.count(decoding, None, record.strip_suffix(b"\r").unwrap_or(record), Instant::now());
    }
    let shared = Arc::new(SharedState::new(status));
    output(&exposition::page(&shared, Extent::Rules, PageFormat::Prometheus).map_err(Failure::failed)?)
}

/// The running program.
struct Exporter<'a> {
    command: &'a MetricsCommand,
    subscription: Subscription,
    listen: SocketAddr,
    shared: Arc<SharedState>,
}

impl<'a> Exporter<'a> {
    fn start(
        command: &'a MetricsCommand,
        configuration: Configuration,
        compiled: Compiled,
        network: Network,
    ) -> Result<Self, Failure> {
        let subscription = Subscription::open(Plan::new(network, compiled.prefixes)?)?;
        let shared = Arc::new(SharedState::new(ExporterState::new(compiled.rules, compiled.store)));
        let listen = configuration.listen.unwrap_or(LISTEN);
        shared.lock().endpoints = subscription.endpoints();
        Ok(Self { command, subscription, listen, shared })
    }

    fn serve(mut self) -> Result<Outcome, Failure> {
        let (_waker, mut interrupts) = catch(true).map_err(Failure::failed)?;
        let address = http::serve(self.listen, &self.shared)?;
        self.say(&format!("serving metrics at http://{address}/metrics"));
        let (mut received, mut changes) = (Vec::new(), Vec::new());
        let mut swept = Instant::now();
        loop {
            let mut report = |what| match what {
                SubscriberEvent::Received(record) => received.push(record),
                SubscriberEvent::Changed(source, state) => changes.push((source, state)),
            };
            let woken = self.subscription.wait(interrupts.descriptor(), Some(SWEEP), &mut report)?;
            if !received.is_empty() {
                self.shared.lock().count_all(self.subscription.decoding(), &mut received);
            }
            for (source, state) in changes.drain(..) {
                self.changed(source, state);
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.shared.lock().store.expire(swept);
            }
            match if woken { interrupts.take() } else { Asked::Nothing } {
                Asked::End => return Ok(Outcome::Done),
                Asked::Reload => self.reload()?,
                Asked::Nothing => {}
            }
        }
    }

    fn changed(&self, source: usize, state: State) {
        let mut status = self.shared.lock();
        let Some(endpoint) = status.endpoints.get_mut(source) else { return };
        let line = connection_report::line(&endpoint.address, &state, endpoint.connects > 0);
        match state {
            State::Connected => endpoint.connects += 1,
            State::Refused(_) => endpoint.handshake_failures += 1,
            _ => {}
        }
        endpoint.connection = state.clone();
        drop(status);
        if let Some(line) = line {
            self.say(&line);
            if let Some(hint) =
                connection_report::hint(&state, self.subscription.key_origin()).filter(|_| !self.command.quiet)
            {
                let _ = writeln!(std::io::stderr(), "  {hint}");
            }
        }
    }

    /// Reads the configuration and the certificates again. Whatever is wrong with them, the old ones stay; an error is that
    /// they could not.
    fn reload(&mut self) -> Result<(), Failure> {
        let result = self.replace();
        let mut status = self.shared.lock();
        status.is_configuration_current = result.is_ok();
        let counter = if result.is_ok() { &mut status.reloads.0 } else { &mut status.reloads.1 };
        *counter += 1;
        drop(status);
        match result {
            Ok(()) => self.say("configuration reloaded"),
            Err(ReplaceError::Kept(failure)) => {
                // Also with -q: it is an error.
                let _ = writeln!(std::io::stderr(), "rsyslog-zmq: the old configuration stays: {failure}");
            }
            Err(ReplaceError::Lost(failure)) => return Err(failure),
        }
        Ok(())
    }

    fn replace(&mut self) -> Result<(), ReplaceError> {
        let (listen, compiled, plan) = self.read().map_err(ReplaceError::Kept)?;
        let Compiled { mut rules, mut store, .. } = compiled;
        let replaced = self.subscription.replace(plan);
        self.shared.lock().adopt_endpoints(self.subscription.endpoints());
        replaced?;
        let mut status = self.shared.lock();
        rules.adopt(&status.rules);
        store.adopt(std::mem::take(&mut status.store));
        status.rules = rules;
        status.store = store;
        drop(status);
        if listen != self.listen {
            self.say("another address to listen on takes effect with the next start");
        }
        Ok(())
    }

    /// Everything that can be wrong with the files is found here, before anything is changed.
    fn read(&self) -> Result<(SocketAddr, Compiled, Plan), Failure> {
        let configuration = self.command.configuration()?;
        let mut compiled = compile(&configuration).map_err(Failure::failed)?;
        let plan = Plan::new(Network::of(&configuration)?, std::mem::take(&mut compiled.prefixes))?;
        Ok((configuration.listen.unwrap_or(LISTEN), compiled, plan))
    }

    fn say(&self, line: &str) {
        if !self.command.quiet {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "rsyslog-zmq: {line}");
        }
    }
}
