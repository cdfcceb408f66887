//! From the configuration to rules that can run, with every mistake found before anything runs.
#![forbid(unsafe_code)]

use std::time::Duration;

use regex::bytes::RegexSet;

use crate::cli::expression;
use crate::cli::metrics::built_in;
use crate::cli::metrics::compile_error::{CompileError, RuleError};
use crate::cli::metrics::configuration::{Action, Configuration, MetricKind, RuleConfiguration};
use crate::cli::metrics::rules::{Amount, Rule, Rules, Source};
use crate::cli::metrics::series::{Definition, Store};
use crate::cli::priority::PrioritySelector;
use crate::cli::selection::Selection;

/// Prometheus's own default.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What begins the names of the program's own metrics.
pub const OWN_PREFIX: &str = "rsyslog_zmq_";

/// What a configuration becomes.
#[derive(Debug)]
pub struct Compiled {
    /// The rules.
    pub rules: Rules,
    /// Their metrics, without series.
    pub store: Store,
    /// What to subscribe to; empty: everything.
    pub prefixes: Vec<Vec<u8>>,
}

/// Checks and compiles a configuration.
pub fn compile(configuration: &Configuration) -> Result<Compiled, CompileError> {
    let limits = &configuration.limits;
    for (name, value, least) in [
        ("series", limits.series, 1),
        ("series-per-metric", limits.series_per_metric, 1),
        ("label-length", limits.label_length, 4),
    ] {
        if value < least {
            return Err(CompileError::Limit(name, least));
        }
    }
    let mut written = configuration.rule.clone();
    if configuration.built_ins.unwrap_or(written.is_empty()) {
        written.extend(built_in::rules());
    }
    let (mut definitions, mut rules) = (Vec::<Definition>::new(), Vec::<Rule>::new());
    let mut expressions = Vec::new();
    for (index, rule) in written.iter().enumerate() {
        let wrong = |error| CompileError::Rule { number: index + 1, metric: rule.metric.clone(), error };
        let definition = define(rule, limits.series_per_metric, limits.idle.0).map_err(wrong)?;
        let earlier = definitions.iter().position(|known| known.name == definition.name);
        let metric = match earlier.and_then(|index| definitions.get(index).map(|known| (index, known))) {
            Some((index, known))
                if (known.kind, &known.labels, &known.buckets)
                    == (definition.kind, &definition.labels, &definition.buckets) =>
            {
                index
            }
            Some(_) => return Err(wrong(RuleError::Inconsistent)),
            None => {
                let clashes =
                    |known: &Definition| exposed(known).iter().any(|name| exposed(&definition).contains(name));
                if definitions.iter().any(clashes) {
                    return Err(wrong(RuleError::Taken("an earlier rule's histogram or counter uses it")));
                }
                definitions.push(definition);
                definitions.len() - 1
            }
        };
        let mut compiled = compile_rule(rule, &mut expressions).map_err(wrong)?;
        compiled.metric = metric;
        let same = rules.iter().filter(|known| known.metric == metric).count();
        compiled.name = if same == 0 { rule.metric.clone() } else { format!("{}/{}", rule.metric, same + 1) };
        rules.push(compiled);
    }
    let prefixes = match &configuration.topics {
        Some(topics) => topics.0.iter().map(|topic| topic.clone().into_bytes()).collect(),
        None => prefixes(rules.iter().map(|rule| rule.topics.as_slice())),
    };
    Ok(Compiled {
        rules: Rules::new(rules, RegexSet::new(&expressions)?, limits.label_length),
        store: Store::new(definitions, limits.series),
        prefixes,
    })
}

/// The names under which a metric appears.
fn exposed(definition: &Definition) -> Vec<String> {
    let name = &definition.name;
    match definition.kind {
        MetricKind::Counter => vec![name.clone(), format!("{name}_total")],
        MetricKind::Gauge => vec![name.clone()],
        MetricKind::Histogram => {
            ["", "_bucket", "_count", "_sum"].iter().map(|suffix| format!("{name}{suffix}")).collect()
        }
    }
}

