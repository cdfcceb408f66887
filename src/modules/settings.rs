//! The parameters that both modules have, and how their values become endpoints, options and security.

use std::fmt::Display;
use std::time::Duration;

use crate::curve::security::SecuritySettings;
use crate::host::module::Refused;
use crate::host::parameters::{Kind, Parameter, ParameterList, Scope, Values};
use crate::host::statistics::sanitised;
use crate::sys::accounts;
use crate::transport::address::endpoint::{Endpoint, Side};
use crate::transport::socket::listening::SocketFile;
use crate::transport::socket::options::SocketOptions;
use crate::transport::socket::socket_type::SocketType;

/// A parameter without a unit.
pub(super) const fn parameter(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Parameter {
    Parameter { name, kind, default, unit: "", is_required: false, help }
}

/// A parameter in milliseconds.
pub(super) const fn milliseconds(
    name: &'static str,
    least: i64,
    default: &'static str,
    help: &'static str,
) -> Parameter {
    let kind = Kind::Integer { least, most: MOST };
    Parameter { name, kind, default, unit: "ms", is_required: false, help }
}

/// The greatest number libzmq takes for most of its options.
const MOST: i64 = i32::MAX as i64;

/// `module()`, and the same for each socket.
pub static SECURITY: &[Parameter] = &[
    parameter(
        "authtype",
        Kind::Word(&["NONE", "CURVESERVER", "CURVECLIENT"]),
        "NONE",
        "who has the server's key pair; a socket that writes its own inherits none of the other three from module()",
    ),
    parameter(
        "servercertpath",
        Kind::Text,
        "",
        "CURVESERVER: own certificate with its secret key; CURVECLIENT: the server's public certificate",
    ),
    parameter(
        "clientcertpath",
        Kind::Text,
        "",
        "CURVESERVER: directory of allowed public certificates, or `*` for any key; CURVECLIENT: own certificate, or `*` \
         for a fresh key pair",
    ),
    parameter(
        "authenticator",
        Kind::Switch,
        "on with CURVESERVER",
        "off admits every client that knows the server's public key",
    ),
];

/// Each socket.
pub static SOCKET: &[Parameter] = &[
    Parameter {
        name: "endpoints",
        kind: Kind::Text,
        default: "",
        unit: "",
        is_required: true,
        help: "comma-separated tcp://, ipc:// or inproc:// addresses; `@` binds, `>` connects, neither: the socket type's \
               natural side",
    },
    milliseconds(
        "heartbeativl",
        0,
        "30000 on a socket that listens; 0 (off)",
        "how often a ZMTP heartbeat is sent; without a value a listening socket gives a silent peer 300000 ms",
    ),
    milliseconds("heartbeattimeout", 0, "heartbeativl", "how long its answer may take; needs heartbeativl"),
    Parameter {
        name: "heartbeatttl",
        // libzmq carries it as 16 bits of tenths of a second.
        kind: Kind::Integer { least: 0, most: 6_553_599 },
        default: "heartbeativl",
        unit: "ms",
        is_required: false,
        help: "after how long the peer gives us up; needs heartbeativl",
    },
    milliseconds("connecttimeout", 0, "5000", "how long a TCP connection attempt may take; 0: the system's limit"),
    milliseconds("handshaketimeout", 0, "30000", "how long a ZMTP handshake may take"),
    milliseconds("reconnectivl", 1, "100", "first pause before connecting again; it doubles each time"),
    milliseconds("reconnectivlmax", 0, "30000", "longest pause before connecting again"),
    parameter("keepalive", Kind::Switch, "the system's", "TCP keep-alive probes"),
    Parameter {
        name: "keepalive.time",
        kind: Kind::Integer { least: 1, most: MOST },
        default: "the system's",
        unit: "s",
        is_required: false,
        help: "idle time before the first probe",
    },
    Parameter {
        name: "keepalive.interval",
        kind: Kind::Integer { least: 1, most: MOST },
        default: "the system's",
        unit: "s",
        is_required: false,
        help: "time between probes",
    },
    parameter(
        "keepalive.probes",
        Kind::Integer { least: 1, most: MOST },
        "the system's",
        "unanswered probes before the connection is given up",
    ),
    parameter("ipv6", Kind::Switch, "on where an endpoint is an IPv6 address", "use IPv6 beside IPv4"),
    parameter("tos", Kind::Integer { least: 0, most: 255 }, "0", "IP type of service"),
    parameter("backlog", Kind::Integer { least: 1, most: MOST }, "100", "length of the listening queue"),
    milliseconds(
        "linger",
        0,
        "",
        "how long libzmq may go on sending after the socket is closed; action: default what is left of closetimeout; input: default 0",
    ),
    parameter(
        "maxmsgsize",
        Kind::Size { least: 1024, most: 1 << 40 },
        "input: 1m; action: none",
        "a larger frame closes that peer's connection",
    ),
    parameter("fileowner", Kind::Text, "the process's", "owner of a bound `ipc://` socket, a name or a number"),
    parameter("filegroup", Kind::Text, "the process's", "group of a bound `ipc://` socket, a name or a number"),
    parameter("filecreatemode", Kind::FileMode, "the process's", "permission bits of a bound `ipc://` socket"),
    parameter(
        "listenportfilename",
        Kind::Text,
        "",
        "the bound TCP ports are written to this file, one a line (for endpoints such as `@tcp://*:*`)",
    ),
];

/// `module()` of both modules.
pub static MODULE_SCOPE: Scope = Scope { name: "module", parameters: &[SECURITY] };

/// The security parameters that were written.
#[must_use]
pub fn security(values: &Values) -> SecuritySettings {
    SecuritySettings {
        authtype: values.word("authtype").map(str::to_owned),
        servercertpath: values.text("servercertpath").map(str::to_owned),
        clientcertpath: values.text("clientcertpath").map(str::to_owned),
        authenticator: values.switch("authenticator"),
    }
}

/// What is written on `module()`: checked against itself only where it is complete, because a socket may add the rest.
pub fn module_security(list: &ParameterList) -> Result<SecuritySettings, Refused> {
    let refused = |error: &dyn Display| format!("module: {error}");
    let values =
        list.read(&MODULE_SCOPE).map_err(|errors| Refused(errors.iter().map(|error| refused(error)).collect()))?;
    let settings = security(&values);
    if settings.authtype.is_some() {
        settings.check().map_err(|error| Refused(vec![refused(&error)]))?;
    }
    Ok(settings)
}

/// The parameters a socket has whatever module it belongs to.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Its type.
    pub socket_type: SocketType,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// The endpoints as text, for names and log lines.
    pub endpoints_text: String,
    /// Its options.
    pub options: SocketOptions,
    /// Its security, module() included.
    pub security: SecuritySettings,
    /// Who may use its Unix sockets.
    pub socket_file: SocketFile,
    /// The longest linger.
    pub linger: Option<Duration>,
    /// Where the bound ports are written.
    pub port_file: Option<String>,
}

