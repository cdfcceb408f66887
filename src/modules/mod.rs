//! The two modules: the only place where rsyslog and ZeroMQ meet.
#![forbid(unsafe_code)]

mod admissions;
pub mod imczmq;
mod log_lines;
mod log_writer;
pub mod omczmq;
mod runtime;
pub mod settings;
mod socket;
