//! Authentication where the C modules and CZMQ fail: each test bears the row of the list of their defects, and runs against a
//! real rsyslogd.

// Helpers outside `#[test]` functions fail a test by panicking too; figures and omissions are told on standard error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{event, kind};
use support::{Certificates, Config, Daemon, Peer, Record, SHORT, check_config, texts, wait_until};

/// A listening PULL input with this certificate of its own and these parameters beside it.
fn input(certificates: &Certificates, own: &str, parameters: &str) -> Config {
    Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{own}" {parameters})
        {receive}"#,
    )
    .with("own", own)
    .with("parameters", parameters)
    .with("certs", certificates.directory().display())
}

/// The same with an allow list.
fn daemon(certificates: &Certificates) -> Daemon {
    input(certificates, "{certs}/server", r#"clientcertpath="{certs}/clients""#).start()
}

fn client(certificates: &Certificates, own: &str, server: &str, socket_kind: i32, endpoint: &str) -> Peer {
    let peer = Peer::new(socket_kind);
    peer.curve_client(certificates, own, server);
    peer.connect(endpoint);
    peer
}

/// The client gets in, and its record of this number arrives after all before it.
fn assert_served(daemon: &Daemon, certificates: &Certificates, own: &str, number: usize) {
    let peer = client(certificates, own, "server", kind::PUSH, &daemon.tcp("in"));
    peer.await_event(event::HANDSHAKE_SUCCEEDED);
    peer.send(&[&Record::number(number).bytes()]);
    daemon.assert_received(number + 1);
}

fn assert_turned_away(daemon: &Daemon, certificates: &Certificates, own: &str) {
    client(certificates, own, "server", kind::PUSH, &daemon.tcp("in")).assert_refused();
}

/// Tells the daemon to read its lists again and waits until it has said so.
fn hang_up_until(daemon: &Daemon, text: &str) {
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log(text);
}

#[test]
fn o14_i16_the_authenticator_is_on_unless_it_is_switched_off_in_words() {
    let certificates = Certificates::new();
    let mut daemon = daemon(&certificates);
    assert_turned_away(&daemon, &certificates, "stranger");
    assert_served(&daemon, &certificates, "client", 0);
    daemon.stop();

    let mut open = input(&certificates, "{certs}/server", r#"authenticator="off""#).start();
    open.wait_for_log("authenticator is off: every client that knows the server's public key is admitted");
    assert_served(&open, &certificates, "stranger", 0);
    let mistaken = client(&certificates, "client", "stranger", kind::PUSH, &open.tcp("in"));
    mistaken.assert_refused();
    open.stop();
}

#[test]
fn o14_an_action_with_an_allow_list_uses_it_without_further_words() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" authtype="CURVESERVER"
               servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let stranger = client(&certificates, "stranger", "server", kind::PULL, &daemon.ipc("push"));
    stranger.assert_turned_away();
    let admitted = client(&certificates, "client", "server", kind::PULL, &daemon.ipc("push"));
    daemon.feed(10, 0);
    assert_eq!(admitted.receive_texts(10), texts(10, ""));
    daemon.stop();
}

#[test]
fn i16_an_authtype_that_is_not_understood_never_means_plaintext() {
    let certificates = Certificates::new();
    for authtype in [r#"authtype="CURVE""#, r#"authtype="CURVE SERVER""#, r#"authtype="""#, ""] {
        let config = || {
            Config::new(
                r#"{feed}
                {receive}
                module(load="imczmq")
                input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc" {authtype}
                      servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
            )
            .with("authtype", authtype)
            .with("certs", certificates.directory().display())
        };
        let check = check_config(config());
        assert_eq!(check.status.code(), Some(1), "{authtype}: {}", check.output);
        assert!(check.output.contains("authtype"), "{authtype}: {}", check.output);
        let mut daemon = config().start();
        daemon.feed(10, 0);
        daemon.assert_received(10);
        assert!(!daemon.file("pull.ipc").exists(), "{authtype}: a refused input listens");
        daemon.stop();
    }
}

#[test]
fn o18_a_secret_that_cannot_be_read_refuses_the_socket_in_words() {
    let certificates = Certificates::new();
    let secret = certificates.path("server_secret");
    let kept = certificates.path("kept");
    type Spoil<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let spoils: [Spoil<'_>; 4] = [
        ("No such file", Box::new(|| std::os::unix::fs::symlink("/nonexistent", &secret).unwrap())),
        ("not a regular file", Box::new(|| fs::create_dir(&secret).unwrap())),
        (
            "0640",
            Box::new(|| {
                fs::copy(&kept, &secret).unwrap();
                fs::set_permissions(&secret, Permissions::from_mode(0o640)).unwrap();
            }),
        ),
        (
            "does not belong",
            Box::new(|| {
                let text = fs::read_to_string(&kept).unwrap();
                let (public, _) = certificates.keys("client");
                let own = text.lines().find(|line| line.contains("public-key")).unwrap();
                fs::write(&secret, text.replace(own, &format!("    public-key = \"{public}\""))).unwrap();
                fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
            }),
        ),
    ];
    fs::rename(&secret, &kept).unwrap();
    for (what, spoil) in spoils {
        spoil();
        let config = || {
            Config::new(
                r#"{feed}
                {receive}
                module(load="omczmq")
                module(load="imczmq")
                action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" authtype="CURVESERVER"
                       servercertpath="{certs}/server" clientcertpath="{certs}/clients")
                input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc" authtype="CURVESERVER"
                      servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
            )
            .with("certs", certificates.directory().display())
        };
        let check = check_config(config());
        assert_eq!(check.status.code(), Some(1), "{what}: {}", check.output);
        assert!(check.output.contains("server_secret") && check.output.contains(what), "{what}: {}", check.output);
        let mut daemon = config().start();
        daemon.feed(10, 0);
        daemon.assert_received(10);
        assert!(!daemon.file("push.ipc").exists() && !daemon.file("pull.ipc").exists(), "{what}: it listens");
        daemon.stop();
        drop(fs::remove_file(&secret));
        drop(fs::remove_dir(&secret));
    }
}

