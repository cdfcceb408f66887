//! The table, driven by what libzmq 4.3.4 was recorded to report. A line of a trace is an event, its value and its endpoint.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::transport::address::endpoint::Endpoint;
use crate::transport::address::greeting::{Greeting, GreetingError};
use crate::transport::address::reachability::{Look, Obstacle};
use crate::transport::link::Timing;
use crate::transport::link::reconnect::Backoff;
use crate::transport::link::state::State;

/// A socket that binds and connects: two strangers with another mechanism at its listener, and then the other side goes.
const STRANGERS_AT_A_MIXED_SOCKET: &str = "
    CONNECT_DELAYED 115 tcp://127.0.0.1:43649
    CONNECTED 14 tcp://127.0.0.1:43649
    HANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:43649
    ACCEPTED 20 tcp://127.0.0.1:41819
    HANDSHAKE_FAILED_PROTOCOL 285212674 tcp://127.0.0.1:41819
    DISCONNECTED 20 tcp://127.0.0.1:41819
    ACCEPTED 20 tcp://127.0.0.1:41819
    HANDSHAKE_FAILED_PROTOCOL 285212674 tcp://127.0.0.1:41819
    DISCONNECTED 20 tcp://127.0.0.1:41819";
const THE_OTHER_GOES: &str = "
    DISCONNECTED 14 tcp://127.0.0.1:43649
    CONNECT_RETRIED 163 tcp://127.0.0.1:43649
    CONNECT_DELAYED 115 tcp://127.0.0.1:43649
    CONNECT_RETRIED 140 tcp://127.0.0.1:43649";
const AND_IS_BACK: &str = "
    CONNECT_DELAYED 115 tcp://127.0.0.1:43649
    CONNECTED 14 tcp://127.0.0.1:43649
    HANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:43649";
/// A client whose key is refused. libzmq does nothing more.
const REFUSED: &str = "
    CONNECT_DELAYED 115 tcp://127.0.0.1:40715
    CONNECTED 23 tcp://127.0.0.1:40715
    HANDSHAKE_FAILED_AUTH 400 tcp://127.0.0.1:40715
    DISCONNECTED 23 tcp://127.0.0.1:40715";
/// A client with a wrong server key. libzmq tries again by itself.
const BROKEN_OFF: &str = "
    CONNECT_DELAYED 115 tcp://127.0.0.1:40715
    CONNECTED 21 tcp://127.0.0.1:40715
    HANDSHAKE_FAILED_NO_DETAIL 32 tcp://127.0.0.1:40715
    DISCONNECTED 21 tcp://127.0.0.1:40715
    CONNECT_RETRIED 110 tcp://127.0.0.1:40715";
/// Its peer says nothing; the limit is 300 ms.
const MUTE: &str = "
    CONNECT_DELAYED 115 tcp://127.0.0.1:35453
    CONNECTED 34 tcp://127.0.0.1:35453
    +300
    HANDSHAKE_FAILED_NO_DETAIL 11 tcp://127.0.0.1:35453
    DISCONNECTED 34 tcp://127.0.0.1:35453
    CONNECT_RETRIED 113 tcp://127.0.0.1:35453";
/// A peer at a listener, and another that goes in the middle of its handshake.
const HALF_OPEN: &str = "
    ACCEPTED 15 tcp://127.0.0.1:38133
    HANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:38133
    ACCEPTED 17 tcp://127.0.0.1:38133
    HANDSHAKE_FAILED_NO_DETAIL 104 tcp://127.0.0.1:38133
    DISCONNECTED 17 tcp://127.0.0.1:38133";

struct Bench {
    table: Table,
    counters: ConnectionCounters,
    now: Instant,
    outputs: Vec<Output>,
}

