//! What libzmq is given for an endpoint, and how its events name that.

use std::net::{IpAddr, SocketAddr};

use crate::transport::address::endpoint::{Address, Host, Port};

/// An address to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// As libzmq is given it.
    pub(super) text: String,
    /// What its events carry, where it is an address of TCP: a mapped IPv4 address as IPv4, and no zone.
    address: Option<SocketAddr>,
}

impl Target {
    /// What libzmq can be given for an endpoint without looking anything up; `None` for a host name.
    pub(super) fn literal(endpoint: &Address) -> Option<Self> {
        match endpoint {
            Address::Tcp { host: Host::Name(_), .. } => None,
            Address::Tcp { host: Host::Ipv4(ip), port: Port::Number(port), .. } => {
                Some(Self::at(endpoint, SocketAddr::new(IpAddr::V4(*ip), *port)))
            }
            Address::Tcp { host: Host::Ipv6(ip, None), port: Port::Number(port), .. } => {
                Some(Self::at(endpoint, SocketAddr::new(IpAddr::V6(*ip), *port)))
            }
            Address::Tcp { host: Host::Ipv6(ip, Some(_)), port: Port::Number(port), .. } => {
                let address = Some(SocketAddr::new(IpAddr::V6(*ip), *port));
                Some(Self { text: endpoint.to_string(), address })
            }
            _ => Some(Self { text: endpoint.to_string(), address: None }),
        }
    }

    /// The endpoint at this address, with its source.
    pub(super) fn at(endpoint: &Address, address: SocketAddr) -> Self {
        let source = match endpoint {
            Address::Tcp { source: Some((host, port)), .. } => format!("{host}:{port};"),
            _ => String::new(),
        };
        let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { text: format!("tcp://{source}{address}"), address: Some(canonical) }
    }

    /// Whether it is this address.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.address == Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// Whether an event of libzmq's with this text is about it.
    pub(super) fn is_named(&self, reported: &str) -> bool {
        self.text == reported || (self.address.is_some() && self.address == parse_reported(reported))
    }
}

/// The address in an endpoint of libzmq's.
fn parse_reported(text: &str) -> Option<SocketAddr> {
    let rest = text.strip_prefix("tcp://")?;
    let rest = rest.rsplit_once(';').map_or(rest, |(_, address)| address);
    let (host, port) = rest.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let host = host.split_once('%').map_or(host, |(host, _)| host);
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?.to_canonical(), port.parse().ok()?))
}
