//! The default format, and its colours.
#![forbid(unsafe_code)]

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::Renderer;
use crate::cli::record::Record;
use crate::cli::terminal::push_escaped;

impl Renderer {
    /// `TIME HOST PROGRAM[PID]: MESSAGE` where the record says all that, with the tag as the record spells it, and the
    /// record as it is otherwise.
    pub(super) fn readable(&self, out: &mut Vec<u8>, topic: Option<&[u8]>, body: &[u8]) {
        const PLAIN: Style = Style::new();
        let record = Record::parse(topic, body);
        let text_style = severity_style(record.priority);
        if record.host.is_none() && record.program.is_none() {
            match topic.filter(|topic| !topic.is_empty()) {
                Some(topic) => self.paint(out, &[(colour_of(topic), topic), (PLAIN, b" "), (text_style, body)]),
                None => self.paint(out, &[(text_style, body)]),
            }
            return;
        }
        let dimmed = PLAIN.dimmed();
        let source = colour_of(record.host.unwrap_or_default());
        let mut parts = Vec::with_capacity(12);
        if let Some(timestamp) = record.timestamp {
            parts.extend([(dimmed, timestamp), (PLAIN, &b" "[..])]);
        }
        parts.extend([(source, record.host.unwrap_or(b"-")), (PLAIN, b" ")]);
        if let Some(rest) = record.tag_and_text {
            let tag = rest.len() - record.text.len();
            let (tag, text) = rest.split_at_checked(tag).unwrap_or((b"", rest));
            parts.extend([(source, tag), (text_style, text)]);
            self.paint(out, &parts);
            return;
        }
        if let Some(program) = record.program {
            parts.push((source, program));
            if let Some(process) = record.process {
                parts.extend([(PLAIN, &b"["[..]), (PLAIN, process), (PLAIN, b"]")]);
            }
            parts.push((PLAIN, b": "));
        }
        if let Some(data) = record.structured_data {
            parts.extend([(dimmed, data), (PLAIN, &b" "[..])]);
        }
        parts.push((text_style, record.text));
        self.paint(out, &parts);
    }

    /// Writes the parts of a line, and what `--highlight` finds in the whole of it in reverse.
    pub(super) fn paint(&self, out: &mut Vec<u8>, parts: &[(Style, &[u8])]) {
        let Some(highlight) = self.highlight.as_ref().filter(|_| self.colour) else {
            parts.iter().for_each(|(style, text)| self.styled(out, *style, text));
            return;
        };
        let line: Vec<u8> = parts.iter().flat_map(|(_, text)| text.iter().copied()).collect();
        let mut found =
            highlight.find_iter(&line).map(|found| found.range()).filter(|range| !range.is_empty()).peekable();
        let mut at = 0;
        for (style, text) in parts {
            let end = at + text.len();
            while at < end {
                while found.next_if(|range| range.end <= at).is_some() {}
                let (stop, style) = match found.peek() {
                    Some(range) if range.start <= at => (range.end.min(end), style.invert()),
                    Some(range) => (range.start.min(end), *style),
                    None => (end, *style),
                };
                self.styled(out, style, line.get(at..stop).unwrap_or_default());
                at = stop;
            }
        }
    }

    fn styled(&self, out: &mut Vec<u8>, style: Style, text: &[u8]) {
        if !self.colour || style == Style::new() {
            push_escaped(out, text);
            return;
        }
        let mut code = String::new();
        // Writing to a String cannot fail.
        let _ = write!(code, "{style}");
        out.extend_from_slice(code.as_bytes());
        push_escaped(out, text);
        code.clear();
        let _ = write!(code, "{style:#}");
        out.extend_from_slice(code.as_bytes());
    }
}

/// The same source has the same colour in every run (FNV-1a over its name).
pub(super) fn colour_of(name: &[u8]) -> Style {
    const COLOURS: [AnsiColor; 6] = [
        AnsiColor::Cyan,
        AnsiColor::Green,
        AnsiColor::Magenta,
        AnsiColor::Blue,
        AnsiColor::BrightCyan,
        AnsiColor::BrightGreen,
    ];
    let hash = name.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let colour = COLOURS.get(hash as usize % COLOURS.len()).copied().unwrap_or(AnsiColor::Cyan);
    Style::new().fg_color(Some(colour.into()))
}

fn severity_style(priority: Option<u8>) -> Style {
    match priority.map(|priority| priority & 7) {
        Some(0..=2) => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        Some(3) => Style::new().fg_color(Some(AnsiColor::Red.into())),
        Some(4) => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        Some(7) => Style::new().dimmed(),
        _ => Style::new(),
    }
}
