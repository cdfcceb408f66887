//! What only shows with time and numbers: peers that vanish again and again, one that stands still for long, and hours of
//! everything at once. The last two are ignored unless they are asked for (`make soak`).

// Helpers outside `#[test]` functions fail a test by panicking too, and the figures are what one runs the long ones for.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::kind;
use support::{Certificates, Config, Daemon, Peer, Record, most_in_flight, wait_until};

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug)]
struct Resources {
    resident_kib: u64,
    peak_kib: u64,
    threads: u64,
    descriptors: usize,
}

fn resources(process: u32) -> Resources {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Resources {
        resident_kib: number("VmRSS:"),
        peak_kib: number("VmHWM:"),
        threads: number("Threads:"),
        descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
    }
}

fn number(frames: &[Vec<u8>]) -> usize {
    let text = std::str::from_utf8(frames.last().unwrap()).unwrap();
    text.trim_start().get(..8).unwrap().parse().unwrap()
}

/// Feeds this many records from a thread of its own: the daemon may push back.
fn feeding(daemon: &Daemon, count: usize) -> JoinHandle<()> {
    let mut feeder = daemon.feeder();
    std::thread::spawn(move || {
        for number in 0..count {
            feeder.record(&Record { size: 200, ..Record::number(number) });
        }
        feeder.flush();
    })
}

/// Memory for a main queue of 50,000 messages, a send queue and all buffers, far below that of a million messages.
const BOUND_KIB: u64 = 200 << 10;

#[test]
fn o20_a_peer_that_vanishes_twenty_times_in_a_million_messages_gets_nothing_twice() {
    const COUNT: usize = 1_000_000;
    const ROUNDS: usize = 20;
    const MARK: usize = 100;
    const LEAST_FRAME: usize = 160;
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pull.ipc", directory.path().display());
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="text" reconnectivl="1"
               reconnectivlmax="20" sendhwm="{mark}")"#,
    )
    .with("endpoint", &endpoint)
    .with("mark", MARK)
    .with("mainqueue", r#"queue.timeoutEnqueue="600000""#)
    .start();
    let feeder = feeding(&daemon, COUNT);
    // What had left for a peer that went away is gone with the kernel's buffer and libzmq's pipes, and only that.
    let most_lost = most_in_flight(2 * MARK, LEAST_FRAME);
    let (mut next, mut seen) = (0, 0);
    for round in 1..=ROUNDS {
        // The one before is closed by now, and its address free.
        let reader = Peer::new(kind::PULL);
        reader.keep(i32::try_from(MARK).unwrap());
        reader.bind(&endpoint);
        let until = if round == ROUNDS { COUNT } else { COUNT / ROUNDS * round };
        let mut may_lose = if round == 1 { 0 } else { most_lost };
        while next < until {
            let frames = reader.receive();
            assert!(frames[0].len() >= LEAST_FRAME);
            let number = number(&frames);
            assert!(number >= next, "{number} came again after {next}, in round {round}");
            assert!(number - next <= may_lose, "{} lost before {number}, in round {round}", number - next);
            may_lose = 0;
            next = number + 1;
            seen += 1;
        }
    }
    feeder.join().unwrap();
    let counter = |name| daemon.wait_for_counter("omczmq(out)", name, |_| true);
    daemon.wait_for_counter("omczmq(out)", "sent", |sent| sent == COUNT as u64);
    assert_eq!((counter("accepted"), counter("queue_depth"), counter("suspended")), (COUNT as u64, 0, 0));
    let used = resources(daemon.id());
    assert!(used.peak_kib < BOUND_KIB, "{used:?}");
    println!("{seen} of {COUNT} arrived over {ROUNDS} peers; peak memory {} MiB", used.peak_kib >> 10);
    daemon.stop();
}

#[test]
#[ignore = "takes a minute; `make soak` runs it"]
fn a_peer_that_stands_still_for_half_a_minute_loses_nothing() {
    const COUNT: usize = 1_000_000;
    let mut receiver = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port")
        {receive}"#,
    )
    .start();
    let mut sender = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="raw")"#,
    )
    .with("endpoint", receiver.tcp("in"))
    .with("mainqueue", r#"queue.timeoutEnqueue="600000""#)
    .start();
    let feeder = feeding(&sender, COUNT);
    sender.wait_for_counter("omczmq(out)", "sent", |sent| sent > 10_000);
    receiver.signal(libc::SIGSTOP);
    let sent = sender.wait_for_halt("omczmq(out)", "sent");
    std::thread::sleep(Duration::from_secs(30));
    let still = sender.wait_for_halt("omczmq(out)", "sent");
    let used = resources(sender.id());
    receiver.signal(libc::SIGCONT);
    assert_eq!(sent, still, "something went on while the peer stood still");
    assert!(used.peak_kib < BOUND_KIB, "{used:?}");
    feeder.join().unwrap();
    receiver.assert_received(COUNT);
    println!("halted at {sent} of {COUNT} for 30 s; peak memory {} MiB; all arrived once", used.peak_kib >> 10);
    sender.stop();
    receiver.stop();
}

/// Something that goes on until the soak is over, and counts what it did.
struct Load {
    thread: JoinHandle<()>,
    count: Arc<AtomicU64>,
}

fn load(is_over: &Arc<AtomicBool>, mut act: impl FnMut() -> u64 + Send + 'static) -> Load {
    let count = Arc::new(AtomicU64::new(0));
    let (is_over, counted) = (Arc::clone(is_over), Arc::clone(&count));
    let thread = std::thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            counted.fetch_add(act(), Ordering::Relaxed);
        }
    });
    Load { thread, count }
}

