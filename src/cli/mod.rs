//! The `rsyslog-zmq` program: people's side of what the modules publish.
//!
//! Data goes to standard output and everything else to standard error. A reader that closes the pipe has had enough, which
//! is success. Nothing in here knows rsyslog's modules; it shares only the ZeroMQ layers with them.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub mod cert;
pub mod client_keys;
pub mod connection_report;
pub mod doctor;
pub mod duration;
pub mod exit;
pub mod expression;
pub mod frame_decoding;
pub mod generate;
pub mod header_fields;
pub mod interrupts;
pub mod metrics;
pub mod priority;
pub mod profile;
pub mod record;
pub mod selection;
pub mod tail;
pub mod terminal;

use exit::{Failure, Outcome};

/// Tail what rsyslog publishes over ZeroMQ, make metrics of it, and make the certificates for it.
#[derive(Debug, Parser)]
#[command(name = "rsyslog-zmq", version, max_term_width = 100, after_help = exit::HELP)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Tail(Box<tail::TailCommand>),
    Metrics(Box<metrics::MetricsCommand>),
    Doctor(Box<doctor::DoctorCommand>),
    /// Make, show and check certificates.
    #[command(subcommand)]
    Cert(cert::CertCommand),
}

/// The command line with everything that help, man pages and completions are made from.
#[must_use]
pub fn command_line() -> clap::Command {
    Program::command()
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = tail::logtalez::with_two_dashes(std::env::args_os().collect());
    let result = match parse(&arguments) {
        Ok(Request::Generate(command)) => generate::run(&command),
        Ok(Request::Run(program)) => match program.command {
            Command::Tail(command) => tail::run(&command),
            Command::Metrics(command) => metrics::run(&command),
            Command::Doctor(command) => doctor::run(&command),
            Command::Cert(command) => return cert::run(command),
        },
        Err(Unparsed::Profile(failure)) => Err(failure),
        Err(Unparsed::Clap(error)) => {
            // Help and version go to standard output and are no failure. Nobody is left to tell if printing fails.
            let _ = error.print();
            return if error.use_stderr() { Outcome::Usage.into() } else { Outcome::Done.into() };
        }
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "rsyslog-zmq: {failure}");
            failure.outcome.into()
        }
    }
}

enum Request {
    Run(Program),
    Generate(generate::GenerateCommand),
}

enum Unparsed {
    Clap(clap::Error),
    Profile(Failure),
}

impl From<clap::Error> for Unparsed {
    fn from(error: clap::Error) -> Self {
        Self::Clap(error)
    }
}

fn parse(arguments: &[OsString]) -> Result<Request, Unparsed> {
    // Not in command_line(): what is hidden has no place in completions.
    let generate = generate::GenerateCommand::augment_args(clap::Command::new("generate"));
    let mut command = command_line().subcommand(generate);
    // So that what clap derives, such as which flags exclude each other, can be asked for.
    command.build();
    let mut matches = command.clone().try_get_matches_from(arguments)?;
    if let Some(("generate", given)) = matches.subcommand() {
        return Ok(Request::Generate(generate::GenerateCommand::from_arg_matches(given)?));
    }
    if let Some(expanded) = profile::expand(&command, &matches, arguments).map_err(Unparsed::Profile)? {
        matches = command.try_get_matches_from(expanded)?;
    }
    Ok(Request::Run(Program::from_arg_matches(&matches)?))
}
