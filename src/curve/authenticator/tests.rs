//! The authenticator with real sockets, both ends in one process.

use super::*;
use crate::curve::certificate::Certificate;
use crate::curve::keys::{KeyPair, PublicKey, SecretKey};
use crate::curve::security::{Admission, Security};
use crate::sys::zmq::{Message, event};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;
use tempfile::TempDir;

mod requests;

const TIME_LIMIT: Duration = Duration::from_secs(10);
const DOMAIN: &str = "imczmq(logs)";

fn reporter() -> (Report, Receiver<AuthEvent>) {
    let (sender, receiver): (Sender<AuthEvent>, _) = channel();
    let sender = Mutex::new(sender);
    let report = move |event| {
        // The receiver is gone at the end of a test.
        let _ = sender.lock().unwrap().send(event);
    };
    (Arc::new(report), receiver)
}

fn wait_for(events: &Receiver<AuthEvent>, what: &str, mut matches: impl FnMut(&AuthEvent) -> bool) -> AuthEvent {
    let deadline = Instant::now() + TIME_LIMIT;
    let mut seen = Vec::new();
    while let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if matches(&event) {
            return event;
        }
        seen.push(event);
    }
    panic!("no {what}, but {seen:?}");
}

fn is_allowed(event: &AuthEvent) -> bool {
    matches!(event, AuthEvent::Allowed { .. })
}

fn is_denied(event: &AuthEvent) -> bool {
    matches!(event, AuthEvent::Denied { .. })
}

/// A directory of allowed certificates.
struct Allowed(TempDir);

impl Allowed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn add(&self, file: &str, key: &KeyPair, metadata: &[(&str, &str)]) {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let certificate = Certificate { public: key.public, secret: None, metadata, path: None };
        certificate.write_new(&self.0.path().join(file)).unwrap();
    }

    fn policy(&self) -> Policy {
        Policy::Directory(self.0.path().to_owned())
    }
}

/// A CURVE server socket in the authenticator's context, and what clients need to reach it.
struct Server {
    socket: Socket,
    monitor: Socket,
    endpoint: String,
    key: PublicKey,
}

impl Server {
    fn open(context: &Context, domain: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let key = pair.public;
        let socket = context.socket(kind::PULL).unwrap();
        // The policy is the authenticator's business.
        Security::CurveServer { pair, admission: Admission::AnyKey }.apply(&socket, domain).unwrap();
        let (monitor, endpoint) = bind(context, &socket);
        Self { socket, monitor, endpoint, key }
    }

    fn client(&self, pair: KeyPair) -> Client {
        Client::connect(&self.endpoint, &Security::CurveClient { server: self.key, pair })
    }

    fn receive(&self) -> Message {
        let mut item = [zmq::PollItem::socket(&self.socket, zmq::POLLIN)];
        zmq::poll(&mut item, i64::try_from(TIME_LIMIT.as_millis()).unwrap()).unwrap();
        let mut message = Message::new();
        self.socket.receive(&mut message, zmq::DONTWAIT).unwrap();
        message
    }
}

fn bind(context: &Context, socket: &Socket) -> (Socket, String) {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let name = format!("inproc://monitor-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    socket.monitor(&name, event::ALL).unwrap();
    let monitor = context.socket(kind::PAIR).unwrap();
    monitor.connect(&name).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    (monitor, socket.last_endpoint().unwrap())
}

/// The number of the next handshake event; others are passed over.
fn handshake(monitor: &Socket) -> Option<u16> {
    const HANDSHAKES: u16 = event::HANDSHAKE_SUCCEEDED
        | event::HANDSHAKE_FAILED_AUTH
        | event::HANDSHAKE_FAILED_PROTOCOL
        | event::HANDSHAKE_FAILED_NO_DETAIL;
    let deadline = Instant::now() + TIME_LIMIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut item = [zmq::PollItem::socket(monitor, zmq::POLLIN)];
        if zmq::poll(&mut item, i64::try_from(left.as_millis()).unwrap()).unwrap() == 0 {
            return None;
        }
        let mut frame = Message::new();
        monitor.receive(&mut frame, 0).unwrap();
        let number = u16::from_ne_bytes(*frame.as_slice().first_chunk().unwrap());
        monitor.receive(&mut frame, 0).unwrap();
        if number & HANDSHAKES != 0 {
            return Some(number);
        }
    }
}

struct Client {
    socket: Socket,
    monitor: Socket,
}

