//! Which frames of a received message are log records.
//!
//! Pure: frames in, ranges out. Whatever a peer sends, the worst that can come out is "rejected".

use crate::transport::socket::socket_type::SocketType;
use crate::transport::wire::packing::unpack;

/// Whether the first frame is a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicFrame {
    /// On SUB, a message of two or more frames has its topic in the first.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What happens to a topic that stands in front of the text in the same frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicPrefix {
    /// It stays where it is.
    #[default]
    Keep,
    /// Everything before the first valid `<PRI>` goes; a frame without one is rejected.
    Strip,
}

/// The rules for one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// The socket's type.
    pub socket_type: SocketType,
    /// See [`TopicFrame`].
    pub topic_frame: TopicFrame,
    /// See [`TopicPrefix`].
    pub topic_prefix: TopicPrefix,
    /// Whether frames hold several records by octet counting.
    pub is_packed: bool,
}

/// What the frames of one message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Index of the topic's frame.
    pub topic: Option<usize>,
    /// Index of the first frame that is a record; all later ones are too.
    pub records_from: usize,
}

impl Framing {
    /// Sorts the frames, given by their lengths. The records are `frames[records_from..]`, of which empty ones are none.
    #[must_use]
    pub fn layout(&self, lengths: &[usize]) -> Layout {
        let mut at = 0;
        if self.socket_type == SocketType::Router {
            // The routing id that libzmq puts first, and the empty delimiter of a REQ-like peer (RFC 28).
            at = 1;
            if lengths.len() > 2 && lengths.get(1) == Some(&0) {
                at = 2;
            }
        }
        let remaining = lengths.len().saturating_sub(at);
        let has_topic = match self.topic_frame {
            TopicFrame::On => remaining > 0,
            TopicFrame::Off => false,
            TopicFrame::Auto => self.socket_type == SocketType::Sub && remaining >= 2,
        };
        if has_topic {
            Layout { topic: Some(at), records_from: at + 1 }
        } else {
            Layout { topic: None, records_from: at }
        }
    }
}

impl Framing {
    /// Passes the records of one frame to `take`, with the topic that was stripped off it. `false`: the frame is no record,
    /// or no packed frame, and nothing was passed.
    pub fn records<'a>(&self, frame: &'a [u8], mut take: impl FnMut(Option<&'a [u8]>, &'a [u8])) -> bool {
        let (topic, body) = match self.topic_prefix {
            TopicPrefix::Keep => (None, frame),
            TopicPrefix::Strip => match strip(frame, self.is_packed) {
                Some((topic, body)) => (Some(topic), body),
                None => return false,
            },
        };
        if !self.is_packed {
            if body.is_empty() {
                return false;
            }
            take(topic, body);
            return true;
        }
        let Some(records) = unpack(body) else { return false };
        for record in records {
            take(topic, record);
        }
        true
    }
}

/// Splits a frame in front of its first valid `<PRI>` (RFC 5424 section 6.2.1), or of the count before it where the frame is
/// packed. The topic may end in digits too: the split is where the counts tile the rest, and `None` where that is not
/// one place.
fn strip(frame: &[u8], is_packed: bool) -> Option<(&[u8], &[u8])> {
    let at = (0..frame.len()).find(|&at| begins_with_pri(&frame[at..]))?;
    if !is_packed {
        return Some(frame.split_at(at));
    }
    let count_ends = at.checked_sub(1).filter(|&space| frame[space] == b' ')?;
    let digits = frame[..count_ends].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let mut splits =
        (count_ends - digits..count_ends).map(|at| frame.split_at(at)).filter(|(_, rest)| unpack(rest).is_some());
    let split = splits.next()?;
    splits.next().is_none().then_some(split)
}

