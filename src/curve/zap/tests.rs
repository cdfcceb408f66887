//! Every way a request can be wrong.

use super::*;

const KEY: [u8; 32] = [7; 32];

fn good() -> Vec<Vec<u8>> {
    [&b""[..], b"1.0", b"id", b"domain", b"192.0.2.1", b"", b"CURVE", &KEY].map(<[u8]>::to_vec).into()
}

/// The good request with one frame replaced.
fn with(index: usize, frame: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = good();
    frames[index] = frame.to_vec();
    frames
}

fn credentials(mechanism: &str, frames: &[&[u8]]) -> Result<Credentials, Malformed> {
    let mut request = good();
    request.truncate(6);
    request.push(mechanism.into());
    request.extend(frames.iter().map(|frame| frame.to_vec()));
    decode_request(&request).map(|request| request.credentials)
}

#[test]
fn a_request_of_libzmq_is_read() {
    let request = decode_request(&good()).unwrap();
    let expected = Request {
        request_id: b"id".to_vec(),
        domain: "domain".to_owned(),
        address: "192.0.2.1".to_owned(),
        routing_id: Vec::new(),
        credentials: Credentials::Curve(PublicKey::from_bytes(KEY)),
    };
    assert_eq!(request, expected);
}

#[test]
fn each_mechanism_has_its_number_of_credentials() {
    assert_eq!(credentials("NULL", &[]).unwrap(), Credentials::Null);
    assert_eq!(credentials("PLAIN", &[b"user", b"password"]).unwrap(), Credentials::Plain);
    assert_eq!(credentials("GSSAPI", &[b"principal"]).unwrap(), Credentials::Other("GSSAPI".to_owned()));
    assert_eq!(credentials("curve", &[&KEY]).unwrap(), Credentials::Other("curve".to_owned()));
    for (mechanism, frames) in [
        ("NULL", &[&b"x"[..]][..]),
        ("PLAIN", &[]),
        ("PLAIN", &[b"user"]),
        ("PLAIN", &[b"a", b"b", b"c"]),
        ("CURVE", &[]),
        ("CURVE", &[&KEY, &KEY]),
    ] {
        let problem = credentials(mechanism, frames).unwrap_err().problem;
        assert!(matches!(problem, Problem::CredentialCount { .. }), "{mechanism}: {problem}");
    }
}

#[test]
fn a_key_of_another_length_is_none() {
    let huge = vec![0; 10 * 1024 * 1024];
    for key in [&b""[..], &KEY[1..], &[0; 33], &[0; 40], &huge] {
        let malformed = credentials("CURVE", &[key]).unwrap_err();
        assert_eq!(malformed.problem, Problem::KeyLength(key.len()));
        assert_eq!(malformed.request_id.as_deref(), Some(&b"id"[..]));
    }
}

#[test]
fn a_request_that_is_too_short_is_answered_if_it_has_an_id() {
    for length in 0..7 {
        let malformed = decode_request(&good()[..length]).unwrap_err();
        assert_eq!(malformed.request_id.is_some(), length >= 3, "{length}");
    }
}

#[test]
fn every_other_malformed_request_is_refused_by_its_id() {
    let long = vec![b'x'; MAX_TEXT + 1];
    let mut too_many = good();
    too_many.resize(MAX_FRAMES + 1, Vec::new());
    let cases = [
        (with(1, b"1.1"), Problem::Version),
        (with(1, b""), Problem::Version),
        (with(1, b"1.0\0"), Problem::Version),
        (with(1, &long), Problem::Version),
        (with(3, &long), Problem::Text("domain")),
        (with(3, b"\xff"), Problem::Text("domain")),
        (with(4, &long), Problem::Text("address")),
        (with(5, &long), Problem::Text("routing id")),
        (with(6, &long), Problem::Text("mechanism")),
        (with(6, b"\xc3\x28"), Problem::Text("mechanism")),
        (too_many, Problem::FrameCount(MAX_FRAMES + 1)),
    ];
    for (frames, problem) in cases {
        assert_eq!(decode_request(&frames).unwrap_err(), Malformed { problem, request_id: Some(b"id".to_vec()) });
    }
}

#[test]
fn a_request_whose_answer_would_reach_nobody_is_dropped() {
    let long = vec![b'x'; MAX_TEXT + 1];
    assert_eq!(
        decode_request(&with(0, b"x")).unwrap_err(),
        Malformed { problem: Problem::NoDelimiter, request_id: None }
    );
    let malformed = decode_request(&with(2, &long)).unwrap_err();
    assert_eq!(malformed, Malformed { problem: Problem::RequestId(MAX_TEXT + 1), request_id: None });
    let none: [&[u8]; 0] = [];
    assert_eq!(decode_request(&none).unwrap_err().request_id, None);
}

#[test]
fn a_reply_has_seven_frames_and_a_refusal_gives_nothing_away() {
    let metadata = encode_metadata([("name", "Alice")]);
    let success = Reply::success(b"id".to_vec(), "user".to_owned(), metadata.clone());
    assert_eq!(success.frames(), [&b""[..], b"1.0", b"id", b"200", b"OK", b"user", &metadata]);
    for (status, code) in [
        (StatusCode::TemporaryError, "300"),
        (StatusCode::AuthenticationFailure, "400"),
        (StatusCode::InternalError, "500"),
        (StatusCode::Success, "500"),
    ] {
        let refusal = Reply::refusal(b"id".to_vec(), status, "No");
        assert_eq!(refusal.frames(), [&b""[..], b"1.0", b"id", code.as_bytes(), b"No", b"", b""]);
    }
}