#[test]
fn o33_one_module_has_a_server_a_client_and_a_plain_socket_side_by_side() {
    let certificates = Certificates::new();
    let others = Certificates::new();
    let remote = Peer::new(kind::PULL);
    remote.curve_server(&certificates, "stranger");
    let mut daemon = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/plain.ipc" template="text" queue.type="LinkedList")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/first.ipc" template="text" queue.type="LinkedList"
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/second.ipc" template="text" queue.type="LinkedList"
               authtype="CURVESERVER" servercertpath="{others}/server" clientcertpath="{others}/clients")
        action(type="omczmq" socktype="PUSH" endpoints=">{remote}" template="text" queue.type="LinkedList"
               authtype="CURVECLIENT" servercertpath="{certs}/stranger" clientcertpath="{certs}/client")"#,
    )
    .with("certs", certificates.directory().display())
    .with("others", others.directory().display())
    .with("remote", remote.bind("tcp://127.0.0.1:*"))
    .start();
    // Each list is its own socket's only.
    client(&others, "client", "server", kind::PULL, &daemon.ipc("first")).assert_turned_away();
    let wrong = Peer::new(kind::PULL);
    wrong.curve_client(&certificates, "client", "server");
    wrong.connect(&daemon.ipc("second"));
    wrong.assert_turned_away();
    let plain = Peer::new(kind::PULL);
    plain.connect_now(&daemon.ipc("plain"));
    let first = client(&certificates, "client", "server", kind::PULL, &daemon.ipc("first"));
    let second = client(&others, "client", "server", kind::PULL, &daemon.ipc("second"));
    daemon.feed(10, 0);
    for peer in [&plain, &first, &second, &remote] {
        assert_eq!(peer.receive_texts(10), texts(10, ""));
    }
    daemon.stop();
}

#[test]
fn c1_a_certificate_with_much_metadata_admits_its_owner() {
    let certificates = Certificates::new();
    let mut text = fs::read_to_string(certificates.path("client")).unwrap();
    let lines: String = (0..100).map(|number| format!("    note-{number} = \"{}\"\n", "x".repeat(40))).collect();
    text = text.replace("metadata\n", &format!("metadata\n{lines}"));
    assert!(text.len() > 4096);
    fs::write(certificates.path("clients/client"), text).unwrap();
    let mut daemon = daemon(&certificates);
    assert_served(&daemon, &certificates, "client", 0);
    assert_served(&daemon, &certificates, "client", 1);
    daemon.stop();
}

