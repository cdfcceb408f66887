//! `tail`'s command line.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::duration::parse_duration;
use crate::cli::exit::Failure;
use crate::cli::frame_decoding::FrameDecoding;
use crate::cli::priority::PrioritySelector;
use crate::cli::tail::format::{Format, FormatParser};
use crate::cli::tail::logtalez::LogTalez;
use crate::cli::terminal::Colour;
use crate::transport::address::endpoint::Endpoint;

/// Show records from publishers as they arrive.
///
/// Connects to one or several publishers (omczmq with socktype="PUB", or any ZeroMQ PUB socket), shows what they publish
/// from now on, and reconnects whenever a connection is lost. Publishers that send the topic in a frame of its own and
/// those that put it in front of the record both work without a flag.
///
/// Filters are OR within one flag and AND across flags: --host web1 --host web2 --priority err shows the errors of both.
/// --topic alone is done by the publisher, which then sends nothing else; the others are done here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rsyslog-zmq tail tcp://logs.example.com:24444 --server-cert logs.pub --topic web1.nginx
  rsyslog-zmq tail tcp://a:24444 tcp://b:24444 --server-cert logs.pub --client-cert me -o json
  rsyslog-zmq tail --profile production --host 'web*' --program nginx --priority warning
  rsyslog-zmq tail ipc:///run/rsyslog/tail --include 'error|fail' --exclude healthcheck -n 20
  rsyslog-zmq tail tcp://a:24444 -o 'template={timestamp} {host} {message}'

Profiles are in $XDG_CONFIG_HOME/rsyslog-zmq/config.toml (~/.config/rsyslog-zmq/config.toml):
  [profile.production]
  endpoint = [\"tcp://web1:24444\", \"tcp://web2:24444\"]
  server-cert = \"logs.pub\"        # every flag by its name; files are looked for beside config.toml
  client-cert = \"me\"")]
pub struct TailCommand {
    /// Where to: tcp://HOST:PORT, ipc://PATH or ipc://@NAME; several, or one list with commas. A leading @ listens.
    #[arg(value_name = "ENDPOINT", required_unless_present_any = ["endpoints", "profile"], env = "RSYSLOG_ZMQ_ENDPOINT")]
    pub endpoint: Vec<String>,

    /// Show only topics that begin with TOPIC; repeatable. Without it: everything.
    #[arg(short, long, value_name = "TOPIC", env = "RSYSLOG_ZMQ_TOPIC", value_delimiter = ',')]
    pub topic: Vec<String>,

    /// The server's public certificate. Without it the connection is in plaintext.
    #[arg(long, value_name = "FILE", env = "RSYSLOG_ZMQ_SERVER_CERT")]
    pub server_cert: Option<PathBuf>,

    /// Our own certificate (FILE and FILE_secret), or * for a fresh key pair that lasts for this run [default: *].
    #[arg(long, value_name = "FILE|*", env = "RSYSLOG_ZMQ_CLIENT_CERT")]
    pub client_cert: Option<PathBuf>,

    /// Take what is not on the command line from this profile of the configuration file.
    #[arg(long, value_name = "NAME", env = "RSYSLOG_ZMQ_PROFILE")]
    pub profile: Option<String>,

    /// Show only records of this host; * and ? stand for other characters. Repeatable.
    #[arg(long, value_name = "HOST", env = "RSYSLOG_ZMQ_HOST", value_delimiter = ',', help_heading = "Filters")]
    pub host: Vec<String>,

    /// Show only records of this program; * and ? stand for other characters. Repeatable.
    #[arg(
        long,
        value_name = "PROGRAM",
        env = "RSYSLOG_ZMQ_PROGRAM_NAME",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub program: Vec<String>,

    /// Show only records of this severity and graver ones: err, mail.info, =debug, err..warning. Repeatable.
    #[arg(
        short,
        long,
        value_name = "[FACILITY.]SEVERITY",
        env = "RSYSLOG_ZMQ_PRIORITY",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub priority: Vec<PrioritySelector>,

