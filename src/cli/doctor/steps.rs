//! The steps of `doctor`, each with what to change where it fails.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Finding, Report, Target};
use crate::cli::client_keys::{self, KeyOrigin};
use crate::cli::connection_report;
use crate::cli::exit::Outcome;
use crate::cli::tail::format::Format;
use crate::cli::tail::render::Renderer;
use crate::curve::security::Security;
use crate::sys::zmq::Context;
use crate::transport::address::endpoint::{Address, Host};
use crate::transport::address::greeting::{self, Greeting, GreetingError};
use crate::transport::address::reachability::{Obstacle, connect, connect_to_file, resolve};
use crate::transport::subscribe::{Options, Refusal, State, Subscriber, SubscriberEvent};

/// Reports a step, and ends the walk with its outcome if it failed.
macro_rules! step {
    ($report:expr, $name:literal, $result:expr) => {
        match $result {
            Ok((value, Some(text))) => {
                $report.ok($name, &text)?;
                value
            }
            Ok((value, None)) => value,
            Err(finding) => {
                $report.failed($name, &finding)?;
                return Ok(finding.outcome);
            }
        }
    };
}

/// Takes every step until one fails.
pub fn walk(target: &Target<'_>, report: &mut Report<'_>) -> std::io::Result<Outcome> {
    report.ok("endpoint", &target.endpoint.address.to_string())?;
    let keys = step!(report, "keys", read_keys(target));
    let addresses = step!(report, "name", resolve_name(target));
    let greeting = step!(report, "network", reach(target, &addresses));
    if let Some(greeting) = greeting {
        step!(report, "greeting", check_greeting(&greeting, keys.origin));
    }
    let mut connection = step!(report, "handshake", shake_hands(target, keys));
    report.ok("topics", &topics(target))?;
    step!(report, "record", first_record(target, &mut connection));
    Ok(Outcome::Done)
}

/// What a step found, and what to say about it, if anything.
type Step<T> = Result<(T, Option<String>), Finding>;

fn read_keys(target: &Target<'_>) -> Step<client_keys::ClientKeys> {
    let found = client_keys::load(target.server_cert, target.client_cert).map_err(|failure| {
        let text = failure.to_string();
        let (what, advice) = text.split_once('\n').unwrap_or((&text, KEYS));
        Finding { outcome: failure.outcome, what: what.to_owned(), advice: advice.trim().to_owned() }
    })?;
    let text = match (&*found.security, found.origin) {
        (Security::CurveClient { pair, .. }, KeyOrigin::File) => {
            let name = target.client_cert.unwrap_or(Path::new("?"));
            format!("we are {} ({name:?})", pair.public)
        }
        (Security::CurveClient { pair, .. }, _) => format!("we are {}, a key made for this run", pair.public),
        _ => "none: the connection is in plaintext".to_owned(),
    };
    Ok((found, Some(text)))
}

const KEYS: &str = "rsyslog-zmq cert verify FILE says more about a certificate; rsyslog-zmq cert new FILE makes one";

fn resolve_name(target: &Target<'_>) -> Step<Vec<SocketAddr>> {
    let addresses = resolve(&target.endpoint.address).map_err(|obstacle| Finding {
        outcome: Outcome::Unreachable,
        what: obstacle.to_string(),
        advice: "check its spelling, and what /etc/hosts and the name server know".to_owned(),
    })?;
    let text = match &target.endpoint.address {
        Address::Tcp { host: Host::Name(name), .. } => {
            let found: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            Some(format!("{name} is {}", found.join(", ")))
        }
        _ => None,
    };
    Ok((addresses, text))
}

fn reach(target: &Target<'_>, addresses: &[SocketAddr]) -> Step<Option<Result<Greeting, GreetingError>>> {
    let limit = Some(target.wait.max(Duration::from_millis(1)));
    match &target.endpoint.address {
        Address::Ipc(path) if path.starts_with('@') => {
            // There is no file to look at; the handshake will tell.
            Ok((None, None))
        }
        Address::Ipc(path) => {
            let mut stream = connect_to_file(path).map_err(|obstacle| unreachable(&obstacle, true))?;
            let greeting = stream
                .set_read_timeout(limit)
                .map_err(GreetingError::Io)
                .and_then(|()| greeting::exchange(&mut stream));
            Ok((Some(greeting), Some(format!("something listens at {path:?}"))))
        }
        _ => {
            let mut obstacle = None;
            for address in addresses {
                match connect(*address) {
                    Ok(mut stream) => {
                        let greeting = stream
                            .set_read_timeout(limit)
                            .map_err(GreetingError::Io)
                            .and_then(|()| greeting::exchange(&mut stream));
                        return Ok((Some(greeting), Some(format!("something listens at {address}"))));
                    }
                    Err(found) => obstacle = obstacle.or(Some(found)),
                }
            }
            let obstacle = obstacle.unwrap_or_else(|| Obstacle::Other("there is no address to connect to".to_owned()));
            Err(unreachable(&obstacle, false))
        }
    }
}