impl Client {
    fn connect(endpoint: &str, security: &Security) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let context = Context::new().unwrap();
        let socket = context.socket(kind::PUSH).unwrap();
        socket.set_int(option::LINGER, 0).unwrap();
        security.apply(&socket, "").unwrap();
        let name = format!("inproc://client-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        socket.monitor(&name, event::ALL).unwrap();
        let monitor = context.socket(kind::PAIR).unwrap();
        monitor.connect(&name).unwrap();
        socket.connect(endpoint).unwrap();
        Self { socket, monitor }
    }
}

#[test]
fn a_listed_key_is_admitted_and_its_messages_carry_who_it_is() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let (allowed, alice) = (Allowed::new(), KeyPair::generate().unwrap());
    let long = "x".repeat(4096);
    allowed.add("alice.key", &alice, &[("name", "Alice"), ("Identity", "root"), ("c1", &long)]);
    authenticator.add_domain(DOMAIN, allowed.policy());
    let server = Server::open(&context, DOMAIN);
    let key = alice.public;

    let client = server.client(alice);
    client.socket.send_bytes(b"hello", 0).unwrap();
    let message = server.receive();

    assert_eq!(message.as_slice(), b"hello");
    assert_eq!(message.property(c"User-Id"), Some(key.to_string().as_str()));
    assert_eq!(message.property(c"name"), Some("Alice"));
    assert_eq!(message.property(c"c1"), Some(long.as_str()));
    assert_eq!(message.property(c"Identity"), None);
    let event = wait_for(&events, "admission", is_allowed);
    let name = Some(Arc::from("Alice"));
    assert_eq!(event, AuthEvent::Allowed { domain: DOMAIN.into(), address: "127.0.0.1".into(), key, name }, "{event}");
    assert_eq!(handshake(&server.monitor), Some(event::HANDSHAKE_SUCCEEDED));
}

#[test]
fn a_key_that_is_not_listed_is_refused_and_told_so() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let allowed = Allowed::new();
    allowed.add("alice.key", &KeyPair::generate().unwrap(), &[]);
    authenticator.add_domain(DOMAIN, allowed.policy());
    let server = Server::open(&context, DOMAIN);
    let mallory = KeyPair::generate().unwrap();
    let key = mallory.public;

    let client = server.client(mallory);

    assert_eq!(handshake(&client.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    let event = wait_for(&events, "refusal", is_denied);
    assert_eq!(
        event.to_string(),
        format!(
            "imczmq(logs): refused client at 127.0.0.1 with key {key}: its key is not in the list of allowed certificates"
        )
    );
    assert_eq!(handshake(&server.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
}

#[test]
fn a_domain_that_nobody_added_or_that_was_removed_is_refused() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    authenticator.add_domain("", Policy::Anyone);
    authenticator.add_domain("other", Policy::Anyone);
    let server = Server::open(&context, DOMAIN);
    let reason = |event: &AuthEvent| match event {
        AuthEvent::Denied { reason, .. } => Some(reason.clone()),
        _ => None,
    };

    let first = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&first.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    let event = wait_for(&events, "refusal", is_denied);
    assert_eq!(reason(&event), Some(DenialReason::UnknownDomain));

    authenticator.add_domain(DOMAIN, Policy::Anyone);
    let second = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&second.monitor), Some(event::HANDSHAKE_SUCCEEDED));

    authenticator.remove_domain(DOMAIN);
    let third = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&third.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
}