fn duration(values: &Values, name: &str) -> Option<Duration> {
    values.number(name).map(|number| Duration::from_millis(number.unsigned_abs()))
}

fn int(values: &Values, name: &str) -> Option<i32> {
    values.number(name).and_then(|number| i32::try_from(number).ok())
}

impl SocketSettings {
    /// Reads and checks everything, files included.
    pub fn read(values: &Values, module: &SecuritySettings) -> Result<Self, Refused> {
        let mut errors = Vec::new();
        let mut note = |error: String| errors.push(error);

        let socket_type = match SocketType::parse(values.word("socktype").unwrap_or_default()) {
            Ok(found) => Some(found),
            Err(error) => {
                note(error.to_string());
                None
            }
        };
        if let Some(Err(error)) = socket_type.map(SocketType::require_available) {
            note(error.to_string());
        }
        let endpoints_text = values.text("endpoints").unwrap_or_default().to_owned();
        let endpoints = match Endpoint::parse_list(&endpoints_text) {
            Ok(endpoints) => endpoints,
            Err(error) => {
                note(format!("parameter \"endpoints\": {error}"));
                Vec::new()
            }
        };
        if let Some(socket_type) = socket_type {
            for error in endpoints.iter().filter_map(|endpoint| endpoint.side(socket_type.natural_side()).err()) {
                note(format!("parameter \"endpoints\": {error}"));
            }
        }
        let security = SecuritySettings::inherit(&security(values), module);
        if let Err(error) = security.check() {
            note(error.to_string());
        }
        let heartbeat_interval = duration(values, "heartbeativl").filter(|interval| !interval.is_zero());
        for name in ["heartbeattimeout", "heartbeatttl"] {
            if values.number(name).is_some_and(|value| value > 0) && heartbeat_interval.is_none() {
                note(format!("parameter \"{name}\" needs \"heartbeativl\": without it no heartbeat is sent"));
            }
        }
        let listens = socket_type.is_some_and(|socket_type| {
            endpoints.iter().any(|endpoint| endpoint.side(socket_type.natural_side()) == Ok(Side::Bind))
        });
        let mut account = |name: &'static str, look_up: fn(&str) -> Option<u32>| {
            let text = values.text(name)?;
            let id = look_up(text);
            if id.is_none() {
                errors.push(format!("parameter \"{name}\": \"{text}\" does not exist on this machine"));
            }
            id
        };
        let socket_file = SocketFile {
            owner: account("fileowner", accounts::user_id),
            group: account("filegroup", accounts::group_id),
            mode: values.number("filecreatemode").and_then(|mode| u32::try_from(mode).ok()),
        };
        match socket_type.filter(|_| errors.is_empty()) {
            Some(socket_type) => Ok(Self {
                socket_type,
                endpoints,
                endpoints_text,
                options: options(values, heartbeat_interval, listens),
                security,
                socket_file,
                linger: duration(values, "linger"),
                port_file: values.text("listenportfilename").map(str::to_owned),
            }),
            None => Err(Refused(errors)),
        }
    }

    /// The name of a socket that was given none: its endpoints, without what statistics readers would take for syntax.
    #[must_use]
    pub fn default_name(&self) -> String {
        sanitised(&self.endpoints_text)
    }
}

