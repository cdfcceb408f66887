//! LogTalez's own command line, which goes on working.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// The flags of `logtalez`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "LogTalez's options")]
pub struct LogTalez {
    /// Endpoints, separated by commas.
    #[arg(long, value_name = "LIST", conflicts_with = "endpoint", env = "RSYSLOG_ZMQ_LOGTALEZ_ENDPOINTS", value_parser = NonEmptyStringValueParser::new())]
    pub endpoints: Option<String>,

    /// Topics, separated by commas.
    #[arg(long, value_name = "LIST", conflicts_with = "topic", env = "RSYSLOG_ZMQ_LOGTALEZ_TOPICS")]
    pub topics: Option<String>,

    /// The server's public certificate.
    #[arg(long, value_name = "FILE", conflicts_with = "server_cert", env = "RSYSLOG_ZMQ_LOGTALEZ_SERVERCERTPATH")]
    pub servercertpath: Option<PathBuf>,

    /// Our own certificate, or *.
    #[arg(long, value_name = "FILE|*", conflicts_with = "client_cert", env = "RSYSLOG_ZMQ_LOGTALEZ_CLIENTCERTPATH")]
    pub clientcertpath: Option<PathBuf>,

    /// Only the JSON that follows @cee: in a record.
    #[arg(long, conflicts_with = "output", env = "RSYSLOG_ZMQ_LOGTALEZ_JSON")]
    pub json: bool,
}

/// LogTalez is written in Go, whose flags take one dash as well as two; clap would read `-topics` as `-t opics`.
#[must_use]
pub fn with_two_dashes(arguments: Vec<OsString>) -> Vec<OsString> {
    const FLAGS: [&str; 5] = ["endpoints", "topics", "servercertpath", "clientcertpath", "json"];
    if arguments.get(1).is_none_or(|command| command != "tail") {
        return arguments;
    }
    let spell = |argument: OsString| {
        let name = argument.to_str().and_then(|text| text.strip_prefix('-')).map(|text| text.split('=').next());
        if matches!(name, Some(Some(name)) if FLAGS.contains(&name)) {
            let mut doubled = OsString::from("-");
            doubled.push(argument);
            return doubled;
        }
        argument
    };
    arguments.into_iter().map(spell).collect()
}
