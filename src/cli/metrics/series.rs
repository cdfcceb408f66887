//! The time series: their values, how many there may be, and when they are forgotten.
//!
//! Plain data. The receiving thread updates it, scrapes read it; both under one lock.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cli::metrics::configuration::{Action, MetricKind};

/// What every label of the overflow series says.
pub const OVERFLOW: &str = "_overflow_";

/// What a metric is.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name, without `_total`.
    pub name: String,
    /// Its type.
    pub kind: MetricKind,
    /// What Prometheus shows about it.
    pub help: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// Upper bounds, ascending, the last one infinite; only for histograms.
    pub buckets: Vec<f64>,
    /// How many series it may have.
    pub max_series: usize,
    /// After how long a series is forgotten; zero: never.
    pub idle: Duration,
}

impl Definition {
    /// The name that its samples have.
    pub fn sample_name(&self) -> Cow<'_, str> {
        match self.kind {
            MetricKind::Counter => Cow::Owned(format!("{}_total", self.name)),
            MetricKind::Gauge | MetricKind::Histogram => Cow::Borrowed(&self.name),
        }
    }

    /// Whether series of the other one are series of this.
    fn continues(&self, other: &Self) -> bool {
        (&self.name, self.kind, &self.labels, &self.buckets) == (&other.name, other.kind, &other.labels, &other.buckets)
    }
}

/// The label values of one series, and its key.
#[derive(Debug, Default)]
pub struct Key(Vec<u8>);

/// No UTF-8 text contains this byte.
const SEPARATOR: u8 = 0xff;

