//! Records as lines: one record is one line in every format, whatever its bytes are.
#![forbid(unsafe_code)]

use regex::bytes::Regex;

use crate::cli::record::Record;
use crate::cli::tail::fields::Fields;
use crate::cli::tail::format::Format;
use crate::cli::terminal::push_escaped;

pub mod json;
mod logfmt;
mod readable;

/// How records become lines.
#[derive(Debug, Clone)]
pub struct Renderer {
    /// The format.
    pub format: Format,
    /// Whether control characters must not pass, in raw output too.
    pub is_terminal: bool,
    /// Whether to colour.
    pub colour: bool,
    /// What to make stand out where there is colour.
    pub highlight: Option<Regex>,
}

/// Why a record has no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoJson;

impl Renderer {
    /// Appends one line. Only [`Format::Cee`] refuses a record: one without JSON after `@cee:`.
    pub fn line(&self, out: &mut Vec<u8>, endpoint: &str, topic: Option<&[u8]>, body: &[u8]) -> Result<(), NoJson> {
        match &self.format {
            Format::Raw if self.is_terminal || self.colour => self.raw(out, body),
            Format::Raw => out.extend_from_slice(body),
            Format::Default => self.readable(out, topic, body),
            Format::Json => json::write(out, &Fields::of(endpoint, topic, body), topic, body, self.is_terminal),
            Format::Logfmt => logfmt::write(out, &Fields::of(endpoint, topic, body)),
            Format::Template(template) => template.write(out, &Fields::of(endpoint, topic, body), body),
            Format::Cee => {
                let json = Record::parse(topic, body).cee.and_then(json::parse).ok_or(NoJson)?;
                json::push(out, json.get().as_bytes(), self.is_terminal);
            }
        }
        out.push(b'\n');
        Ok(())
    }

    fn raw(&self, out: &mut Vec<u8>, body: &[u8]) {
        if self.highlight.is_some() && self.colour {
            self.paint(out, &[(anstyle::Style::new(), body)]);
        } else if self.is_terminal {
            push_escaped(out, body);
        } else {
            out.extend_from_slice(body);
        }
    }
}

#[cfg(test)]
mod tests;
