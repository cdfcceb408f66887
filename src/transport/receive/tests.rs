//! A receiver whose socket cannot be opened.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::event_loop::*;
use crate::curve::security::Security;
use crate::sys::zmq::{Context, Message, POLLIN, PollItem, kind, poll};
use crate::transport::address::endpoint::Endpoint;
use crate::transport::link::command::Command;
use crate::transport::link::driver::Driver;
use crate::transport::socket::listening::SocketFile;
use crate::transport::socket::open::{SocketPlan, Surroundings};
use crate::transport::socket::options::SocketOptions;
use crate::transport::socket::reopening::ReopeningSocket;
use crate::transport::socket::socket_type::SocketType;
use crate::transport::wire::framing::{Framing, TopicFrame, TopicPrefix};

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn await_count(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.0.lock().unwrap().len() < count {
            assert!(Instant::now() < deadline, "only {:?}", self.0.lock().unwrap());
            std::thread::yield_now();
        }
        self.0.lock().unwrap().clone()
    }
}

impl Intake for Notes {
    fn record(&mut self, _carrier: &Message, _topic: Option<&[u8]>, record: &[u8]) {
        self.0.lock().unwrap().push(String::from_utf8(record.to_vec()).unwrap());
    }

    fn flush(&mut self) {}

    fn tell(&mut self, event: ReceiverEvent<'_>) {
        let text = match event {
            ReceiverEvent::OpenFailed(error) => error.to_string(),
            ReceiverEvent::Recovered => "recovered".to_owned(),
            ReceiverEvent::TooManyFrames(count) => format!("{count} frames"),
        };
        self.0.lock().unwrap().push(text);
    }
}

#[test]
fn a_socket_that_cannot_be_opened_is_tried_again_at_each_change_of_keys_and_does_not_spin() {
    const SOCKETS: i32 = 20;
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pull", directory.path().display());
    let context = Context::new().unwrap();
    context.limit_sockets(SOCKETS);
    let taken: Vec<_> = std::iter::from_fn(|| context.socket(kind::PAIR).ok()).collect();
    assert!(!taken.is_empty() && taken.len() <= SOCKETS as usize);
    let notes = Notes::default();
    let shared = Arc::new(ReceiverShared::new(Box::new(|_| {})));
    shared.commands.open().unwrap();
    let plan = SocketPlan {
        socket_type: SocketType::Pull,
        endpoints: Endpoint::parse_list(&format!("@{endpoint}")).unwrap(),
        options: SocketOptions::default(),
        security: Arc::new(Security::None),
        zap_domain: "test".to_owned(),
        socket_file: SocketFile::default(),
        topics: Vec::new(),
    };
    let surroundings = Surroundings { driver: Arc::new(Driver::start().unwrap()), context: context.clone() };
    let receiver = Receiver {
        socket: ReopeningSocket::new(surroundings, plan, vec![None], Arc::clone(&shared) as _),
        framing: Framing {
            socket_type: SocketType::Pull,
            topic_frame: TopicFrame::Off,
            topic_prefix: TopicPrefix::Keep,
            is_packed: false,
        },
        max_frames: 8,
        shared: Arc::clone(&shared),
        tracks_keys: false,
        intake: notes.clone(),
    };
    let thread = std::thread::spawn(move || receiver.run());
    let failed = "cannot make a PULL socket: Too many open files";
    assert_eq!(notes.await_count(1), [failed]);
    for tries in 2..5 {
        shared.commands.give(Command::Rekey(Arc::new(Security::None)));
        assert_eq!(notes.await_count(tries), vec![failed; tries], "tried at once");
    }
    // What woke it is forgotten, so it sleeps.
    let descriptor = shared.commands.descriptor();
    let is_awake = || poll(&mut [PollItem::descriptor(descriptor, POLLIN)], 0).unwrap() > 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_awake() {
        assert!(Instant::now() < deadline, "it spins");
        std::thread::yield_now();
    }
    drop(taken);
    // libzmq frees the slots of closed sockets in a thread of its own, so the first tries may come too early.
    let deadline = Instant::now() + Duration::from_secs(20);
    while notes.await_count(4).last().unwrap() != "recovered" {
        assert!(Instant::now() < deadline);
        shared.commands.give(Command::Rekey(Arc::new(Security::None)));
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = notes.0.lock().unwrap().len();
    let push = Context::new().unwrap().socket(kind::PUSH).unwrap();
    push.connect(&endpoint).unwrap();
    push.send_bytes(b"<13>taken", 0).unwrap();
    assert_eq!(notes.await_count(before + 1).last().unwrap(), "<13>taken");
    shared.commands.stop();
    thread.join().unwrap();
}