/// `<`, one to three digits of at most 191, `>`.
fn begins_with_pri(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"<") else { return false };
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let value = rest[..digits].iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    (1..=3).contains(&digits) && rest.get(digits) == Some(&b'>') && value <= 191
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(topic_prefix: TopicPrefix, is_packed: bool) -> Framing {
        Framing { socket_type: SocketType::Sub, topic_frame: TopicFrame::Auto, topic_prefix, is_packed }
    }

    fn taken(framing: Framing, frame: &[u8]) -> Option<Vec<(String, String)>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut records = Vec::new();
        let is_valid =
            framing.records(frame, |topic, record| records.push((text(topic.unwrap_or(b"-")), text(record))));
        assert!(is_valid || records.is_empty(), "a refused frame leaves nothing behind");
        is_valid.then_some(records)
    }

    fn one(topic: &str, record: &str) -> Option<Vec<(String, String)>> {
        Some(vec![(topic.to_owned(), record.to_owned())])
    }

    #[test]
    fn a_prefix_is_kept_unless_stripping_is_asked_for() {
        let frame = b"host1.sshd<13>Nov 22 text <14>";
        assert_eq!(taken(framing(TopicPrefix::Keep, false), frame), one("-", "host1.sshd<13>Nov 22 text <14>"));
        assert_eq!(taken(framing(TopicPrefix::Strip, false), frame), one("host1.sshd", "<13>Nov 22 text <14>"));
        assert_eq!(taken(framing(TopicPrefix::Strip, false), b"<13>x"), one("", "<13>x"));
        for frame in [&b"no pri"[..], b"", b"<>", b"<192>x", b"<1234>x", b"<13", b"<a>"] {
            assert_eq!(taken(framing(TopicPrefix::Strip, false), frame), None, "{frame:?}");
        }
    }

    #[test]
    fn a_packed_frame_becomes_its_records_or_nothing() {
        let two = Some(vec![("-".into(), "hello".into()), ("-".into(), "you".into())]);
        assert_eq!(taken(framing(TopicPrefix::Keep, true), b"5 hello3 you"), two);
        assert_eq!(taken(framing(TopicPrefix::Keep, true), b"5 hello3 yo"), None);
        assert_eq!(taken(framing(TopicPrefix::Keep, true), b"web15 <1>ab"), None);
    }

    #[test]
    fn a_topic_in_front_of_a_packed_frame_is_found_by_its_counts() {
        assert_eq!(taken(framing(TopicPrefix::Strip, true), b"web5 <1>ab"), one("web", "<1>ab"));
        let two = Some(vec![("web1".into(), "<1>ab".into()), ("web1".into(), "<2>c".into())]);
        assert_eq!(taken(framing(TopicPrefix::Strip, true), b"web15 <1>ab4 <2>c"), two);
        assert_eq!(taken(framing(TopicPrefix::Strip, true), b"web <1>ab"), None);
    }

    fn layout(socket_type: SocketType, topic_frame: TopicFrame, lengths: &[usize]) -> (Option<usize>, usize) {
        let layout = Framing { socket_type, topic_frame, ..framing(TopicPrefix::Keep, false) }.layout(lengths);
        (layout.topic, layout.records_from)
    }

    #[test]
    fn a_subscriber_takes_the_first_of_several_frames_for_the_topic() {
        assert_eq!(layout(SocketType::Sub, TopicFrame::Auto, &[9]), (None, 0));
        assert_eq!(layout(SocketType::Sub, TopicFrame::Auto, &[4, 9]), (Some(0), 1));
        assert_eq!(layout(SocketType::Sub, TopicFrame::Auto, &[4, 9, 9]), (Some(0), 1));
        assert_eq!(layout(SocketType::Sub, TopicFrame::Off, &[4, 9]), (None, 0));
    }

    #[test]
    fn a_topic_frame_alone_leaves_no_record() {
        assert_eq!(layout(SocketType::Sub, TopicFrame::On, &[4]), (Some(0), 1));
        assert_eq!(layout(SocketType::Pull, TopicFrame::On, &[4, 9]), (Some(0), 1));
        assert_eq!(layout(SocketType::Sub, TopicFrame::On, &[]), (None, 0));
    }

    #[test]
    fn a_router_drops_the_routing_id_and_an_empty_delimiter() {
        assert_eq!(layout(SocketType::Router, TopicFrame::Auto, &[5, 9]), (None, 1));
        assert_eq!(layout(SocketType::Router, TopicFrame::Auto, &[255, 0, 9]), (None, 2));
        assert_eq!(layout(SocketType::Router, TopicFrame::Auto, &[5, 0]), (None, 1));
        assert_eq!(layout(SocketType::Router, TopicFrame::On, &[5, 0, 3, 9]), (Some(2), 3));
        assert_eq!(layout(SocketType::Router, TopicFrame::Auto, &[5]), (None, 1));
    }

    #[test]
    fn a_pull_takes_every_frame_for_a_record() {
        assert_eq!(layout(SocketType::Pull, TopicFrame::Auto, &[9, 9, 9]), (None, 0));
    }
}
