//! A million messages through both modules.

mod support;

use support::{Config, Daemon};

#[test]
fn a_million_messages_arrive_once_and_in_order() {
    const COUNT: usize = 1_000_000;
    let mut receiver = Daemon::start(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port")
        {receive}"#,
    );
    let mut sender = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}")"#,
    )
    .with("endpoint", receiver.tcp("in"))
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    sender.stop();
    receiver.stop();
}
