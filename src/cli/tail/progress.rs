//! What `tail` says on standard error, and the exit status that follows from it.
#![forbid(unsafe_code)]

use std::io::Write;
use std::time::{Duration, Instant};

use crate::cli::client_keys::KeyOrigin;
use crate::cli::connection_report;
use crate::cli::exit::Outcome;
use crate::cli::tail::arguments::TailCommand;
use crate::transport::subscribe::State;

struct Source {
    address: String,
    state: State,
    was_connected: bool,
}

/// The state of every endpoint, and the counts.
pub struct Progress {
    sources: Vec<Source>,
    keys: KeyOrigin,
    is_quiet: bool,
    fails_fast: bool,
    shown: u64,
    dropped: u64,
    dropped_unsaid: u64,
    dropped_said_at: Option<Instant>,
    without_json: u64,
    not_packed: u64,
}

impl Progress {
    /// Nothing has happened yet.
    pub fn new(command: &TailCommand, addresses: Vec<String>, keys: KeyOrigin) -> Self {
        let source = |address| Source { address, state: State::Connecting, was_connected: false };
        Self {
            sources: addresses.into_iter().map(source).collect(),
            keys,
            is_quiet: command.quiet,
            fails_fast: command.fail_fast,
            shown: 0,
            dropped: 0,
            dropped_unsaid: 0,
            dropped_said_at: None,
            without_json: 0,
            not_packed: 0,
        }
    }

    /// The address of an endpoint.
    pub fn address(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |source| source.address.as_str())
    }

    /// Notes an endpoint's new state and says so.
    pub fn changed(&mut self, index: usize, state: State) {
        let Some(source) = self.sources.get_mut(index) else { return };
        let line = connection_report::line(&source.address, &state, source.was_connected);
        source.was_connected |= state == State::Connected;
        source.state = state.clone();
        let Some(mut line) = line else { return };
        if self.is_hopeless() {
            line = line.trim_end_matches("; trying again").trim_end_matches("; reconnecting").to_owned();
        }
        // With -q the reason for giving up is still reported.
        if !self.is_quiet || self.is_hopeless() {
            say(&line);
            if let Some(hint) = connection_report::hint(&state, self.keys) {
                let _ = writeln!(std::io::stderr(), "  {hint}");
            }
        }
    }

    /// Whether `--fail-fast` is given and no endpoint is left to hope for.
    pub fn is_hopeless(&self) -> bool {
        let failed = |source: &Source| {
            matches!(source.state, State::Lost | State::Unreachable(_) | State::Refused(_) | State::Oversize)
        };
        self.fails_fast && self.sources.iter().all(failed)
    }

    /// The exit status. A run that got nothing because every endpoint refused us has been refused, however it ended.
    pub fn outcome(&self, gave_up: bool) -> Outcome {
        let refused = |source: &Source| match source.state {
            State::Refused(refusal) => connection_report::outcome(refusal) == Outcome::Refused,
            _ => false,
        };
        if gave_up {
            let any = self.sources.iter().any(refused);
            return if any { Outcome::Refused } else { Outcome::Unreachable };
        }
        if self.shown == 0 && self.sources.iter().all(refused) { Outcome::Refused } else { Outcome::Done }
    }

    /// One more record was shown.
    pub fn count_shown(&mut self) {
        self.shown += 1;
    }

    /// How many records were shown.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// A record without JSON was left out; reported once, counted in the summary.
    pub fn no_json(&mut self) {
        self.without_json += 1;
        if self.without_json == 1 {
            say("a record has no valid JSON after \"@cee:\" and is left out; further ones are only counted");
        }
    }

    /// A frame was not packed and was left out; reported once, counted in the summary.
    pub fn not_packed(&mut self) {
        self.not_packed += 1;
        if self.not_packed == 1 {
            say("a frame does not hold packed records (--unpack) and is left out; further ones are only counted");
        }
    }

    /// The output was too slow for this many records; reported once a second at most.
    pub fn dropped(&mut self, count: u64) {
        self.dropped += count;
        self.dropped_unsaid += count;
        if self.dropped_said_at.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            self.say_dropped();
        }
    }

    /// Says how many records were dropped since it was reported last, if any.
    pub fn say_dropped(&mut self) {
        if self.dropped_unsaid > 0 {
            let count = std::mem::take(&mut self.dropped_unsaid);
            say(&format!("{count} lines dropped: the output is slower than the publishers"));
            self.dropped_said_at = Some(Instant::now());
        }
    }

    /// The one line at the end.
    pub fn summary(&self, time: Duration) {
        if self.is_quiet {
            return;
        }
        let mut line = format!("{} shown in {:.1} s", count(self.shown, "record"), time.as_secs_f64());
        if self.dropped > 0 {
            line.push_str(&format!(", {} dropped", self.dropped));
        }
        if self.without_json > 0 {
            line.push_str(&format!(", {} without JSON left out", self.without_json));
        }
        if self.not_packed > 0 {
            line.push_str(&format!(", {} left out", count(self.not_packed, "unpacked frame")));
        }
        say(&line);
    }
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn say(line: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "rsyslog-zmq: {line}");
}
