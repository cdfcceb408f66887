//! The parameters of `action(type="omczmq")`.

use std::time::Duration;

use crate::curve::security::SecuritySettings;
use crate::host::module::Refused;
use crate::host::parameters::{Kind, Parameter, ParameterList, Scope, Values};
use crate::host::template_request::TemplateRequest;
use crate::modules::settings::{SECURITY, SOCKET, SocketSettings, milliseconds, parameter};
use crate::transport::address::topic;
use crate::transport::send::OnFull;
use crate::transport::send::queue::Limits;
use crate::transport::socket::socket_type::{SENDING, SocketType};

static ACTION: &[Parameter] = &[
    Parameter {
        name: "socktype",
        kind: Kind::Word(SENDING),
        default: "",
        unit: "",
        is_required: true,
        help: "RADIO, CLIENT and SCATTER need a libzmq with drafts",
    },
    parameter("template", Kind::Text, "RSYSLOG_ForwardFormat", "template of the message"),
    parameter(
        "topics",
        Kind::Text,
        "",
        "PUB, RADIO: comma-separated topics, published once per topic; an empty list is the empty topic",
    ),
    parameter("dynatopic", Kind::Switch, "off", "topics are names of templates, at most 4"),
    parameter(
        "topicframe",
        Kind::Switch,
        "off",
        "PUB: the topic goes in a frame of its own; off: it is put in front of the message",
    ),
    parameter(
        "sendhwm",
        Kind::Integer { least: 1, most: 1_000_000_000 },
        "1000",
        "messages per peer that libzmq keeps; applied before bind and connect",
    ),
    parameter(
        "sendqueue.size",
        Kind::Integer { least: 0, most: 100_000_000 },
        "10000",
        "messages in the module's own send queue; 0: a commit returns only when libzmq has taken the whole batch",
    ),
    parameter(
        "sendqueue.maxbytes",
        Kind::Size { least: 1, most: 1 << 40 },
        "64m",
        "bytes in the module's own send queue; a larger single batch is taken when the queue is empty",
    ),
    milliseconds(
        "sendtimeout",
        -1,
        "-1; PUB, RADIO, and an action without a queue of its own: 10000",
        "how long without any progress counts as stuck; -1 waits for ever",
    ),
    parameter("onfull", Kind::Word(&["wait", "drop"]), "wait", "what a full queue or a full peer does; drop counts"),
    parameter(
        "packing",
        Kind::Switch,
        "off",
        "several records of a batch that go to the same place travel in one frame; the receiver needs unpack=\"on\"",
    ),
    parameter(
        "packing.maxbytes",
        Kind::Size { least: 1024, most: 1 << 30 },
        "65536",
        "a packed frame is no longer than this; a larger single record goes alone",
    ),
    milliseconds("closetimeout", 0, "5000", "how long a stop waits for what was accepted"),
    parameter("statsname", Kind::Text, "the action's name", "name in impstats"),
    parameter("name", Kind::Text, "", "name of the action, also for rsyslog itself"),
];

/// `action()`.
pub static SCOPE: Scope = Scope { name: "action", parameters: &[ACTION, SECURITY, SOCKET] };

/// How a message becomes frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topics {
    /// The message alone.
    None,
    /// Under each of these topics.
    Static(Vec<Vec<u8>>),
    /// Under what the templates after the first render to.
    Dynamic(usize),
}

/// One checked action.
#[derive(Clone, Debug)]
pub(super) struct ActionSettings {
    pub(super) socket: SocketSettings,
    pub(super) topics: Topics,
    pub(super) has_topic_frame: bool,
    /// The longest packed frame in bytes; `None`: one record a frame.
    pub(super) packing: Option<usize>,
    pub(super) templates: usize,
    pub(super) limits: Limits,
    pub(super) send_timeout: Option<Duration>,
    pub(super) on_full: OnFull,
    /// Whether its waiting would stop rsyslog's main queue, and nobody has written how long it may.
    pub(super) spares_main_queue: bool,
    pub(super) close_timeout: Duration,
    pub(super) name: String,
    pub(super) statistics_name: String,
    /// For the log at load.
    pub(super) warnings: Vec<String>,
}

