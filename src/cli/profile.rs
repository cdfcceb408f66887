//! Profiles: flags that are written once, in `$XDG_CONFIG_HOME/rsyslog-zmq/config.toml`.
//!
//! A profile becomes arguments in front of those of the command line, so every flag works in it, by its long name, with the
//! same checks. What the command line or the environment says wins.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::{Table, Value};

use crate::cli::exit::Failure;

/// Flags whose values are files; relative ones are looked for beside the configuration file.
const FILES: [&str; 2] = ["server-cert", "client-cert"];

/// The arguments with those of the profile that they name, if any.
pub fn expand(
    command: &Command,
    matches: &ArgMatches,
    arguments: &[OsString],
) -> Result<Option<Vec<OsString>>, Failure> {
    let Some((name, given)) = matches.subcommand() else { return Ok(None) };
    let Some(Ok(Some(profile))) = Some(given.try_get_one::<String>("profile")) else { return Ok(None) };
    let Some(subcommand) = command.find_subcommand(name) else { return Ok(None) };
    let path = path()?;
    let table = read(&path, profile)?;
    let mut expanded = arguments.to_vec();
    for (key, value) in &table {
        let Some(argument) = find(subcommand, key) else {
            // doctor shares profiles with tail, but knows only what concerns the connection.
            if command.find_subcommand("tail").is_some_and(|tail| find(tail, key).is_some()) {
                continue;
            }
            return Err(wrong(&path, profile, format_args!("there is no flag --{key}")));
        };
        if is_given(subcommand, given, argument) {
            continue;
        }
        for text in texts(value).ok_or_else(|| {
            wrong(&path, profile, format_args!("{key} is neither text, a number, true or false, nor a list of these"))
        })? {
            let text = beside(&path, key, text);
            match (argument.is_positional(), argument.get_action()) {
                (true, _) => expanded.push(text.into()),
                (false, ArgAction::SetTrue) if text == "true" => expanded.push(format!("--{key}").into()),
                (false, ArgAction::SetTrue) if text == "false" => {}
                (false, ArgAction::SetTrue) => {
                    return Err(wrong(&path, profile, format_args!("{key} is true or false, not {text:?}")));
                }
                _ => expanded.push(format!("--{key}={text}").into()),
            }
        }
    }
    Ok(Some(expanded))
}

fn path() -> Result<PathBuf, Failure> {
    let directory = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        // Relative ones are to be ignored (XDG Base Directory Specification).
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
    let missing = || Failure::usage("--profile needs $XDG_CONFIG_HOME or $HOME to find its file");
    Ok(directory.ok_or_else(missing)?.join("rsyslog-zmq/config.toml"))
}

fn read(path: &Path, profile: &str) -> Result<Table, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format_args!("cannot read the profiles in {path:?}: {error}")))?;
    let file: Table =
        text.parse().map_err(|error: toml::de::Error| Failure::usage(format_args!("{path:?}: {}", flat(&error))))?;
    let profiles = match file.get("profile") {
        Some(Value::Table(profiles)) => profiles.clone(),
        _ => Table::new(),
    };
    match profiles.get(profile) {
        Some(Value::Table(table)) => Ok(table.clone()),
        _ => {
            let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(Failure::usage(format_args!("no profile {profile:?} in {path:?}; there is {known}")))
        }
    }
}

/// toml's message with the place on one line.
pub fn flat(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.contains('|'));
    let first = lines.next().unwrap_or_default().to_owned();
    match lines.next() {
        Some(reason) => format!("{first}: {reason}").replace("TOML parse error at ", ""),
        None => first,
    }
}

fn find<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| match argument.get_long() {
        Some(long) => long == key && key != "profile",
        None => argument.is_positional() && argument.get_id() == key,
    })
}

/// Whether the command line or the environment says this, or what cannot go with it.
fn is_given(command: &Command, given: &ArgMatches, argument: &Arg) -> bool {
    let has = |argument: &Arg| {
        let id = argument.get_id().as_str();
        given.ids().any(|known| known == id)
            && matches!(given.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    };
    // A conflict is declared on one side only.
    let conflicts = |other: &&Arg| {
        command.get_arg_conflicts_with(argument).iter().any(|known| known.get_id() == other.get_id())
            || command.get_arg_conflicts_with(other).iter().any(|known| known.get_id() == argument.get_id())
    };
    has(argument) || command.get_arguments().filter(conflicts).any(has)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn beside(file: &Path, key: &str, text: String) -> String {
    match file.parent() {
        Some(directory) if FILES.contains(&key) && text != "*" => directory.join(text).to_string_lossy().into_owned(),
        _ => text,
    }
}

fn wrong(path: &Path, profile: &str, reason: std::fmt::Arguments<'_>) -> Failure {
    Failure::usage(format_args!("profile {profile:?} in {path:?}: {reason}"))
}
