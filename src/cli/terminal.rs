//! What may reach a terminal: printable text and our own colours, nothing a log record brings along.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::io::IsTerminal;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether to colour what goes to `stream`.
    pub fn applies_to(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            // https://no-color.org: set and not empty.
            Self::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// Appends `bytes` with what is not [harmless](is_harmless), and invalid UTF-8, written as escapes.
pub fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\t') {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_harmless(character) {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.extend(character.escape_default().map(|character| character as u8));
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
}

/// The same as a `String`, for messages about things that came from elsewhere.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) {
            out.push(character);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", character.escape_default());
        }
    }
    out
}

/// Appends JSON with what is not [harmless](is_harmless) in JSON's own escapes, which mean the same. JSON escapes controls below
/// U+0020 by itself.
pub fn push_json_escaped(out: &mut Vec<u8>, json: &str) {
    for character in json.chars() {
        if is_harmless(character) {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
    }
}

/// Whether a character may be shown. Control characters but the tab drive a terminal; what has no glyph of its own or turns the
/// direction makes a text look like another one.
#[must_use]
pub fn is_harmless(character: char) -> bool {
    match character {
        '\t' | ' '..='~' => true,
        // Line and paragraph separators, and interlinear annotations.
        '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' => false,
        // Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt), in which are all direction marks, less the
        // variation selectors U+FE00 to U+FE0F: emoji have those.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => false,
        other => !other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_escaped(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn printable_text_stays_as_it_is() {
        for text in ["plain", "tab\there", "grüße 日本語 🦀 ☎\u{fe0f}", "cafe\u{301} हिन्दी שלום", ""]
        {
            assert_eq!(escape(text.as_bytes()), text);
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn what_could_drive_a_terminal_is_written_out() {
        assert_eq!(escape(b"\x1b[31mred\x07\r\n\x00\x7f"), "\\u{1b}[31mred\\u{7}\\r\\n\\u{0}\\u{7f}");
        assert_eq!(escape("\u{9b}31m\u{202e}abc\u{2066}".as_bytes()), "\\u{9b}31m\\u{202e}abc\\u{2066}");
        assert_eq!(escape(b"bad \xff\xc3 utf"), "bad \\xff\\xc3 utf");
        assert_eq!(escaped("\u{1b}x"), "\\u{1b}x");
    }

    #[test]
    fn what_has_no_glyph_or_turns_the_direction_is_written_out() {
        let marks =
            (0x202a..=0x202e).chain(0x2066..=0x2069).chain([0x200e, 0x200f, 0x61c, 0xad, 0x200b, 0x200d, 0xfeff]);
        for number in marks.chain([0x2028, 0x2060, 0xfff9, 0xe0041]) {
            let mark = char::from_u32(number).unwrap();
            let expected = format!("a\\u{{{number:x}}}b");
            assert_eq!(escaped(&format!("a{mark}b")), expected);
            assert_eq!(escape(format!("a{mark}b").as_bytes()), expected);
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "{\"a\u{202e}\":\"grüße \u{e0041}\u{7f}\\n\"}";
        let mut out = Vec::new();
        push_json_escaped(&mut out, text);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, "{\"a\\u202e\":\"grüße \\udb40\\udc41\\u007f\\n\"}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&out), parse(text));
    }
}