/// The default template of rsyslog's own forwarding actions.
const DEFAULT_TEMPLATE: &str = "RSYSLOG_ForwardFormat";
const DEFAULT_QUEUE: i64 = 10_000;
const DEFAULT_QUEUE_BYTES: i64 = 64 << 20;
const DEFAULT_PACKED: i64 = 65_536;
const DEFAULT_HWM: i64 = 1000;
const DEFAULT_CLOSE_TIMEOUT_MS: i64 = 5000;
/// Of publishers, and of actions that would hold up rsyslog's main queue.
const DEFAULT_FINITE_TIMEOUT_MS: i64 = 10_000;
/// A heartbeat timeout on PUB under this cuts readers that merely have a backlog.
const SHORT_HEARTBEAT: Duration = Duration::from_secs(10);

impl ActionSettings {
    pub(super) fn read(list: &ParameterList, module: &SecuritySettings) -> Result<(Self, TemplateRequest), Refused> {
        let values = list
            .read(&SCOPE)
            .map_err(|errors| Refused(errors.iter().map(|error| format!("action: {error}")).collect()))?;
        let (mut settings, request) = Self::from_values(&values, module, has_own_queue(list))?;
        settings.warn(list, &values);
        Ok((settings, request))
    }

    fn from_values(
        values: &Values,
        module: &SecuritySettings,
        has_own_queue: bool,
    ) -> Result<(Self, TemplateRequest), Refused> {
        let mut errors = Vec::new();
        let socket = SocketSettings::read(values, module).map_err(|refused| errors.extend(refused.0)).ok();
        let socket_type = SocketType::parse(values.word("socktype").unwrap_or_default()).ok();
        let topics = topics(values, socket_type).map_err(|refused| errors.extend(refused.0)).ok();
        let template = values.text("template").unwrap_or(DEFAULT_TEMPLATE);
        let dynamic = match &topics {
            Some((Topics::Dynamic(_), names)) => names.as_slice(),
            _ => &[],
        };
        let request = TemplateRequest::new(template, dynamic).map_err(|error| errors.push(error.to_string())).ok();
        let (Some(mut socket), Some((topics, _)), Some(request)) = (socket, topics, request) else {
            return Err(prefixed(errors));
        };
        if !errors.is_empty() {
            return Err(prefixed(errors));
        }
        let number = |name, default| values.number(name).unwrap_or(default);
        socket.options.send_hwm = i32::try_from(number("sendhwm", DEFAULT_HWM)).ok();
        let is_publisher = socket.socket_type.is_publisher();
        let on_full = if values.word("onfull") == Some("drop") { OnFull::Drop } else { OnFull::Wait };
        let may_hold_up = !is_publisher && on_full == OnFull::Wait && !has_own_queue;
        let timeout = number("sendtimeout", if is_publisher || may_hold_up { DEFAULT_FINITE_TIMEOUT_MS } else { -1 });
        let name = values.text("name").map_or_else(|| socket.default_name(), str::to_owned);
        let settings = Self {
            topics,
            has_topic_frame: values.switch("topicframe").unwrap_or(false),
            packing: values
                .switch("packing")
                .unwrap_or(false)
                .then(|| usize::try_from(number("packing.maxbytes", DEFAULT_PACKED)).unwrap_or(usize::MAX)),
            templates: request.count(),
            limits: Limits {
                messages: usize::try_from(number("sendqueue.size", DEFAULT_QUEUE)).unwrap_or(usize::MAX),
                bytes: usize::try_from(number("sendqueue.maxbytes", DEFAULT_QUEUE_BYTES)).unwrap_or(usize::MAX),
            },
            send_timeout: u64::try_from(timeout).ok().map(Duration::from_millis),
            on_full,
            spares_main_queue: may_hold_up && values.number("sendtimeout").is_none(),
            close_timeout: Duration::from_millis(number("closetimeout", DEFAULT_CLOSE_TIMEOUT_MS).unsigned_abs()),
            statistics_name: values.text("statsname").unwrap_or(&name).to_owned(),
            name,
            warnings: Vec::new(),
            socket,
        };
        Ok((settings, request))
    }

    /// How many frames one message becomes without packing.
    pub(super) fn frames_per_message(&self) -> usize {
        let copies = match &self.topics {
            Topics::None => 1,
            Topics::Static(topics) => topics.len(),
            Topics::Dynamic(count) => *count,
        };
        copies * if self.has_topic_frame { 2 } else { 1 }
    }

