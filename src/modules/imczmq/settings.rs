//! The parameters of `input(type="imczmq")`.

use std::time::Duration;

use crate::curve::security::SecuritySettings;
use crate::host::message::FlowControl;
use crate::host::module::Refused;
use crate::host::parameters::{Kind, Parameter, ParameterList, Scope, Values};
use crate::modules::settings::{SECURITY, SOCKET, SocketSettings, parameter};
use crate::transport::address::topic;
use crate::transport::socket::socket_type::{RECEIVING, SocketType};
use crate::transport::wire::framing::{Framing, TopicFrame, TopicPrefix};

static INPUT: &[Parameter] = &[
    Parameter {
        name: "socktype",
        kind: Kind::Word(RECEIVING),
        default: "",
        unit: "",
        is_required: true,
        help: "DISH, SERVER and GATHER need a libzmq with drafts",
    },
    parameter("name", Kind::Text, "the endpoints", "name of the input in log lines and impstats"),
    parameter("ruleset", Kind::Text, "the default ruleset", "ruleset that gets the messages"),
    parameter(
        "topics",
        Kind::Text,
        "everything",
        "SUB, DISH: comma-separated topics to subscribe to; an empty list is everything",
    ),
    parameter(
        "topicframe",
        Kind::Word(&["auto", "on", "off"]),
        "auto",
        "whether the first frame is the topic; auto: on SUB, when there are two or more",
    ),
    parameter(
        "maxframes",
        Kind::Integer { least: 1, most: 65_536 },
        "128",
        "a message of more frames is dropped and counted",
    ),
    parameter(
        "recvhwm",
        Kind::Integer { least: 1, most: 1_000_000_000 },
        "1000",
        "messages per peer that libzmq keeps ahead of the ruleset",
    ),
    parameter(
        "recvmaxbytes",
        Kind::Size { least: 1024, most: 1 << 40 },
        "64m",
        "bytes that are taken from libzmq before they are handed to the ruleset",
    ),
    parameter(
        "topicprefix",
        Kind::Word(&["keep", "strip"]),
        "keep",
        "a topic in front of the text in the same frame; strip removes everything before the first valid `<PRI>`",
    ),
    parameter(
        "unpack",
        Kind::Switch,
        "off",
        "frames hold several records by octet counting; see packing of the action",
    ),
    parameter(
        "addmetadata",
        Kind::Switch,
        "off",
        "sets `$!metadata!imczmq`: topic, peer address, user id (the certificate's key), certificate name, input name",
    ),
    Parameter {
        name: "ratelimit.interval",
        kind: Kind::Integer { least: 0, most: 86_400 },
        default: "0 (off)",
        unit: "s",
        is_required: false,
        help: "interval of the rate limit",
    },
    parameter(
        "ratelimit.burst",
        Kind::Integer { least: 1, most: i64::MAX },
        "10000",
        "log messages that pass in one interval; the rest is dropped, counted and logged",
    ),
    parameter(
        "flowcontrol",
        Kind::Word(&["none", "light", "full"]),
        "none on SUB and DISH, full elsewhere",
        "what a full main queue does: discard, wait about a second, or wait until there is room",
    ),
];

/// `input()`.
pub static SCOPE: Scope = Scope { name: "input", parameters: &[INPUT, SECURITY, SOCKET] };

/// One checked input.
#[derive(Clone, Debug)]
pub(super) struct InputSettings {
    pub(super) socket: SocketSettings,
    pub(super) name: String,
    pub(super) ruleset: Option<String>,
    pub(super) topics: Vec<String>,
    pub(super) framing: Framing,
    pub(super) adds_metadata: bool,
    pub(super) rate_interval: Duration,
    pub(super) rate_burst: u64,
    pub(super) max_frames: usize,
    pub(super) max_bytes: usize,
    pub(super) flow_control: FlowControl,
    /// For the log at load.
    pub(super) warnings: Vec<String>,
    /// For the log at start.
    pub(super) notes: Vec<String>,
}

impl InputSettings {
    pub(super) fn read(list: &ParameterList, module: &SecuritySettings) -> Result<Self, Refused> {
        let prefixed =
            |errors: Vec<String>| Refused(errors.into_iter().map(|error| format!("input: {error}")).collect());
        let values = list.read(&SCOPE).map_err(|errors| prefixed(errors.iter().map(ToString::to_string).collect()))?;
        Self::from_values(&values, module).map_err(|refused| prefixed(refused.0))
    }

