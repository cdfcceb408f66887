//! Any frames as a ZAP request, and any bytes as ZMTP metadata. The input is a row of frames, each after one byte of
//! length, 255 for the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsyslog_zmq::curve::zap::{Reply, StatusCode, decode_metadata, decode_request, encode_metadata};

fn split(mut input: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = input.split_first() {
        let length = if *length == 255 { rest.len() } else { usize::from(*length).min(rest.len()) };
        let (frame, rest) = rest.split_at(length);
        frames.push(frame);
        input = rest;
    }
    frames
}

fuzz_target!(|input: &[u8]| {
    let frames = split(input);
    let request_id = match decode_request(&frames) {
        Ok(request) => {
            assert!(frames[0].is_empty() && frames[1] == b"1.0" && frames.len() >= 7);
            assert_eq!(frames[3], request.domain.as_bytes());
            Some(request.request_id)
        }
        Err(malformed) => {
            assert!(!malformed.to_string().is_empty());
            malformed.request_id
        }
    };
    if let Some(id) = request_id {
        assert_eq!(frames[2], id);
        let refusal = Reply::refusal(id, StatusCode::Success, "");
        assert_eq!((refusal.frames()[2], refusal.frames()[3]), (frames[2], &b"500"[..]));
    }
    if let Ok(properties) = decode_metadata(input) {
        let pairs: Vec<_> = properties
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?)))
            .collect();
        let encoded = encode_metadata(pairs.iter().copied());
        assert!(encoded.len() <= input.len());
        decode_metadata(&encoded).expect("what was encoded can be decoded");
    }
});
