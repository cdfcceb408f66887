use super::*;

#[test]
fn a_message_is_the_concatenation_of_its_parts() {
    let message = Message::from_parts(&[b"topic", b"", b"record"]).unwrap();
    assert_eq!(message.as_slice(), b"topicrecord");
    assert!(Message::from_parts(&[]).unwrap().as_slice().is_empty());
}

#[test]
fn a_written_message_has_its_length_whatever_is_put_in() {
    let message = Message::written(4, |writer| writer.put(b"ab")).unwrap();
    assert_eq!(message.as_slice(), b"ab\0\0");
    let message = Message::written(4, |writer| writer.put(b"abcdef")).unwrap();
    assert_eq!(message.as_slice(), b"abcd");
}

#[test]
fn a_send_that_would_block_keeps_the_message() {
    let context = Context::new().unwrap();
    let socket = context.socket(kind::PUSH).unwrap();
    let mut message = Message::from_parts(&[b"still here"]).unwrap();
    let error = socket.send(&mut message, DONTWAIT).unwrap_err();
    assert!(error.would_block(), "{error:?}");
    assert_eq!(message.as_slice(), b"still here");
}

#[test]
fn an_unknown_socket_type_and_a_nul_in_an_endpoint_are_errors() {
    let context = Context::new().unwrap();
    assert_eq!(context.socket(999).unwrap_err().errno(), libc::EINVAL);
    let socket = context.socket(kind::PULL).unwrap();
    assert_eq!(socket.bind("tcp://127.0.0.1:\0").unwrap_err().errno(), libc::EINVAL);
    let error = socket.bind("ipc:///nonexistent/directory/socket").unwrap_err();
    assert_eq!(error.errno(), libc::ENOENT);
}

#[test]
fn frames_travel_with_their_more_flag() {
    let context = Context::new().unwrap();
    let pull = context.socket(kind::PULL).unwrap();
    pull.bind("inproc://frames").unwrap();
    let push = context.socket(kind::PUSH).unwrap();
    push.connect("inproc://frames").unwrap();
    push.send_bytes(b"one", SNDMORE).unwrap();
    push.send_bytes(b"two", 0).unwrap();
    let mut message = Message::new();
    pull.receive(&mut message, 0).unwrap();
    assert_eq!((message.as_slice(), message.has_more()), (&b"one"[..], true));
    pull.receive(&mut message, 0).unwrap();
    assert_eq!((message.as_slice(), message.has_more()), (&b"two"[..], false));
}
