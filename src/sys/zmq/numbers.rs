//! libzmq's numbers, by its own names without `ZMQ_`. What zmq-sys does not declare is written out.

use std::ffi::c_int;

/// Socket types by libzmq's numbers (zmq.h), the draft ones included.
pub mod kind {
    #![allow(missing_docs)]
    use std::ffi::c_int;
    pub const PAIR: c_int = zmq_sys::ZMQ_PAIR as c_int;
    pub const PUB: c_int = zmq_sys::ZMQ_PUB as c_int;
    pub const SUB: c_int = zmq_sys::ZMQ_SUB as c_int;
    pub const REQ: c_int = zmq_sys::ZMQ_REQ as c_int;
    pub const REP: c_int = zmq_sys::ZMQ_REP as c_int;
    pub const DEALER: c_int = zmq_sys::ZMQ_DEALER as c_int;
    pub const ROUTER: c_int = zmq_sys::ZMQ_ROUTER as c_int;
    pub const PULL: c_int = zmq_sys::ZMQ_PULL as c_int;
    pub const PUSH: c_int = zmq_sys::ZMQ_PUSH as c_int;
    pub const XPUB: c_int = zmq_sys::ZMQ_XPUB as c_int;
    pub const XSUB: c_int = zmq_sys::ZMQ_XSUB as c_int;
    pub const STREAM: c_int = zmq_sys::ZMQ_STREAM as c_int;
    pub const SERVER: c_int = 12;
    pub const CLIENT: c_int = 13;
    pub const RADIO: c_int = 14;
    pub const DISH: c_int = 15;
    pub const GATHER: c_int = 16;
    pub const SCATTER: c_int = 17;
}

/// Socket options by libzmq's numbers (zmq.h of 4.3.5).
pub mod option {
    #![allow(missing_docs)]
    use std::ffi::c_int;
    pub const AFFINITY: c_int = zmq_sys::ZMQ_AFFINITY as c_int;
    pub const ROUTING_ID: c_int = zmq_sys::ZMQ_ROUTING_ID as c_int;
    pub const SUBSCRIBE: c_int = zmq_sys::ZMQ_SUBSCRIBE as c_int;
    pub const UNSUBSCRIBE: c_int = zmq_sys::ZMQ_UNSUBSCRIBE as c_int;
    pub const RCVMORE: c_int = zmq_sys::ZMQ_RCVMORE as c_int;
    pub const FD: c_int = zmq_sys::ZMQ_FD as c_int;
    pub const EVENTS: c_int = zmq_sys::ZMQ_EVENTS as c_int;
    pub const TYPE: c_int = zmq_sys::ZMQ_TYPE as c_int;
    pub const LINGER: c_int = zmq_sys::ZMQ_LINGER as c_int;
    pub const RECONNECT_IVL: c_int = zmq_sys::ZMQ_RECONNECT_IVL as c_int;
    pub const BACKLOG: c_int = zmq_sys::ZMQ_BACKLOG as c_int;
    pub const RECONNECT_IVL_MAX: c_int = zmq_sys::ZMQ_RECONNECT_IVL_MAX as c_int;
    pub const MAXMSGSIZE: c_int = zmq_sys::ZMQ_MAXMSGSIZE as c_int;
    pub const SNDHWM: c_int = zmq_sys::ZMQ_SNDHWM as c_int;
    pub const RCVHWM: c_int = zmq_sys::ZMQ_RCVHWM as c_int;
    pub const RCVTIMEO: c_int = zmq_sys::ZMQ_RCVTIMEO as c_int;
    pub const SNDTIMEO: c_int = zmq_sys::ZMQ_SNDTIMEO as c_int;
    pub const LAST_ENDPOINT: c_int = zmq_sys::ZMQ_LAST_ENDPOINT as c_int;
    pub const ROUTER_MANDATORY: c_int = zmq_sys::ZMQ_ROUTER_MANDATORY as c_int;
    pub const TCP_KEEPALIVE: c_int = zmq_sys::ZMQ_TCP_KEEPALIVE as c_int;
    pub const TCP_KEEPALIVE_CNT: c_int = zmq_sys::ZMQ_TCP_KEEPALIVE_CNT as c_int;
    pub const TCP_KEEPALIVE_IDLE: c_int = zmq_sys::ZMQ_TCP_KEEPALIVE_IDLE as c_int;
    pub const TCP_KEEPALIVE_INTVL: c_int = zmq_sys::ZMQ_TCP_KEEPALIVE_INTVL as c_int;
    pub const XPUB_VERBOSE: c_int = zmq_sys::ZMQ_XPUB_VERBOSE as c_int;
    pub const IPV6: c_int = zmq_sys::ZMQ_IPV6 as c_int;
    pub const MECHANISM: c_int = zmq_sys::ZMQ_MECHANISM as c_int;
    pub const CURVE_SERVER: c_int = zmq_sys::ZMQ_CURVE_SERVER as c_int;
    pub const CURVE_PUBLICKEY: c_int = zmq_sys::ZMQ_CURVE_PUBLICKEY as c_int;
    pub const CURVE_SECRETKEY: c_int = zmq_sys::ZMQ_CURVE_SECRETKEY as c_int;
    pub const CURVE_SERVERKEY: c_int = zmq_sys::ZMQ_CURVE_SERVERKEY as c_int;
    pub const ZAP_DOMAIN: c_int = zmq_sys::ZMQ_ZAP_DOMAIN as c_int;
    pub const TOS: c_int = zmq_sys::ZMQ_TOS as c_int;
    pub const IMMEDIATE: c_int = zmq_sys::ZMQ_IMMEDIATE as c_int;
    pub const HANDSHAKE_IVL: c_int = zmq_sys::ZMQ_HANDSHAKE_IVL as c_int;
    pub const XPUB_NODROP: c_int = zmq_sys::ZMQ_XPUB_NODROP as c_int;
    pub const HEARTBEAT_IVL: c_int = zmq_sys::ZMQ_HEARTBEAT_IVL as c_int;
    pub const HEARTBEAT_TTL: c_int = zmq_sys::ZMQ_HEARTBEAT_TTL as c_int;
    pub const HEARTBEAT_TIMEOUT: c_int = zmq_sys::ZMQ_HEARTBEAT_TIMEOUT as c_int;
    pub const XPUB_VERBOSER: c_int = zmq_sys::ZMQ_XPUB_VERBOSER as c_int;
    pub const CONNECT_TIMEOUT: c_int = zmq_sys::ZMQ_CONNECT_TIMEOUT as c_int;
    pub const USE_FD: c_int = zmq_sys::ZMQ_USE_FD as c_int;
    pub const ZAP_ENFORCE_DOMAIN: c_int = 93;
}

