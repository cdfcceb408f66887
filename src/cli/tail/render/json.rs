//! `-o json`: one valid JSON object a line, whatever arrives.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::priority::{facility_name, severity_name};
use crate::cli::tail::fields::Fields;
use crate::cli::terminal::push_json_escaped;

/// One record; absent parts are left away.
#[derive(Serialize)]
struct Object<'a> {
    endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facility: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_data: Option<Cow<'a, str>>,
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cee: Option<Box<RawValue>>,
    /// The whole record when some of it is not UTF-8, so that nothing is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_hex: Option<String>,
}

/// Appends a record.
pub fn write(out: &mut Vec<u8>, fields: &Fields<'_>, topic: Option<&[u8]>, body: &[u8], is_terminal: bool) {
    let is_text = std::str::from_utf8(body).is_ok() && topic.is_none_or(|topic| std::str::from_utf8(topic).is_ok());
    let (record, header) = (&fields.record, &fields.header);
    let object = Object {
        endpoint: fields.endpoint,
        topic: record.topic.map(String::from_utf8_lossy),
        facility: header.facility.map(facility_name),
        severity: header.severity.map(severity_name),
        timestamp: header.timestamp.as_deref().map(String::from_utf8_lossy),
        host: header.host.as_deref().map(String::from_utf8_lossy),
        program: header.program.as_deref().map(String::from_utf8_lossy),
        pid: header.process.as_deref().map(String::from_utf8_lossy),
        structured_data: record.structured_data.map(String::from_utf8_lossy),
        message: String::from_utf8_lossy(record.text),
        cee: record.cee.and_then(parse),
        raw_hex: (!is_text).then(|| hexadecimal(&[topic.unwrap_or_default(), body])),
    };
    // serde_json escapes every control character below 0x20, so no line break of the record survives.
    let start = out.len();
    if serde_json::to_writer(&mut *out, &object).is_err() {
        // Strings always serialise; still, never half an object.
        out.truncate(start);
        out.extend_from_slice(b"{}");
    }
    if is_terminal {
        let line = out.split_off(start);
        push(out, &line, is_terminal);
    }
}

fn hexadecimal(parts: &[&[u8]]) -> String {
    let mut text = String::new();
    for byte in parts.iter().flat_map(|part| part.iter()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Exactly one JSON value, on one line: line breaks in valid JSON are only ever between tokens.
pub fn parse(text: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(text).ok()?.trim_matches(['\0', '\n', '\r', '\t', ' ']);
    let text = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text.to_owned() };
    RawValue::from_string(text).ok()
}

/// On a terminal, what it must not see is escaped, the JSON way.
pub fn push(out: &mut Vec<u8>, text: &[u8], is_terminal: bool) {
    if is_terminal {
        push_json_escaped(out, &String::from_utf8_lossy(text));
    } else {
        out.extend_from_slice(text);
    }
}
