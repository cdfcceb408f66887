//! Heartbeats as they are on the wire, seen by a peer that speaks just enough ZMTP 3 (ZeroMQ RFC 23) to be accepted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use support::{Config, SHORT, wait_until};

/// Takes one connection as a PULL socket and returns the body of the first PING command: its TTL in tenths of a second.
fn first_ping(listener: &TcpListener) -> u16 {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    wait_until("the connection", SHORT, || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (mut stream, _) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    let mut greeting = [0_u8; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting[12..17], b"NULL\0");
    let ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04PULL";
    stream.write_all(&[4, u8::try_from(ready.len()).unwrap()]).unwrap();
    stream.write_all(ready).unwrap();
    loop {
        let command = next_command(&mut stream);
        if let Some(body) = command.strip_prefix(b"\x04PING") {
            return u16::from_be_bytes([body[0], body[1]]);
        }
    }
}

/// Reads one short command frame.
fn next_command(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0_u8; 2];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[0], 4, "not a short command");
    let mut body = vec![0; usize::from(header[1])];
    stream.read_exact(&mut body).unwrap();
    body
}

fn ttl_with(parameters: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut daemon = Config::new(
        r#"module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints=">tcp://{address}" {parameters})"#,
    )
    .with("address", listener.local_addr().unwrap())
    .with("parameters", parameters)
    .start();
    let ttl = first_ping(&listener);
    daemon.stop();
    ttl
}

#[test]
fn o8_a_heartbeat_interval_alone_suffices() {
    // The time to live is then the interval.
    assert_eq!(ttl_with(r#"heartbeativl="200""#), 2);
}

#[test]
fn o8_heartbeatttl_is_the_time_to_live_and_not_the_timeout() {
    assert_eq!(ttl_with(r#"heartbeativl="200" heartbeatttl="30000""#), 300);
    assert_eq!(ttl_with(r#"heartbeativl="200" heartbeattimeout="5000" heartbeatttl="700""#), 7);
}
