//! Endpoint lists as they are written in a configuration or on a command line, parsed and checked before any socket is
//! opened.
//!
//! Pure code: no socket, no name resolution, any thread. The element syntax is CZMQ's (`zsock_attach`): a leading `@`
//! binds, a leading `>` connects, neither takes the socket type's natural side. The addresses are libzmq's (zmq_tcp(7),
//! zmq_ipc(7), zmq_inproc(7)), and what libzmq would refuse only at run time is refused here, with the reason.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

#[cfg(test)]
mod tests;

/// The longest `ipc://` path in bytes, the `@` of an abstract name included: `sun_path` holds 108 with its NUL (unix(7)).
pub const MAX_IPC_PATH: usize = 107;

/// The longest interface name in bytes (`IFNAMSIZ` less its NUL, netdevice(7)).
const MAX_INTERFACE_NAME: usize = 15;

/// The longest host name in bytes (RFC 1035, section 2.3.4).
const MAX_HOST_NAME: usize = 253;

/// Which side of the connection an endpoint asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Written with `@`: listen.
    Bind,
    /// Written with `>`: connect.
    Connect,
    /// Written with neither: whatever the socket type usually does.
    Natural,
}

/// Which side of the connection a socket takes, once its type is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// It listens.
    Bind,
    /// It connects.
    Connect,
}

/// One element of an endpoint list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The side its sign asks for.
    pub direction: Direction,
    /// Where to; its `Display` is the text that libzmq wants.
    pub address: Address,
}

/// A ZeroMQ address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `tcp://HOST:PORT`, or `tcp://SOURCE:PORT;HOST:PORT` when connecting.
    Tcp {
        /// The host or interface.
        host: Host,
        /// The port.
        port: Port,
        /// The local address to connect from.
        source: Option<(Host, Port)>,
    },
    /// `ipc://PATH`: a path, `@NAME` for an abstract name (Linux), or `*` for a path that libzmq makes up when binding.
    Ipc(String),
    /// `inproc://NAME`: another socket of the same ZeroMQ context.
    Inproc(String),
}

/// The host part of a TCP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// `*`: every interface. Binding only.
    Any,
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address in brackets, with its zone (`%eth0`) where one is written.
    Ipv6(Ipv6Addr, Option<String>),
    /// A host name when connecting, an interface's name when binding.
    Name(String),
}

/// The port part of a TCP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// `*` or `0`: a free one, chosen by the system. Binding only.
    Any,
    /// 1 to 65535.
    Number(u16),
}

/// Why an endpoint list is refused. Each text names the element and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Nothing but white space.
    #[error("no endpoint given, expected for example \"tcp://host:port\" or \"@tcp://*:port\"")]
    Nothing,
    /// Two commas in a row, or one at either end.
    #[error("endpoint list {list:?} has an empty element: element {position} of {count}")]
    EmptyElement {
        /// The whole list.
        list: String,
        /// Counted from 1.
        position: usize,
        /// How many elements the list has.
        count: usize,
    },
    /// White space inside an element.
    #[error("endpoint {0:?} contains white space; several endpoints are separated by a comma")]
    WhiteSpace(String),
    /// A NUL or another control character.
    #[error("endpoint {0:?} contains a control character")]
    ControlCharacter(String),
    /// A sign written twice.
    #[error("endpoint {0:?} has more than one direction sign: write one @ (bind) or one > (connect)")]
    TwoSigns(String),
    /// No `scheme://` at all.
    #[error("endpoint {0:?} does not begin with one of tcp://, ipc://, inproc://")]
    NoScheme(String),
    /// A scheme that is not served.
    #[error("endpoint {endpoint:?} has the transport {scheme:?}, which is not one of tcp, ipc, inproc")]
    UnknownScheme {
        /// The element.
        endpoint: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// A TCP address without a colon before its port.
    #[error("endpoint {0:?} has no port: expected tcp://host:port")]
    NoPort(String),
    /// A port that is not a number in range.
    #[error(
        "endpoint {endpoint:?} has the port {port:?}, which is not a number from 1 to 65535 (binding: also * or 0)"
    )]
    BadPort {
        /// The element.
        endpoint: String,
        /// What stands after the last colon.
        port: String,
    },
    /// A TCP address whose host is missing.
    #[error("endpoint {0:?} has no host: expected a host name, an IPv4 address, an [IPv6] address, or * when binding")]
    NoHost(String),
    /// A host that is none of the accepted forms.
    #[error(
        "endpoint {endpoint:?} has the host {host:?}, which is not a host or interface name, an IPv4 address, \
         an [IPv6] address, or * when binding"
    )]
    BadHost {
        /// The element.
        endpoint: String,
        /// The host as written.
        host: String,
    },
    /// An IPv6 address without brackets.
    #[error("endpoint {0:?} has an IPv6 address without brackets: write tcp://[address]:port")]
    BareIpv6(String),
    /// `ipc://` alone.
    #[error("endpoint {0:?} has no path: expected ipc:///path/to/socket or ipc://@name")]
    NoPath(String),
    /// More bytes than a socket address holds.
    #[error("endpoint {endpoint:?} has a path of {length} bytes, at most {MAX_IPC_PATH} fit into a socket address")]
    LongPath {
        /// The element.
        endpoint: String,
        /// Its path's bytes.
        length: usize,
    },
    /// `inproc://` alone.
    #[error("endpoint {0:?} has no name: expected inproc://name")]
    NoName(String),
    /// A wildcard on the connecting side.
    #[error("endpoint {0:?} cannot be connected to: * and port 0 only make sense when binding (@)")]
    WildcardConnect(String),
    /// A source address on the listening side.
    #[error(
        "endpoint {0:?} cannot be bound: a source address (before the semicolon) only makes sense when connecting (>)"
    )]
    SourceWhenBinding(String),
    /// A host name where libzmq needs an address.
    #[error(
        "endpoint {endpoint:?} cannot be bound to the name {host:?}: binding takes an IP address, an interface name of \
         at most 15 bytes, or *"
    )]
    NameWhenBinding {
        /// The element.
        endpoint: String,
        /// The name.
        host: String,
    },
}

