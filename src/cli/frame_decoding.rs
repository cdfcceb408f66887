//! From what arrived to the records in it: packed frames taken apart, topics cut off at a delimiter.
#![forbid(unsafe_code)]

use crate::transport::socket::socket_type::SocketType;
use crate::transport::wire::framing::{Framing, TopicFrame, TopicPrefix};
use crate::transport::wire::packing::unpack;

/// How a packed frame that begins with its topic is taken apart.
const TOPIC_IN_FRONT: Framing = Framing {
    socket_type: SocketType::Sub,
    topic_frame: TopicFrame::Auto,
    topic_prefix: TopicPrefix::Strip,
    is_packed: true,
};

/// How to take apart what arrives.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameDecoding {
    /// Each frame holds several records in octet counting.
    pub are_packed: bool,
    /// In a message of one frame, the topic ends here.
    pub topic_delimiter: Option<u8>,
}

/// A frame whose counts do not tile it exactly; nothing of it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotPacked;

impl FrameDecoding {
    /// Calls `each` with every record and its topic.
    pub fn records<'a>(
        self,
        topic: Option<&'a [u8]>,
        body: &'a [u8],
        each: &mut dyn FnMut(Option<&'a [u8]>, &'a [u8]),
    ) -> Result<(), NotPacked> {
        let (topic, body) = match (topic, self.topic_delimiter) {
            (None, Some(delimiter)) => match body.iter().position(|byte| *byte == delimiter) {
                Some(at) => (body.get(..at), body.get(at + 1..).unwrap_or_default()),
                None => (None, body),
            },
            _ => (topic, body),
        };
        if !self.are_packed {
            each(topic, body);
            return Ok(());
        }
        if let Some(records) = unpack(body) {
            records.for_each(|record| each(topic, record));
            return Ok(());
        }
        if topic.is_none() && TOPIC_IN_FRONT.records(body, &mut *each) { Ok(()) } else { Err(NotPacked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(frames: FrameDecoding, topic: Option<&[u8]>, body: &[u8]) -> Option<Vec<(Option<String>, String)>> {
        let mut found = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        frames.records(topic, body, &mut |topic, record| found.push((topic.map(text), text(record)))).ok()?;
        Some(found)
    }

    fn pair(topic: Option<&str>, record: &str) -> (Option<String>, String) {
        (topic.map(str::to_owned), record.to_owned())
    }

    #[test]
    fn a_delimiter_ends_the_topic_of_a_single_frame_only() {
        let frames = FrameDecoding { topic_delimiter: Some(b'|'), ..FrameDecoding::default() };
        assert_eq!(records(frames, None, b"a.b|x|y"), Some(vec![pair(Some("a.b"), "x|y")]));
        assert_eq!(records(frames, None, b"none"), Some(vec![pair(None, "none")]), "as LogTalez does");
        assert_eq!(records(frames, Some(b"t"), b"x|y"), Some(vec![pair(Some("t"), "x|y")]));
    }

    #[test]
    fn packed_frames_are_taken_apart_whole_or_not_at_all() {
        let frames = FrameDecoding { are_packed: true, ..FrameDecoding::default() };
        let two = vec![pair(Some("t"), "one"), pair(Some("t"), "two 2")];
        assert_eq!(records(frames, Some(b"t"), b"3 one5 two 2"), Some(two));
        let in_front = vec![pair(Some("web1"), "<1>one"), pair(Some("web1"), "<1>x")];
        assert_eq!(records(frames, None, b"web16 <1>one4 <1>x"), Some(in_front));
        for broken in [&b"3 on"[..], b"3 one5 two", b"03 one", b"x", b"", b"3one", b"99999999999999999999999 x"] {
            assert_eq!(records(frames, None, broken), None, "{broken:?}");
        }
        let frames = FrameDecoding { topic_delimiter: Some(b'|'), ..frames };
        assert_eq!(records(frames, None, b"web1|3 one"), Some(vec![pair(Some("web1"), "one")]));
    }
}