/// Reads for a while; how many came.
fn read_for(peer: &Peer, time: Duration) -> u64 {
    let until = Instant::now() + time;
    let mut count = 0;
    while Instant::now() < until {
        count += u64::from(peer.receive_within(Duration::from_millis(100)).is_some());
    }
    count
}

/// rsyslogd as a relay: what comes by TCP goes out to a PUSH and a PUB with CURVE, and what comes by PULL too.
fn relay(certificates: &Certificates) -> Daemon {
    Config::new(
        r#"{feed}
        {stats}
        module(load="imczmq")
        module(load="omczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients/")
        action(name="push" type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*"
               listenportfilename="{dir}/push.port" template="text")
        action(name="pub" type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" sendtimeout="500"
               listenportfilename="{dir}/pub.port" template="text" topics="program" dynatopic="on" topicframe="on"
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients/")"#,
    )
    .with("certs", certificates.directory().display())
    .with("mainqueue", r#"queue.timeoutEnqueue="600000""#)
    .start()
}

#[test]
#[ignore = "takes RSYSLOG_ZMQ_SOAK seconds; `make soak MINUTES=15` runs it"]
fn everything_at_once_for_long_takes_no_more_memory_descriptors_or_threads() {
    let seconds = std::env::var("RSYSLOG_ZMQ_SOAK").unwrap_or_else(|_| "900".to_owned());
    let seconds: u64 = seconds.parse().unwrap();
    let certificates = Arc::new(Certificates::new());
    let mut daemon = relay(&certificates);
    let (push, publisher, pull) = (daemon.tcp("push"), daemon.tcp("pub"), daemon.tcp("in"));
    let is_over = Arc::new(AtomicBool::new(false));
    let subscriber = {
        let (certificates, publisher) = (Arc::clone(&certificates), publisher.clone());
        move || {
            let peer = Peer::new(kind::SUB);
            peer.curve_client(&certificates, "client", "server");
            peer.subscribe("app");
            peer.connect(&publisher);
            peer
        }
    };
    let steady_reader = Peer::new(kind::PULL);
    steady_reader.connect_now(&push);
    let steady_subscriber = subscriber();
    let before = {
        wait_until("the steady peers to be there", Duration::from_secs(20), || {
            daemon.wait_for_counter("omczmq(pub)", "subscriptions_active", |_| true) == 1
        });
        resources(daemon.id())
    };
    let mut feeder = daemon.feeder();
    let mut sequence = 0;
    let loads = [
        ("fed by TCP", {
            load(&is_over, move || {
                for _ in 0..1000 {
                    sequence += 1;
                    feeder.record(&Record { size: 200, ..Record::number(sequence % 90_000_000) });
                }
                1000
            })
        }),
        ("read by PULL", load(&is_over, move || read_for(&steady_reader, Duration::from_millis(500)))),
        ("read by SUB", load(&is_over, move || read_for(&steady_subscriber, Duration::from_millis(500)))),
        ("readers that came and went", {
            let push = push.clone();
            load(&is_over, move || {
                let peer = Peer::new(kind::PULL);
                peer.connect(&push);
                read_for(&peer, Duration::from_millis(300));
                1
            })
        }),
        ("subscribers that came and went", {
            let subscriber = subscriber.clone();
            load(&is_over, move || {
                read_for(&subscriber(), Duration::from_millis(300));
                1
            })
        }),
        ("subscribers that never read", {
            load(&is_over, move || {
                let peer = subscriber();
                peer.keep(10);
                std::thread::sleep(Duration::from_secs(5));
                1
            })
        }),
        ("strangers", {
            let (certificates, pull) = (Arc::clone(&certificates), pull.clone());
            load(&is_over, move || {
                let peer = Peer::new(kind::PUSH);
                peer.socket.set_int(rsyslog_zmq::sys::zmq::option::LINGER, 0).unwrap();
                peer.curve_client(&certificates, "stranger", "server");
                peer.connect(&pull);
                std::thread::sleep(Duration::from_millis(200));
                1
            })
        }),
        ("sent by PUSH peers that came and went", {
            let certificates = Arc::clone(&certificates);
            load(&is_over, move || {
                let peer = Peer::new(kind::PUSH);
                peer.curve_client(&certificates, "client", "server");
                peer.connect_now(&pull);
                for number in 0..200 {
                    peer.send(&[&Record::number(number).bytes()]);
                }
                200
            })
        }),
    ];
    let began = Instant::now();
    let mut after_a_minute = None;
    while began.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_secs(10.min(seconds)));
        assert!(daemon.is_alive(), "rsyslogd ended; its log:\n{}", daemon.log());
        let used = resources(daemon.id());
        println!("{:5} s: {used:?}", began.elapsed().as_secs());
        if began.elapsed() >= Duration::from_secs(60) {
            after_a_minute.get_or_insert(used);
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for (what, load) in loads {
        load.thread.join().unwrap();
        println!("{what}: {}", load.count.load(Ordering::Relaxed));
    }
    let after = {
        // The steady peers have gone too.
        wait_until("the connections to be closed", Duration::from_secs(60), || {
            resources(daemon.id()).descriptors <= before.descriptors
        });
        resources(daemon.id())
    };
    println!("before {before:?}\nafter  {after:?}");
    assert!(after.threads <= before.threads + 1, "threads: before {before:?}, after {after:?}");
    if let Some(then) = after_a_minute {
        assert!(
            after.resident_kib < then.resident_kib * 5 / 4,
            "memory: after a minute {then:?}, at the end {after:?}"
        );
    }
    daemon.stop();
}
