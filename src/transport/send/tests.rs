//! The sender with real sockets: what goes past the queue and what goes through it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::curve::security::Security;
use crate::sys::zmq::{Context, Message, Socket, kind};
use crate::transport::address::endpoint::Endpoint;
use crate::transport::link::driver::Driver;
use crate::transport::send::queue::Limits;
use crate::transport::socket::listening::SocketFile;
use crate::transport::socket::open::{SocketPlan, Surroundings};
use crate::transport::socket::options::SocketOptions;
use crate::transport::socket::socket_type::SocketType;

struct Deaf;

impl SenderEvents for Deaf {
    fn tell(&self, _event: SenderEvent<'_>) {}
}

/// A sender on its thread, and a PULL that reads from it.
struct Pair {
    feed: Arc<Feed>,
    thread: std::thread::JoinHandle<()>,
    pull: Socket,
    _directory: tempfile::TempDir,
}

fn pair(limits: Limits) -> Pair {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pull", directory.path().display());
    let pull = Context::new().unwrap().socket(kind::PULL).unwrap();
    pull.set_int(option::RCVHWM, 5).unwrap();
    pull.set_int(option::RCVTIMEO, 20_000).unwrap();
    pull.bind(&endpoint).unwrap();
    let feed = Arc::new(Feed::new(SendQueue::new(limits), Box::new(|_| {})));
    feed.commands.open().unwrap();
    let surroundings = Surroundings { driver: Arc::new(Driver::start().unwrap()), context: Context::new().unwrap() };
    let plan = SocketPlan {
        socket_type: SocketType::Push,
        endpoints: Endpoint::parse_list(&format!(">{endpoint}")).unwrap(),
        options: SocketOptions { send_hwm: Some(5), ..SocketOptions::default() },
        security: Arc::new(Security::None),
        zap_domain: "test".to_owned(),
        socket_file: SocketFile::default(),
        topics: Vec::new(),
    };
    let sender = Sender {
        socket: ReopeningSocket::new(surroundings, plan, vec![None], Arc::clone(&feed) as _),
        settings: SenderSettings { send_timeout: None, on_full: OnFull::Wait, linger: None },
        feed: Arc::clone(&feed),
        events: Deaf,
    };
    let thread = std::thread::spawn(move || sender.run());
    Pair { feed, thread, pull, _directory: directory }
}

fn record(writer: u32, number: u32) -> Batch {
    let mut batch = Batch::default();
    batch.push(Message::from_parts(&[&writer.to_ne_bytes(), &number.to_ne_bytes(), &[0; 5000]]).unwrap(), false, 1);
    batch
}

fn offer(feed: &Feed, mut batch: Batch) {
    while let Err(PushError::Full(back)) = feed.offer(batch) {
        feed.queue.wait_for_room(1, 1, Duration::from_millis(200));
        batch = back;
    }
}

fn receive(pull: &Socket) -> (u32, u32) {
    let mut message = Message::new();
    pull.receive(&mut message, 0).unwrap();
    let word = |at: usize| u32::from_ne_bytes(message.as_slice()[at..at + 4].try_into().unwrap());
    (word(0), word(4))
}

#[test]
fn writers_that_send_past_the_queue_and_through_it_lose_and_overtake_nothing() {
    const WRITERS: u32 = 3;
    const COUNT: u32 = 1000;
    let pair = pair(Limits { messages: 20, bytes: 1 << 20 });
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let feed = Arc::clone(&pair.feed);
            std::thread::spawn(move || (0..COUNT).for_each(|number| offer(&feed, record(writer, number))))
        })
        .collect();
    let mut next = [0; WRITERS as usize];
    for _ in 0..WRITERS * COUNT {
        let (writer, number) = receive(&pair.pull);
        assert_eq!(number, next[writer as usize], "writer {writer}");
        next[writer as usize] += 1;
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    pair.feed.close(Instant::now() + Duration::from_secs(20));
    pair.thread.join().unwrap();
    let counters = &pair.feed.counters;
    assert_eq!(counters.accepted.get(), u64::from(WRITERS * COUNT));
    assert_eq!(counters.sent.get(), u64::from(WRITERS * COUNT));
    assert_eq!((counters.dropped_at_close.get(), counters.queue_depth.get(), pair.feed.queue.depth()), (0, 0, 0));
}

#[test]
fn what_is_sent_in_the_threads_place_is_with_libzmq_at_once() {
    let pair = pair(Limits { messages: 20, bytes: 1 << 20 });
    // The first one waits for the peer and for the thread to have its socket.
    offer(&pair.feed, record(0, 0));
    assert_eq!(receive(&pair.pull), (0, 0));
    let in_place = pair.feed.in_place.get().unwrap().upgrade().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut batch = record(0, 1);
    while let Err(back) = in_place.send_in_place(&pair.feed, batch) {
        assert!(Instant::now() < deadline, "the thread never sleeps");
        std::thread::yield_now();
        batch = back;
    }
    assert_eq!((pair.feed.counters.accepted.get(), pair.feed.counters.sent.get()), (2, 2));
    assert_eq!(receive(&pair.pull), (0, 1));
    drop(in_place);
    pair.feed.close(Instant::now() + Duration::from_secs(20));
    pair.thread.join().unwrap();
}

#[test]
fn a_batch_that_fits_only_in_part_is_finished_by_the_thread_and_closing_waits_for_it() {
    let pair = pair(Limits { messages: 1000, bytes: 64 << 20 });
    offer(&pair.feed, record(0, 0));
    assert_eq!(receive(&pair.pull), (0, 0));
    let mut batch = Batch::default();
    for number in 1..=30_u32 {
        let parts: [&[u8]; 3] = [&0_u32.to_ne_bytes(), &number.to_ne_bytes(), &[0; 100_000]];
        batch.push(Message::from_parts(&parts).unwrap(), false, 1);
    }
    offer(&pair.feed, batch);
    offer(&pair.feed, record(0, 31));
    pair.feed.close(Instant::now() + Duration::from_secs(20));
    for number in 1..=31 {
        assert_eq!(receive(&pair.pull), (0, number));
    }
    pair.thread.join().unwrap();
    assert_eq!(pair.feed.counters.sent.get(), 32);
}
