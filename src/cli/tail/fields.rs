//! The parts of a record under the names that JSON, logfmt and templates use.
#![forbid(unsafe_code)]

use crate::cli::header_fields::HeaderFields;
use crate::cli::priority::{facility_name, severity_name};
use crate::cli::record::Record;

/// The names, in the order in which they are written.
pub const NAMES: [&str; 10] =
    ["endpoint", "topic", "facility", "severity", "timestamp", "host", "program", "pid", "structured_data", "message"];

/// A record with its parts named.
#[derive(Debug)]
pub struct Fields<'a> {
    /// Where it came from.
    pub endpoint: &'a str,
    /// Its parts.
    pub record: Record<'a>,
    /// Its origin.
    pub header: HeaderFields<'a>,
}

impl<'a> Fields<'a> {
    /// Takes a record apart.
    pub fn of(endpoint: &'a str, topic: Option<&'a [u8]>, body: &'a [u8]) -> Self {
        let record = Record::parse(topic, body);
        Self { endpoint, header: HeaderFields::of(&record), record }
    }

    /// A part by its name (one of [`NAMES`]), if the record has it.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match name {
            "endpoint" => Some(self.endpoint.as_bytes()),
            "topic" => self.record.topic,
            "facility" => self.header.facility.map(facility_name).map(str::as_bytes),
            "severity" => self.header.severity.map(severity_name).map(str::as_bytes),
            "timestamp" => self.header.timestamp.as_deref(),
            "host" => self.header.host.as_deref(),
            "program" => self.header.program.as_deref(),
            "pid" => self.header.process.as_deref(),
            "structured_data" => self.record.structured_data,
            "message" => Some(self.record.text),
            _ => None,
        }
    }
}