fn bench_with(endpoints: &str, uses_curve: bool, uses_ipv6: bool) -> Bench {
    let endpoints = if endpoints.is_empty() { Vec::new() } else { Endpoint::parse_list(endpoints).unwrap() };
    let manner = Manner {
        uses_ipv6,
        uses_curve,
        is_curve_client: uses_curve,
        handshake_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_secs(5),
        timing: Timing {
            backoff: Backoff { first: Duration::from_millis(100), longest: Duration::from_millis(400) },
            probe_after: Duration::from_secs(9),
            probe_every: Duration::from_secs(30),
            report_after: Duration::from_secs(10),
        },
    };
    let now = Instant::now();
    let addresses = endpoints.iter().map(|endpoint| &endpoint.address).enumerate();
    let mut bench = Bench {
        table: Table::new(addresses, manner, now),
        counters: ConnectionCounters::default(),
        now,
        outputs: Vec::new(),
    };
    bench.table.start(now, &mut bench.outputs);
    bench
}

fn bench(endpoints: &str) -> Bench {
    bench_with(endpoints, false, false)
}

fn address() -> Option<PeerAddress> {
    PeerAddress::parse("127.0.0.1")
}

fn event(line: &str) -> MonitorEvent {
    let mut parts = line.split_whitespace();
    let (name, value, endpoint) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap().to_owned());
    let number: u32 = value.parse().unwrap();
    let fd = number as i32;
    let kind = match name {
        "CONNECT_DELAYED" => MonitorEventKind::ConnectDelayed,
        "CONNECT_RETRIED" => MonitorEventKind::ConnectRetried { interval_ms: number },
        "CONNECTED" => MonitorEventKind::Connected { fd },
        "ACCEPTED" => MonitorEventKind::Accepted { fd },
        "DISCONNECTED" => MonitorEventKind::Disconnected { fd },
        "HANDSHAKE_SUCCEEDED" => MonitorEventKind::HandshakeSucceeded,
        "HANDSHAKE_FAILED_AUTH" => MonitorEventKind::HandshakeFailedAuth(number),
        "HANDSHAKE_FAILED_PROTOCOL" => MonitorEventKind::HandshakeFailedProtocol(number),
        "HANDSHAKE_FAILED_NO_DETAIL" => MonitorEventKind::HandshakeFailedNoDetail(fd),
        other => panic!("{other}"),
    };
    MonitorEvent { kind, endpoint }
}

impl Bench {
    /// Plays a trace; `+N` lets N milliseconds pass.
    fn play(&mut self, trace: &str) {
        for line in trace.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.strip_prefix('+') {
                Some(pause) => self.now += Duration::from_millis(pause.parse().unwrap()),
                None => self.table.apply(&event(line), address(), &self.counters, self.now, &mut self.outputs),
            }
        }
    }

    /// Lets time pass, doing what is due when it is due. Returns what was wanted on the way.
    fn pass(&mut self, milliseconds: u64) -> Vec<Output> {
        let until = self.now + Duration::from_millis(milliseconds);
        self.outputs.clear();
        while let Some(due) = self.table.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.table.tick(self.now, &mut self.outputs);
        }
        self.now = until;
        std::mem::take(&mut self.outputs)
    }

    fn state(&self, index: usize) -> State {
        self.table.endpoints()[index].state().clone()
    }

    fn probed(&mut self, look: Look) {
        let now = self.now;
        self.table.endpoint(0, &mut self.outputs, |endpoint, out| endpoint.probed(&look, now, out));
    }

    fn resolved(&mut self, addresses: &[&str]) {
        let now = self.now;
        let answer = Ok(addresses.iter().map(|address| address.parse().unwrap()).collect());
        self.table.endpoint(0, &mut self.outputs, |endpoint, out| endpoint.resolved(answer, now, out));
    }
}

/// The addresses that endpoints were connected to, in order.
fn connects(outputs: &[Output]) -> Vec<(usize, &str)> {
    let connect = |output: &'_ Output| match output {
        Output::Endpoint(index, reconnect::Output::Connect { .. }) => Some(*index),
        _ => None,
    };
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Endpoint(_, reconnect::Output::Connect { to, .. }) => Some((connect(output).unwrap(), to.as_str())),
            _ => None,
        })
        .collect()
}

