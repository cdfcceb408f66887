//! Why a measurement did not come about.

/// One measurement's error; the others go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("libzmq: {0}")]
    Zmq(#[from] rsyslog_zmq::sys::zmq::Error),
    #[error(transparent)]
    Key(#[from] rsyslog_zmq::curve::keys::KeyError),
    #[error(transparent)]
    Certificate(#[from] rsyslog_zmq::curve::certificate::CertificateError),
    /// rsyslogd said so under -N1.
    #[error("rsyslogd refuses the configuration: {0}")]
    Refused(String),
    #[error("waited in vain for {0}")]
    TimedOut(&'static str),
    #[error("{0}")]
    Other(String),
}

pub type Result<T> = std::result::Result<T, Failure>;
