//! One example of each parameter's value, for the documentation's tables.

/// `(scope, parameter, value)`; without a scope: wherever the parameter is and has no example of its own.
pub const EXAMPLES: &[(&str, &str, &str)] = &[
    ("", "authtype", "CURVESERVER"),
    ("", "servercertpath", "/etc/rsyslog/curve.d/server"),
    ("", "clientcertpath", "/etc/rsyslog/curve.d/clients"),
    ("", "authenticator", "on"),
    // Both kinds of sockets.
    ("input", "endpoints", "@tcp://*:24445"),
    ("action", "endpoints", ">tcp://collector.example.com:24445"),
    ("", "heartbeativl", "10000"),
    ("", "heartbeattimeout", "20000"),
    ("", "heartbeatttl", "30000"),
    ("", "connecttimeout", "5000"),
    ("", "handshaketimeout", "10000"),
    ("", "reconnectivl", "200"),
    ("", "reconnectivlmax", "10000"),
    ("", "keepalive", "on"),
    ("", "keepalive.time", "60"),
    ("", "keepalive.interval", "10"),
    ("", "keepalive.probes", "3"),
    ("", "ipv6", "on"),
    ("", "tos", "16"),
    ("", "backlog", "500"),
    ("", "linger", "1000"),
    ("", "maxmsgsize", "256k"),
    ("", "fileowner", "syslog"),
    ("", "filegroup", "adm"),
    ("", "filecreatemode", "0660"),
    ("", "listenportfilename", "/run/rsyslog/zmq.port"),
    // Inputs.
    ("input", "socktype", "PULL"),
    ("input", "name", "shippers"),
    ("input", "ruleset", "collected"),
    ("input", "topics", "web1.,web2."),
    ("input", "topicframe", "on"),
    ("input", "maxframes", "16"),
    ("input", "recvhwm", "5000"),
    ("input", "recvmaxbytes", "16m"),
    ("input", "topicprefix", "strip"),
    ("input", "unpack", "on"),
    ("input", "addmetadata", "on"),
    ("input", "ratelimit.interval", "5"),
    ("input", "ratelimit.burst", "20000"),
    ("input", "flowcontrol", "full"),
    // Actions.
    ("action", "socktype", "PUSH"),
    ("action", "template", "RSYSLOG_SyslogProtocol23Format"),
    ("action", "topics", "host_program"),
    ("action", "dynatopic", "on"),
    ("action", "topicframe", "on"),
    ("action", "sendhwm", "5000"),
    ("action", "sendqueue.size", "50000"),
    ("action", "sendqueue.maxbytes", "256m"),
    ("action", "sendtimeout", "30000"),
    ("action", "onfull", "drop"),
    ("action", "packing", "on"),
    ("action", "packing.maxbytes", "128k"),
    ("action", "closetimeout", "10000"),
    ("action", "statsname", "to-collector"),
    ("action", "name", "ship"),
];

/// That no line of the table is left over from a parameter that is gone.
#[test]
fn every_example_is_of_a_parameter_that_exists() {
    for (place, name, _) in EXAMPLES {
        let is_there = super::tables().iter().any(|(_, scope)| {
            (place.is_empty() || *place == scope.name) && scope.all().any(|parameter| parameter.name == *name)
        });
        assert!(is_there, "{name} of {place:?}");
    }
}
