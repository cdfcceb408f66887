//! From rsyslog's rendered messages to ZeroMQ frames: topics, and packing.

use std::collections::HashMap;
use std::ffi::CString;

use super::settings::{ActionSettings, Topics};
use crate::host::commit::{Commit, Rendered};
use crate::sys::blocks::Arena;
use crate::sys::zmq::{Message, Result};
use crate::transport::send::batch::Batch;
use crate::transport::socket::socket_type::SocketType;
use crate::transport::wire::packing::{pack, packed_length};

/// The frames of a commit; an error only where memory has run out.
pub(super) fn build(settings: &ActionSettings, arena: &mut Arena, commit: Commit<'_>) -> Result<Batch> {
    match settings.packing {
        Some(longest) => packed(settings, arena, commit, longest),
        None => single(settings, arena, commit),
    }
}

/// The topics of one message.
fn topics<'a>(settings: &'a ActionSettings, message: Rendered<'a>) -> impl ExactSizeIterator<Item = Option<&'a [u8]>> {
    let count = match &settings.topics {
        Topics::None => 1,
        Topics::Static(topics) => topics.len(),
        Topics::Dynamic(count) => *count,
    };
    (0..count).map(move |index| match &settings.topics {
        Topics::None => None,
        Topics::Static(topics) => topics.get(index).map(Vec::as_slice),
        Topics::Dynamic(_) => Some(message.template(index + 1)),
    })
}

/// One frame, or topic and frame, for each message and topic.
fn single(settings: &ActionSettings, arena: &mut Arena, commit: Commit<'_>) -> Result<Batch> {
    let mut batch = Batch::with_capacity(commit.len() * settings.frames_per_message());
    for message in commit.messages() {
        let body = message.template(0);
        let topics = topics(settings, message);
        let last = topics.len() - 1;
        let mut shared: Option<Message> = None;
        for (index, topic) in topics.enumerate() {
            let records = u32::from(index == last);
            let Some(topic) = topic else {
                batch.push(arena.message(&[body])?, false, records);
                continue;
            };
            if settings.has_topic_frame {
                batch.push(arena.message(&[topic])?, true, 0);
                // Every topic's copy is the same content.
                let copy = match &mut shared {
                    Some(first) => first.share()?,
                    None => shared.insert(arena.message(&[body])?).share()?,
                };
                batch.push(copy, false, records);
            } else if settings.socket.socket_type == SocketType::Radio {
                batch.push(grouped(arena.message(&[body])?, topic)?, false, records);
            } else {
                batch.push(arena.message(&[topic, body])?, false, records);
            }
        }
    }
    Ok(batch)
}

/// A RADIO message. A group is a C string: it ends at a NUL.
fn grouped(mut message: Message, group: &[u8]) -> Result<Message> {
    let group: Vec<u8> = group.iter().copied().take_while(|&byte| byte != 0).collect();
    message.set_group(&CString::new(group).unwrap_or_default())?;
    Ok(message)
}

/// The records of one frame in the making.
struct Pack<'a> {
    topic: Option<&'a [u8]>,
    records: Vec<&'a [u8]>,
    length: usize,
    /// Messages of which this frame holds the last copy.
    finished: u32,
}

/// As few frames as the records of this batch fit into, one topic each. Nothing waits for another batch.
fn packed(settings: &ActionSettings, arena: &mut Arena, commit: Commit<'_>, longest: usize) -> Result<Batch> {
    let mut batch = Batch::with_capacity(16);
    let mut packs: Vec<Pack<'_>> = Vec::new();
    let mut by_topic: HashMap<Option<&[u8]>, usize> = HashMap::new();
    let mut place = 0;
    for message in commit.messages() {
        let body = message.template(0);
        let topics = topics(settings, message);
        let last = topics.len() - 1;
        for (index, topic) in topics.enumerate() {
            // Most messages go where the one before went.
            if packs.get(place).is_none_or(|pack| pack.topic != topic) {
                place = *by_topic.entry(topic).or_insert_with(|| {
                    packs.push(Pack { topic, records: Vec::with_capacity(16), length: 0, finished: 0 });
                    packs.len() - 1
                });
            }
            let Some(pack) = packs.get_mut(place) else { continue };
            let length = packed_length(body.len());
            if pack.length + length > longest && !pack.records.is_empty() {
                flush(settings, arena, &mut batch, pack)?;
            }
            pack.records.push(body);
            pack.length += length;
            pack.finished += u32::from(index == last);
        }
    }
    for pack in &mut packs {
        flush(settings, arena, &mut batch, pack)?;
    }
    Ok(batch)
}

fn flush(settings: &ActionSettings, arena: &mut Arena, batch: &mut Batch, pack_of: &mut Pack<'_>) -> Result<()> {
    if pack_of.records.is_empty() {
        return Ok(());
    }
    let finished = std::mem::take(&mut pack_of.finished);
    match pack_of.topic {
        None => batch.push(pack(arena, b"", &pack_of.records)?, false, finished),
        Some(topic) if settings.has_topic_frame => {
            batch.push(arena.message(&[topic])?, true, 0);
            batch.push(pack(arena, b"", &pack_of.records)?, false, finished);
        }
        Some(topic) if settings.socket.socket_type == SocketType::Radio => {
            batch.push(grouped(pack(arena, b"", &pack_of.records)?, topic)?, false, finished);
        }
        Some(topic) => batch.push(pack(arena, topic, &pack_of.records)?, false, finished),
    }
    pack_of.records.clear();
    pack_of.length = 0;
    Ok(())
}