    /// What an action without a queue of its own does to rsyslog's main queue.
    fn queue_warning(&self, retries: bool) -> String {
        const FIX: &str = "add queue.type=\"LinkedList\" to the action";
        match self.send_timeout {
            // The host waits for a resumption where the action runs (action.c actionDoRetry).
            Some(_) if retries => format!(
                "without a queue of its own this action stops rsyslog's main queue, and local logging with it, for as long as \
                 its action.resumeRetryCount lasts when its peer is away; {FIX}"
            ),
            Some(timeout) if self.spares_main_queue => format!(
                "without a queue of its own this action holds up rsyslog's main queue for {} s when its peer is away, and \
                 is suspended then, which discards its messages; {FIX}",
                timeout.as_secs()
            ),
            Some(timeout) => format!(
                "without a queue of its own this action holds up rsyslog's main queue for {} ms when its peer is away; {FIX}",
                timeout.as_millis()
            ),
            None => format!(
                "without a queue of its own and with sendtimeout=\"-1\" this action stops rsyslog's main queue, and local \
                 logging with it, while its peer is away; {FIX}"
            ),
        }
    }

    /// What is allowed but may surprise.
    fn warn(&mut self, list: &ParameterList, values: &Values) {
        let is_publisher = self.socket.socket_type.is_publisher();
        let waits = self.on_full == OnFull::Wait;
        if waits && !is_publisher && !has_own_queue(list) {
            let retries = list.text("action.resumeretrycount").is_some_and(|count| count.trim() != "0");
            self.warnings.push(self.queue_warning(retries));
        }
        let is_finite = self.send_timeout.is_some() && !self.spares_main_queue;
        if waits && !is_publisher && is_finite && !list.has("action.resumeretrycount") {
            self.warnings.push(
                "with a sendtimeout and rsyslog's default action.resumeRetryCount=0, messages are discarded while the action \
                 is suspended; add action.resumeRetryCount=\"-1\" to keep them"
                    .to_owned(),
            );
        }
        let timeout = self.socket.options.heartbeat_timeout;
        if is_publisher
            && timeout.is_some_and(|timeout| timeout < SHORT_HEARTBEAT)
            && values.number("heartbeativl").is_some()
        {
            self.warnings.push(
                "on a publisher a heartbeat timeout under 10000 ms also cuts off subscribers that only have a backlog"
                    .to_owned(),
            );
        }
    }
}

/// Whether rsyslog gives the action a queue. Without one it runs on the thread of the queue before it, mostly the main queue
/// (runtime/queue.c qqueueSetDefaultsActionQueue, grammar/rainerscript.c doGetQueueType).
fn has_own_queue(list: &ParameterList) -> bool {
    list.text("queue.type").is_some_and(|kind| !kind.eq_ignore_ascii_case("Direct"))
}

fn prefixed(errors: Vec<String>) -> Refused {
    Refused(errors.into_iter().map(|error| format!("action: {error}")).collect())
}