    fn from_values(values: &Values, module: &SecuritySettings) -> Result<Self, Refused> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut notes = Vec::new();
        let socket = SocketSettings::read(values, module).map_err(|refused| errors.extend(refused.0)).ok();
        let socket_type = SocketType::parse(values.word("socktype").unwrap_or_default()).ok();
        let is_subscriber = socket_type.is_some_and(SocketType::is_subscriber);
        let mut topics = match values.text("topics").map(topic::parse_list).transpose() {
            Ok(topics) => topics,
            Err(error) => {
                errors.push(format!("parameter \"topics\": {error}"));
                None
            }
        };
        if socket_type.is_some() && !is_subscriber && topics.take().is_some() {
            // README.Debian of rsyslog-czmq shows it on a PULL socket, so it cannot be an error.
            warnings.push("parameter \"topics\" is ignored: only SUB and DISH subscribe to topics".to_owned());
        }
        if socket_type == Some(SocketType::Dish) && topics.is_none() {
            errors.push("socktype DISH needs \"topics\", the groups to join".to_owned());
        }
        if socket_type == Some(SocketType::Sub) && topics.is_none() {
            notes.push("no topics are given: everything is subscribed to".to_owned());
            topics = Some(vec![String::new()]);
        }
        let (Some(mut socket), true) = (socket, errors.is_empty()) else { return Err(Refused(errors)) };
        let number = |name, default| values.number(name).unwrap_or(default);
        socket.options.receive_hwm = i32::try_from(number("recvhwm", 1000)).ok();
        socket.options.max_message_size.get_or_insert(1 << 20);
        Ok(Self {
            name: values.text("name").map_or_else(|| socket.default_name(), str::to_owned),
            ruleset: values.text("ruleset").map(str::to_owned),
            topics: topics.unwrap_or_default(),
            framing: Framing {
                socket_type: socket.socket_type,
                topic_frame: match values.word("topicframe") {
                    Some("on") => TopicFrame::On,
                    Some("off") => TopicFrame::Off,
                    _ => TopicFrame::Auto,
                },
                topic_prefix: match values.word("topicprefix") {
                    Some("strip") => TopicPrefix::Strip,
                    _ => TopicPrefix::Keep,
                },
                is_packed: values.switch("unpack").unwrap_or(false),
            },
            adds_metadata: values.switch("addmetadata").unwrap_or(false),
            rate_interval: Duration::from_secs(number("ratelimit.interval", 0).unsigned_abs()),
            rate_burst: number("ratelimit.burst", 10_000).unsigned_abs(),
            max_bytes: usize::try_from(number("recvmaxbytes", 64 << 20)).unwrap_or(usize::MAX),
            max_frames: usize::try_from(number("maxframes", 128)).unwrap_or(128),
            flow_control: match values.word("flowcontrol") {
                Some("none") => FlowControl::None,
                Some("light") => FlowControl::Light,
                Some(_) => FlowControl::Full,
                None if is_subscriber => FlowControl::None,
                None => FlowControl::Full,
            },
            warnings,
            notes,
            socket,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<InputSettings, Vec<String>> {
        let base = [("endpoints", "@tcp://127.0.0.1:*"), ("socktype", "PULL")];
        let base = base.iter().filter(|(name, _)| pairs.iter().all(|(other, _)| other != name));
        let values = SCOPE
            .check(base.chain(pairs).copied())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        InputSettings::from_values(&values, &SecuritySettings::default()).map_err(|refused| refused.0)
    }

    #[test]
    fn flow_control_follows_the_socket_type() {
        assert_eq!(read(&[]).unwrap().flow_control, FlowControl::Full);
        assert_eq!(read(&[("socktype", "SUB")]).unwrap().flow_control, FlowControl::None);
        assert_eq!(read(&[("socktype", "SUB"), ("flowcontrol", "light")]).unwrap().flow_control, FlowControl::Light);
    }

    #[test]
    fn a_subscriber_without_topics_gets_everything_and_says_so() {
        let settings = read(&[("socktype", "SUB")]).unwrap();
        assert_eq!((settings.topics, settings.notes.len()), (vec![String::new()], 1));
        let settings = read(&[("socktype", "SUB"), ("topics", "")]).unwrap();
        assert_eq!((settings.topics, settings.notes.len()), (vec![String::new()], 0));
        assert!(read(&[("socktype", "SUB"), ("topics", "aa,,bb")]).is_err());
    }

    #[test]
    fn topics_on_a_pull_socket_are_ignored_with_a_warning() {
        let settings = read(&[("topics", "a,b")]).unwrap();
        assert_eq!((settings.topics.len(), settings.warnings.len()), (0, 1));
    }
}