#[test]
fn a_client_without_encryption_never_gets_in() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    authenticator.add_domain(DOMAIN, Policy::Anyone);
    let server = Server::open(&context, DOMAIN);

    // Against a CURVE server libzmq ends the handshake itself. Both ends see that their mechanisms differ, and the
    // server's event depends on which of them is first.
    let _plain = Client::connect(&server.endpoint, &Security::None);
    let event = handshake(&server.monitor);
    let failures = [event::HANDSHAKE_FAILED_PROTOCOL, event::HANDSHAKE_FAILED_NO_DETAIL];
    assert!(event.is_some_and(|event| failures.contains(&event)), "{event:?}");

    // Where somebody opened a plain socket in a known domain, it is our answer that refuses.
    let open = context.socket(kind::PULL).unwrap();
    open.set_bytes(option::ZAP_DOMAIN, DOMAIN.as_bytes()).unwrap();
    let (monitor, endpoint) = bind(&context, &open);
    let _plain = Client::connect(&endpoint, &Security::None);
    assert_eq!(handshake(&monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    let event = wait_for(&events, "refusal", is_denied).to_string();
    assert!(event.ends_with("it uses the mechanism NULL, expected CURVE"), "{event}");
}

#[test]
fn two_domains_have_their_own_lists() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let (open, closed) = (Allowed::new(), Allowed::new());
    for number in 0..10 {
        let pair = KeyPair::generate().unwrap();
        open.add(&format!("client-{number}"), &pair, &[]);
        std::fs::write(open.0.path().join(format!("client-{number}_secret")), pair.secret.to_z85().as_str()).unwrap();
    }
    authenticator.add_domain("open", open.policy());
    authenticator.add_domain("closed", closed.policy());
    let servers = [Server::open(&context, "open"), Server::open(&context, "closed")];

    for number in 0..10 {
        let text = std::fs::read_to_string(open.0.path().join(format!("client-{number}_secret"))).unwrap();
        let pair = || KeyPair::from_secret(SecretKey::from_z85(&text).unwrap()).unwrap();
        let admitted = servers[0].client(pair());
        let refused = servers[1].client(pair());
        assert_eq!(handshake(&admitted.monitor), Some(event::HANDSHAKE_SUCCEEDED));
        assert_eq!(handshake(&refused.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
        let AuthEvent::Allowed { domain, name, .. } = wait_for(&events, "admission", is_allowed) else { panic!() };
        assert_eq!((domain.as_str(), name.as_deref()), ("open", Some(format!("client-{number}").as_str())));
    }
}

#[test]
fn a_new_policy_for_a_domain_revokes_what_only_the_old_one_admitted() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let (old, new) = (Allowed::new(), Allowed::new());
    let (alice, bob) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    old.add("alice.key", &alice, &[]);
    old.add("bob.key", &bob, &[]);
    new.add("bob.key", &bob, &[]);
    authenticator.add_domain(DOMAIN, old.policy());
    assert!(events.try_recv().is_err());
    authenticator.add_domain(DOMAIN, new.policy());
    let revoked = AuthEvent::Revoked { domain: DOMAIN.into(), key: alice.public, name: Some("alice.key".into()) };
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [revoked]);
}

#[test]
fn a_change_of_the_directory_is_told_within_a_second_or_so_while_nobody_connects() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let (allowed, alice) = (Allowed::new(), KeyPair::generate().unwrap());
    allowed.add("alice.key", &alice, &[("name", "Alice")]);
    authenticator.add_domain(DOMAIN, allowed.policy());
    let key = alice.public;
    let server = Server::open(&context, DOMAIN);

    let began = Instant::now();
    std::fs::remove_file(allowed.0.path().join("alice.key")).unwrap();
    let revoked = AuthEvent::Revoked { domain: DOMAIN.into(), key, name: Some("Alice".into()) };
    wait_for(&events, "revocation", |event| *event == revoked);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

    let client = server.client(alice);
    assert_eq!(handshake(&client.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    let event = wait_for(&events, "refusal", is_denied).to_string();
    assert!(event.starts_with("imczmq(logs): refused client \"Alice\" at 127.0.0.1 with key"), "{event}");
    assert!(event.ends_with("its key was removed from the list of allowed certificates"), "{event}");
}

#[test]
fn a_handshake_beyond_the_budget_of_looks_waits_for_the_next_look_and_gets_its_answer() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let (allowed, alice) = (Allowed::new(), KeyPair::generate().unwrap());
    authenticator.add_domain(DOMAIN, allowed.policy());
    let server = Server::open(&context, DOMAIN);
    authenticator.use_up_budget(DOMAIN, Duration::from_secs(1));
    allowed.add("alice.key", &alice, &[("name", "Alice")]);
    let stranger = server.client(KeyPair::generate().unwrap());
    let client = server.client(alice);
    assert_eq!(handshake(&client.monitor), Some(event::HANDSHAKE_SUCCEEDED));
    assert_eq!(handshake(&stranger.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    wait_for(&events, "admission", is_allowed);
}

#[test]
fn c4_a_directory_that_vanishes_admits_nobody_until_it_is_back() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    let (allowed, alice) = (Allowed::new(), KeyPair::generate().unwrap());
    let directory = allowed.0.path().join("clients");
    std::fs::create_dir(&directory).unwrap();
    allowed.add("clients/alice.key", &alice, &[]);
    authenticator.add_domain(DOMAIN, Policy::Directory(directory.clone()));
    let server = Server::open(&context, DOMAIN);
    let secret = alice.secret.to_z85();
    let alice = || KeyPair::from_secret(SecretKey::from_z85(&secret).unwrap()).unwrap();

    std::fs::rename(&directory, allowed.0.path().join("moved")).unwrap();
    authenticator.refresh();
    wait_for(&events, "notice", |event| matches!(event, AuthEvent::DirectoryUnavailable { .. }));
    let refused = server.client(alice());
    assert_eq!(handshake(&refused.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    let event = wait_for(&events, "refusal", is_denied).to_string();
    assert!(event.contains("nobody is admitted, cannot read the directory"), "{event}");

    std::fs::rename(allowed.0.path().join("moved"), &directory).unwrap();
    wait_for(&events, "notice", |event| matches!(event, AuthEvent::DirectoryBack { .. }));
    let admitted = server.client(alice());
    assert_eq!(handshake(&admitted.monitor), Some(event::HANDSHAKE_SUCCEEDED));
}

#[test]
fn a_domain_whose_directory_is_missing_from_the_start_says_so_before_add_domain_returns() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    authenticator.add_domain(DOMAIN, Policy::Directory("/nonexistent/clients".into()));
    let event = events.try_recv().unwrap().to_string();
    assert!(event.contains("nobody is admitted while the allowed certificates in \"/nonexistent/clients\""), "{event}");
    let server = Server::open(&context, DOMAIN);
    let refused = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&refused.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
}

#[test]
fn without_the_thread_everybody_is_refused() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    authenticator.add_domain(DOMAIN, Policy::Anyone);
    assert!(authenticator.is_alive());
    let server = Server::open(&context, DOMAIN);
    let before = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&before.monitor), Some(event::HANDSHAKE_SUCCEEDED));
    assert_eq!(handshake(&server.monitor), Some(event::HANDSHAKE_SUCCEEDED));

    let began = Instant::now();
    drop(authenticator);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!events.try_iter().any(|event| matches!(event, AuthEvent::Stopped { .. })));

    let after = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&server.monitor), Some(event::HANDSHAKE_FAILED_NO_DETAIL));
    drop(after);
}

