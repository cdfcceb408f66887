//! What a published record says about itself: topic, priority, host, program, text.
//!
//! Pure code over bytes. Recognised are rsyslog's usual templates (RSYSLOG_ForwardFormat, the traditional ones, RFC 3164
//! and RFC 5424), with or without a topic in front, and `@cee:` JSON. Whatever is not recognised stays in `text`; nothing
//! is ever lost.
#![forbid(unsafe_code)]

/// The longest topic that is looked for in front of a record (a topic of omczmq has at most 255 bytes).
const MAX_TOPIC: usize = 255;

/// The cookie in front of JSON (Common Event Expression).
pub const CEE_COOKIE: &[u8] = b"@cee:";

/// A record taken apart; the parts borrow from the frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// The topic: its own frame, or what stands in front of the priority or of `@cee:`.
    pub topic: Option<&'a [u8]>,
    /// Facility times 8 plus severity (RFC 5424, section 6.2.1).
    pub priority: Option<u8>,
    /// The timestamp as written.
    pub timestamp: Option<&'a [u8]>,
    /// The host name.
    pub host: Option<&'a [u8]>,
    /// The program: APP-NAME, or the tag without its process id.
    pub program: Option<&'a [u8]>,
    /// The process id.
    pub process: Option<&'a [u8]>,
    /// STRUCTURED-DATA of RFC 5424 when there is any.
    pub structured_data: Option<&'a [u8]>,
    /// The message, or everything after the topic where no header was recognised.
    pub text: &'a [u8],
    /// What follows the host name in a record of RFC 3164's style, as written.
    pub tag_and_text: Option<&'a [u8]>,
    /// What follows `@cee:`.
    pub cee: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Takes a record apart.
    #[must_use]
    pub fn parse(topic_frame: Option<&'a [u8]>, body: &'a [u8]) -> Self {
        let mut record = Self { topic: topic_frame, text: body, ..Self::default() };
        let found = find_priority(body).filter(|(start, ..)| *start == 0 || topic_frame.is_none());
        if let Some((start, priority, rest)) = found {
            record.priority = Some(priority);
            record.text = rest;
            if start > 0 {
                record.topic = body.get(..start);
            }
            if !record.parse_rfc5424(rest) {
                record.parse_rfc3164(rest);
            }
        }
        if found.is_none() {
            // Templates for files, such as RSYSLOG_FileFormat, write no priority.
            record.parse_rfc3164(body);
        }
        record.find_cee(found.map_or(body, |(_, _, rest)| rest));
        record
    }

    /// Looks for `@cee:`, which may stand where the colon of a tag does.
    fn find_cee(&mut self, body: &'a [u8]) {
        let Some(at) = find(body, CEE_COOKIE) else { return };
        self.cee = body.get(at + CEE_COOKIE.len()..);
        if let Some(program) = self.program.and_then(|program| program.strip_suffix(b"@cee")) {
            self.program = Some(program).filter(|program| !program.is_empty());
        }
        let front = body.get(..at).unwrap_or_default();
        if self.topic.is_none() && self.priority.is_none() && is_topic(front) {
            self.topic = Some(front);
            self.text = body.get(at..).unwrap_or_default();
        }
    }

    /// `<PRI>1 TIMESTAMP HOST APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]`; nothing is set unless all of it fits.
    fn parse_rfc5424(&mut self, rest: &'a [u8]) -> bool {
        let Some(rest) = rest.strip_prefix(b"1 ") else { return false };
        let mut fields = rest.splitn(6, |byte| *byte == b' ');
        let mut next = || fields.next().filter(|field| !field.is_empty());
        let (Some(timestamp), Some(host), Some(program), Some(process), Some(_id), Some(rest)) =
            (next(), next(), next(), next(), next(), next())
        else {
            return false;
        };
        let Some(data_length) = structured_data_length(rest) else { return false };
        let (data, text) = rest.split_at_checked(data_length).unwrap_or((rest, b""));
        let text = text.strip_prefix(b" ").unwrap_or(text);
        let set = |field: &'a [u8]| (field != b"-").then_some(field);
        self.timestamp = set(timestamp);
        self.host = set(host);
        self.program = set(program);
        self.process = set(process);
        self.structured_data = set(data);
        // The byte order mark only says that the text is UTF-8 (RFC 5424, section 6.4).
        self.text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        true
    }

    /// `<PRI>TIMESTAMP HOST TAG MSG`, the timestamp in either style; what fits is set. The tag is the first word, with
    /// or without a colon and a process id, which is also how rsyslog's own parser takes it (pmrfc3164.c, 8.2302):
    /// RSYSLOG_ForwardFormat writes the tag of what came as RFC 5424 without a colon.
    fn parse_rfc3164(&mut self, rest: &'a [u8]) {
        let Some(length) = timestamp_length(rest) else { return };
        let Some((timestamp, after)) = rest.split_at_checked(length) else { return };
        let Some(after) = after.strip_prefix(b" ") else { return };
        let Some((host, after)) = split_once(after, b' ') else { return };
        if host.is_empty() {
            return;
        }
        self.timestamp = Some(timestamp);
        self.host = Some(host);
        self.text = after;
        self.tag_and_text = Some(after);
        let name = after.iter().position(|byte| b" :[".contains(byte)).unwrap_or(after.len());
        let (program, mut after) = after.split_at_checked(name).unwrap_or_default();
        if program.is_empty() {
            return;
        }
        let mut process = None;
        if let Some(inner) = after.strip_prefix(b"[") {
            let Some((inside, outside)) = split_once(inner, b']') else { return };
            process = Some(inside);
            after = outside;
        }
        let text = after.strip_prefix(b":").unwrap_or(after);
        self.program = Some(program);
        self.process = process;
        self.text = text.strip_prefix(b" ").unwrap_or(text);
    }
}

