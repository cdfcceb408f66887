//! Facilities and severities by name and number (RFC 5424, tables 1 and 2, in rsyslog's spelling), and selectors for them.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::str::FromStr;

/// The severities, gravest first.
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// A severity's name; of a priority, its lowest three bits count.
#[must_use]
pub fn severity_name(severity: u8) -> &'static str {
    SEVERITIES.get(usize::from(severity & 7)).copied().unwrap_or_default()
}

/// A facility's name, empty for a number over 23.
#[must_use]
pub fn facility_name(facility: u8) -> &'static str {
    FACILITIES.get(usize::from(facility)).copied().unwrap_or_default()
}

/// A severity by its name, an old or long name of it, or its number.
#[must_use]
pub fn severity_number(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    let name = match name.as_str() {
        "panic" | "emergency" => "emerg",
        "critical" => "crit",
        "error" => "err",
        "warn" => "warning",
        "informational" => "info",
        other => other,
    };
    number_of(name, &SEVERITIES)
}

/// A facility by its name, an old name of it, or its number.
#[must_use]
pub fn facility_number(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    number_of(if name == "security" { "auth" } else { &name }, &FACILITIES)
}

fn number_of(name: &str, names: &[&str]) -> Option<u8> {
    let index = names.iter().position(|known| *known == name);
    let index = index.or_else(|| name.parse().ok().filter(|number| *number < names.len() && name.len() < 3))?;
    u8::try_from(index).ok()
}

/// Which records a `[FACILITY.]SEVERITY` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrioritySelector {
    /// `None`: any.
    facility: Option<u8>,
    severities: RangeInclusive<u8>,
}

impl PrioritySelector {
    /// Whether a record of this facility and severity is meant. One that says neither is not.
    #[must_use]
    pub fn admits(&self, facility: Option<u8>, severity: Option<u8>) -> bool {
        severity.is_some_and(|severity| self.severities.contains(&severity))
            && (self.facility.is_none() || self.facility == facility)
    }
}

impl FromStr for PrioritySelector {
    type Err = String;

    /// `err`: this severity and graver ones, as with rsyslog and journalctl. `=err`: only this one. `err..warning`: from
    /// one to the other. `*`: all. A facility and a dot may stand in front.
    fn from_str(text: &str) -> Result<Self, String> {
        let (facility, severities) = match text.split_once('.') {
            Some((facility, rest)) if !facility.is_empty() && !rest.starts_with('.') => (Some(facility), rest),
            _ => (None, text),
        };
        let facility = match facility {
            None | Some("*") => None,
            Some(name) => Some(
                facility_number(name)
                    .ok_or_else(|| format!("facility {name:?} is not one of {}, or 0 to 23", FACILITIES.join(", ")))?,
            ),
        };
        let severity = |name: &str| {
            severity_number(name)
                .ok_or_else(|| format!("severity {name:?} is not one of {}, or 0 to 7", SEVERITIES.join(", ")))
        };
        let severities = match (severities.split_once(".."), severities.strip_prefix('=')) {
            (Some((from, to)), _) => {
                let (from, to) = (severity(from)?, severity(to)?);
                from.min(to)..=from.max(to)
            }
            (None, Some(exact)) => severity(exact)?..=severity(exact)?,
            (None, None) if severities == "*" => 0..=7,
            (None, None) => 0..=severity(severities)?,
        };
        Ok(Self { facility, severities })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_belong_together() {
        assert_eq!((facility_name(0), severity_name(0)), ("kern", "emerg"));
        assert_eq!((facility_name(23), severity_name(191)), ("local7", "debug"));
        assert_eq!((facility_name(24), facility_name(10)), ("", "authpriv"));
        for (name, number) in [("err", 3), ("ERROR", 3), ("warn", 4), ("panic", 0), ("7", 7)] {
            assert_eq!(severity_number(name), Some(number));
        }
        assert_eq!((severity_number("8"), severity_number("003"), facility_number("security")), (None, None, Some(4)));
    }

    #[test]
    fn selectors_are_those_of_rsyslog_and_journalctl() {
        for (selector, admitted, refused) in [
            ("err", (3, 0), (3, 4)),
            ("=err", (3, 3), (3, 2)),
            ("warning..err", (3, 4), (3, 5)),
            ("0..2", (3, 2), (3, 3)),
            ("mail.info", (2, 6), (3, 6)),
            ("mail.=info", (2, 6), (2, 5)),
            ("*.crit", (9, 2), (9, 3)),
            ("local0.*", (16, 7), (17, 7)),
            ("local0.err..warning", (16, 3), (16, 2)),
        ] {
            let parsed: PrioritySelector = selector.parse().unwrap();
            assert!(parsed.admits(Some(admitted.0), Some(admitted.1)), "{selector}");
            assert!(!parsed.admits(Some(refused.0), Some(refused.1)), "{selector}");
            assert!(!parsed.admits(None, None), "{selector}");
        }
        for (wrong, text) in
            [("bad", "severity \"bad\" is not one of emerg"), ("x.err", "facility \"x\""), ("", "\"\"")]
        {
            let error = wrong.parse::<PrioritySelector>().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