fn told(outputs: &[Output]) -> Vec<String> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Tell(LinkEvent::Away { name, state, .. }) => Some(format!("away {name}: {state}")),
            Output::Tell(LinkEvent::Back { name, after }) => Some(format!("back {name} after {} s", after.as_secs())),
            _ => None,
        })
        .collect()
}

#[test]
fn strangers_at_the_listener_leave_the_connection_of_a_mixed_socket_alone() {
    let mut bench = bench("tcp://127.0.0.1:43649");
    assert_eq!(connects(&bench.outputs), [(0, "tcp://127.0.0.1:43649")]);
    bench.play(STRANGERS_AT_A_MIXED_SOCKET);
    assert_eq!((bench.state(0), bench.table.ready()), (State::Connected, 1));
    assert!(connects(&bench.pass(60_000)).is_empty(), "the healthy connection is not touched");
    assert_eq!(bench.counters.handshakes_failed_protocol.get(), 2);
    assert_eq!((bench.counters.accepted.get(), bench.counters.closed.get()), (2, 2));
}

#[test]
fn an_ordinary_loss_is_left_to_libzmq_and_a_silent_one_is_not() {
    let mut bench = bench("tcp://127.0.0.1:43649");
    bench.play(STRANGERS_AT_A_MIXED_SOCKET);
    bench.play(THE_OTHER_GOES);
    assert_eq!((bench.state(0), bench.table.ready()), (State::Lost, 0));
    assert!(connects(&bench.pass(5_000)).is_empty());
    bench.play(AND_IS_BACK);
    assert_eq!(bench.state(0), State::Connected);
    bench.play("DISCONNECTED 14 tcp://127.0.0.1:43649");
    assert_eq!(connects(&bench.pass(1_000)), [(0, "tcp://127.0.0.1:43649")], "libzmq reported nothing more");
}

#[test]
fn a_pause_of_the_whole_process_gives_libzmq_its_time_once_more() {
    let mut bench = bench("tcp://127.0.0.1:43649");
    bench.play(AND_IS_BACK);
    bench.play("DISCONNECTED 14 tcp://127.0.0.1:43649");
    // Stopped and continued: both threads are late, and the driver's is the first to run.
    bench.now += Duration::from_secs(60);
    bench.outputs.clear();
    bench.table.tick(bench.now, &mut bench.outputs);
    assert!(connects(&bench.outputs).is_empty());
    bench.play("CONNECT_RETRIED 163 tcp://127.0.0.1:43649");
    assert!(connects(&bench.pass(5_000)).is_empty());
}

#[test]
fn only_the_endpoint_of_a_name_that_refuses_is_connected_again() {
    let mut bench = bench("tcp://localhost:43649,tcp://localhost:40715");
    assert!(connects(&bench.outputs).is_empty(), "names are looked up first");
    for (index, address) in ["127.0.0.1:43649", "127.0.0.1:40715"].iter().enumerate() {
        let now = bench.now;
        let answer = Ok(vec![address.parse().unwrap()]);
        bench.table.endpoint(index, &mut bench.outputs, |endpoint, out| endpoint.resolved(answer, now, out));
    }
    assert_eq!(connects(&bench.outputs), [(0, "tcp://127.0.0.1:43649"), (1, "tcp://127.0.0.1:40715")]);
    bench.play(AND_IS_BACK);
    bench.play(REFUSED);
    for _ in 0..3 {
        let outputs = bench.pass(400);
        assert_eq!(connects(&outputs), [(1, "tcp://127.0.0.1:40715")]);
        bench.play(REFUSED);
    }
    assert_eq!((bench.state(0), bench.table.ready()), (State::Connected, 1));
}

