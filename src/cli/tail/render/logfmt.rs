//! `-o logfmt`: `key=value` pairs (as Go's logfmt packages read them).
#![forbid(unsafe_code)]

use crate::cli::tail::fields::{Fields, NAMES};
use crate::cli::terminal::is_harmless;

/// Appends a record; absent parts are left away, and so is the JSON after `@cee:`, which is in the message.
pub fn write(out: &mut Vec<u8>, fields: &Fields<'_>) {
    let mut is_first = true;
    for name in NAMES {
        let Some(value) = fields.get(name) else { continue };
        if !std::mem::take(&mut is_first) {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        push_value(out, value);
    }
}

/// A value in quotes where it needs them, with Go's escapes, which also keep bytes that are no UTF-8.
fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    let is_bare = |byte: &u8| byte.is_ascii_graphic() && !b"\"=\\".contains(byte);
    if !value.is_empty() && value.iter().all(is_bare) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                other if is_harmless(other) => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
                other if other.is_ascii() => out.extend_from_slice(format!("\\x{:02x}", other as u32).as_bytes()),
                other => out.extend_from_slice(format!("\\u{:04x}", other as u32).as_bytes()),
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_they_need_it() {
        for (value, shown) in [
            (&b"plain"[..], "plain"),
            (b"", "\"\""),
            (b"two words", "\"two words\""),
            (b"a=b\"\\", "\"a=b\\\"\\\\\""),
            (b"x\ny\x1b\xff", "\"x\\ny\\x1b\\xff\""),
            ("é\u{202e}\u{9b}".as_bytes(), "\"é\\u202e\\u009b\""),
        ] {
            let mut out = Vec::new();
            push_value(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), shown);
        }
    }

    #[test]
    fn a_record_is_its_parts_in_order() {
        let mut out = Vec::new();
        write(&mut out, &Fields::of("tcp://a:1", Some(b"t"), b"<11>Oct 11 22:14:15 web1 nginx[42]: GET / 500"));
        let expected = "endpoint=tcp://a:1 topic=t facility=user severity=err timestamp=\"Oct 11 22:14:15\" host=web1 \
                        program=nginx pid=42 message=\"GET / 500\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