    /// Show only records that match this regular expression; with several, those that match any.
    #[arg(short, long, value_name = "REGEX", env = "RSYSLOG_ZMQ_INCLUDE", help_heading = "Filters")]
    pub include: Vec<String>,

    /// Hide records that match this regular expression, or any of several.
    #[arg(short = 'x', long, value_name = "REGEX", env = "RSYSLOG_ZMQ_EXCLUDE", help_heading = "Filters")]
    pub exclude: Vec<String>,

    /// How to show a record [default: default].
    #[arg(short, long, value_name = "FORMAT", env = "RSYSLOG_ZMQ_OUTPUT", value_parser = FormatParser, help_heading = "Output")]
    pub output: Option<Format>,

    /// Make what matches this regular expression stand out (default and raw output, in colour). Repeatable.
    #[arg(long, value_name = "REGEX", env = "RSYSLOG_ZMQ_HIGHLIGHT", help_heading = "Output")]
    pub highlight: Vec<String>,

    /// When to use colour; auto: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", env = "RSYSLOG_ZMQ_COLOR", default_value = "auto", help_heading = "Output")]
    pub color: Colour,

    /// End after COUNT records.
    #[arg(short = 'n', long, value_name = "COUNT", env = "RSYSLOG_ZMQ_COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// End after this time: 30s, 5m, 2h, 500ms; a bare number is seconds.
    #[arg(long, value_name = "TIME", env = "RSYSLOG_ZMQ_DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    /// End as soon as no endpoint is left to hope for, with status 3 (refused) or 4 (not reachable), instead of retrying.
    #[arg(long, env = "RSYSLOG_ZMQ_FAIL_FAST")]
    pub fail_fast: bool,

    /// Say nothing about connections, only errors.
    #[arg(short, long, env = "RSYSLOG_ZMQ_QUIET")]
    pub quiet: bool,

    /// Where the publisher sends one frame, the topic ends at the first C, which does not belong to the record.
    #[arg(long, value_name = "C", env = "RSYSLOG_ZMQ_TOPIC_DELIMITER", value_parser = parse_delimiter, help_heading = "What arrives")]
    pub topic_delimiter: Option<u8>,

    /// Publishers put several records into one frame (omczmq with packing="on").
    #[arg(long, env = "RSYSLOG_ZMQ_UNPACK", help_heading = "What arrives")]
    pub unpack: bool,

    /// How often an idle connection is probed. A publisher that answers nothing for three times that is taken for gone, and
    /// so is one that takes longer than that for a single frame; 0 turns that off.
    #[arg(long, value_name = "TIME", env = "RSYSLOG_ZMQ_HEARTBEAT", default_value = "3s", value_parser = parse_duration, help_heading = "What arrives")]
    pub heartbeat: Duration,

    /// LogTalez's command line.
    #[command(flatten)]
    pub logtalez: LogTalez,
}