#[test]
fn a_refused_key_is_told_at_once_and_once_and_success_after_it_too() {
    let mut bench = bench_with("tcp://127.0.0.1:40715", true, false);
    for expected in [100, 200, 400, 400] {
        bench.play(REFUSED);
        let before = bench.now;
        bench.outputs.retain(|output| matches!(output, Output::Tell(LinkEvent::Away { .. })));
        if expected == 100 {
            assert_eq!(told(&bench.outputs), ["away tcp://127.0.0.1:40715: the server refused our key"]);
        } else {
            assert!(bench.outputs.is_empty(), "once");
        }
        assert_eq!(bench.table.next_due().unwrap() - before, Duration::from_millis(expected), "the pauses grow");
        assert_eq!(connects(&bench.pass(expected)).len(), 1);
    }
    bench.now += Duration::from_secs(40);
    bench.play("CONNECTED 23 tcp://127.0.0.1:40715\nHANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:40715");
    assert_eq!(told(&bench.outputs), ["back tcp://127.0.0.1:40715 after 41 s"]);
}

#[test]
fn a_handshake_that_broke_off_is_named_by_what_answers_there() {
    let greeting = |mechanism: &str| Ok(Greeting { version: (3, 1), mechanism: mechanism.into() });
    for (answer, expected) in [
        (Look::Greeting(greeting("CURVE")), State::Refused(Refusal::ServerKey)),
        (Look::Greeting(greeting("NULL")), State::Refused(Refusal::Mechanism)),
        (Look::Greeting(Err(GreetingError::NotZeroMq)), State::Refused(Refusal::NotOurs)),
        (Look::Greeting(Err(GreetingError::Silent)), State::Refused(Refusal::NoAnswer)),
        (Look::Greeting(Err(GreetingError::Closed)), State::Refused(Refusal::Closed)),
        (Look::Obstacle(Obstacle::NoAnswer), State::Unreachable(Some(Obstacle::NoAnswer))),
    ] {
        let mut bench = bench_with("tcp://127.0.0.1:40715", true, false);
        for _ in 0..20 {
            bench.play(BROKEN_OFF);
        }
        let probes = bench.outputs.iter().filter(|o| matches!(o, Output::Endpoint(0, reconnect::Output::Probe)));
        assert_eq!(probes.count(), 1, "one look, however often it breaks off");
        bench.probed(answer);
        assert_eq!(bench.state(0), expected);
        assert!(connects(&bench.pass(5_000)).is_empty(), "libzmq tries again by itself");
    }
}

#[test]
fn a_publisher_that_restarts_in_the_middle_of_a_handshake_is_not_taken_for_one_with_another_key() {
    let ours = || Look::Greeting(Ok(Greeting { version: (3, 1), mechanism: "CURVE".into() }));
    let mut bench = bench_with("tcp://127.0.0.1:40715", true, false);
    bench.play(BROKEN_OFF);
    bench.probed(ours());
    assert_eq!(bench.state(0), State::Connecting);
    bench.play(BROKEN_OFF);
    bench.probed(Look::Obstacle(Obstacle::NothingListens));
    bench.play(BROKEN_OFF);
    bench.probed(ours());
    assert_eq!(bench.state(0), State::Connecting, "it was away between the two");
    bench.play(BROKEN_OFF);
    bench.probed(ours());
    assert_eq!(bench.state(0), State::Refused(Refusal::ServerKey));
}

#[test]
fn a_handshake_that_our_libzmq_ended_is_named_by_what_answers_there() {
    let greeting = |mechanism: &str| Ok(Greeting { version: (3, 1), mechanism: mechanism.into() });
    for (answer, expected) in [
        (Look::Greeting(greeting("CURVE")), Refusal::HungUp),
        (Look::Greeting(greeting("NULL")), Refusal::Mechanism),
        (Look::Greeting(Err(GreetingError::NotZeroMq)), Refusal::NotOurs),
        (Look::Greeting(Err(GreetingError::Silent)), Refusal::NotOurs),
        (Look::Nothing, Refusal::NotOurs),
    ] {
        let mut bench = bench_with("tcp://127.0.0.1:40715", true, false);
        bench.play("CONNECTED 21 tcp://127.0.0.1:40715");
        bench.play("DISCONNECTED 21 tcp://127.0.0.1:40715");
        bench.probed(answer);
        assert_eq!(bench.state(0), State::Refused(expected));
        assert_eq!(connects(&bench.pass(1_000)).len(), 1, "libzmq does not try again by itself");
    }
}

