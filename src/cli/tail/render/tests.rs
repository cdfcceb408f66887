use super::readable::colour_of;
use super::*;

const FORWARD: &[u8] = b"<11>2026-01-02T03:04:05.678901+00:00 web1 nginx[42]: GET / 500";

fn show(format: Format, is_terminal: bool, colour: bool, topic: Option<&[u8]>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Renderer { format, is_terminal, colour, highlight: None }.line(&mut out, "tcp://a:1", topic, body).unwrap();
    assert_eq!(out.pop(), Some(b'\n'));
    out
}

fn text(format: Format, topic: Option<&[u8]>, body: &[u8]) -> String {
    String::from_utf8(show(format, false, false, topic, body)).unwrap()
}

fn object(topic: Option<&[u8]>, body: &[u8]) -> serde_json::Value {
    serde_json::from_str(&text(Format::Json, topic, body)).unwrap()
}

#[test]
fn the_default_format_drops_priority_and_topic_and_keeps_the_rest() {
    let line = "2026-01-02T03:04:05.678901+00:00 web1 nginx[42]: GET / 500";
    assert_eq!(text(Format::Default, None, FORWARD), line);
    assert_eq!(text(Format::Default, Some(b"web1.nginx"), FORWARD), line);
    assert_eq!(text(Format::Default, None, &[b"web1.nginx", FORWARD].concat()), line);
    let without_colon = b"<14>2026-01-02T03:04:05Z h backup it is done";
    assert_eq!(text(Format::Default, None, without_colon), "2026-01-02T03:04:05Z h backup it is done");
    let rfc5424 = b"<14>1 2026-01-02T03:04:05Z h app 7 ID [x y=\"1\"] hello";
    assert_eq!(text(Format::Default, None, rfc5424), "2026-01-02T03:04:05Z h app[7]: [x y=\"1\"] hello");
}

#[test]
fn the_default_format_shows_unknown_shapes_whole() {
    assert_eq!(text(Format::Default, None, b"just text"), "just text");
    assert_eq!(text(Format::Default, Some(b"topic"), b"just text"), "topic just text");
    assert_eq!(text(Format::Default, None, b"a.b@cee:{\"x\":1}"), "a.b@cee:{\"x\":1}");
    assert_eq!(text(Format::Default, None, b"<13>odd"), "<13>odd");
    assert_eq!(text(Format::Default, None, b""), "");
}

#[test]
fn a_record_is_one_line_and_cannot_drive_a_terminal() {
    let nasty = b"<13>Oct 11 22:14:15 h\x1b[31m p\x07[\x08]: a\nb\x1b]0;title\x07 \xff";
    let line = text(Format::Default, None, nasty);
    assert_eq!(line, "Oct 11 22:14:15 h\\u{1b}[31m p\\u{7}[\\u{8}]: a\\nb\\u{1b}]0;title\\u{7} \\xff");
    let on_terminal = show(Format::Raw, true, false, None, nasty);
    assert!(!on_terminal.iter().any(u8::is_ascii_control), "{on_terminal:?}");
    assert_eq!(show(Format::Raw, false, false, None, nasty), nasty, "a pipe gets the bytes as they came");
    let coloured = String::from_utf8(show(Format::Default, true, true, None, nasty)).unwrap();
    let ours = coloured.replace("\u{1b}[0m", "").replace("\u{1b}[2m", "").replace("\u{1b}[36m", "");
    assert!(coloured.contains("\u{1b}[0m") && coloured.contains("a\\nb"), "{coloured:?}");
    let foreign = ours.match_indices('\u{1b}').filter(|(at, _)| !ours[*at..].starts_with("\u{1b}[3")).count();
    assert_eq!(foreign, 0, "{ours:?}");
}

#[test]
fn severities_and_sources_have_colours() {
    let red = String::from_utf8(show(Format::Default, true, true, None, FORWARD)).unwrap();
    assert!(red.contains("\u{1b}[31mGET / 500\u{1b}[0m"), "{red:?}");
    let info = FORWARD.strip_prefix(b"<11>").unwrap();
    let plain = String::from_utf8(show(Format::Default, true, true, None, &[b"<14>", info].concat())).unwrap();
    assert!(plain.ends_with(": \u{1b}[0mGET / 500"), "{plain:?}");
    assert_eq!(colour_of(b"web1"), colour_of(b"web1"));
    assert!((0..10).any(|n| colour_of(format!("web{n}").as_bytes()) != colour_of(b"web1")));
}

