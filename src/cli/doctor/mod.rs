//! `rsyslog-zmq doctor`: walks the way from our key files to a publisher's first record, and stops where it is blocked.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::duration::parse_duration;
use crate::cli::exit::{Failure, Outcome};
use crate::cli::frame_decoding::FrameDecoding;
use crate::cli::terminal::escaped;
use crate::transport::address::endpoint::{Address, Endpoint, Side};

mod steps;

/// Find out why no records come from a publisher.
///
/// Looks at one thing after the other, from our own key files to a first record, says each in a line, and at the first that
/// fails what to change. The publisher counts one failed handshake for it, because its greeting is looked at by itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rsyslog-zmq doctor tcp://logs.example.com:24444 --server-cert logs.pub --client-cert me
  rsyslog-zmq doctor --profile production

Exit status: 0 all is well, 1 our key files, 2 wrong usage, 3 the handshake (keys and mechanism),
4 name, network or no ZeroMQ there, 5 connected but no record came in time.")]
pub struct DoctorCommand {
    /// The publisher: tcp://HOST:PORT, ipc://PATH or ipc://@NAME; several, or one list with commas.
    #[arg(value_name = "ENDPOINT", required_unless_present = "profile", env = "RSYSLOG_ZMQ_ENDPOINT")]
    endpoint: Vec<String>,

    /// Topics that the record may begin with; repeatable. Without it: any.
    #[arg(short, long, value_name = "TOPIC", env = "RSYSLOG_ZMQ_TOPIC", value_delimiter = ',')]
    topic: Vec<String>,

    /// The server's public certificate. Without it the connection is in plaintext.
    #[arg(long, value_name = "FILE", env = "RSYSLOG_ZMQ_SERVER_CERT")]
    server_cert: Option<PathBuf>,

    /// Our own certificate (FILE and FILE_secret), or * for a fresh key pair that lasts for this run [default: *].
    #[arg(long, value_name = "FILE|*", env = "RSYSLOG_ZMQ_CLIENT_CERT")]
    client_cert: Option<PathBuf>,

    /// Take what is not on the command line from this profile of tail's configuration file.
    #[arg(long, value_name = "NAME", env = "RSYSLOG_ZMQ_PROFILE")]
    profile: Option<String>,

    /// How long to wait for the handshake, and then for a record: 500ms, 5s, 1m.
    #[arg(long, value_name = "TIME", env = "RSYSLOG_ZMQ_DOCTOR_WAIT", default_value = "5s", value_parser = parse_duration)]
    wait: Duration,

    /// The publisher puts several records into one frame (omczmq with packing="on").
    #[arg(long, env = "RSYSLOG_ZMQ_UNPACK")]
    unpack: bool,
}

/// What the steps need to know.
struct Target<'a> {
    endpoint: &'a Endpoint,
    topics: Vec<Vec<u8>>,
    server_cert: Option<&'a Path>,
    client_cert: Option<&'a Path>,
    wait: Duration,
    decoding: FrameDecoding,
}

/// Why a step failed.
struct Finding {
    outcome: Outcome,
    what: String,
    advice: String,
}

/// Prints one line a step.
struct Report<'a> {
    out: &'a mut dyn Write,
}

impl Report<'_> {
    fn ok(&mut self, step: &str, what: &str) -> std::io::Result<()> {
        writeln!(self.out, "ok    {step:<10} {}", escaped(what))?;
        // Somebody may be watching, and the next step may take its time.
        self.out.flush()
    }

    fn failed(&mut self, step: &str, finding: &Finding) -> std::io::Result<()> {
        writeln!(self.out, "FAIL  {step:<10} {}", escaped(&finding.what))?;
        for line in finding.advice.lines() {
            writeln!(self.out, "      {:<10} {}", "", escaped(line))?;
        }
        self.out.flush()
    }
}

/// Runs `rsyslog-zmq doctor`.
pub fn run(command: &DoctorCommand) -> Result<Outcome, Failure> {
    let mut endpoints = Vec::new();
    for list in &command.endpoint {
        endpoints.extend(Endpoint::parse_list(list).map_err(Failure::usage)?);
    }
    if endpoints.is_empty() {
        return Err(Failure::usage("no endpoint: neither the command line nor the profile has one"));
    }
    for endpoint in &endpoints {
        let side = endpoint.side(Side::Connect).map_err(Failure::usage)?;
        if side == Side::Bind || matches!(endpoint.address, Address::Inproc(_)) {
            return Err(Failure::usage(format_args!(
                "doctor looks at publishers that can be connected to, not at \"{endpoint}\""
            )));
        }
    }
    let mut out = std::io::stdout().lock();
    let mut report = Report { out: &mut out };
    let mut worst = Outcome::Done;
    for (index, endpoint) in endpoints.iter().enumerate() {
        let target = Target {
            endpoint,
            topics: command.topic.iter().map(|topic| topic.clone().into_bytes()).collect(),
            server_cert: command.server_cert.as_deref(),
            client_cert: command.client_cert.as_deref(),
            wait: command.wait,
            decoding: FrameDecoding { are_packed: command.unpack, topic_delimiter: None },
        };
        if index > 0 {
            let _ = writeln!(report.out);
        }
        match steps::walk(&target, &mut report) {
            Ok(Outcome::Done) => {}
            Ok(outcome) if worst == Outcome::Done => worst = outcome,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Outcome::Done),
            Err(error) => return Err(Failure::failed(format_args!("cannot write the output: {error}"))),
        }
    }
    Ok(worst)
}