#[test]
fn c2_the_same_certificate_under_two_names_is_no_matter() {
    let certificates = Certificates::new();
    let mut daemon = daemon(&certificates);
    assert_served(&daemon, &certificates, "client", 0);
    let [first, second] = ["clients/client", "clients/client-laptop"].map(|name| certificates.path(name));
    fs::copy(&first, &second).unwrap();
    daemon.signal(libc::SIGHUP);
    assert_served(&daemon, &certificates, "client", 1);
    // Gone only when both are.
    fs::remove_file(&first).unwrap();
    daemon.signal(libc::SIGHUP);
    assert_served(&daemon, &certificates, "client", 2);
    fs::remove_file(&second).unwrap();
    hang_up_until(&daemon, "was removed from the list of allowed certificates");
    assert_turned_away(&daemon, &certificates, "client");
    daemon.stop();
}

/// Counts how often a directory is opened, by anybody (inotify(7)).
struct Opened(fs::File);

impl Opened {
    fn watch(directory: &std::path::Path) -> Self {
        use std::os::fd::FromRawFd;
        let path = std::ffi::CString::new(directory.to_str().unwrap()).unwrap();
        // SAFETY: makes a descriptor.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        assert!(descriptor >= 0);
        // SAFETY: the path is a string of C.
        assert!(unsafe { libc::inotify_add_watch(descriptor, path.as_ptr(), libc::IN_OPEN) } >= 0);
        // SAFETY: inotify_init1 just made it, and nothing else owns it.
        Self(unsafe { fs::File::from_raw_fd(descriptor) })
    }

    /// Events so far, of the directory and of the files in it.
    fn count(&mut self) -> usize {
        use std::io::Read;
        let (mut buffer, mut count) = ([0; 65536], 0);
        while let Ok(length) = self.0.read(&mut buffer) {
            let mut rest = &buffer[..length];
            while rest.len() >= 16 {
                let name = u32::from_ne_bytes(rest[12..16].try_into().unwrap()) as usize;
                rest = &rest[16 + name..];
                count += 1;
            }
        }
        count
    }
}

#[test]
fn c6_a_flood_of_handshakes_is_no_flood_of_looks_at_the_disk() {
    let certificates = Certificates::new();
    for number in 0..20 {
        certificates.create(&format!("client-{number}"));
        certificates.admit(&format!("client-{number}"));
    }
    // Files younger than a clock's grain are read at every look.
    let begin = Instant::now();
    wait_until("the certificates to be old enough", SHORT, || begin.elapsed() > Duration::from_secs(3));
    let mut daemon = daemon(&certificates);
    let mut opened = Opened::watch(&certificates.path("clients"));
    let begin = Instant::now();
    let handshakes = 200;
    for _ in 0..handshakes {
        let peer = client(&certificates, "client", "server", kind::PUSH, &daemon.tcp("in"));
        peer.await_event(event::HANDSHAKE_SUCCEEDED);
    }
    let seconds = begin.elapsed().as_secs_f64();
    let count = opened.count();
    assert!((count as f64) <= seconds + 2.0, "{count} opens for {handshakes} handshakes in {seconds:.1} seconds");
    daemon.wait_for_counter("imczmq(in)", "auth_allowed", |allowed| allowed == handshakes);
    daemon.stop();
}

