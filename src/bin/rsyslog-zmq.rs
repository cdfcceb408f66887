//! The `rsyslog-zmq` program; see `rsyslog_zmq::cli`.

fn main() -> std::process::ExitCode {
    rsyslog_zmq::cli::main()
}
