//! The metrics that are there without any rule.
#![forbid(unsafe_code)]

use crate::cli::metrics::configuration::{Labels, List, MetricKind, RuleConfiguration};

/// As if they were written in the configuration.
#[must_use]
pub fn rules() -> Vec<RuleConfiguration> {
    let rule = |metric: &str, kind, help: &str, labels: &[&str], value: Option<&str>| RuleConfiguration {
        metric: metric.to_owned(),
        kind,
        help: help.to_owned(),
        topic: List::default(),
        host: List::default(),
        program: List::default(),
        priority: List::default(),
        pattern: None,
        include: List::default(),
        exclude: List::default(),
        labels: Labels(labels.iter().map(|label| ((*label).to_owned(), (*label).to_owned())).collect()),
        value: value.map(str::to_owned),
        scale: None,
        unit: None,
        action: None,
        buckets: None,
        series: None,
        idle: None,
    };
    vec![
        rule("log_messages_total", MetricKind::Counter, "Log messages.", &["program", "severity", "facility"], None),
        rule(
            "log_last_seen_timestamp_seconds",
            MetricKind::Gauge,
            "When the last log message of a host arrived.",
            &["host"],
            Some("now"),
        ),
    ]
}
