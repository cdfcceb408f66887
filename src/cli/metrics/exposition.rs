//! The page that Prometheus scrapes, in OpenMetrics' text format (which prometheus-client writes) or Prometheus's own.
#![forbid(unsafe_code)]

use std::fmt::{Error, Write};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::cli::metrics::configuration::MetricKind;
use crate::cli::metrics::own;
use crate::cli::metrics::series::{Metric, SeriesValue};
use crate::cli::metrics::state::SharedState;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFormat {
    /// Prometheus's, version 0.0.4: what it asks for when it knows nothing better, and what people read.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl PageFormat {
    /// The better one of what an `Accept` header takes (RFC 9110, section 12.5.1).
    #[must_use]
    pub fn negotiate(accept: &str) -> Self {
        let quality = |wanted: &[&str]| -> f64 {
            let entries = accept.split(',').filter_map(|entry| {
                let mut parts = entry.split(';').map(str::trim);
                let name = parts.next()?.to_ascii_lowercase();
                let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
                wanted.contains(&name.as_str()).then_some(weight)
            });
            entries.fold(0.0, f64::max)
        };
        let open_metrics = quality(&["application/openmetrics-text"]);
        if open_metrics > 0.0 && open_metrics >= quality(&["text/plain", "text/*", "*/*"]) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    All,
    /// The rules' metrics, and what the rules did: the same for the same input, whenever and wherever.
    Rules,
}

#[derive(Debug)]
struct Page {
    shared: Arc<SharedState>,
    extent: Extent,
}

/// Writes the page.
pub fn page(shared: &Arc<SharedState>, extent: Extent, format: PageFormat) -> Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page { shared: Arc::clone(shared), extent }));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(match format {
        PageFormat::OpenMetrics => page,
        PageFormat::Prometheus => to_prometheus(&page),
    })
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let status = self.shared.lock();
        for metric in status.store.metrics() {
            write_metric(&mut encoder, metric)?;
        }
        own::write_rules(&mut encoder, &status)?;
        if self.extent == Extent::All { own::write_process(&mut encoder, &status) } else { Ok(()) }
    }
}

fn write_metric(encoder: &mut DescriptorEncoder<'_>, metric: &Metric) -> Result<(), Error> {
    let definition = &metric.definition;
    let kind = match definition.kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    };
    let help = definition.help.replace('\\', "\\\\").replace('"', "\\\"");
    let mut family = encoder.encode_descriptor(&definition.name, &help, None, kind)?;
    for series in metric.sorted() {
        if definition.labels.is_empty() {
            write_series(&mut family, metric, &series.value)?;
        } else {
            let labels = LabelSet { names: &definition.labels, values: &series.labels };
            write_series(&mut family.encode_family(&labels)?, metric, &series.value)?;
        }
    }
    Ok(())
}

fn write_series(encoder: &mut MetricEncoder<'_>, metric: &Metric, value: &SeriesValue) -> Result<(), Error> {
    let definition = &metric.definition;
    match (value, definition.kind) {
        (SeriesValue::Number(number), MetricKind::Counter) => {
            encoder.encode_counter::<NoLabelSet, _, f64>(number, None)
        }
        (SeriesValue::Number(number), _) => encoder.encode_gauge(number),
        (SeriesValue::Histogram(counts, sum), _) => {
            let buckets: Vec<(f64, u64)> = definition.buckets.iter().copied().zip(counts.iter().copied()).collect();
            encoder.encode_histogram::<NoLabelSet>(*sum, counts.iter().sum(), &buckets, None)
        }
    }
}

/// Label names and their values.
#[derive(Debug)]
struct LabelSet<'a> {
    names: &'a [String],
    values: &'a [String],
}

impl EncodeLabelSet for LabelSet<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        for (name, value) in self.names.iter().zip(self.values) {
            (name.as_str(), value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// The formats differ in how a counter's family is called, and in the last line.
fn to_prometheus(page: &str) -> String {
    let mut out = String::with_capacity(page.len() + page.len() / 64);
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let described = |line: &str, what: &str| {
            let (name, rest) = line.strip_prefix(what)?.split_once(' ')?;
            Some((name.to_owned(), rest.to_owned()))
        };
        if line == "# EOF" {
            continue;
        }
        // Each HELP is followed by its TYPE.
        let of_counter = lines.peek().is_some_and(|next| next.starts_with("# TYPE ") && next.ends_with(" counter"));
        // Writing to a String cannot fail.
        let _ = match (described(line, "# HELP "), described(line, "# TYPE ")) {
            (Some((name, help)), _) if of_counter => writeln!(out, "# HELP {name}_total {}", unquoted(&help)),
            (Some((name, help)), _) => writeln!(out, "# HELP {name} {}", unquoted(&help)),
            (_, Some((name, kind))) if kind == "counter" => writeln!(out, "# TYPE {name}_total counter"),
            _ => writeln!(out, "{line}"),
        };
    }
    out
}

/// Quotes are escaped in OpenMetrics' help and not in Prometheus's.
fn unquoted(help: &str) -> String {
    help.replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_format_that_is_accepted_is_chosen() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            (prometheus, PageFormat::OpenMetrics),
            ("", PageFormat::Prometheus),
            ("*/*", PageFormat::Prometheus),
            ("text/plain", PageFormat::Prometheus),
            ("text/plain, Application/OpenMetrics-Text; q=0.5", PageFormat::Prometheus),
            ("application/openmetrics-text;q=0", PageFormat::Prometheus),
            ("text/html, application/openmetrics-text", PageFormat::OpenMetrics),
        ] {
            assert_eq!(PageFormat::negotiate(accept), format, "{accept}");
        }
    }

    #[test]
    fn the_formats_differ_in_counters_and_the_end() {
        let open = "# HELP a Say \\\"x\\\".\n# TYPE a counter\na_total{b=\"# EOF\"} 1.0\n# HELP c d\n# TYPE c gauge\nc 2.0\n# EOF\n";
        let expected = "# HELP a_total Say \"x\".\n# TYPE a_total counter\na_total{b=\"# EOF\"} 1.0\n# HELP c d\n# TYPE c gauge\nc 2.0\n";
        assert_eq!(to_prometheus(open), expected);
    }
}