#[test]
fn c7_a_path_of_more_than_248_bytes_is_the_file_that_is_read() {
    let certificates = Certificates::new();
    let deep = certificates.path(&"d".repeat(200));
    fs::create_dir(&deep).unwrap();
    let name = format!("{}/{}", "d".repeat(200), "s".repeat(100));
    for suffix in ["", "_secret"] {
        fs::rename(certificates.path(&format!("server{suffix}")), certificates.path(&format!("{name}{suffix}")))
            .unwrap();
    }
    let mut daemon = input(&certificates, &format!("{{certs}}/{name}"), r#"clientcertpath="{certs}/clients""#).start();
    let peer = client(&certificates, "client", &name, kind::PUSH, &daemon.tcp("in"));
    peer.send(&[&Record::number(0).bytes()]);
    daemon.assert_received(1);
    daemon.stop();
}

#[test]
fn c8_what_is_wrong_is_said_in_rsyslogs_log_and_nowhere_else() {
    let certificates = Certificates::new();
    fs::write(certificates.path("clients/broken"), "curve\n    public-key = \"too short\"\n").unwrap();
    fs::write(certificates.path("clients/README"), "These may send.\n").unwrap();
    let mut daemon = daemon(&certificates);
    daemon.wait_for_text("rsyslogd.log", "clients/broken\" in the list of allowed certificates is skipped");
    assert_turned_away(&daemon, &certificates, "stranger");
    daemon.wait_for_text("rsyslogd.log", "its key is not in the list of allowed certificates");
    assert_served(&daemon, &certificates, "client", 0);
    fs::write(certificates.path("clients/late"), "curve\n    public-key = \"\n").unwrap();
    daemon.wait_for_text("rsyslogd.log", "clients/late\" in the list of allowed certificates is skipped");
    let log = daemon.log();
    // Once each, not at every look; the note to colleagues is none.
    assert_eq!(log.lines().filter(|line| line.contains("clients/broken")).count(), 1, "{log}");
    assert!(!log.contains("README"), "{log}");
    assert_eq!(support::daemon::read(&daemon.file("stdout")), "");
    daemon.stop();
}

#[test]
fn c9_a_key_with_a_hash_and_without_quotes_is_read_whole_or_named_as_broken() {
    let certificates = Certificates::new();
    let name = (0..).map(|number| format!("hash-{number}")).find(|name| {
        certificates.create(name);
        let (public, _) = certificates.keys(name);
        public.find('#').is_some_and(|place| place > 0)
    });
    let name = name.unwrap();
    let (public, _) = certificates.keys(&name);
    fs::write(certificates.path("clients/by-hand"), format!("curve\n    public-key = {public}\n")).unwrap();
    fs::write(certificates.path("clients/cut"), format!("curve\n    public-key = {}\n", &public[..39])).unwrap();
    let mut daemon = daemon(&certificates);
    daemon.wait_for_log("clients/cut\" in the list of allowed certificates is skipped");
    assert_served(&daemon, &certificates, &name, 0);
    daemon.stop();
}

#[test]
fn each_broken_input_of_the_decision_is_a_refusal() {
    let certificates = Certificates::new();
    let listed = certificates.path("clients/client");
    let mut daemon = daemon(&certificates);
    assert_served(&daemon, &certificates, "client", 0);
    let whole = fs::read(&listed).unwrap();

    // The key in the file, and the file.
    let other = String::from_utf8(whole.clone()).unwrap().replace(&certificates.keys("client").0, &"0".repeat(40));
    let broken: [(&str, Vec<u8>); 4] = [
        ("another key", other.into_bytes()),
        ("an empty file", Vec::new()),
        ("half a file", whole[..whole.len() - 10].to_vec()),
        ("a file over the limit", [&whole[..], &[b'#'; 65536]].concat()),
    ];
    let removals = || daemon.log().matches("its connections are ended").count();
    for (index, (what, content)) in broken.iter().enumerate() {
        fs::write(&listed, content).unwrap();
        wait_until(what, SHORT, || removals() == index + 1);
        assert_turned_away(&daemon, &certificates, "client");
        fs::write(&listed, &whole).unwrap();
        assert_comes_back(&daemon, &certificates);
    }

    // The directory: a file in its place, and nothing.
    let (clients, kept) = (certificates.path("clients"), certificates.path("kept"));
    fs::rename(&clients, &kept).unwrap();
    fs::write(&clients, &whole).unwrap();
    daemon.wait_for_log("nobody is admitted");
    assert_turned_away(&daemon, &certificates, "client");
    fs::remove_file(&clients).unwrap();
    assert_turned_away(&daemon, &certificates, "client");
    fs::rename(&kept, &clients).unwrap();
    assert_comes_back(&daemon, &certificates);
    daemon.stop();
}

/// The client is admitted again before long.
fn assert_comes_back(daemon: &Daemon, certificates: &Certificates) {
    wait_until("the client to be admitted again", SHORT, || {
        let peer = client(certificates, "client", "server", kind::PUSH, &daemon.tcp("in"));
        let seen = peer.await_event(event::HANDSHAKE_SUCCEEDED | event::HANDSHAKE_FAILED_AUTH);
        seen == event::HANDSHAKE_SUCCEEDED
    });
}
