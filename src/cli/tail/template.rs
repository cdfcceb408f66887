//! `-o template=TEXT`: the user's own line.
#![forbid(unsafe_code)]

use std::str::FromStr;

use serde_json::Value;

use crate::cli::tail::fields::{Fields, NAMES};
use crate::cli::tail::render::json;
use crate::cli::terminal::push_escaped;

/// Text with names in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// One of [`NAMES`].
    Field(&'static str),
    /// The whole record as it arrived.
    Raw,
    /// What follows `@cee:`, or a member of it by its path.
    Cee(Vec<String>),
}

impl FromStr for Template {
    type Err = String;

    /// `{name}` is a part of the record, `{cee.a.b}` a member of the JSON after `@cee:`; `{{` and `}}` are braces, `\t` a
    /// tab and `\\` a backslash.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut pieces, mut plain) = (Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '{' if rest.next_if_eq(&'{').is_some() => plain.push('{'),
                '}' if rest.next_if_eq(&'}').is_some() => plain.push('}'),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(other) => name.push(other),
                            None => return Err(format!("{{{name} is not closed")),
                        }
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(piece(&name)?);
                }
                '}' => return Err("a closing brace without an opening one; }} is a brace".to_owned()),
                '\\' => match rest.next() {
                    Some('t') => plain.push('\t'),
                    Some('\\') => plain.push('\\'),
                    _ => return Err("a backslash is followed by t or another backslash".to_owned()),
                },
                control if control.is_control() && control != '\t' => {
                    return Err("a record is one line: no control characters".to_owned());
                }
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }
}

fn piece(name: &str) -> Result<Piece, String> {
    if let Some(known) = NAMES.iter().find(|known| **known == name) {
        return Ok(Piece::Field(known));
    }
    match name.strip_prefix("cee") {
        Some("") => Ok(Piece::Cee(Vec::new())),
        Some(path) if path.starts_with('.') => Ok(Piece::Cee(path.split('.').skip(1).map(str::to_owned).collect())),
        _ if name == "raw" => Ok(Piece::Raw),
        _ => Err(format!("{{{name}}} is not one of {}, raw, cee, cee.NAME", NAMES.join(", "))),
    }
}

impl Template {
    /// Appends a record; parts that it has not are left empty.
    pub fn write(&self, out: &mut Vec<u8>, fields: &Fields<'_>, body: &[u8]) {
        // Read once for all pieces, and only if one asks for it.
        let mut members = None;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field(name) => push_escaped(out, fields.get(name).unwrap_or_default()),
                Piece::Raw => push_escaped(out, body),
                Piece::Cee(path) if path.is_empty() => {
                    if let Some(json) = fields.record.cee.and_then(json::parse) {
                        push_escaped(out, json.get().as_bytes());
                    }
                }
                Piece::Cee(path) => {
                    let members = members.get_or_insert_with(|| {
                        fields.record.cee.and_then(|cee| serde_json::from_slice(cee).ok()).unwrap_or(Value::Null)
                    });
                    let found = path.iter().try_fold(&*members, |value, name| value.get(name));
                    match found {
                        None | Some(Value::Null) => {}
                        Some(Value::String(text)) => push_escaped(out, text.as_bytes()),
                        Some(value) => push_escaped(out, value.to_string().as_bytes()),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(template: &str, topic: Option<&[u8]>, body: &[u8]) -> String {
        let mut out = Vec::new();
        let template: Template = template.parse().unwrap();
        template.write(&mut out, &Fields::of("tcp://a:1", topic, body), body);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_in_braces_are_filled_in() {
        let body = b"<11>Oct 11 22:14:15 web1 nginx[42]: GET \x1b/";
        let all = "{endpoint} {topic} {facility}.{severity} {timestamp} {host} {program} {pid} {message}";
        let expected = "tcp://a:1 t user.err Oct 11 22:14:15 web1 nginx 42 GET \\u{1b}/";
        assert_eq!(line(all, Some(b"t"), body), expected);
        assert_eq!(line("{{{host}}}\\t\\\\[{structured_data}]", None, body), "{web1}\t\\[]");
        assert_eq!(line("{raw}", None, b"x\ny"), "x\\ny");
    }

    #[test]
    fn members_of_json_are_found_by_their_path() {
        let body = br#"web1.app@cee:{"msg":"hi\n","n":{"b":[1,2]},"host":"web1"}"#;
        assert_eq!(line("{host} {cee.msg} {cee.n.b} {cee.none}.", None, body), "web1 hi\\n [1,2] .");
        assert_eq!(line("{cee}{cee.x}", None, b"no json"), "");
        assert_eq!(line("{cee}", None, b"x@cee:{\"b\":1,\"a\":2}"), "{\"b\":1,\"a\":2}");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, reason) in [
            ("{hots}", "{hots} is not one of endpoint, topic"),
            ("{host", "{host is not closed"),
            ("a}", "closing brace"),
            ("\\n", "backslash"),
            ("a\nb", "one line"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
