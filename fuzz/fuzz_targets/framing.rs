//! Which frames of a multipart message are records: for any frames, indices stay inside and no frame is counted twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsyslog_zmq::transport::socket::socket_type::SocketType;
use rsyslog_zmq::transport::wire::framing::{Framing, TopicFrame, TopicPrefix};

fuzz_target!(|data: (u8, u8, Vec<u8>)| {
    let socket_type = [
        SocketType::Pull,
        SocketType::Sub,
        SocketType::Router,
        SocketType::Dish,
        SocketType::Server,
        SocketType::Gather,
    ][usize::from(data.0) % 6];
    let topic_frame = [TopicFrame::Auto, TopicFrame::On, TopicFrame::Off][usize::from(data.1) % 3];
    let framing = Framing { socket_type, topic_frame, topic_prefix: TopicPrefix::Keep, is_packed: false };
    let lengths: Vec<usize> = data.2.iter().map(|&length| usize::from(length)).collect();
    let layout = framing.layout(&lengths);
    assert!(layout.topic.is_none_or(|topic| topic < lengths.len() && topic + 1 == layout.records_from));
    assert!(layout.records_from <= lengths.len().max(1));
});
