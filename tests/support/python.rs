//! Peers written in Python on pyzmq.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::wait::{SHORT, becomes_true};

/// The distribution's interpreter: the one that sees the distribution's pyzmq.
const INTERPRETER: &str = "/usr/bin/python3";

/// A running script; killed when dropped.
pub struct Python {
    child: Child,
    lines: Receiver<String>,
    input: ChildStdin,
}

impl Python {
    /// Starts a script; `sys.argv[1:]` are `arguments`. Standard error is the test's.
    pub fn start(script: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(INTERPRETER)
            .arg("-c")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{INTERPRETER}: {error}"));
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, input }
    }

    /// The next line the script prints (it must flush).
    pub fn line(&self) -> String {
        self.lines.recv_timeout(SHORT).expect("the script printed nothing more")
    }

    /// Whether the script printed a line within moments; the line is gone.
    pub fn has_line(&self) -> bool {
        self.lines.recv_timeout(Duration::from_millis(100)).is_ok()
    }

    /// Writes a line to the script's standard input.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Waits for the script to end well.
    pub fn finish(&mut self) {
        let mut status = None;
        let ended = becomes_true(SHORT, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "the script does not end");
        assert!(status.unwrap().success(), "the script ended with {}", status.unwrap());
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
