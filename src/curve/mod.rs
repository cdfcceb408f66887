//! CURVE certificates and who may connect: CZMQ-compatible files, allow lists that are directories, and the ZAP handler
//! (RFC 27) that decides by them.
//!
//! Knows neither rsyslog nor the transport's sockets beyond setting their security options, so the modules and the
//! program share it. No decision in here falls back to "allow".

#![forbid(unsafe_code)]

pub mod allow_list;
pub mod authenticator;
pub mod certificate;
pub mod keys;
pub mod security;
pub mod z85;
pub mod zap;
pub mod zpl;
