//! Any bytes as a ZPL text: read or refused, and what was read can be written and is the same when read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsyslog_zmq::curve::certificate::Certificate;
use rsyslog_zmq::curve::zpl::{self, Value, Writer};
use std::path::Path;

fuzz_target!(|text: &[u8]| {
    let Ok(items) = zpl::parse(text) else { return };
    let certificate = Certificate::parse_public(text, Path::new("fuzz"));
    if let Ok(certificate) = &certificate {
        assert!(text.windows(10).any(|window| window == b"public-key"));
        assert!(!certificate.public.is_zero());
    }
    for section in &items {
        let mut writer = Writer::new();
        writer.section(&section.name).expect("a name that was read can be written");
        for property in &section.children {
            let value = property.value.as_ref().map_or("", Value::as_str);
            if writer.property(&property.name, value).is_err() {
                continue;
            }
            let again = zpl::parse(writer.as_str().as_bytes()).expect("what was written can be read");
            let last = again[0].children.last().expect("the property");
            assert_eq!(
                (last.name.as_str(), last.value.as_ref().map(Value::as_str)),
                (property.name.as_str(), Some(value))
            );
        }
    }
});
