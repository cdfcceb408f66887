//! The two modules: the only place where rsyslog and ZeroMQ meet.
#![forbid(unsafe_code)]

mod admissions;
pub mod imczmq;
pub mod omczmq;
mod runtime;
pub mod settings;
mod words;