/// The first valid `<PRI>` with nothing but a topic in front: where it begins, its value, what follows.
fn find_priority(body: &[u8]) -> Option<(usize, u8, &[u8])> {
    let mut from = 0;
    loop {
        let start = from + body.get(from..)?.iter().position(|byte| *byte == b'<')?;
        if start > 0 && !is_topic(body.get(..start)?) {
            return None;
        }
        let inside = body.get(start + 1..)?;
        let digits = inside.iter().take(4).position(|byte| *byte == b'>');
        if let Some((number, rest)) = digits.and_then(|end| inside.split_at_checked(end)) {
            // No leading zeros (RFC 5424, section 6.2.1), except in 0 itself.
            let plain = number.iter().all(u8::is_ascii_digit) && (number.len() == 1 || !number.starts_with(b"0"));
            let value = std::str::from_utf8(number).ok().and_then(|text| text.parse::<u8>().ok());
            if let (true, Some(value @ 0..=191)) = (plain, value) {
                return Some((start, value, rest.get(1..).unwrap_or_default()));
            }
        }
        from = start + 1;
    }
}

fn is_topic(front: &[u8]) -> bool {
    (1..=MAX_TOPIC).contains(&front.len()) && !front.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

/// The length of a leading `Mmm dd hh:mm:ss` or RFC 3339 timestamp.
fn timestamp_length(text: &[u8]) -> Option<usize> {
    let shape = |pattern: &[u8]| {
        text.len() >= pattern.len()
            && pattern.iter().zip(text).all(|(wanted, byte)| match wanted {
                b'9' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphabetic(),
                b'_' => byte.is_ascii_digit() || *byte == b' ',
                other => other == byte,
            })
    };
    if shape(b"aaa _9 99:99:99") {
        return Some(15);
    }
    shape(b"9999-99-99T99:99:99").then(|| text.iter().position(|byte| *byte == b' ')).flatten()
}

/// The length of leading STRUCTURED-DATA, `-` included.
fn structured_data_length(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'-') {
        return Some(1);
    }
    let (mut quoted, mut escaped, mut open) = (false, false, false);
    for (at, byte) in text.iter().enumerate() {
        match (byte, quoted, open) {
            _ if escaped => escaped = false,
            (b'\\', true, _) => escaped = true,
            (b'"', _, true) => quoted = !quoted,
            (b'[', false, false) => open = true,
            (b']', false, true) => open = false,
            (_, false, false) => return (at > 0).then_some(at),
            _ => {}
        }
    }
    (!open && !text.is_empty()).then_some(text.len())
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..index)?, text.get(index + 1..)?))
}