impl Endpoint {
    /// Parses a comma-separated list. White space around elements is ignored, anywhere else it is an error, and so is an
    /// empty element. Wildcards and source addresses are checked against an explicit direction here, and against a
    /// natural one in [`Endpoint::side`].
    pub fn parse_list(list: &str) -> Result<Vec<Self>, EndpointError> {
        if list.trim().is_empty() {
            return Err(EndpointError::Nothing);
        }
        let count = list.split(',').count();
        let mut endpoints = Vec::with_capacity(count);
        for (index, element) in list.split(',').enumerate() {
            let element = element.trim();
            if element.is_empty() {
                return Err(EndpointError::EmptyElement { list: list.to_owned(), position: index + 1, count });
            }
            endpoints.push(Self::parse(element)?);
        }
        Ok(endpoints)
    }

    /// The side this endpoint takes on a socket whose type would take `natural`; an error where its address only works
    /// on the other one.
    pub fn side(&self, natural: Side) -> Result<Side, EndpointError> {
        let side = match self.direction {
            Direction::Bind => Side::Bind,
            Direction::Connect => Side::Connect,
            Direction::Natural => natural,
        };
        self.address.check(side, &self.to_string())?;
        Ok(side)
    }

    fn parse(element: &str) -> Result<Self, EndpointError> {
        // White space first: a line break is both, and the comma is the more helpful hint.
        if element.contains(char::is_whitespace) {
            return Err(EndpointError::WhiteSpace(element.to_owned()));
        }
        if element.contains(char::is_control) {
            return Err(EndpointError::ControlCharacter(element.to_owned()));
        }
        let (direction, rest) = match element.split_at_checked(1) {
            Some(("@", rest)) => (Direction::Bind, rest),
            Some((">", rest)) => (Direction::Connect, rest),
            _ => (Direction::Natural, element),
        };
        if rest.starts_with(['@', '>']) {
            return Err(EndpointError::TwoSigns(element.to_owned()));
        }
        let Some((scheme, rest)) = rest.split_once("://") else {
            return Err(EndpointError::NoScheme(element.to_owned()));
        };
        let address = match scheme {
            "tcp" => parse_tcp(element, rest)?,
            "ipc" => parse_ipc(element, rest)?,
            "inproc" if rest.is_empty() => return Err(EndpointError::NoName(element.to_owned())),
            "inproc" => Address::Inproc(rest.to_owned()),
            _ => {
                return Err(EndpointError::UnknownScheme { endpoint: element.to_owned(), scheme: scheme.to_owned() });
            }
        };
        match direction {
            Direction::Bind => address.check(Side::Bind, element)?,
            Direction::Connect => address.check(Side::Connect, element)?,
            Direction::Natural => {}
        }
        Ok(Self { direction, address })
    }
}

