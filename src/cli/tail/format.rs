//! `tail`'s output formats by name.
#![forbid(unsafe_code)]

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::cli::tail::template::Template;

/// How a record is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Time, host, program and message; records of unknown shape as they are.
    Default,
    /// The record as it arrived.
    Raw,
    /// One JSON object a line.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// What follows `@cee:`; LogTalez's `--json`.
    Cee,
    /// As the user writes it.
    Template(Template),
}

/// Reads a [`Format`], and tells help and completions what there is.
#[derive(Debug, Clone)]
pub struct FormatParser;

const NAMES: [(&str, &str); 5] = [
    ("default", "Time, host, program and message; records of unknown shape as they are"),
    ("raw", "The record as it arrived"),
    ("json", "One JSON object a line, whatever arrives"),
    ("logfmt", "key=value pairs"),
    ("template=", "What follows, with {host} {program} {message} .. filled in"),
];

impl TypedValueParser for FormatParser {
    type Value = Format;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Format, clap::Error> {
        let value = value.to_string_lossy();
        let reason = match value.as_ref() {
            "default" => return Ok(Format::Default),
            "raw" => return Ok(Format::Raw),
            "json" => return Ok(Format::Json),
            "logfmt" => return Ok(Format::Logfmt),
            text => match text.strip_prefix("template=") {
                Some(template) => match template.parse() {
                    Ok(template) => return Ok(Format::Template(template)),
                    Err(reason) => Some(reason),
                },
                None => None,
            },
        };
        let name = argument.map(ToString::to_string).unwrap_or_default();
        if let Some(reason) = reason {
            let text = format!("invalid value {value:?} for {name:?}: {reason}");
            return Err(clap::Error::raw(ErrorKind::ValueValidation, text).format(&mut command.clone()));
        }
        let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
        error.insert(ContextKind::InvalidValue, ContextValue::String(value.into_owned()));
        let names = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
        error.insert(ContextKind::ValidValue, ContextValue::Strings(names));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(NAMES.iter().map(|(name, help)| PossibleValue::new(*name).help(*help))))
    }
}