fn unreachable(obstacle: &Obstacle, is_file: bool) -> Finding {
    let advice = match obstacle {
        Obstacle::NothingListens if is_file => {
            "is rsyslogd running, with an omczmq action that binds this path (endpoints=\"@ipc://..\")?"
        }
        Obstacle::NothingListens => {
            "is rsyslogd running there, with an omczmq action that binds this port on this address?\n\
             On that host, ss -ltn shows what listens, and rsyslogd -N1 what is wrong with its configuration"
        }
        Obstacle::NoAnswer => "is the address right, and does a firewall let the port through?",
        Obstacle::Permission => "fileowner, filegroup and filecreatemode of the action say who may use its socket",
        Obstacle::Name(_) | Obstacle::Other(_) | Obstacle::Here(_) => {
            "that is what the system says; it has to be settled there"
        }
    };
    Finding { outcome: Outcome::Unreachable, what: obstacle.to_string(), advice: advice.to_owned() }
}

fn check_greeting(greeting: &Result<Greeting, GreetingError>, origin: KeyOrigin) -> Step<()> {
    let greeting = greeting.as_ref().map_err(|error| Finding {
        outcome: Outcome::Unreachable,
        what: error.to_string(),
        advice: match error {
            GreetingError::Closed => "behind a proxy or a tunnel, the publisher itself may be away".to_owned(),
            GreetingError::Silent => "the publisher may be stopped, or another program may have the port".to_owned(),
            _ => "is it the right port? Another program may have it".to_owned(),
        },
    })?;
    let (major, minor) = greeting.version;
    let ours = if origin == KeyOrigin::None { "NULL" } else { "CURVE" };
    let spoken = format!("ZMTP {major}.{minor}, {}", greeting.mechanism);
    if greeting.mechanism == ours {
        return Ok(((), Some(spoken)));
    }
    let advice = match greeting.mechanism.as_str() {
        "CURVE" => "the publisher wants CURVE: add --server-cert FILE with its public certificate",
        "NULL" => {
            "the publisher does not encrypt: its action needs authtype=\"CURVESERVER\" with certificates,\n\
             or, on purpose, leave --server-cert out"
        }
        _ => "rsyslog-zmq knows NULL (plaintext) and CURVE only",
    };
    Err(Finding {
        outcome: Outcome::Refused,
        what: format!("{spoken}, and we speak {ours}"),
        advice: advice.to_owned(),
    })
}

/// Within what time a publisher notices a new certificate, and our next attempts.
const ADMISSION: Duration = Duration::from_millis(1800);

/// A connection, and records that came with it.
struct Connection {
    subscriber: Subscriber,
    record: Option<(Option<Vec<u8>>, Vec<u8>)>,
    /// The publisher sent a frame over the limit.
    was_oversize: bool,
    /// Never readable: a signal ends the program the usual way.
    quiet: (UnixStream, UnixStream),
}

fn shake_hands(target: &Target<'_>, keys: client_keys::ClientKeys) -> Step<Connection> {
    let origin = keys.origin;
    let options = Options {
        endpoints: vec![target.endpoint.clone()],
        topics: target.topics.clone(),
        security: keys.security,
        heartbeat: Duration::ZERO,
        receive_high_water_mark: 1000,
        max_message_bytes: connection_report::MOST_FRAME_BYTES,
    };
    let broken = |error: &dyn std::fmt::Display| Finding {
        outcome: Outcome::Failed,
        what: error.to_string(),
        advice: "this is not about the publisher".to_owned(),
    };
    let context = Context::new().map_err(|error| broken(&error))?;
    let subscriber = Subscriber::open(&context, options).map_err(|error| broken(&error))?;
    let quiet = UnixStream::pair().map_err(|error| broken(&error))?;
    let mut connection = Connection { subscriber, record: None, was_oversize: false, quiet };
    let mut until = Instant::now() + target.wait;
    let mut grace = None;
    loop {
        connection.wait(until).map_err(|text| broken(&text))?;
        match connection.subscriber.state(0) {
            Some(State::Connected) => {
                let text = match origin {
                    KeyOrigin::None => "done, in plaintext",
                    KeyOrigin::Fresh | KeyOrigin::File => "done: encrypted, and our key is admitted",
                };
                return Ok((connection, Some(text.to_owned())));
            }
            // The publisher may not have looked at its directory since our certificate was copied there.
            Some(State::Refused(Refusal::Key)) if Instant::now() < until => {
                until = *grace.get_or_insert_with(|| until.min(Instant::now() + ADMISSION));
            }
            Some(State::Refused(refusal)) => return Err(refused(*refusal, origin)),
            Some(State::Unreachable(Some(obstacle))) => return Err(unreachable(obstacle, false)),
            _ if Instant::now() >= until => return Err(refused(Refusal::NoAnswer, origin)),
            _ => {}
        }
    }
}