/// Where `needle` first occurs.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Record<'_> {
        Record::parse(None, body.as_bytes())
    }

    fn texts<'a>(record: &Record<'a>) -> [&'a str; 5] {
        let text = |part: Option<&'a [u8]>| part.map_or("", |part| std::str::from_utf8(part).unwrap());
        [text(record.timestamp), text(record.host), text(record.program), text(record.process), text(Some(record.text))]
    }

    #[test]
    fn forward_format_is_taken_apart() {
        let record = parse("<13>2026-01-02T03:04:05.678901+00:00 web1 nginx[42]: GET / 200");
        assert_eq!(record.priority, Some(13));
        assert_eq!(texts(&record), ["2026-01-02T03:04:05.678901+00:00", "web1", "nginx", "42", "GET / 200"]);
    }

    #[test]
    fn rfc3164_is_taken_apart() {
        let record = parse("<34>Oct 11 22:14:15 mymachine su: 'su root' failed");
        assert_eq!(texts(&record), ["Oct 11 22:14:15", "mymachine", "su", "", "'su root' failed"]);
        let record = parse("<34>Oct  1 22:14:15 mymachine  no tag here");
        assert_eq!(texts(&record), ["Oct  1 22:14:15", "mymachine", "", "", " no tag here"]);
        let record = parse("<34>Oct  1 22:14:15 mymachine odd[tag here");
        assert_eq!(texts(&record), ["Oct  1 22:14:15", "mymachine", "", "", "odd[tag here"]);
    }

    #[test]
    fn a_tag_without_a_colon_is_a_tag_as_rsyslog_forwards_rfc5424() {
        let record = parse("<14>2026-01-02T03:04:05Z web1 nginx[42] GET / 200");
        assert_eq!(texts(&record), ["2026-01-02T03:04:05Z", "web1", "nginx", "42", "GET / 200"]);
        let record = parse("<14>2026-01-02T03:04:05Z web1 backup it is done");
        assert_eq!(texts(&record), ["2026-01-02T03:04:05Z", "web1", "backup", "", "it is done"]);
        assert_eq!(record.tag_and_text, Some(&b"backup it is done"[..]));
        assert_eq!(texts(&parse("<14>2026-01-02T03:04:05Z web1 alone"))[2..], ["alone", "", ""]);
    }

    #[test]
    fn rfc5424_is_taken_apart() {
        let record = parse(r#"<165>1 2003-10-11T22:14:15.003Z host app 7 ID47 [a b="x\"] y"][c] text - more"#);
        assert_eq!(texts(&record), ["2003-10-11T22:14:15.003Z", "host", "app", "7", "text - more"]);
        assert_eq!(record.structured_data, Some(&br#"[a b="x\"] y"][c]"#[..]));
        let record = parse("<0>1 - - - - - - \u{feff}bare");
        assert_eq!(texts(&record), ["", "", "", "", "bare"]);
        assert_eq!((record.priority, record.structured_data), (Some(0), None));
        assert_eq!(texts(&parse("<14>1 - h a - - -")), ["", "h", "a", "", ""]);
        // Broken structured data: shown as it is.
        assert_eq!(texts(&parse("<14>1 - h a - - [x text")), ["", "", "", "", "1 - h a - - [x text"]);
    }

    #[test]
    fn a_topic_in_front_of_the_priority_is_split_off() {
        let record = parse("web1.nginx<13>Oct 11 22:14:15 web1 nginx: hi");
        assert_eq!(record.topic, Some(&b"web1.nginx"[..]));
        assert_eq!(record.text, b"hi");
        // The first valid priority counts, as it does for imczmq's topicprefix="strip".
        let record = parse("a<999>b<01>c<191>Oct 11 22:14:15 h p: x<13>y");
        assert_eq!((record.topic, record.priority), (Some(&b"a<999>b<01>c"[..]), Some(191)));
        assert_eq!(record.text, b"x<13>y");
    }

    #[test]
    fn a_topic_frame_is_the_topic_whatever_the_body_says() {
        let record = Record::parse(Some(b"real"), b"fake<13>Oct 11 22:14:15 h p: x");
        assert_eq!((record.topic, record.priority), (Some(&b"real"[..]), None));
        assert_eq!(record.text, b"fake<13>Oct 11 22:14:15 h p: x");
        let record = Record::parse(Some(b""), b"<13>Oct 11 22:14:15 h p: x");
        assert_eq!((record.topic, record.priority), (Some(&b""[..]), Some(13)));
    }

    #[test]
    fn text_that_only_looks_like_a_priority_stays_text() {
        for body in ["a sentence with <13> in it", "<192>x", "<>x", "<13", "<1234>x", "< 3>x", "", "<+1>x", "<013>x"] {
            let record = parse(body);
            assert_eq!((record.priority, record.topic), (None, None), "{body}");
            assert_eq!(record.text, body.as_bytes());
        }
    }

    #[test]
    fn cee_json_is_found_with_and_without_a_topic() {
        let record = parse("host1.sshd@cee:{\"msg\":\"x\"}");
        assert_eq!(record.topic, Some(&b"host1.sshd"[..]));
        assert_eq!(record.cee, Some(&b"{\"msg\":\"x\"}"[..]));
        let record = parse("<13>Oct 11 22:14:15 h p: @cee: {\"a\":1}");
        assert_eq!((record.topic, record.cee), (None, Some(&b" {\"a\":1}"[..])));
        let record = parse("<13>Oct 11 22:14:15 h tag@cee:{}");
        assert_eq!((record.program, record.cee), (Some(&b"tag"[..]), Some(&b"{}"[..])));
        assert_eq!(parse("@cee:").cee, Some(&b""[..]));
        assert_eq!(parse("see @cee:x").topic, None);
    }

    #[test]
    fn any_bytes_are_taken() {
        for body in
            [&b"\xff\xfe\x00"[..], b"<13>\xff", b"\xff<13>Oct 11 22:14:15 \xff \xfe[\xfd: \xfc", b"<13>1 ", b"1 "]
        {
            let record = Record::parse(None, body);
            assert!(body.ends_with(record.text));
        }
    }

    #[test]
    fn templates_for_files_are_taken_apart_although_they_write_no_priority() {
        let record = parse("2026-01-02T03:04:05.678901+00:00 web1 nginx[42]: GET / 200");
        assert_eq!(texts(&record), ["2026-01-02T03:04:05.678901+00:00", "web1", "nginx", "42", "GET / 200"]);
        assert_eq!(record.priority, None);
        assert_eq!(texts(&parse("Oct 11 22:14:15 web1 su: hi")), ["Oct 11 22:14:15", "web1", "su", "", "hi"]);
    }
}
