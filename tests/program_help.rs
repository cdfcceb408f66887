//! `--help`, man pages and completions: every flag is in each of them, and the files in packaging/ are those that the
//! program makes.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program_support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use program_support::*;
use rsyslog_zmq::cli::{command_line, generate};

/// Every subcommand with its path, `rsyslog-zmq` itself included.
fn walk(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, clap::Command)>) {
    found.push((path.to_vec(), command.clone()));
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let path = [path, &[subcommand.get_name().to_owned()]].concat();
        walk(subcommand, &path, found);
    }
}

fn commands() -> Vec<(Vec<String>, clap::Command)> {
    let mut found = Vec::new();
    walk(&command_line(), &[], &mut found);
    assert!(found.len() >= 8, "{found:?}");
    found
}

fn packaged(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(path)).unwrap()
}

/// Without the marks of roff.
fn page_of(path: &[String]) -> String {
    let name = [&["rsyslog-zmq".to_owned()], path].concat().join("-");
    let page = packaged(&format!("man/{name}.1"));
    page.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
}

#[test]
fn every_flag_is_in_help_man_page_and_completions() {
    let completions = ["completions/rsyslog-zmq.bash", "completions/_rsyslog-zmq", "completions/rsyslog-zmq.fish"];
    let completions = completions.map(packaged);
    let mut count = 0;
    for (path, command) in commands() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let (help, page) = (run(&arguments).stdout, page_of(&path));
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            count += 1;
            let flag = format!("--{long}");
            assert!(help.contains(&flag), "{flag} is not in the help of {path:?}");
            assert!(page.contains(&flag), "{flag} is not in the man page of {path:?}");
            let [bash, zsh, fish] = &completions;
            assert!(bash.contains(&flag) && zsh.contains(&flag), "{flag} is not completed");
            assert!(fish.contains(&format!("-l {long}")), "{flag} is not completed by fish");
            assert!(argument.get_help().is_some_and(|help| help.to_string().len() > 5), "{flag} has no help");
        }
    }
    assert!(count > 40, "only {count} flags were walked");
}

#[test]
fn every_flag_has_an_environment_variable_that_help_and_man_page_name() {
    for (path, command) in commands() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let (help, page) = (run(&arguments).stdout, page_of(&path));
        let mut seen = BTreeSet::new();
        for argument in
            command.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        {
            let Some(variable) = argument.get_env().and_then(|name| name.to_str()) else {
                assert!(argument.is_positional(), "{path:?}: {} has no environment variable", argument.get_id());
                continue;
            };
            assert!(variable.starts_with("RSYSLOG_ZMQ_"), "{variable}");
            assert!(seen.insert(variable.to_owned()), "{variable} is used twice in {path:?}");
            assert!(help.contains(variable), "{variable} is not in the help of {path:?}");
            assert!(page.contains(variable), "{variable} is not in the man page of {path:?}");
        }
    }
}

#[test]
fn the_packaged_files_are_those_that_the_program_makes() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(&["generate", directory.path().to_str().unwrap()]);
    assert_eq!((ended.status, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
    let made: Vec<PathBuf> = generate::files().unwrap().into_iter().map(|(path, _)| path).collect();
    for path in &made {
        let text = std::fs::read_to_string(directory.path().join(path)).unwrap();
        let is_same = text == packaged(path.to_str().unwrap());
        assert!(is_same, "packaging/{} is old: run `rsyslog-zmq generate packaging`", path.display());
    }
    for kind in ["man", "completions"] {
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(kind);
        for entry in std::fs::read_dir(packaging).unwrap() {
            let path = Path::new(kind).join(entry.unwrap().file_name());
            assert!(made.contains(&path), "packaging/{} belongs to nothing", path.display());
        }
    }
}

#[test]
fn completions_are_valid_for_bash() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions/rsyslog-zmq.bash");
    let script = format!(
        "source {} && COMP_WORDS=(rsyslog-zmq tail --high) COMP_CWORD=2 && _rsyslog__zmq rsyslog-zmq --high tail && \
         echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "--highlight", "{output:?}");
}