/// The topics, and their texts where they are templates.
fn topics(values: &Values, socket_type: Option<SocketType>) -> Result<(Topics, Vec<String>), Refused> {
    let is_publisher = socket_type.is_none_or(SocketType::is_publisher);
    let is_dynamic = values.switch("dynatopic").unwrap_or(false);
    let has_topic_frame = values.switch("topicframe").unwrap_or(false);
    let name = socket_type.map_or("", SocketType::name);
    let mut errors = Vec::new();
    if values.text("topics").is_some() && !is_publisher {
        errors.push(format!("parameter \"topics\" has no meaning on socktype {name}; only PUB and RADIO have topics"));
    }
    if has_topic_frame && socket_type.is_some_and(|socket_type| socket_type != SocketType::Pub) {
        errors.push(format!("parameter \"topicframe\" has no meaning on socktype {name}; only PUB has topic frames"));
    }
    if values.text("topics").is_none() {
        if is_dynamic {
            errors.push(
                "parameter \"dynatopic\" needs \"topics\", the names of the templates that make topics".to_owned(),
            );
        } else if has_topic_frame {
            errors.push("parameter \"topicframe\" needs \"topics\"".to_owned());
        } else if socket_type == Some(SocketType::Radio) {
            errors.push("socktype RADIO needs \"topics\", the groups to publish to".to_owned());
        }
    }
    let list = values.text("topics").map(topic::parse_list).transpose().unwrap_or_else(|error| {
        errors.push(format!("parameter \"topics\": {error}"));
        None
    });
    if is_dynamic && list.as_ref().is_some_and(|names| names.iter().any(String::is_empty)) {
        errors.push("parameter \"topics\": an empty name is no template".to_owned());
    }
    if !errors.is_empty() {
        return Err(Refused(errors));
    }
    Ok(match list {
        None => (Topics::None, Vec::new()),
        Some(names) if is_dynamic => (Topics::Dynamic(names.len()), names),
        Some(names) => (Topics::Static(names.into_iter().map(String::into_bytes).collect()), Vec::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ActionSettings, Vec<String>> {
        read_with(pairs, true)
    }

    fn read_with(pairs: &[(&str, &str)], has_own_queue: bool) -> Result<ActionSettings, Vec<String>> {
        let base = [("endpoints", "@tcp://127.0.0.1:*"), ("socktype", "PUB")];
        let base = base.iter().filter(|(name, _)| pairs.iter().all(|(other, _)| other != name));
        let values = SCOPE
            .check(base.chain(pairs).copied())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        ActionSettings::from_values(&values, &SecuritySettings::default(), has_own_queue)
            .map(|(settings, _)| settings)
            .map_err(|r| r.0)
    }

    #[test]
    fn defaults_are_those_of_the_tables() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.limits, Limits { messages: 10_000, bytes: 64 << 20 });
        assert_eq!(settings.send_timeout, Some(Duration::from_secs(10)));
        assert_eq!(settings.socket.options.send_hwm, Some(1000));
        assert_eq!((settings.topics, settings.has_topic_frame), (Topics::None, false));
        assert_eq!(read(&[("socktype", "PUSH")]).unwrap().send_timeout, None);
    }

    #[test]
    fn an_action_that_would_hold_up_the_main_queue_waits_ten_seconds() {
        let push = |more: &[(&str, &str)]| {
            let settings = read_with(&[&[("socktype", "PUSH")], more].concat(), false).unwrap();
            (settings.send_timeout.map(|timeout| timeout.as_millis()), settings.spares_main_queue)
        };
        assert_eq!(push(&[]), (Some(10_000), true));
        assert_eq!(push(&[("sendtimeout", "-1")]), (None, false));
        assert_eq!(push(&[("sendtimeout", "10000")]), (Some(10_000), false));
        assert_eq!(push(&[("onfull", "drop")]), (None, false));
        assert!(!read_with(&[], false).unwrap().spares_main_queue, "a publisher does not wait for nobody");
        assert!(!read(&[("socktype", "PUSH")]).unwrap().spares_main_queue, "a queue of its own waits");
    }

    #[test]
    fn a_listener_has_heartbeats_unless_they_are_configured_and_a_client_has_none() {
        let heartbeats = |pairs: &[(&str, &str)]| {
            let options = read(pairs).unwrap().socket.options;
            let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs());
            (seconds(options.heartbeat_interval), seconds(options.heartbeat_timeout), seconds(options.heartbeat_ttl))
        };
        assert_eq!(heartbeats(&[]), (Some(30), Some(300), Some(300)));
        assert_eq!(heartbeats(&[("endpoints", ">tcp://a:1,@tcp://127.0.0.1:*")]), (Some(30), Some(300), Some(300)));
        assert_eq!(heartbeats(&[("endpoints", ">tcp://a:1")]), (None, None, None));
        assert_eq!(heartbeats(&[("heartbeativl", "0")]), (None, None, None));
        assert_eq!(heartbeats(&[("heartbeativl", "5000")]), (Some(5), Some(5), Some(5)));
    }

    #[test]
    fn topics_are_for_publishers() {
        assert_eq!(read(&[("topics", "a,b")]).unwrap().topics, Topics::Static(vec![b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(read(&[("topics", "")]).unwrap().topics, Topics::Static(vec![Vec::new()]));
        assert_eq!(read(&[("topics", "t1,t2"), ("dynatopic", "on")]).unwrap().topics, Topics::Dynamic(2));
        for (pairs, text) in [
            (&[("socktype", "PUSH"), ("topics", "a")][..], "has no meaning on socktype PUSH"),
            (&[("socktype", "PUSH"), ("topicframe", "on")], "only PUB has topic frames"),
            (&[("dynatopic", "on")], "needs \"topics\""),
            (&[("topics", "a,,b")], "empty element"),
            (&[("topics", "a,b,c,d,e"), ("dynatopic", "on")], "at most 4 topics; 5 are given"),
        ] {
            let errors = read(pairs).unwrap_err().join("\n");
            assert!(errors.contains(text), "{pairs:?}: {errors}");
        }
    }
}
