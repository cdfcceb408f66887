//! The options of a socket that come from its configuration, applied before it binds or connects.

use std::ffi::c_int;
use std::time::Duration;

use crate::sys::zmq::{Error, Socket, option};

/// `None` leaves libzmq's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Messages per peer that wait to be sent.
    pub send_hwm: Option<i32>,
    /// Messages per peer that wait to be received.
    pub receive_hwm: Option<i32>,
    /// How often a heartbeat is sent.
    pub heartbeat_interval: Option<Duration>,
    /// How long an answer to it may take; libzmq's default is the interval.
    pub heartbeat_timeout: Option<Duration>,
    /// After how long the peer shall give us up; whole tenths of a second.
    pub heartbeat_ttl: Option<Duration>,
    /// How long a TCP connection attempt may take.
    pub connect_timeout: Option<Duration>,
    /// How long a handshake may take.
    pub handshake_timeout: Option<Duration>,
    /// How long to wait before connecting again; doubled each time up to the maximum.
    pub reconnect_interval: Option<Duration>,
    /// The longest wait before connecting again.
    pub reconnect_interval_max: Option<Duration>,
    /// The largest frame that is received, in bytes; CURVE's own 33 bytes are added.
    pub max_message_size: Option<i64>,
    /// TCP keep-alive probes on or off.
    pub keepalive: Option<bool>,
    /// Idle time before the first probe.
    pub keepalive_time: Option<Duration>,
    /// Time between probes.
    pub keepalive_interval: Option<Duration>,
    /// Unanswered probes before the connection is given up.
    pub keepalive_probes: Option<i32>,
    /// Whether IPv6 is used beside IPv4.
    pub ipv6: Option<bool>,
    /// The IP type of service.
    pub type_of_service: Option<i32>,
    /// The listening queue's length.
    pub backlog: Option<i32>,
}

/// What CURVE adds to a frame: a nonce, a box overhead and the command's name (RFC 26).
const CURVE_OVERHEAD: i64 = 33;

/// An option that libzmq refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("libzmq does not take {name}={value}: {cause}")]
pub struct OptionError {
    name: &'static str,
    value: i64,
    cause: Error,
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

impl SocketOptions {
    /// Sets everything that is not a default.
    pub fn apply(&self, socket: &Socket) -> Result<(), OptionError> {
        let ints: [(&'static str, c_int, Option<i32>); 16] = [
            ("sendhwm", option::SNDHWM, self.send_hwm),
            ("recvhwm", option::RCVHWM, self.receive_hwm),
            ("heartbeativl", option::HEARTBEAT_IVL, self.heartbeat_interval.map(milliseconds)),
            ("heartbeattimeout", option::HEARTBEAT_TIMEOUT, self.heartbeat_timeout.map(milliseconds)),
            ("heartbeatttl", option::HEARTBEAT_TTL, self.heartbeat_ttl.map(milliseconds)),
            ("connecttimeout", option::CONNECT_TIMEOUT, self.connect_timeout.map(milliseconds)),
            ("handshaketimeout", option::HANDSHAKE_IVL, self.handshake_timeout.map(milliseconds)),
            ("reconnectivl", option::RECONNECT_IVL, self.reconnect_interval.map(milliseconds)),
            ("reconnectivlmax", option::RECONNECT_IVL_MAX, self.reconnect_interval_max.map(milliseconds)),
            ("keepalive", option::TCP_KEEPALIVE, self.keepalive.map(i32::from)),
            ("keepalive.time", option::TCP_KEEPALIVE_IDLE, self.keepalive_time.map(seconds)),
            ("keepalive.interval", option::TCP_KEEPALIVE_INTVL, self.keepalive_interval.map(seconds)),
            ("keepalive.probes", option::TCP_KEEPALIVE_CNT, self.keepalive_probes),
            ("ipv6", option::IPV6, self.ipv6.map(i32::from)),
            ("tos", option::TOS, self.type_of_service),
            ("backlog", option::BACKLOG, self.backlog),
        ];
        for (name, number, value) in ints {
            let Some(value) = value else { continue };
            socket.set_int(number, value).map_err(|cause| OptionError { name, value: value.into(), cause })?;
        }
        if let Some(size) = self.max_message_size {
            socket.set_i64(option::MAXMSGSIZE, size.saturating_add(CURVE_OVERHEAD)).map_err(|cause| OptionError {
                name: "maxmsgsize",
                value: size,
                cause,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::zmq::{Context, kind};

    #[test]
    fn each_option_reaches_its_own_place() {
        let context = Context::new().unwrap();
        let socket = context.socket(kind::PUSH).unwrap();
        let options = SocketOptions {
            send_hwm: Some(7),
            receive_hwm: Some(8),
            heartbeat_interval: Some(Duration::from_millis(1100)),
            heartbeat_timeout: Some(Duration::from_millis(1200)),
            heartbeat_ttl: Some(Duration::from_millis(1300)),
            connect_timeout: Some(Duration::from_millis(1400)),
            handshake_timeout: Some(Duration::from_millis(1500)),
            reconnect_interval: Some(Duration::from_millis(160)),
            reconnect_interval_max: Some(Duration::from_millis(1700)),
            max_message_size: Some(1000),
            keepalive: Some(true),
            keepalive_time: Some(Duration::from_secs(18)),
            keepalive_interval: Some(Duration::from_secs(19)),
            keepalive_probes: Some(20),
            ipv6: Some(true),
            type_of_service: Some(22),
            backlog: Some(23),
        };
        options.apply(&socket).unwrap();
        let expected = [
            (option::SNDHWM, 7),
            (option::RCVHWM, 8),
            (option::HEARTBEAT_IVL, 1100),
            (option::HEARTBEAT_TIMEOUT, 1200),
            (option::HEARTBEAT_TTL, 1300),
            (option::CONNECT_TIMEOUT, 1400),
            (option::HANDSHAKE_IVL, 1500),
            (option::RECONNECT_IVL, 160),
            (option::RECONNECT_IVL_MAX, 1700),
            (option::TCP_KEEPALIVE, 1),
            (option::TCP_KEEPALIVE_IDLE, 18),
            (option::TCP_KEEPALIVE_INTVL, 19),
            (option::TCP_KEEPALIVE_CNT, 20),
            (option::IPV6, 1),
            (option::TOS, 22),
            (option::BACKLOG, 23),
        ];
        for (number, value) in expected {
            assert_eq!(socket.get_int(number).unwrap(), value, "option {number}");
        }
    }
}