/// How often a listener asks whether its peers are there, unless configured.
const LISTENER_HEARTBEAT: Duration = Duration::from_secs(30);
/// How long it waits for an answer. libzmq 4.3.4 never closes some connections whose peer broke the protocol and went away
/// (stream_engine_base.cpp `in_event_internal` takes a stale EAGAIN for a full pipe): only heartbeats give their descriptors
/// back. It is long because a peer that is merely stopped, or an input that a full queue holds up, answers nothing either.
const LISTENER_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(300);

fn options(values: &Values, written_interval: Option<Duration>, listens: bool) -> SocketOptions {
    let is_default = listens && values.number("heartbeativl").is_none();
    let heartbeat_interval = if is_default { Some(LISTENER_HEARTBEAT) } else { written_interval };
    let heartbeat = |name| match heartbeat_interval {
        Some(_) if is_default => Some(LISTENER_HEARTBEAT_TIMEOUT),
        Some(interval) => Some(duration(values, name).unwrap_or(interval)),
        None => None,
    };
    SocketOptions {
        send_hwm: None,
        receive_hwm: None,
        heartbeat_interval,
        heartbeat_timeout: heartbeat("heartbeattimeout"),
        heartbeat_ttl: heartbeat("heartbeatttl"),
        connect_timeout: duration(values, "connecttimeout"),
        handshake_timeout: duration(values, "handshaketimeout"),
        reconnect_interval: Some(duration(values, "reconnectivl").unwrap_or(Duration::from_millis(100))),
        reconnect_interval_max: Some(duration(values, "reconnectivlmax").unwrap_or(Duration::from_secs(30))),
        max_message_size: values.number("maxmsgsize"),
        keepalive: values.switch("keepalive"),
        keepalive_time: values.number("keepalive.time").map(|s| Duration::from_secs(s.unsigned_abs())),
        keepalive_interval: values.number("keepalive.interval").map(|s| Duration::from_secs(s.unsigned_abs())),
        keepalive_probes: int(values, "keepalive.probes"),
        ipv6: values.switch("ipv6"),
        type_of_service: int(values, "tos"),
        backlog: int(values, "backlog"),
    }
}
