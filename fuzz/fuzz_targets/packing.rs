//! Packed frames: whatever unpacks, packs to the same bytes again, and stripping a topic off never loses a byte of a record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsyslog_zmq::sys::blocks::Arena;
use rsyslog_zmq::transport::socket::socket_type::SocketType;
use rsyslog_zmq::transport::wire::framing::{Framing, TopicFrame, TopicPrefix};
use rsyslog_zmq::transport::wire::packing::{pack, unpack};

fuzz_target!(|data: &[u8]| {
    if let Some(records) = unpack(data) {
        let records: Vec<&[u8]> = records.collect();
        assert!(records.iter().all(|record| !record.is_empty()));
        assert_eq!(pack(&mut Arena::default(), b"", &records).unwrap().as_slice(), data);
    }
    for topic_prefix in [TopicPrefix::Keep, TopicPrefix::Strip] {
        for is_packed in [false, true] {
            let framing =
                Framing { socket_type: SocketType::Sub, topic_frame: TopicFrame::Auto, topic_prefix, is_packed };
            let mut length = 0;
            let is_valid = framing.records(data, |_, record| {
                assert!(!record.is_empty());
                length += record.len();
            });
            assert!(length <= data.len() && (is_valid || length == 0));
        }
    }
});
