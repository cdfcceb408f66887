//! Requests as a stranger would write them, without libzmq's session in between.

use super::*;

fn send(peer: &Socket, frames: &[&[u8]]) {
    for (index, frame) in frames.iter().enumerate() {
        let more = if index + 1 < frames.len() { zmq::SNDMORE } else { 0 };
        peer.send_bytes(frame, more).unwrap();
    }
}

/// The next reply's frames.
fn reply(peer: &Socket) -> Vec<Vec<u8>> {
    let mut reply = Vec::new();
    loop {
        let mut item = [zmq::PollItem::socket(peer, zmq::POLLIN)];
        assert_eq!(zmq::poll(&mut item, 10_000).unwrap(), 1, "no answer");
        let mut frame = Message::new();
        peer.receive(&mut frame, 0).unwrap();
        reply.push(frame.as_slice().to_vec());
        if !frame.has_more() {
            return reply;
        }
    }
}

#[test]
fn hostile_requests_are_refused_or_dropped_and_answered_in_order() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    authenticator.add_domain(DOMAIN, Policy::Anyone);
    let peer = context.socket(kind::DEALER).unwrap();
    peer.connect(zap::ENDPOINT).unwrap();
    let huge = vec![b'x'; 10 * 1024 * 1024];
    let key = [7_u8; 32];
    let domain = DOMAIN.as_bytes();
    let requests: Vec<(Vec<&[u8]>, Option<&str>)> = vec![
        (vec![b""], None),
        (vec![b"junk"], None),
        (vec![b"", b"1.0"], None),
        (vec![b"", b"1.0", &huge], None),
        (vec![b"", b"2.0", b"1", domain, b"a", b"", b"CURVE", &key], Some("400")),
        (vec![b"", b"1.0", b"2"], Some("400")),
        (vec![b"", b"1.0", b"3", domain, b"a", b"", b"CURVE", &huge], Some("400")),
        (vec![b"", b"1.0", b"4", domain, b"a", b"", b"CURVE"], Some("400")),
        (vec![b"", b"1.0", b"5", domain, b"a", b"", b"PLAIN", b"u", b"p"], Some("400")),
        (vec![b"", b"1.0", b"6", &huge, b"a", b"", b"CURVE", &key], Some("400")),
        (std::iter::repeat_n(&b""[..], 1000).collect(), Some("400")),
        (vec![b"", b"1.0", b"7", domain, b"a", b"", b"CURVE", &key], Some("200")),
    ];
    let count = requests.len();
    for (frames, expected) in &requests {
        send(&peer, frames);
        let Some(expected) = expected else { continue };
        let reply = reply(&peer);
        let request_id = frames.get(2).copied().unwrap_or_default();
        assert_eq!(reply.len(), 7);
        assert_eq!((reply[2].as_slice(), reply[3].as_slice()), (request_id, expected.as_bytes()));
    }
    for _ in 1..count {
        wait_for(&events, "refusal", is_denied);
    }
    wait_for(&events, "admission", is_allowed);
    assert!(authenticator.is_alive());
}

#[test]
fn no_more_than_so_many_handshakes_wait_and_the_others_may_try_again() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let allowed = Allowed::new();
    authenticator.add_domain(DOMAIN, allowed.policy());
    authenticator.use_up_budget(DOMAIN, Duration::from_secs(3600));
    let peer = context.socket(kind::DEALER).unwrap();
    peer.connect(zap::ENDPOINT).unwrap();
    for number in 1..=9_u8 {
        send(&peer, &[b"", b"1.0", &[number], DOMAIN.as_bytes(), b"a", b"", b"CURVE", &[number; 32]]);
    }
    assert_eq!(reply(&peer)[2..4], [vec![9], b"300".to_vec()]);
    let event = wait_for(&events, "refusal", is_denied).to_string();
    assert!(event.ends_with(": too many handshakes wait for a look at the list of allowed certificates"));
    // A hangup looks.
    authenticator.refresh();
    for number in 1..=8 {
        assert_eq!(reply(&peer)[2..4], [vec![number], b"400".to_vec()]);
    }
}