impl Address {
    /// Whether the socket needs `ZMQ_IPV6` for this address.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        let ipv6 = |host: &Host| matches!(host, Host::Ipv6(..));
        matches!(self, Self::Tcp { host, source, .. } if ipv6(host) || source.as_ref().is_some_and(|(host, _)| ipv6(host)))
    }

    /// Refuses what libzmq could not do on this side. `element` is the text for the error.
    fn check(&self, side: Side, element: &str) -> Result<(), EndpointError> {
        let element = || element.to_owned();
        match (side, self) {
            (Side::Bind, Self::Tcp { source: Some(_), .. }) => Err(EndpointError::SourceWhenBinding(element())),
            (Side::Bind, Self::Tcp { host: Host::Name(name), .. }) if name.len() > MAX_INTERFACE_NAME => {
                Err(EndpointError::NameWhenBinding { endpoint: element(), host: name.clone() })
            }
            (Side::Connect, Self::Tcp { host, port, .. }) if *host == Host::Any || *port == Port::Any => {
                Err(EndpointError::WildcardConnect(element()))
            }
            // libzmq makes up a path for any address that begins with a star.
            (Side::Connect, Self::Ipc(path)) if path.starts_with('*') => Err(EndpointError::WildcardConnect(element())),
            _ => Ok(()),
        }
    }
}

fn parse_tcp(element: &str, text: &str) -> Result<Address, EndpointError> {
    // The last semicolon separates, as in libzmq (tcp_address.cpp, 4.3.4).
    let (source, target) = match text.rsplit_once(';') {
        Some((source, target)) => (Some(parse_host_and_port(element, source)?), target),
        None => (None, text),
    };
    let (host, port) = parse_host_and_port(element, target)?;
    Ok(Address::Tcp { host, port, source })
}

fn parse_host_and_port(element: &str, text: &str) -> Result<(Host, Port), EndpointError> {
    let no_port = || EndpointError::NoPort(element.to_owned());
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let bad = || EndpointError::BadHost { endpoint: element.to_owned(), host: text.to_owned() };
            let (host, port) = rest.split_once(']').ok_or_else(bad)?;
            (parse_ipv6(host).ok_or_else(bad)?, port.strip_prefix(':').ok_or_else(no_port)?)
        }
        None => {
            let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
            (parse_host(element, host)?, port)
        }
    };
    Ok((host, parse_port(element, port)?))
}

fn parse_port(element: &str, text: &str) -> Result<Port, EndpointError> {
    // libzmq reads ports with atoi, which takes "80x" for 80; digits alone count here.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        _ if text == "*" => Ok(Port::Any),
        Ok(0) if digits => Ok(Port::Any),
        Ok(number) if digits => Ok(Port::Number(number)),
        _ => Err(EndpointError::BadPort { endpoint: element.to_owned(), port: text.to_owned() }),
    }
}

fn parse_ipv6(text: &str) -> Option<Host> {
    match text.split_once('%') {
        Some((address, zone)) if is_name(zone) => Some(Host::Ipv6(address.parse().ok()?, Some(zone.to_owned()))),
        Some(_) => None,
        None => Some(Host::Ipv6(text.parse().ok()?, None)),
    }
}

fn parse_host(element: &str, text: &str) -> Result<Host, EndpointError> {
    if text.is_empty() {
        return Err(EndpointError::NoHost(element.to_owned()));
    }
    if text == "*" {
        return Ok(Host::Any);
    }
    if text.contains(':') {
        return Err(match parse_ipv6(text) {
            Some(_) => EndpointError::BareIpv6(element.to_owned()),
            None => EndpointError::BadHost { endpoint: element.to_owned(), host: text.to_owned() },
        });
    }
    if let Ok(address) = text.parse() {
        return Ok(Host::Ipv4(address));
    }
    // Digits and dots alone are no name (RFC 1123, section 2.1): somebody meant an address. An interface may be eth0.100.
    if !is_name(text) || text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(EndpointError::BadHost { endpoint: element.to_owned(), host: text.to_owned() });
    }
    Ok(Host::Name(text.to_owned()))
}

/// The characters of host names and of interface names (the latter may be almost anything, but hardly are).
fn is_name(text: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.len() <= MAX_HOST_NAME && text.bytes().all(name)
}

fn parse_ipc(element: &str, path: &str) -> Result<Address, EndpointError> {
    if path.is_empty() || path == "@" {
        return Err(EndpointError::NoPath(element.to_owned()));
    }
    if path.len() > MAX_IPC_PATH {
        return Err(EndpointError::LongPath { endpoint: element.to_owned(), length: path.len() });
    }
    Ok(Address::Ipc(path.to_owned()))
}

impl fmt::Display for Endpoint {
    /// The element as it would be written in a list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.direction {
            Direction::Bind => "@",
            Direction::Connect => ">",
            Direction::Natural => "",
        };
        write!(f, "{sign}{}", self.address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, source: None } => write!(f, "tcp://{host}:{port}"),
            Self::Tcp { host, port, source: Some((from, from_port)) } => {
                write!(f, "tcp://{from}:{from_port};{host}:{port}")
            }
            Self::Ipc(path) => write!(f, "ipc://{path}"),
            Self::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Ipv4(address) => write!(f, "{address}"),
            Self::Ipv6(address, None) => write!(f, "[{address}]"),
            Self::Ipv6(address, Some(zone)) => write!(f, "[{address}%{zone}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}