fn refused(refusal: Refusal, origin: KeyOrigin) -> Finding {
    let advice = match (refusal, origin) {
        (Refusal::Key, KeyOrigin::Fresh) => {
            "a key made for this run is known to nobody: use --client-cert FILE, and give the publisher FILE\n\
             (rsyslog-zmq cert new FILE makes one)"
        }
        (Refusal::Key, _) => {
            "copy our public certificate (not the one ending in _secret) into the directory that the publisher's\n\
             clientcertpath names; it takes effect at once. rsyslog-zmq cert verify DIRECTORY there says who is admitted"
        }
        (Refusal::Authenticator, _) => {
            "the publisher's own log says why; its directory of certificates may be unreadable"
        }
        (Refusal::Mechanism, _) => "--server-cert is for publishers that use CURVE, and only for them",
        (Refusal::ServerKey, _) => {
            "the file in --server-cert is not the certificate that the publisher uses now: get its public one again"
        }
        (Refusal::HungUp | Refusal::NoAnswer, _) => "the publisher's own log may say why",
        // ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA: the socket types do not go together.
        (Refusal::Protocol(0x1000_0018), _) => "it is no publisher: the action there needs socktype=\"PUB\"",
        (Refusal::Closed, _) => "behind a proxy or a tunnel, the publisher itself may be away",
        (Refusal::NotOurs, _) => "compare the port with the publisher's configuration",
        (Refusal::Protocol(_), _) => "the other side's ZeroMQ and ours do not understand each other: compare versions",
    };
    Finding { outcome: connection_report::outcome(refusal), what: refusal.to_string(), advice: advice.to_owned() }
}

fn topics(target: &Target<'_>) -> String {
    let shown: Vec<String> =
        target.topics.iter().map(|topic| format!("{:?}", String::from_utf8_lossy(topic))).collect();
    if shown.is_empty() { "subscribed to everything".to_owned() } else { format!("subscribed to {}", shown.join(", ")) }
}

fn first_record(target: &Target<'_>, connection: &mut Connection) -> Step<()> {
    let until = Instant::now() + target.wait;
    while connection.record.is_none() && Instant::now() < until {
        if connection.was_oversize {
            return Err(Finding {
                outcome: Outcome::Silent,
                what: connection_report::oversize(),
                advice: "the records of the publisher's action, and its packing.maxbytes, have to be smaller"
                    .to_owned(),
            });
        }
        connection.wait(until).map_err(|what| Finding {
            outcome: Outcome::Failed,
            what,
            advice: "this is not about the publisher".to_owned(),
        })?;
    }
    let Some((topic, body)) = connection.record.take() else {
        let advice = if target.topics.is_empty() {
            "nothing was published meanwhile; on that host, logger test publishes something if its action gets it"
        } else {
            "nothing was published under these topics meanwhile: leave --topic out to see which topics there are"
        };
        let what = format!("none within {:.1} s", target.wait.as_secs_f64());
        return Err(Finding { outcome: Outcome::Silent, what, advice: advice.to_owned() });
    };
    let renderer = Renderer { format: Format::Default, is_terminal: false, colour: false, highlight: None };
    let mut line = Vec::new();
    let mut is_first = true;
    let unpacked = target.decoding.records(topic.as_deref(), &body, &mut |topic, record| {
        if std::mem::take(&mut is_first) {
            // The default format refuses nothing.
            let _ = renderer.line(&mut line, "", topic, record);
        }
    });
    if unpacked.is_err() {
        return Err(Finding {
            outcome: Outcome::Failed,
            what: "the frame does not hold packed records".to_owned(),
            advice: "leave --unpack out: the publisher's action has no packing=\"on\"".to_owned(),
        });
    }
    let shown = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
    let topic = topic.map(|topic| format!("[{}] ", String::from_utf8_lossy(&topic))).unwrap_or_default();
    Ok(((), Some(format!("{topic}{shown}"))))
}

impl Connection {
    /// Waits until something happens, and keeps the first record.
    fn wait(&mut self, until: Instant) -> Result<(), String> {
        let Self { record, was_oversize, .. } = self;
        let mut report = |what| match what {
            SubscriberEvent::Received(received) => {
                record.get_or_insert_with(|| {
                    (received.topic.map(|topic| topic.as_slice().to_vec()), received.body.as_slice().to_vec())
                });
            }
            SubscriberEvent::Changed(_, state) => *was_oversize |= state == State::Oversize,
        };
        let left = until.saturating_duration_since(Instant::now());
        let result = self.subscriber.wait(self.quiet.0.as_raw_fd(), Some(left), &mut report);
        result.map(drop).map_err(|error| error.to_string())
    }
}
