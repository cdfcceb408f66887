//! Which records `tail` shows.
#![forbid(unsafe_code)]

use regex::bytes::RegexSet;

use crate::cli::exit::Failure;
use crate::cli::expression::compile_set;
use crate::cli::header_fields::HeaderFields;
use crate::cli::record::Record;
use crate::cli::selection::Selection;
use crate::cli::tail::arguments::TailCommand;

/// `--host`, `--program`, `--priority`, `--include` and `--exclude`: OR within a flag, AND across flags.
#[derive(Debug, Default)]
pub struct Filter {
    selection: Selection,
    include: Option<RegexSet>,
    exclude: Option<RegexSet>,
}

impl Filter {
    /// From the command line.
    pub fn new(command: &TailCommand) -> Result<Self, Failure> {
        let selection = Selection::new(&command.host, &command.program, &command.priority).map_err(Failure::usage)?;
        Ok(Self { selection, ..Self::of_expressions(&command.include, &command.exclude)? })
    }

    fn of_expressions(include: &[String], exclude: &[String]) -> Result<Self, Failure> {
        let compile = |flag: &str, patterns: &[String]| {
            compile_set(patterns).map_err(|error| Failure::usage(format_args!("--{flag}: {error}")))
        };
        Ok(Self {
            include: compile("include", include)?,
            exclude: compile("exclude", exclude)?,
            selection: Selection::default(),
        })
    }

    /// Whether a record is shown. The expressions look at all of it, as it arrived.
    pub fn admits(&self, topic: Option<&[u8]>, body: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(body))
            && !self.exclude.as_ref().is_some_and(|set| set.is_match(body))
            && (self.selection.is_everything() || self.selection.admits(&HeaderFields::of(&Record::parse(topic, body))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Outcome;

    #[test]
    fn filters_are_and_across_flags_and_or_within_one() {
        let strings = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let filter = Filter::of_expressions(&strings(&["error", "^warn"]), &strings(&["health", "ping"])).unwrap();
        for (body, admitted) in
            [("an error", true), ("warned", true), ("a warn", false), ("error ping", false), ("nothing", false)]
        {
            assert_eq!(filter.admits(None, body.as_bytes()), admitted, "{body}");
        }
        let everything = Filter::of_expressions(&[], &[]).unwrap();
        assert!(everything.admits(None, b"\xff\x00"));
        assert!(Filter::of_expressions(&strings(&["\\xff"]), &[]).is_ok());
        assert_eq!(Filter::of_expressions(&strings(&["("]), &[]).err().unwrap().outcome, Outcome::Usage);
    }
}
