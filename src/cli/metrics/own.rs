//! The program's metrics about itself.
#![forbid(unsafe_code)]

use std::fmt::Error;
use std::time::UNIX_EPOCH;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::cli::metrics::state::ExporterState;
use crate::sys::zmq;

/// A metric with at most one label.
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    kind: MetricType,
    label: &'a str,
}

impl Family<'_> {
    fn write<V: AsRef<str>>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = (V, f64)>,
    ) -> Result<(), Error> {
        let mut family = encoder.encode_descriptor(self.name, self.help, None, self.kind)?;
        for (value, number) in values {
            if self.label.is_empty() {
                self.write_one(&mut family, number)?;
            } else {
                self.write_one(&mut family.encode_family(&[(self.label, value.as_ref())])?, number)?;
            }
        }
        Ok(())
    }

    fn write_one(&self, encoder: &mut MetricEncoder<'_>, number: f64) -> Result<(), Error> {
        match self.kind {
            MetricType::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&number, None),
            _ => encoder.encode_gauge(&number),
        }
    }
}

fn counter<'a>(name: &'a str, help: &'a str, label: &'a str) -> Family<'a> {
    Family { name, help, kind: MetricType::Counter, label }
}

fn gauge<'a>(name: &'a str, help: &'a str, label: &'a str) -> Family<'a> {
    Family { name, help, kind: MetricType::Gauge, label }
}

/// What the rules did; of counters, f64 holds whole numbers up to 2^53.
pub fn write_rules(encoder: &mut DescriptorEncoder<'_>, status: &ExporterState) -> Result<(), Error> {
    let lines = status.lines;
    counter("rsyslog_zmq_lines", "Log messages by what became of them.", "outcome").write(
        encoder,
        [("matched", lines.matched as f64), ("unmatched", lines.unmatched as f64), ("rejected", lines.rejected as f64)],
    )?;
    let tallies = || status.rules.tallies().iter();
    counter("rsyslog_zmq_rule_matches", "Log messages that a rule matched.", "rule")
        .write(encoder, tallies().map(|tally| (tally.name.as_str(), tally.matches as f64)))?;
    counter("rsyslog_zmq_rule_value_errors", "Matches whose value was no number that the metric can take.", "rule")
        .write(encoder, tallies().map(|tally| (tally.name.as_str(), tally.value_errors as f64)))?;
    let metrics = || status.store.metrics().iter();
    gauge("rsyslog_zmq_series", "Series of a metric, without the overflow series.", "metric")
        .write(encoder, metrics().map(|metric| (metric.definition.sample_name(), metric.len() as f64)))?;
    counter("rsyslog_zmq_series_overflowed", "Updates that went to the overflow series.", "metric")
        .write(encoder, metrics().map(|metric| (metric.definition.sample_name(), metric.overflowed as f64)))?;
    counter("rsyslog_zmq_series_expired", "Series that were forgotten because nothing updated them.", "metric")
        .write(encoder, metrics().map(|metric| (metric.definition.sample_name(), metric.expired as f64)))
}

/// What the process and its connections do.
pub fn write_process(encoder: &mut DescriptorEncoder<'_>, status: &ExporterState) -> Result<(), Error> {
    counter("rsyslog_zmq_processing_seconds", "Time spent on applying rules.", "")
        .write(encoder, [("", status.processing.as_secs_f64())])?;
    let endpoints = || status.endpoints.iter();
    gauge("rsyslog_zmq_connected", "Whether an endpoint is connected.", "endpoint")
        .write(encoder, endpoints().map(|e| (e.address.as_str(), f64::from(u8::from(e.is_connected())))))?;
    counter("rsyslog_zmq_reconnects", "Connections to an endpoint after the first one.", "endpoint")
        .write(encoder, endpoints().map(|e| (e.address.as_str(), e.connects.saturating_sub(1) as f64)))?;
    counter("rsyslog_zmq_handshake_failures", "Handshakes with an endpoint that failed.", "endpoint")
        .write(encoder, endpoints().map(|e| (e.address.as_str(), e.handshake_failures as f64)))?;
    counter("rsyslog_zmq_config_reloads", "Reloads of the configuration by result.", "result")
        .write(encoder, [("ok", status.reloads.0 as f64), ("failed", status.reloads.1 as f64)])?;
    gauge("rsyslog_zmq_config_current", "Whether the last reload of the configuration worked.", "")
        .write(encoder, [("", f64::from(u8::from(status.is_configuration_current)))])?;
    let (major, minor, patch) = zmq::version();
    let libzmq = format!("{major}.{minor}.{patch}");
    let mut info = encoder.encode_descriptor("rsyslog_zmq_build_info", "What this is.", None, MetricType::Gauge)?;
    info.encode_family(&[("version", env!("CARGO_PKG_VERSION")), ("libzmq", libzmq.as_str())])?.encode_gauge(&1_i64)?;
    let started = status.started.duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", "")
        .write(encoder, [("", started)])?;
    match resident_bytes() {
        Some(bytes) => gauge("process_resident_memory_bytes", "Memory that the process holds.", "")
            .write(encoder, [("", bytes as f64)]),
        None => Ok(()),
    }
}

/// Linux says it in kibibytes.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