/// Socket monitor events (zmq.h), as bits.
pub mod event {
    #![allow(missing_docs)]
    pub const CONNECTED: u16 = zmq_sys::ZMQ_EVENT_CONNECTED as u16;
    pub const CONNECT_DELAYED: u16 = zmq_sys::ZMQ_EVENT_CONNECT_DELAYED as u16;
    pub const CONNECT_RETRIED: u16 = zmq_sys::ZMQ_EVENT_CONNECT_RETRIED as u16;
    pub const LISTENING: u16 = zmq_sys::ZMQ_EVENT_LISTENING as u16;
    pub const BIND_FAILED: u16 = zmq_sys::ZMQ_EVENT_BIND_FAILED as u16;
    pub const ACCEPTED: u16 = zmq_sys::ZMQ_EVENT_ACCEPTED as u16;
    pub const ACCEPT_FAILED: u16 = zmq_sys::ZMQ_EVENT_ACCEPT_FAILED as u16;
    pub const CLOSED: u16 = zmq_sys::ZMQ_EVENT_CLOSED as u16;
    pub const CLOSE_FAILED: u16 = zmq_sys::ZMQ_EVENT_CLOSE_FAILED as u16;
    pub const DISCONNECTED: u16 = zmq_sys::ZMQ_EVENT_DISCONNECTED as u16;
    pub const MONITOR_STOPPED: u16 = zmq_sys::ZMQ_EVENT_MONITOR_STOPPED as u16;
    pub const HANDSHAKE_FAILED_NO_DETAIL: u16 = zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL as u16;
    pub const HANDSHAKE_SUCCEEDED: u16 = zmq_sys::ZMQ_EVENT_HANDSHAKE_SUCCEEDED as u16;
    pub const HANDSHAKE_FAILED_PROTOCOL: u16 = zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL as u16;
    pub const HANDSHAKE_FAILED_AUTH: u16 = zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_AUTH as u16;
    pub const ALL: u16 = zmq_sys::ZMQ_EVENT_ALL as u16;
}

/// Do not block: fail with `EAGAIN`.
pub const DONTWAIT: c_int = zmq_sys::ZMQ_DONTWAIT as c_int;
/// More frames of the same message follow.
pub const SNDMORE: c_int = zmq_sys::ZMQ_SNDMORE as c_int;
/// Readable, for [`super::poll()`].
pub const POLLIN: i16 = zmq_sys::ZMQ_POLLIN as i16;
/// Writable, for [`super::poll()`].
pub const POLLOUT: i16 = zmq_sys::ZMQ_POLLOUT as i16;