#[test]
fn a_publisher_in_the_place_of_another_server_is_connected_to_at_once_and_not_taken_for_it() {
    let ours = || Look::Greeting(Ok(Greeting { version: (3, 1), mechanism: "CURVE".into() }));
    let mut bench = bench_with("tcp://127.0.0.1:40715", true, false);
    let ended = "CONNECTED 21 tcp://127.0.0.1:40715\nDISCONNECTED 21 tcp://127.0.0.1:40715";
    bench.play(ended);
    bench.probed(Look::Greeting(Err(GreetingError::NotZeroMq)));
    bench.pass(1_000);
    bench.play(ended);
    bench.probed(ours());
    assert_eq!(bench.state(0), State::Connecting);
    assert_eq!(connects(&bench.pass(0)).len(), 1);
    bench.play(ended);
    bench.probed(ours());
    assert_eq!(bench.state(0), State::Refused(Refusal::HungUp));
}

#[test]
fn a_look_from_before_a_connection_says_nothing_about_its_loss() {
    let mut bench = bench("tcp://127.0.0.1:43649");
    bench.pass(9_500);
    bench.play(AND_IS_BACK);
    bench.play(THE_OTHER_GOES.trim_start().split_once('\n').unwrap().0);
    bench.probed(Look::Greeting(Err(GreetingError::Silent)));
    assert_eq!(bench.state(0), State::Lost);
    let outputs = bench.pass(9_000);
    assert!(outputs.iter().any(|output| matches!(output, Output::Endpoint(0, reconnect::Output::Probe))));
    bench.probed(Look::Greeting(Err(GreetingError::Silent)));
    assert_eq!(bench.state(0), State::Refused(Refusal::NoAnswer));
}

#[test]
fn a_server_that_stopped_accepting_keeps_its_name_when_its_backlog_is_full() {
    let mut bench = bench("tcp://127.0.0.1:35453");
    bench.play(MUTE);
    bench.probed(Look::Obstacle(Obstacle::NoAnswer));
    assert_eq!(bench.state(0), State::Refused(Refusal::NoAnswer));
}

#[test]
fn a_mute_peer_is_told_from_one_that_hangs_up() {
    let mut bench = bench_with("tcp://127.0.0.1:35453", true, false);
    bench.play(MUTE);
    assert_eq!(bench.state(0), State::Refused(Refusal::NoAnswer));
}

#[test]
fn an_unreachable_endpoint_is_told_after_ten_seconds_once_for_each_reason() {
    let mut bench = bench("tcp://127.0.0.1:43649");
    bench.play(THE_OTHER_GOES.split_once('\n').unwrap().1.split_once('\n').unwrap().1);
    let outputs = bench.pass(9_500);
    assert!(outputs.iter().any(|output| matches!(output, Output::Endpoint(0, reconnect::Output::Probe))));
    bench.probed(Look::Obstacle(Obstacle::NothingListens));
    assert!(told(&bench.outputs).is_empty());
    assert_eq!(told(&bench.pass(1_000)), ["away tcp://127.0.0.1:43649: cannot be reached: nothing listens there"]);
    for _ in 0..10 {
        assert!(told(&bench.pass(31_000)).is_empty());
        bench.probed(Look::Obstacle(Obstacle::NothingListens));
    }
    bench.pass(31_000);
    bench.probed(Look::Obstacle(Obstacle::NoAnswer));
    assert_eq!(told(&bench.outputs).len(), 1, "another reason");
    bench.play(AND_IS_BACK);
    assert_eq!(told(&bench.outputs).last().unwrap(), "back tcp://127.0.0.1:43649 after 351 s");
}

#[test]
fn an_event_of_a_mapped_or_zoned_address_is_about_its_endpoint() {
    let mut bench = bench_with("tcp://127.0.0.1:43649", false, true);
    bench.play(&AND_IS_BACK.replace("127.0.0.1", "[::ffff:127.0.0.1]"));
    assert_eq!(bench.state(0), State::Connected);
    let mut bench = bench_with("tcp://[fe80::1%eth0]:43649", false, true);
    assert_eq!(connects(&bench.outputs), [(0, "tcp://[fe80::1%eth0]:43649")]);
    bench.play(&AND_IS_BACK.replace("127.0.0.1", "[fe80::1%eth0]"));
    assert_eq!(bench.state(0), State::Connected);
}