impl Key {
    /// Makes it empty.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a label's value, cut to `max` bytes and to whole characters; what is no UTF-8 is replaced.
    pub fn push(&mut self, value: &[u8], max: usize) {
        let start = self.0.len();
        for chunk in value.utf8_chunks() {
            for character in chunk.valid().chars() {
                if self.0.len() - start + character.len_utf8() > max {
                    self.0.push(SEPARATOR);
                    return;
                }
                self.0.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            if !chunk.invalid().is_empty() && self.0.len() - start + 3 <= max {
                self.0.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        self.0.push(SEPARATOR);
    }

    fn values(&self) -> Vec<String> {
        let parts = self.0.split(|byte| *byte == SEPARATOR).map(|part| String::from_utf8_lossy(part).into_owned());
        let mut values: Vec<String> = parts.collect();
        // Behind the last separator there is nothing.
        values.pop();
        values
    }
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesValue {
    /// A counter or gauge.
    Number(f64),
    /// A histogram: observations per bucket (not cumulative), and their sum.
    Histogram(Vec<u64>, f64),
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The values of the labels.
    pub labels: Vec<String>,
    /// Its value.
    pub value: SeriesValue,
    updated: Instant,
}

/// One metric with its series.
#[derive(Debug)]
pub struct Metric {
    /// What it is.
    pub definition: Definition,
    series: HashMap<Box<[u8]>, Series>,
    overflow: Option<Series>,
    /// Updates that went to the overflow series.
    pub overflowed: u64,
    /// Series that were forgotten.
    pub expired: u64,
}

impl Metric {
    /// Its series in the order of their labels, the overflow last.
    pub fn sorted(&self) -> Vec<&Series> {
        let mut all: Vec<&Series> = self.series.values().collect();
        all.sort_by(|one, other| one.labels.cmp(&other.labels));
        all.extend(&self.overflow);
        all
    }

    /// How many series there are, without the overflow.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

/// All metrics that come from rules.
#[derive(Debug, Default)]
pub struct Store {
    metrics: Vec<Metric>,
    max_series: usize,
    total: usize,
}

impl Store {
    /// Metrics without series.
    pub fn new(definitions: Vec<Definition>, max_series: usize) -> Self {
        let metric =
            |definition| Metric { definition, series: HashMap::new(), overflow: None, overflowed: 0, expired: 0 };
        Self { metrics: definitions.into_iter().map(metric).collect(), max_series, total: 0 }
    }

    /// The metrics, in the order of their definitions.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// Takes over the series of metrics that are still the same.
    pub fn adopt(&mut self, old: Self) {
        for old in old.metrics {
            let same = self.metrics.iter_mut().find(|metric| metric.definition.continues(&old.definition));
            if let Some(metric) = same {
                let definition = metric.definition.clone();
                *metric = Metric { definition, ..old };
            }
        }
        self.total = self.metrics.iter().map(Metric::len).sum();
    }

    /// Updates a series, which begins with its first update; over a limit it is the overflow series instead.
    pub fn update(&mut self, metric: usize, key: &Key, action: Action, value: f64, now: Instant) {
        let has_room = self.total < self.max_series;
        let Some(metric) = self.metrics.get_mut(metric) else { return };
        let definition = &metric.definition;
        let begin = |labels| Series {
            labels,
            value: match definition.kind {
                MetricKind::Histogram => SeriesValue::Histogram(vec![0; definition.buckets.len()], 0.0),
                // The smallest and largest of one value are that value.
                MetricKind::Counter | MetricKind::Gauge if matches!(action, Action::Min | Action::Max) => {
                    SeriesValue::Number(value)
                }
                MetricKind::Counter | MetricKind::Gauge => SeriesValue::Number(0.0),
            },
            updated: now,
        };
        let series = if metric.series.contains_key(key.0.as_slice()) {
            metric.series.get_mut(key.0.as_slice())
        } else if has_room && metric.series.len() < definition.max_series {
            self.total += 1;
            Some(metric.series.entry(key.0.as_slice().into()).or_insert(begin(key.values())))
        } else {
            metric.overflowed += 1;
            let labels = || vec![OVERFLOW.to_owned(); definition.labels.len()];
            Some(metric.overflow.get_or_insert_with(|| begin(labels())))
        };
        let Some(series) = series else { return };
        series.updated = now;
        match &mut series.value {
            SeriesValue::Number(number) => apply(number, action, value),
            SeriesValue::Histogram(counts, sum) => {
                let bucket = definition.buckets.iter().position(|bound| value <= *bound);
                if let Some(count) = bucket.and_then(|bucket| counts.get_mut(bucket)) {
                    *count += 1;
                    *sum += value;
                }
            }
        }
    }

    /// Forgets the series that were not updated for too long.
    pub fn expire(&mut self, now: Instant) {
        for metric in self.metrics.iter_mut().filter(|metric| !metric.definition.idle.is_zero()) {
            let idle = metric.definition.idle;
            let before = metric.series.len();
            metric.series.retain(|_, series| now.saturating_duration_since(series.updated) < idle);
            let gone = before - metric.series.len();
            metric.expired += gone as u64;
            self.total -= gone;
        }
    }
}

fn apply(number: &mut f64, action: Action, value: f64) {
    let new = match action {
        Action::Set => value,
        Action::Inc => *number + 1.0,
        Action::Dec => *number - 1.0,
        Action::Add => *number + value,
        Action::Sub => *number - value,
        Action::Min => number.min(value),
        Action::Max => number.max(value),
    };
    // A sum over the largest number stays there: Prometheus would take infinity for a measurement.
    *number = new.clamp(f64::MIN, f64::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, kind: MetricKind) -> Definition {
        let buckets = if kind == MetricKind::Histogram { vec![1.0, 10.0, f64::INFINITY] } else { Vec::new() };
        Definition {
            name: name.to_owned(),
            kind,
            help: String::new(),
            labels: vec!["a".to_owned()],
            buckets,
            max_series: 2,
            idle: Duration::ZERO,
        }
    }

    fn key(value: &str) -> Key {
        let mut key = Key::default();
        key.push(value.as_bytes(), 10);
        key
    }

    fn values_of(store: &Store, metric: usize) -> Vec<(String, SeriesValue)> {
        store.metrics()[metric].sorted().into_iter().map(|s| (s.labels.join(","), s.value.clone())).collect()
    }

    #[test]
    fn every_action_does_what_it_says() {
        for (action, values, worth) in [
            (Action::Inc, [5.0, 5.0], 2.0),
            (Action::Dec, [5.0, 5.0], -2.0),
            (Action::Add, [5.0, 2.0], 7.0),
            (Action::Sub, [5.0, 2.0], -7.0),
            (Action::Set, [5.0, 2.0], 2.0),
            (Action::Min, [5.0, 7.0], 5.0),
            (Action::Max, [-5.0, -7.0], -5.0),
        ] {
            let mut store = Store::new(vec![definition("m", MetricKind::Gauge)], 10);
            for value in values {
                store.update(0, &key("x"), action, value, Instant::now());
            }
            assert_eq!(values_of(&store, 0), [("x".to_owned(), SeriesValue::Number(worth))], "{action:?}");
        }
    }

    #[test]
    fn observations_go_into_their_buckets() {
        let mut store = Store::new(vec![definition("m", MetricKind::Histogram)], 10);
        for value in [0.5, 1.0, 1.5, 100.0] {
            store.update(0, &key("x"), Action::Set, value, Instant::now());
        }
        assert_eq!(values_of(&store, 0)[0].1, SeriesValue::Histogram(vec![2, 1, 1], 103.0));
    }

    #[test]
    fn what_is_over_a_limit_goes_to_the_overflow_series_and_is_counted() {
        let mut store = Store::new(vec![definition("m", MetricKind::Counter), definition("n", MetricKind::Counter)], 3);
        for value in ["a", "b", "c", "d", "a"] {
            store.update(0, &key(value), Action::Inc, 1.0, Instant::now());
        }
        let number = |name: &str, worth| (name.to_owned(), SeriesValue::Number(worth));
        assert_eq!(values_of(&store, 0), [number("a", 2.0), number("b", 1.0), number(OVERFLOW, 2.0)]);
        assert_eq!(store.metrics()[0].overflowed, 2);
        // The limit of all metrics together.
        store.update(1, &key("a"), Action::Inc, 1.0, Instant::now());
        store.update(1, &key("b"), Action::Inc, 1.0, Instant::now());
        assert_eq!(values_of(&store, 1), [number("a", 1.0), number(OVERFLOW, 1.0)]);
    }

    #[test]
    fn idle_series_are_forgotten_and_make_room() {
        let mut store =
            Store::new(vec![Definition { idle: Duration::from_secs(10), ..definition("m", MetricKind::Gauge) }], 2);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        store.update(0, &key("a"), Action::Inc, 1.0, start);
        store.update(0, &key("b"), Action::Inc, 1.0, start);
        store.update(0, &key("b"), Action::Inc, 1.0, at(5));
        store.expire(at(9));
        assert_eq!(store.metrics()[0].len(), 2);
        store.expire(at(10));
        assert_eq!(values_of(&store, 0), [("b".to_owned(), SeriesValue::Number(2.0))]);
        assert_eq!(store.metrics()[0].expired, 1);
        store.update(0, &key("c"), Action::Inc, 1.0, at(10));
        assert_eq!((store.metrics()[0].len(), store.metrics()[0].overflowed), (2, 0));
    }

    #[test]
    fn what_did_not_change_survives_a_reload() {
        let mut old = Store::new(vec![definition("m", MetricKind::Gauge), definition("n", MetricKind::Gauge)], 10);
        old.update(0, &key("a"), Action::Set, 7.0, Instant::now());
        old.update(1, &key("a"), Action::Set, 8.0, Instant::now());
        let changed = Definition { labels: vec!["b".to_owned()], ..definition("n", MetricKind::Gauge) };
        let same = Definition { help: "another help".to_owned(), ..definition("m", MetricKind::Gauge) };
        let mut new = Store::new(vec![changed, same], 10);
        new.adopt(old);
        assert_eq!((values_of(&new, 0).len(), new.total), (0, 1));
        assert_eq!(values_of(&new, 1), [("a".to_owned(), SeriesValue::Number(7.0))]);
        assert_eq!(new.metrics()[1].definition.help, "another help");
    }

    #[test]
    fn label_values_are_cut_to_whole_characters_and_kept_apart() {
        let mut key = Key::default();
        for (value, max) in [(&b"abcdef"[..], 3), ("aéé".as_bytes(), 4), (b"x\xffy", 10), (b"", 10), (b"\xff\xff", 4)]
        {
            key.push(value, max);
        }
        assert_eq!(key.values(), ["abc", "aé", "x\u{fffd}y", "", "\u{fffd}"]);
    }
}
