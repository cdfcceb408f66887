//! Which records are wanted, by what they say about their origin: any of the hosts, and any of the programs, and any of the
//! priorities.
#![forbid(unsafe_code)]

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::cli::header_fields::HeaderFields;
use crate::cli::priority::PrioritySelector;

/// A choice of records. An empty list chooses everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    hosts: Option<RegexSet>,
    programs: Option<RegexSet>,
    priorities: Vec<PrioritySelector>,
}

impl Selection {
    /// `hosts` and `programs` are names in which `*` stands for any text and `?` for any character; host names are
    /// compared without regard to case (RFC 4343).
    pub fn new(hosts: &[String], programs: &[String], priorities: &[PrioritySelector]) -> Result<Self, regex::Error> {
        Ok(Self { hosts: globs(hosts, true)?, programs: globs(programs, false)?, priorities: priorities.to_vec() })
    }

    /// Whether there is anything to look at.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.hosts.is_none() && self.programs.is_none() && self.priorities.is_empty()
    }

    /// Whether a record is wanted. One that does not say what is asked for is not.
    #[must_use]
    pub fn admits(&self, header: &HeaderFields<'_>) -> bool {
        let fits = |set: &Option<RegexSet>, name: Option<&[u8]>| {
            set.as_ref().is_none_or(|set| name.is_some_and(|name| set.is_match(name)))
        };
        let is_priority = |selector: &PrioritySelector| selector.admits(header.facility, header.severity);
        (self.priorities.is_empty() || self.priorities.iter().any(is_priority))
            && fits(&self.programs, header.program.as_deref())
            && fits(&self.hosts, header.host.as_deref())
    }
}

fn globs(patterns: &[String], ignore_case: bool) -> Result<Option<RegexSet>, regex::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let patterns = patterns.iter().map(|pattern| {
        let mut text = String::from(r"\A");
        for character in pattern.chars() {
            match character {
                '*' => text.push_str(".*"),
                '?' => text.push('.'),
                other => text.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        text + r"\z"
    });
    RegexSetBuilder::new(patterns).case_insensitive(ignore_case).dot_matches_new_line(true).build().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::record::Record;

    fn selects(hosts: &[&str], programs: &[&str], priorities: &[&str], body: &str) -> bool {
        let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let priorities: Vec<PrioritySelector> = priorities.iter().map(|text| text.parse().unwrap()).collect();
        let selection = Selection::new(&strings(hosts), &strings(programs), &priorities).unwrap();
        selection.admits(&HeaderFields::of(&Record::parse(None, body.as_bytes())))
    }

    #[test]
    fn it_is_or_within_a_list_and_and_across_lists() {
        let body = "<11>Oct 11 22:14:15 Web1 nginx[1]: x";
        assert!(selects(&[], &[], &[], body));
        assert!(selects(&["db*", "web?"], &["sshd", "nginx"], &["mail.*", "err"], body));
        assert!(!selects(&["db*"], &["nginx"], &["err"], body));
        assert!(!selects(&["web1"], &["ngin"], &["err"], body));
        assert!(!selects(&["web1"], &["nginx"], &["crit"], body));
        assert!(!selects(&["web1"], &["NGINX"], &[], body), "programs are compared as they are");
        assert!(!selects(&["web.*"], &[], &[], body), "a dot is a dot");
    }

    #[test]
    fn what_a_record_does_not_say_is_not_selected() {
        assert!(selects(&[], &[], &[], "plain text"));
        assert!(!selects(&["*"], &[], &[], "plain text"));
        assert!(!selects(&[], &[], &["*"], "plain text"));
    }
}