#[test]
fn json_has_every_part_of_a_record() {
    let value = object(None, &[b"web1.nginx", FORWARD].concat());
    let expected = serde_json::json!({
        "endpoint": "tcp://a:1", "topic": "web1.nginx", "facility": "user", "severity": "err",
        "timestamp": "2026-01-02T03:04:05.678901+00:00", "host": "web1", "program": "nginx", "pid": "42",
        "message": "GET / 500"
    });
    assert_eq!(value, expected);
    assert_eq!(object(Some(b"t"), b"x@cee: {\"n\": 12345678901234567890123,\n\"b\": [1]}")["cee"]["b"][0], 1);
    assert!(text(Format::Json, None, b"@cee:{\"n\":12345678901234567890123}").contains("12345678901234567890123"));
    assert!(object(None, b"t@cee:{broken").get("cee").is_none());
}

#[test]
fn json_is_valid_and_lossless_whatever_arrives() {
    for body in
        [&b"\xff\xfe\x00\x01"[..], b"", b"\"\\\x1b\n\r\t", b"<13>Oct 11 22:14:15 \xff p: \xfe", b"\xed\xa0\x80@cee:{}"]
    {
        let line = text(Format::Json, Some(b"t\xff"), body);
        assert!(!line.contains(char::is_control), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let hex: String = [b"t\xff", body].concat().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(value["raw_hex"], hex);
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = std::str::from_utf8(body).is_err().then_some(hex.as_str());
        assert_eq!(object(None, body).get("raw_hex").and_then(serde_json::Value::as_str), expected);
    }
}

#[test]
fn what_follows_the_cee_cookie_is_shown_alone_and_only_when_it_is_json() {
    assert_eq!(text(Format::Cee, None, b"h.tag@cee:{\"a\":\"x@cee:y\"}\n"), "{\"a\":\"x@cee:y\"}");
    assert_eq!(text(Format::Cee, None, b"<13>Oct 11 22:14:15 h p[1]: @cee: {\"a\":\r\n1}"), "{\"a\":  1}");
    let renderer = Renderer { format: Format::Cee, is_terminal: false, colour: false, highlight: None };
    for body in [
        &b"no cookie"[..],
        b"h@cee:",
        b"h@cee:{",
        b"h@cee:{} trailing",
        b"h@cee:{\"a\":\"\xff\"}",
        b"h@cee:{\"a\":\"\n\"x}",
    ] {
        let mut out = Vec::new();
        assert_eq!(renderer.line(&mut out, "", None, body), Err(NoJson));
        assert_eq!(out, b"");
    }
    let shown = show(Format::Cee, true, false, None, "h@cee:{\"a\":\"\u{9b}31m\u{7f}é🦀\"}".as_bytes());
    let shown = String::from_utf8(shown).unwrap();
    assert_eq!(shown, "{\"a\":\"\\u009b31m\\u007fé🦀\"}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()["a"], "\u{9b}31m\u{7f}é🦀");
}

#[test]
fn what_is_highlighted_is_found_across_the_parts_of_a_line() {
    let highlight = Some(Regex::new("nginx.*: GET|50+|x*").unwrap());
    let show = |format, colour| {
        let mut out = Vec::new();
        let renderer = Renderer { format, is_terminal: true, colour, highlight: highlight.clone() };
        renderer.line(&mut out, "", None, FORWARD).unwrap();
        String::from_utf8(out).unwrap()
    };
    let line = show(Format::Default, true);
    assert!(line.contains("\u{1b}[31m / \u{1b}[0m"), "{line:?}");
    assert!(line.contains("\u{1b}[7m\u{1b}[31m500\u{1b}[0m") || line.contains("\u{1b}[31m\u{1b}[7m500"), "{line:?}");
    let plain: String = line.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect();
    assert!(plain.ends_with("nginx[42]: GET / 500\n"), "{plain:?}");
    assert!(!show(Format::Default, false).contains('\u{1b}'), "without colour nothing stands out");
    assert!(show(Format::Raw, true).contains("500\u{1b}[0m"));
}

#[test]
fn records_of_logtalez_have_their_parts_in_json() {
    let value = object(
        None,
        br#"web1.nginx[7]:@cee:{"host":"web1","severity":"info","facility":"mail","syslogtag":"nginx[7]:","msg":"x"}"#,
    );
    assert_eq!((&value["host"], &value["program"], &value["pid"]), (&"web1".into(), &"nginx".into(), &"7".into()));
    assert_eq!((&value["severity"], &value["facility"]), (&"info".into(), &"mail".into()));
}