#[test]
fn a_context_that_is_being_terminated_admits_nobody() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    authenticator.add_domain(DOMAIN, Policy::Anyone);
    let server = Server::open(&context, DOMAIN);
    let before = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&before.monitor), Some(event::HANDSHAKE_SUCCEEDED));

    context.shut_down();
    wait_for(&events, "end", |event| matches!(event, AuthEvent::Stopped { .. }));
    // libzmq's own thread goes on accepting connections until the sockets are closed.
    let after = server.client(KeyPair::generate().unwrap());
    let seen = handshake(&after.monitor);
    assert!(seen.is_some_and(|number| number != event::HANDSHAKE_SUCCEEDED), "{seen:?}");
}

#[test]
fn a_fault_while_deciding_refuses_and_the_thread_lives_on() {
    let context = Context::new().unwrap();
    let (report, events) = reporter();
    let authenticator = Authenticator::start(&context, report).unwrap();
    authenticator.add_domain("broken", Policy::Anyone);
    authenticator.add_domain("whole", Policy::Anyone);
    authenticator.break_domain("broken");
    let broken = Server::open(&context, "broken");
    let whole = Server::open(&context, "whole");

    let refused = broken.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&refused.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    let event = wait_for(&events, "refusal", is_denied).to_string();
    assert!(event.ends_with("internal error in the authenticator"), "{event}");
    assert!(authenticator.is_alive());
    let admitted = whole.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&admitted.monitor), Some(event::HANDSHAKE_SUCCEEDED));
}

#[test]
fn a_listener_that_panics_changes_no_decision() {
    let context = Context::new().unwrap();
    let authenticator = Authenticator::start(&context, Arc::new(|_| panic!("a bad listener"))).unwrap();
    authenticator.add_domain(DOMAIN, Policy::Directory("/nonexistent".into()));
    let server = Server::open(&context, DOMAIN);
    let refused = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&refused.monitor), Some(event::HANDSHAKE_FAILED_AUTH));
    authenticator.add_domain(DOMAIN, Policy::Anyone);
    let admitted = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&admitted.monitor), Some(event::HANDSHAKE_SUCCEEDED));
}

#[test]
fn i18_each_context_has_its_own_handler_and_a_second_one_in_it_is_an_error() {
    let contexts = [Context::new().unwrap(), Context::new().unwrap()];
    let first = Authenticator::start(&contexts[0], reporter().0).unwrap();
    let _other = Authenticator::start(&contexts[1], reporter().0).unwrap();
    let error = Authenticator::start(&contexts[0], reporter().0).unwrap_err().to_string();
    assert!(error.contains("inproc://zeromq.zap.01"), "{error}");
    drop(first);
    Authenticator::start(&contexts[0], reporter().0).unwrap();
}

#[test]
fn a_socket_without_an_authenticator_in_its_context_admits_nobody() {
    let context = Context::new().unwrap();
    let server = Server::open(&context, DOMAIN);
    let _refused = server.client(KeyPair::generate().unwrap());
    assert_eq!(handshake(&server.monitor), Some(event::HANDSHAKE_FAILED_NO_DETAIL));
}