impl TailCommand {
    /// The endpoints, whichever way they were written.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, Failure> {
        let lists = self.logtalez.endpoints.as_ref().map_or(self.endpoint.as_slice(), std::slice::from_ref);
        let mut endpoints = Vec::new();
        for list in lists {
            endpoints.extend(Endpoint::parse_list(list).map_err(Failure::usage)?);
        }
        Ok(endpoints)
    }

    /// The topics to subscribe to; none means everything, and so does an empty one.
    #[must_use]
    pub fn topics(&self) -> Vec<Vec<u8>> {
        let listed = self.logtalez.topics.iter().flat_map(|list| list.split(','));
        self.topic.iter().map(String::as_str).chain(listed).map(|topic| topic.as_bytes().to_vec()).collect()
    }

    /// The server's public certificate.
    #[must_use]
    pub fn server_cert(&self) -> Option<&Path> {
        self.server_cert.as_deref().or(self.logtalez.servercertpath.as_deref())
    }

    /// Our own certificate.
    #[must_use]
    pub fn client_cert(&self) -> Option<&Path> {
        self.client_cert.as_deref().or(self.logtalez.clientcertpath.as_deref())
    }

    /// LogTalez prints whole frames unless told `--json`, so its flags choose that.
    #[must_use]
    pub fn format(&self) -> Format {
        match &self.output {
            Some(format) => format.clone(),
            None if self.logtalez.json => Format::Cee,
            None if self.logtalez.endpoints.is_some() => Format::Raw,
            None => Format::Default,
        }
    }

    /// How to take apart what arrives.
    #[must_use]
    pub fn decoding(&self) -> FrameDecoding {
        FrameDecoding { are_packed: self.unpack, topic_delimiter: self.topic_delimiter }
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err("expected one ASCII character".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tail::logtalez::with_two_dashes;
    use clap::{Parser, error::ErrorKind};
    use std::ffi::OsString;

    #[derive(Debug, Parser)]
    struct Wrapper {
        #[command(flatten)]
        tail: TailCommand,
    }

    fn parse(arguments: &[&str]) -> Result<TailCommand, clap::Error> {
        let arguments = ["rsyslog-zmq", "tail"].iter().chain(arguments).map(OsString::from).collect();
        let mut arguments = with_two_dashes(arguments);
        arguments.remove(0);
        Wrapper::try_parse_from(arguments).map(|wrapper| wrapper.tail)
    }

    fn endpoints(command: &TailCommand) -> Vec<String> {
        command.endpoints().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn several_endpoints_and_topics_may_be_given_apart_or_as_lists() {
        let command = parse(&["tcp://a:1", "tcp://b:2,ipc://@c", "--topic", "x", "-t", "y,z"]).unwrap();
        assert_eq!(endpoints(&command), ["tcp://a:1", "tcp://b:2", "ipc://@c"]);
        assert_eq!(command.topics(), [b"x", b"y", b"z"]);
        assert_eq!(command.format(), Format::Default);
    }

    #[test]
    fn logtalez_command_lines_work_with_one_dash_and_with_two() {
        for dash in ["-", "--"] {
            let flags: Vec<String> =
                ["endpoints=tcp://a:1,tcp://b:2", "topics=x.y,z", "servercertpath=/s", "clientcertpath=*"]
                    .iter()
                    .map(|flag| format!("{dash}{flag}"))
                    .collect();
            let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            assert_eq!(parse(&flags).unwrap().format(), Format::Raw);
            let json = format!("{dash}json");
            flags.push(&json);
            let command = parse(&flags).unwrap();
            assert_eq!(endpoints(&command), ["tcp://a:1", "tcp://b:2"]);
            assert_eq!(command.topics(), [&b"x.y"[..], b"z"]);
            assert_eq!(command.server_cert(), Some("/s".as_ref()));
            assert_eq!(command.client_cert(), Some("*".as_ref()));
            assert_eq!(command.format(), Format::Cee);
        }
        let command = parse(&["-endpoints", "tcp://a:1", "-topics", ""]).unwrap();
        assert_eq!(command.topics(), [b""], "LogTalez takes an empty list for everything, and so does ZeroMQ");
    }

    #[test]
    fn both_spellings_at_once_and_no_endpoint_are_usage_errors() {
        for arguments in [
            &[][..],
            &["tcp://a:1", "--endpoints", "tcp://b:1"],
            &["tcp://a:1", "--topic", "x", "--topics", "y"],
            &["tcp://a:1", "--server-cert", "x", "--servercertpath", "y"],
            &["tcp://a:1", "--json", "-o", "raw"],
            &["tcp://a:1", "-n", "0"],
            &["tcp://a:1", "--duration", "soon"],
            &["tcp://a:1", "-o", "cee"],
            &["tcp://a:1", "-o", "template={bogus}"],
            &["tcp://a:1", "--priority", "grave"],
            &["tcp://a:1", "--topic-delimiter", "::"],
        ] {
            let error = parse(arguments).unwrap_err();
            assert_ne!(error.kind(), ErrorKind::DisplayHelp, "{arguments:?}");
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
    }
}
