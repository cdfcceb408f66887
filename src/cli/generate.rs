//! Man pages and completions, made from the same table as `--help`. Hidden: it is for packagers.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::command_line;
use crate::cli::exit::{Failure, Outcome};

const NAME: &str = "rsyslog-zmq";

/// Write man pages to DIRECTORY/man and completions to DIRECTORY/completions.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct GenerateCommand {
    /// Where to write; made if it is not there.
    directory: PathBuf,
}

/// Runs `rsyslog-zmq generate`.
pub fn run(command: &GenerateCommand) -> Result<Outcome, Failure> {
    let cannot = |error| Failure::failed(format_args!("cannot write to {:?}: {error}", command.directory));
    for (path, text) in files().map_err(cannot)? {
        let path = command.directory.join(path);
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).and_then(|()| fs::write(&path, text)).map_err(cannot)?;
    }
    Ok(Outcome::Done)
}

/// Every file with its path.
pub fn files() -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut command = command_line();
    let mut files = Vec::new();
    for (shell, file) in
        [(Shell::Bash, "rsyslog-zmq.bash"), (Shell::Zsh, "_rsyslog-zmq"), (Shell::Fish, "rsyslog-zmq.fish")]
    {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, NAME, &mut text);
        if shell == Shell::Bash {
            // clap_complete 4.6.11 takes the dash in our name for the border between command and subcommand, and then does
            // not find its own labels.
            text = String::from_utf8_lossy(&text).replace("rsyslog__subcmd__zmq", "rsyslog__zmq").into_bytes();
        }
        files.push((Path::new("completions").join(file), text));
    }
    let mut command = without_help_commands(command_line());
    // Gives the subcommands their full names.
    command.build();
    pages(&command, &mut files)?;
    Ok(files)
}

/// One page for the command and each of its subcommands, as git has it.
fn pages(command: &Command, files: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(NAME);
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).manual("rsyslog-zmq").render(&mut text)?;
    // Examples are lines; clap_mangen makes a paragraph of them.
    let has_examples = command.get_after_help().is_some_and(|help| help.to_string().contains('\n'));
    let heading = if has_examples { ".SH NOTES\n.nf\n" } else { ".SH NOTES\n" };
    let text = String::from_utf8_lossy(&text).replace(".SH EXTRA\n", heading).into_bytes();
    files.push((Path::new("man").join(format!("{name}.1")), text));
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).try_for_each(|one| pages(one, files))
}

fn without_help_commands(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|subcommand| subcommand.get_name().to_owned()).collect();
    let command = command.disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_help_commands))
}