#[test]
fn a_name_with_several_addresses_gives_each_its_turn_while_none_answers() {
    let mut bench = bench("tcp://collector:43649");
    bench.resolved(&["192.0.2.1:43649", "[2001:db8::1]:43649", "192.0.2.2:43649"]);
    assert_eq!(connects(&bench.outputs), [(0, "tcp://192.0.2.1:43649")]);
    bench.outputs.clear();
    bench.resolved(&["192.0.2.1:43649", "[2001:db8::1]:43649", "192.0.2.2:43649"]);
    assert_eq!(connects(&bench.outputs), [(0, "tcp://192.0.2.2:43649")], "IPv6 is off");
    bench.outputs.clear();
    bench.resolved(&["192.0.2.2:43649"]);
    assert!(connects(&bench.outputs).is_empty(), "it stays where it is");
    bench.resolved(&["198.51.100.7:43649"]);
    assert_eq!(connects(&bench.outputs), [(0, "tcp://198.51.100.7:43649")], "the name has moved");
}

#[test]
fn a_name_that_does_not_resolve_is_told_and_looked_up_again() {
    let mut bench = bench("tcp://collector:43649");
    let now = bench.now;
    let answer = Err(Obstacle::Name("collector".into()));
    bench.table.endpoint(0, &mut bench.outputs, |endpoint, out| endpoint.resolved(answer, now, out));
    let outputs = bench.pass(16_000);
    assert_eq!(
        told(&outputs),
        ["away tcp://collector:43649: cannot be reached: the name \"collector\" does not resolve"]
    );
    assert!(outputs.iter().any(|output| matches!(output, Output::Endpoint(0, reconnect::Output::Resolve))));
    bench.resolved(&["192.0.2.1:43649"]);
    assert_eq!(connects(&bench.outputs), [(0, "tcp://192.0.2.1:43649")]);
}

#[test]
fn a_stranger_in_mid_handshake_does_not_pass_for_a_peer() {
    let mut bench = bench("");
    bench.play(HALF_OPEN);
    assert_eq!((bench.table.ready(), bench.counters.active.get()), (1, 1));
    assert!(bench.table.accepted_ended_within(Duration::from_millis(100), bench.now));
    bench.play("DISCONNECTED 15 tcp://127.0.0.1:38133");
    assert_eq!((bench.table.ready(), bench.counters.active.get()), (0, 0));
    assert!(!bench.table.accepted_ended_within(Duration::from_millis(100), bench.now + Duration::from_millis(101)));
}

#[test]
fn a_connection_that_ended_without_a_report_is_found_by_two_looks() {
    let mut bench = bench("");
    bench.play("ACCEPTED 15 tcp://127.0.0.1:38133\nHANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:38133");
    let looks = |bench: &mut Bench, there: bool| {
        let peer_at = |_| address().filter(|_| there);
        bench.table.audit(peer_at, &bench.counters, bench.now, &mut bench.outputs);
        bench.counters.active.get()
    };
    assert_eq!(looks(&mut bench, true), 1);
    assert_eq!(looks(&mut bench, false), 1, "libzmq may be about to say so");
    assert_eq!(looks(&mut bench, false), 0);
    assert_eq!(bench.counters.closed.get(), 1);
    bench.play("DISCONNECTED 15 tcp://127.0.0.1:38133");
    assert_eq!(bench.counters.closed.get(), 1, "not twice");
}