fn define(rule: &RuleConfiguration, max_series: usize, idle: Duration) -> Result<Definition, RuleError> {
    let name = match rule.kind {
        // OpenMetrics: the family's name is without it, the sample's with it.
        MetricKind::Counter => rule.metric.strip_suffix("_total").unwrap_or(&rule.metric),
        MetricKind::Gauge | MetricKind::Histogram => &rule.metric,
    };
    if !is_name(name) {
        return Err(RuleError::Name);
    }
    if name.starts_with(OWN_PREFIX) {
        return Err(RuleError::Taken("rsyslog_zmq_ begins the program's own metrics"));
    }
    if rule.kind != MetricKind::Counter && name.ends_with("_total") {
        return Err(RuleError::Taken("_total ends the names of counters"));
    }
    if rule.help.contains(char::is_control) {
        return Err(RuleError::Help);
    }
    let labels: Vec<String> = rule.labels.0.iter().map(|(name, _)| name.clone()).collect();
    for (index, label) in labels.iter().enumerate() {
        if !is_name(label) || label.starts_with("__") {
            return Err(RuleError::Label(label.clone()));
        }
        if labels.iter().take(index).any(|earlier| earlier == label) {
            return Err(RuleError::LabelTwice(label.clone()));
        }
    }
    let mut buckets = Vec::new();
    if rule.kind == MetricKind::Histogram {
        if labels.iter().any(|label| label == "le") {
            return Err(RuleError::BucketLabel);
        }
        buckets = rule.buckets.clone().unwrap_or_else(|| BUCKETS.to_vec());
        let ascends = buckets.windows(2).all(|pair| pair.first() < pair.last());
        if buckets.is_empty() || !ascends || buckets.iter().any(|bound| !bound.is_finite()) {
            return Err(RuleError::Buckets);
        }
        buckets.push(f64::INFINITY);
    } else if rule.buckets.is_some() {
        return Err(RuleError::Value("only a histogram has buckets"));
    }
    let max_series = rule.series.unwrap_or(max_series);
    if max_series == 0 {
        return Err(RuleError::Series);
    }
    Ok(Definition {
        name: name.to_owned(),
        kind: rule.kind,
        // promtool wants some.
        help: if rule.help.is_empty() { "From log messages.".to_owned() } else { rule.help.clone() },
        labels,
        buckets,
        max_series,
        idle: rule.idle.map_or(idle, |idle| idle.0),
    })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn compile_rule(rule: &RuleConfiguration, expressions: &mut Vec<String>) -> Result<Rule, RuleError> {
    let expression = |key: &'static str| move |error| RuleError::Expression { key, error };
    let regex = rule.pattern.as_deref().map(expression::compile).transpose().map_err(expression("match"))?;
    let group = |name: &str| regex.as_ref()?.capture_names().position(|known| known == Some(name));
    let missing = |what, name: &str, known| {
        let names: Vec<&str> = regex.iter().flat_map(|regex| regex.capture_names().flatten()).collect();
        let groups = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        RuleError::Source { what, name: name.to_owned(), known, groups }
    };
    let mut labels = Vec::new();
    for (_, source) in &rule.labels.0 {
        // What a rule captures is what it means, also where the record has something of that name.
        labels.push(match (group(source), source.as_str()) {
            (Some(group), _) => Source::Capture(group),
            (None, "topic") => Source::Topic,
            (None, "host") => Source::Host,
            (None, "program") => Source::Program,
            (None, "severity") => Source::Severity,
            (None, "facility") => Source::Facility,
            _ => return Err(missing("label", source, "topic, host, program, severity, facility")),
        });
    }
    let amount = match rule.value.as_deref() {
        None => Amount::One,
        Some(name) => match (group(name), name) {
            (Some(group), _) => Amount::Capture(group),
            (None, "now") => Amount::Now,
            _ => return Err(missing("value", name, "now")),
        },
    };
    let scale = rule.scale.unwrap_or(1.0);
    if !scale.is_finite() || scale == 0.0 {
        return Err(RuleError::Scale(scale));
    }
    if (rule.scale.is_some() || rule.unit.is_some()) && !matches!(amount, Amount::Capture(_)) {
        return Err(RuleError::Value("scale and unit need a value that is a named group of match"));
    }
    let action = action(rule, amount)?;
    let mut add = |key, list: &[String]| -> Result<Vec<usize>, RuleError> {
        let mut indices = Vec::new();
        for text in list {
            expression::compile(text).map_err(expression(key))?;
            expressions.push(text.clone());
            indices.push(expressions.len() - 1);
        }
        Ok(indices)
    };
    let needs_groups = matches!(amount, Amount::Capture(_)) || labels.iter().any(|l| matches!(l, Source::Capture(_)));
    let pattern = match (&rule.pattern, regex) {
        (Some(text), Some(regex)) => {
            let index = add("match", std::slice::from_ref(text))?;
            index.first().map(|index| (*index, needs_groups.then_some(regex)))
        }
        _ => None,
    };
    let priorities: Result<Vec<PrioritySelector>, String> = rule.priority.0.iter().map(|text| text.parse()).collect();
    let priorities = priorities.map_err(RuleError::Priority)?;
    Ok(Rule {
        name: String::new(),
        metric: 0,
        topics: rule.topic.0.iter().map(|topic| topic.clone().into_bytes()).collect(),
        selection: Selection::new(&rule.host.0, &rule.program.0, &priorities).map_err(RuleError::Names)?,
        pattern,
        include: add("include", &rule.include.0)?,
        exclude: add("exclude", &rule.exclude.0)?,
        labels,
        amount,
        scale,
        unit: rule.unit,
        action,
        is_counter: rule.kind == MetricKind::Counter,
    })
}

/// The action, which follows from the value where it is not written.
fn action(rule: &RuleConfiguration, amount: Amount) -> Result<Action, RuleError> {
    let has_value = amount != Amount::One;
    let wrong = |action, accepted| Err(RuleError::Action { action, accepted });
    let action = match (rule.kind, rule.action, has_value) {
        (MetricKind::Histogram, _, false) => return Err(RuleError::Value("a histogram needs a value to observe")),
        (MetricKind::Histogram, Some(action), true) => return wrong(action, "none: a histogram only observes"),
        (MetricKind::Histogram, None, true) => Action::Add,
        (MetricKind::Counter, None, true) => Action::Add,
        (MetricKind::Gauge, None, true) => Action::Set,
        (_, None, false) => Action::Inc,
        (MetricKind::Counter, Some(action @ (Action::Inc | Action::Add)), _) => action,
        (MetricKind::Counter, Some(action), _) => return wrong(action, "inc, add: a counter only grows"),
        (MetricKind::Gauge, Some(action), _) => action,
    };
    match (action, has_value) {
        (Action::Inc | Action::Dec, true) => Err(RuleError::Value("inc and dec take no value; add and sub do")),
        (Action::Set | Action::Add | Action::Sub | Action::Min | Action::Max, false)
            if rule.kind != MetricKind::Histogram =>
        {
            Err(RuleError::Value("set, add, sub, min and max need a value"))
        }
        _ => Ok(action),
    }
}

/// The shortest list of prefixes that covers what all rules want; empty means everything.
fn prefixes<'a>(rules: impl Iterator<Item = &'a [Vec<u8>]>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for topics in rules {
        if topics.is_empty() {
            return Vec::new();
        }
        all.extend(topics.iter().cloned());
    }
    all.sort();
    all.dedup();
    // Sorted, a prefix stands before all that it covers.
    let mut shortest: Vec<Vec<u8>> = Vec::new();
    for prefix in all {
        if !shortest.last().is_some_and(|last| prefix.starts_with(last)) {
            shortest.push(prefix);
        }
    }
    shortest
}

#[cfg(test)]
mod tests;
