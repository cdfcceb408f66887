//! Back-pressure: what is full makes the sender wait, and nothing is lost or stuck.

mod support;

use rsyslog_zmq::sys::zmq::kind;
use support::{Config, Peer, Record};

#[test]
fn a_main_queue_smaller_than_a_burst_pushes_back_and_never_stalls() {
    const COUNT: usize = 20_000;
    for size in [100, 1000] {
        let mut daemon = Config::new(
            r#"module(load="imczmq")
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")
            {receive}"#,
        )
        .with("mainqueue", format!(r#"queue.size="{size}""#))
        .start();
        let peer = Peer::new(kind::PUSH);
        peer.connect_now(&daemon.ipc("pull"));
        let sender = std::thread::spawn(move || {
            for number in 0..COUNT {
                peer.send(&[&Record::number(number).bytes()]);
            }
            // Open until all is received: over ipc, libzmq's reader forgets what is still in the kernel at the close.
            peer
        });
        daemon.assert_received(COUNT);
        drop(sender.join().unwrap());
        daemon.stop();
    }
}

#[test]
fn a_reader_that_comes_late_gets_everything_that_was_fed_before() {
    const COUNT: usize = 5000;
    let mut sender = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" sendqueue.size="100" sendhwm="10")"#,
    )
    .start();
    sender.feed(COUNT, 200);
    let mut receiver = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints=">{endpoint}" recvhwm="10")
        {receive}"#,
    )
    .with("endpoint", sender.ipc("push"))
    .start();
    receiver.assert_received(COUNT);
    sender.stop();
    receiver.stop();
}

#[test]
fn a_burst_beyond_every_high_water_mark_reaches_each_subscriber_that_reads() {
    const COUNT: usize = 30_000;
    let mut sender = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" sendhwm="100")"#,
    )
    .start();
    let receivers: Vec<_> = (0..2)
        .map(|_| {
            Config::new(
                r#"module(load="imczmq")
                input(type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="" recvhwm="100")
                {receive}"#,
            )
            .with("endpoint", sender.ipc("pub"))
            .start()
        })
        .collect();
    let mut feeder = sender.feeder();
    for receiver in &receivers {
        receiver.await_subscription(&mut feeder, Record::number(0));
    }
    sender.feed(COUNT, 200);
    for mut receiver in receivers {
        receiver.assert_received(COUNT);
        receiver.stop();
    }
    sender.stop();
}
