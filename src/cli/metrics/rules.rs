//! Rules at work: from a record to updates of series.
//!
//! Each record is matched against all expressions of all rules in one pass (a `RegexSet`); captures are only looked for
//! where a rule needs them and its expression has matched.
#![forbid(unsafe_code)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use regex::bytes::{CaptureLocations, Regex, RegexSet, SetMatches};

use crate::cli::header_fields::HeaderFields;
use crate::cli::metrics::configuration::{Action, Unit};
use crate::cli::metrics::series::{Key, Store};
use crate::cli::metrics::value::parse_value;
use crate::cli::priority::{facility_name, severity_name};
use crate::cli::record::Record;
use crate::cli::selection::Selection;

/// Where a label's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The topic.
    Topic,
    /// The host name.
    Host,
    /// The program.
    Program,
    /// The severity's name.
    Severity,
    /// The facility's name.
    Facility,
    /// A group of the rule's expression.
    Capture(usize),
}

/// Where the value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// There is none: each match counts one.
    One,
    /// The time of arrival, in seconds since 1970.
    Now,
    /// A group of the rule's expression.
    Capture(usize),
}

/// One rule, checked and compiled.
#[derive(Debug)]
pub struct Rule {
    /// Its name in the program's own metrics.
    pub name: String,
    /// The index of its metric.
    pub metric: usize,
    /// Topics that a record's topic has to begin with one of; none: any.
    pub topics: Vec<Vec<u8>>,
    /// By origin.
    pub selection: Selection,
    /// The index of its expression in the set of all, and the expression where its groups are needed.
    pub pattern: Option<(usize, Option<Regex>)>,
    /// Indices of `include`.
    pub include: Vec<usize>,
    /// Indices of `exclude`.
    pub exclude: Vec<usize>,
    /// Where the labels come from.
    pub labels: Vec<Source>,
    /// Where the value comes from.
    pub amount: Amount,
    /// What the value is multiplied with.
    pub scale: f64,
    /// What the value must be.
    pub unit: Option<Unit>,
    /// What is done with it.
    pub action: Action,
    /// Whether a value below zero is an error.
    pub is_counter: bool,
}

/// How often a rule did what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The rule's name.
    pub name: String,
    /// Records that it matched.
    pub matches: u64,
    /// Matches whose value was no number, or one that its metric cannot take.
    pub value_errors: u64,
}

/// All rules.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    expressions: RegexSet,
    max_label_bytes: usize,
    locations: Vec<Option<CaptureLocations>>,
    tallies: Vec<Tally>,
    key: Key,
}

impl Rules {
    /// Puts compiled rules together.
    pub fn new(rules: Vec<Rule>, expressions: RegexSet, max_label_bytes: usize) -> Self {
        let locations = |rule: &Rule| rule.pattern.as_ref()?.1.as_ref().map(Regex::capture_locations);
        let tally = |rule: &Rule| Tally { name: rule.name.clone(), ..Tally::default() };
        Self {
            locations: rules.iter().map(locations).collect(),
            tallies: rules.iter().map(tally).collect(),
            rules,
            expressions,
            max_label_bytes,
            key: Key::default(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What each did.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Goes on counting where rules of the same name had stopped.
    pub fn adopt(&mut self, old: &Self) {
        for tally in &mut self.tallies {
            if let Some(old) = old.tallies.iter().find(|old| old.name == tally.name) {
                *tally = old.clone();
            }
        }
    }

    /// Applies every rule to a record; whether any matched.
    pub fn apply(&mut self, topic: Option<&[u8]>, body: &[u8], now: Instant, store: &mut Store) -> bool {
        let record = Record::parse(topic, body);
        let header = HeaderFields::of(&record);
        let mut found: Option<SetMatches> = None;
        let mut any = false;
        for (index, rule) in self.rules.iter().enumerate() {
            // A publisher that sends one frame puts the topic in front, where no separator has to follow.
            let topic = record.topic.unwrap_or(body);
            if !rule.topics.is_empty() && !rule.topics.iter().any(|prefix| topic.starts_with(prefix)) {
                continue;
            }
            if !rule.selection.is_everything() && !rule.selection.admits(&header) {
                continue;
            }
            if rule.pattern.is_some() || !rule.include.is_empty() || !rule.exclude.is_empty() {
                let found = found.get_or_insert_with(|| self.expressions.matches(record.text));
                let matches = |index: &usize| found.matched(*index);
                if rule.pattern.as_ref().is_some_and(|(index, _)| !matches(index))
                    || !rule.include.is_empty() && !rule.include.iter().any(matches)
                    || rule.exclude.iter().any(matches)
                {
                    continue;
                }
            }
            let mut locations = self.locations.get_mut(index).and_then(Option::as_mut);
            if let (Some((_, Some(pattern))), Some(locations)) = (&rule.pattern, &mut locations) {
                pattern.captures_read(locations, record.text);
            }
            let capture = |group: usize| {
                let (start, end) = locations.as_ref()?.get(group)?;
                record.text.get(start..end)
            };
            any = true;
            let Some(tally) = self.tallies.get_mut(index) else { continue };
            tally.matches += 1;
            let value = match rule.amount {
                Amount::One => Some(1.0),
                Amount::Now => SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs_f64()),
                Amount::Capture(group) => capture(group)
                    .and_then(|text| parse_value(text, rule.unit))
                    .map(|value| value * rule.scale)
                    .filter(|value| value.is_finite() && (!rule.is_counter || *value >= 0.0)),
            };
            let Some(value) = value else {
                tally.value_errors += 1;
                continue;
            };
            self.key.clear();
            for source in &rule.labels {
                let text = match *source {
                    Source::Topic => record.topic,
                    Source::Host => header.host.as_deref(),
                    Source::Program => header.program.as_deref(),
                    Source::Severity => header.severity.map(|severity| severity_name(severity).as_bytes()),
                    Source::Facility => header.facility.map(|facility| facility_name(facility).as_bytes()),
                    Source::Capture(group) => capture(group),
                };
                self.key.push(text.unwrap_or_default(), self.max_label_bytes);
            }
            store.update(rule.metric, &self.key, rule.action, value, now);
        }
        any
    }
}
