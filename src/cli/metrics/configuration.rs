//! The configuration file of `metrics`, as it is written. What it means is checked in `compile`.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::cli::duration::parse_duration;
use crate::cli::profile::flat;

/// Where `/metrics` is served unless written otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9517);

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file cannot be read.
    #[error("cannot read {path:?}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// It is no TOML, or has a key that does not exist.
    #[error("{path:?}, {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
}

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Configuration {
    /// Publishers.
    pub endpoints: List,
    /// Prefixes to subscribe to; without it they follow from the rules.
    pub topics: Option<List>,
    /// The publishers' public certificate.
    pub server_cert: Option<PathBuf>,
    /// Our own certificate, or `*`.
    pub client_cert: Option<PathBuf>,
    /// As `tail --topic-delimiter`.
    pub topic_delimiter: Option<char>,
    /// As `tail --unpack`.
    pub unpack: bool,
    /// As `tail --heartbeat`.
    pub heartbeat: Option<Span>,
    /// Where `/metrics` is served.
    pub listen: Option<SocketAddr>,
    /// Whether the built-in metrics are there; without this line: when there are no rules.
    pub built_ins: Option<bool>,
    /// What memory may be used for.
    pub limits: Limits,
    /// The rules.
    pub rule: Vec<RuleConfiguration>,
}

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Series of all metrics together.
    pub series: usize,
    /// Series of one metric, unless its rule says otherwise.
    pub series_per_metric: usize,
    /// Bytes of a label's value; longer ones are cut.
    pub label_length: usize,
    /// After how long without an update a series is forgotten; zero: never.
    pub idle: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series: 10_000, series_per_metric: 1_000, label_length: 128, idle: Span(Duration::ZERO) }
    }
}

/// `[[rule]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleConfiguration {
    /// The metric's name.
    pub metric: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: MetricKind,
    /// What Prometheus shows about it.
    #[serde(default)]
    pub help: String,
    /// Only records whose topic begins with one of these.
    #[serde(default)]
    pub topic: List,
    /// Only records of these hosts.
    #[serde(default)]
    pub host: List,
    /// Only records of these programs.
    #[serde(default)]
    pub program: List,
    /// Only records of these priorities.
    #[serde(default)]
    pub priority: List,
    /// Only messages that match, with named captures for labels and the value.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Only messages that match one of these too.
    #[serde(default)]
    pub include: List,
    /// No messages that match one of these.
    #[serde(default)]
    pub exclude: List,
    /// Label names, or label names and where each comes from.
    #[serde(default)]
    pub labels: Labels,
    /// The capture that holds the value, or `now`.
    pub value: Option<String>,
    /// What the value is multiplied with.
    pub scale: Option<f64>,
    /// What the value must be.
    pub unit: Option<Unit>,
    /// What happens to a gauge.
    pub action: Option<Action>,
    /// Upper bounds of a histogram.
    pub buckets: Option<Vec<f64>>,
    /// Series of this metric.
    pub series: Option<usize>,
    /// As in `[limits]`, for this metric.
    pub idle: Option<Span>,
}

/// A metric's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// What a match does to a counter or gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The value is the new one.
    Set,
    /// One more.
    Inc,
    /// One less.
    Dec,
    /// The value is added.
    Add,
    /// The value is subtracted.
    Sub,
    /// The smallest value is kept.
    Min,
    /// The largest value is kept.
    Max,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "set",
            Self::Inc => "inc",
            Self::Dec => "dec",
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Min => "min",
            Self::Max => "max",
        })
    }
}

/// What a value is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// `12ms` and the like.
    Seconds,
    /// `3.4 KiB` and the like.
    Bytes,
    /// `85%`.
    Ratio,
}

/// One text or several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(pub Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(vec![text])),
            toml::Value::Array(values) => values
                .into_iter()
                .map(|value| match value {
                    toml::Value::String(text) => Ok(text),
                    other => Err(D::Error::custom(format_args!("expected text, found {}", other.type_str()))),
                })
                .collect::<Result<_, _>>()
                .map(Self),
            other => {
                Err(D::Error::custom(format_args!("expected text or a list of texts, found {}", other.type_str())))
            }
        }
    }
}

/// Labels with where each comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |value| match value {
            toml::Value::String(text) => Ok(text),
            other => Err(D::Error::custom(format_args!("expected text, found {}", other.type_str()))),
        };
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Array(names) => {
                let names = names.into_iter().map(|name| text(name).map(|name| (name.clone(), name)));
                names.collect::<Result<_, _>>().map(Self)
            }
            toml::Value::Table(pairs) => {
                let pairs = pairs.into_iter().map(|(name, source)| text(source).map(|source| (name, source)));
                pairs.collect::<Result<_, _>>().map(Self)
            }
            other => Err(D::Error::custom(format_args!("expected a list or a table, found {}", other.type_str()))),
        }
    }
}

/// A length of time, as text with a unit or as seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text,
            toml::Value::Integer(seconds) => seconds.to_string(),
            other => return Err(D::Error::custom(format_args!("expected a time, found {}", other.type_str()))),
        };
        parse_duration(&text).map(Self).map_err(D::Error::custom)
    }
}

impl Configuration {
    /// Reads a file. Certificates with relative paths are beside it.
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigurationError::Unreadable { path: path.to_owned(), error })?;
        let malformed = |error| ConfigurationError::Malformed { path: path.to_owned(), reason: flat(&error) };
        let mut configuration: Self = toml::from_str(&text).map_err(malformed)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for file in [&mut configuration.server_cert, &mut configuration.client_cert].into_iter().flatten() {
            if *file != Path::new("*") {
                *file = directory.join(&file);
            }
        }
        Ok(configuration)
    }
}