#[test]
fn a_revoked_key_ends_its_own_connections_and_no_others_of_its_address() {
    const ALICE: PublicKey = PublicKey::from_bytes([1; 32]);
    const BOB: PublicKey = PublicKey::from_bytes([2; 32]);
    let mut bench = bench("");
    for (descriptor, key) in [(15, ALICE), (16, BOB)] {
        bench.play(&format!("ACCEPTED {descriptor} tcp://127.0.0.1:38133"));
        bench.table.authenticated(address(), key);
        bench.play("HANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:38133");
    }
    // Alice's key is replaced: the new one connects from the same address before the old one is taken out.
    let cut = std::cell::RefCell::new(Vec::new());
    let ended = bench.table.revoke(ALICE, |descriptor, _| {
        cut.borrow_mut().push(descriptor);
        Cut::Done
    });
    assert_eq!((ended, cut.borrow().as_slice()), (1, &[15][..]));
    assert!(!bench.table.wants_endings());
    assert_eq!(bench.table.end_wanted(|_, _| Cut::Done), 0, "not twice");
}

#[test]
fn a_connection_that_could_not_be_ended_for_want_of_a_descriptor_is_tried_again() {
    const ALICE: PublicKey = PublicKey::from_bytes([1; 32]);
    let mut bench = bench("");
    bench.play("ACCEPTED 15 tcp://127.0.0.1:38133");
    bench.table.authenticated(address(), ALICE);
    bench.play("HANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:38133");
    assert_eq!(bench.table.revoke(ALICE, |_, _| Cut::Short), 0);
    assert!(bench.table.wants_endings());
    assert_eq!(bench.table.end_wanted(|_, _| Cut::Short), 0);
    assert_eq!(bench.table.end_wanted(|_, _| Cut::Done), 1);
    assert!(!bench.table.wants_endings());
}

#[test]
fn a_refused_connection_is_given_up_at_once_and_forgotten() {
    let mut bench = bench("tcp://127.0.0.1:40715");
    bench.play("CONNECTED 23 tcp://127.0.0.1:40715\nHANDSHAKE_FAILED_AUTH 300 tcp://127.0.0.1:40715");
    // The server keeps such a connection open; libzmq ends it without a report when the endpoint is disconnected.
    assert!(bench.outputs.contains(&Output::Forget(23)));
    assert!(bench.outputs.contains(&Output::Endpoint(0, reconnect::Output::Disconnect)));
    assert_eq!(connects(&bench.pass(1_000)).len(), 1);
    bench.play("CONNECTED 23 tcp://127.0.0.1:40715\nHANDSHAKE_SUCCEEDED 0 tcp://127.0.0.1:40715");
    assert_eq!(bench.table.ready(), 1);
}

#[test]
fn nothing_is_connected_while_libzmq_may_still_point_to_a_session_that_has_ended() {
    let mut bench = bench("tcp://127.0.0.1:43649,tcp://127.0.0.1:40715");
    bench.play(AND_IS_BACK);
    bench.play(REFUSED);
    bench.pass(50);
    // The first one is lost, and libzmq has not said yet whether it connects again; the second one is due.
    bench.play("DISCONNECTED 14 tcp://127.0.0.1:43649");
    assert!(connects(&bench.pass(90)).is_empty());
    let outputs = bench.pass(20);
    let gone = outputs.iter().position(|o| matches!(o, Output::Endpoint(0, reconnect::Output::Disconnect)));
    let come = outputs.iter().position(|o| matches!(o, Output::Endpoint(1, reconnect::Output::Connect { .. })));
    assert!(gone.is_some() && gone < come, "{outputs:?}");
}

#[test]
fn a_session_that_libzmq_has_lost_is_made_anew() {
    let mut bench = bench("tcp://127.0.0.1:43649");
    bench.play("CONNECT_DELAYED 115 tcp://127.0.0.1:43649");
    assert!(connects(&bench.pass(15_000)).is_empty(), "an attempt may take 5 s, and a pause");
    assert_eq!(connects(&bench.pass(2_000)), [(0, "tcp://127.0.0.1:43649")], "nothing has been reported since");
    // While libzmq reports its attempts it is left alone.
    for _ in 0..100 {
        bench.play("CONNECT_RETRIED 400 tcp://127.0.0.1:43649\nCONNECT_DELAYED 115 tcp://127.0.0.1:43649");
        assert!(connects(&bench.pass(5_400)).is_empty());
    }
}
