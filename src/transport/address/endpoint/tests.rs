use super::*;
use crate::sys::zmq::{Context, kind};

fn one(text: &str) -> Endpoint {
    let mut list = Endpoint::parse_list(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(list.len(), 1, "{text}");
    list.remove(0)
}

fn refusal(text: &str) -> String {
    match Endpoint::parse_list(text) {
        Ok(list) => panic!("{text:?} was accepted: {list:?}"),
        Err(error) => error.to_string(),
    }
}

fn tcp(host: Host, port: u16) -> Address {
    Address::Tcp { host, port: Port::Number(port), source: None }
}

#[test]
fn signs_choose_the_side_and_no_sign_leaves_it_to_the_socket_type() {
    let address = tcp(Host::Ipv4(Ipv4Addr::LOCALHOST), 5555);
    for (text, direction) in [
        ("@tcp://127.0.0.1:5555", Direction::Bind),
        (">tcp://127.0.0.1:5555", Direction::Connect),
        ("tcp://127.0.0.1:5555", Direction::Natural),
    ] {
        assert_eq!(one(text), Endpoint { direction, address: address.clone() });
        assert_eq!(one(text).to_string(), text);
    }
    assert_eq!(one("tcp://127.0.0.1:5555").side(Side::Bind), Ok(Side::Bind));
    assert_eq!(one("tcp://127.0.0.1:5555").side(Side::Connect), Ok(Side::Connect));
    assert_eq!(one("@tcp://127.0.0.1:5555").side(Side::Connect), Ok(Side::Bind));
    assert_eq!(one(">tcp://127.0.0.1:5555").side(Side::Bind), Ok(Side::Connect));
}

#[test]
fn a_list_is_separated_by_commas_and_trimmed() {
    let list = Endpoint::parse_list(" @tcp://*:514 ,>ipc:///run/x.sock,\tinproc://a ").unwrap();
    let texts: Vec<String> = list.iter().map(Endpoint::to_string).collect();
    assert_eq!(texts, ["@tcp://*:514", ">ipc:///run/x.sock", "inproc://a"]);
}

#[test]
fn o34_white_space_between_endpoints_is_refused_with_the_real_separator() {
    for text in ["tcp://a:1 tcp://b:2", "tcp://a:1\ntcp://b:2", "tcp://a :1", "ipc:///run/my socket", "@ tcp://*:1"] {
        assert!(refusal(text).ends_with("several endpoints are separated by a comma"), "{text:?}: {}", refusal(text));
    }
}

#[test]
fn an_empty_list_or_element_is_refused() {
    assert_eq!(refusal(""), "no endpoint given, expected for example \"tcp://host:port\" or \"@tcp://*:port\"");
    assert_eq!(refusal("  "), refusal(""));
    for (text, position) in [("tcp://a:1,,tcp://b:2", 2), (",tcp://a:1,tcp://b:2", 1), ("tcp://a:1, ,tcp://b:2", 2)] {
        let expected = format!("endpoint list {text:?} has an empty element: element {position} of 3");
        assert_eq!(refusal(text), expected);
    }
    assert!(refusal("tcp://a:1,").contains("element 2 of 2"));
}

#[test]
fn tcp_hosts_may_be_names_addresses_interfaces_and_stars() {
    for (text, host) in [
        ("tcp://log-1.example.com:5555", Host::Name("log-1.example.com".to_owned())),
        ("tcp://under_score:5555", Host::Name("under_score".to_owned())),
        ("tcp://example.com.:5555", Host::Name("example.com.".to_owned())),
        ("@tcp://eth0.100:5555", Host::Name("eth0.100".to_owned())),
        ("tcp://10.1.2.3:5555", Host::Ipv4(Ipv4Addr::new(10, 1, 2, 3))),
        ("tcp://[::1]:5555", Host::Ipv6(Ipv6Addr::LOCALHOST, None)),
        ("tcp://[fe80::1%eth0]:5555", Host::Ipv6("fe80::1".parse().unwrap(), Some("eth0".to_owned()))),
        ("@tcp://*:5555", Host::Any),
    ] {
        assert_eq!(one(text).address, tcp(host, 5555));
        assert_eq!(one(text).to_string(), text);
    }
    assert!(one("tcp://[::1]:5555").address.is_ipv6());
    assert!(one("tcp://[::1]:*;localhost:5555").address.is_ipv6());
    assert!(!one("tcp://127.0.0.1:5555").address.is_ipv6());
}

#[test]
fn hosts_that_libzmq_could_not_use_are_refused() {
    assert!(refusal("tcp://:5555").contains("has no host"));
    assert!(refusal("tcp://::1:5555").contains("IPv6 address without brackets"));
    assert!(refusal("tcp://fe80::1%eth0:5555").contains("IPv6 address without brackets"));
    for text in [
        "tcp://256.1.1.1:5555",
        "tcp://1.2.3:5555",
        "tcp://a/b:5555",
        "tcp://häuser:5555",
        "tcp://[::1:5555",
        "tcp://[127.0.0.1]:5555",
        "tcp://[fe80::1%]:5555",
        "tcp://[*]:5555",
        "tcp://user@host:5555",
        "tcp://a:b:5555",
        "tcp://...:5555",
    ] {
        assert!(refusal(text).contains("which is not a host or interface name"), "{text}: {}", refusal(text));
    }
}

#[test]
fn ports_are_numbers_in_range() {
    assert_eq!(one("tcp://a:65535").address, tcp(Host::Name("a".to_owned()), 65535));
    assert_eq!(one("tcp://a:1").address, tcp(Host::Name("a".to_owned()), 1));
    for text in ["tcp://a", "tcp://[::1]", "tcp://", "tcp://[::1]5555"] {
        assert!(refusal(text).contains("has no port"), "{text}: {}", refusal(text));
    }
    for port in ["65536", "-1", "+80", "80x", "http", "", "**", "![60000-]", "1e3"] {
        let expected = format!("has the port {port:?}, which is not a number from 1 to 65535 (binding: also * or 0)");
        assert!(refusal(&format!("tcp://a:{port}")).contains(&expected), "{port}");
    }
}

#[test]
fn wildcards_are_for_binding_only() {
    for text in ["tcp://*:5555", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "ipc://*"] {
        assert_eq!(one(&format!("@{text}")).side(Side::Connect), Ok(Side::Bind));
        assert_eq!(one(text).side(Side::Bind), Ok(Side::Bind));
        let expected =
            format!("endpoint \">{text}\" cannot be connected to: * and port 0 only make sense when binding (@)");
        assert_eq!(refusal(&format!(">{text}")), expected);
        let natural = one(text).side(Side::Connect).unwrap_err().to_string();
        assert!(natural.contains("cannot be connected to"), "{natural}");
    }
    assert_eq!(one("@tcp://*:0").address.to_string(), "tcp://*:*");
}

#[test]
fn a_source_address_is_for_connecting_only() {
    let endpoint = one(">tcp://192.168.1.17:*;log.example.com:5555");
    assert_eq!(endpoint.address.to_string(), "tcp://192.168.1.17:*;log.example.com:5555");
    assert_eq!(one("tcp://eth0:0;[::1]:5555").address.to_string(), "tcp://eth0:*;[::1]:5555");
    assert!(refusal("@tcp://10.0.0.1:*;host:5555").contains("only makes sense when connecting"));
    assert!(one("tcp://10.0.0.1:*;host:5555").side(Side::Bind).is_err());
    assert!(refusal(">tcp://10.0.0.1;host:5555").contains("has no port"));
    assert!(refusal(">tcp://10.0.0.1:*;*:5555").contains("cannot be connected to"));
}

#[test]
fn a_name_too_long_for_an_interface_cannot_be_bound() {
    assert!(refusal("@tcp://log.example.com.:5555").contains("binding takes an IP address, an interface name"));
    assert_eq!(one("tcp://log.example.com.:5555").side(Side::Connect), Ok(Side::Connect));
    assert!(one("tcp://log.example.com.:5555").side(Side::Bind).is_err());
}

#[test]
fn ipc_takes_paths_and_abstract_names() {
    assert_eq!(one("@ipc:///run/rsyslog/z.sock").address, Address::Ipc("/run/rsyslog/z.sock".to_owned()));
    assert_eq!(one("@ipc://@logs"), Endpoint { direction: Direction::Bind, address: Address::Ipc("@logs".to_owned()) });
    assert_eq!(one("ipc://@logs").direction, Direction::Natural);
    assert_eq!(one("ipc://relative/path").to_string(), "ipc://relative/path");
    assert!(refusal("ipc://").contains("has no path"));
    assert!(refusal("ipc://@").contains("has no path"));
}

#[test]
fn the_length_limit_of_ipc_paths_is_said_plainly() {
    let fits = format!("ipc:///{}", "p".repeat(MAX_IPC_PATH - 1));
    assert_eq!(one(&fits).to_string(), fits);
    let text = refusal(&format!("{fits}p"));
    assert!(text.ends_with("has a path of 108 bytes, at most 107 fit into a socket address"), "{text}");
}

#[test]
fn the_longest_ipc_path_is_the_longest_one_that_libzmq_binds() {
    let directory = tempfile::tempdir().unwrap();
    let prefix = format!("ipc://{}/", directory.path().display());
    let fill = |length: usize| format!("{prefix}{}", "p".repeat(length + "ipc://".len() - prefix.len()));
    let socket = Context::new().unwrap().socket(kind::PULL).unwrap();
    socket.bind(&fill(MAX_IPC_PATH)).unwrap();
    assert_eq!(socket.bind(&fill(MAX_IPC_PATH + 1)).unwrap_err().errno(), libc::ENAMETOOLONG);
}

#[test]
fn inproc_needs_a_name() {
    assert_eq!(one("@inproc://a").address, Address::Inproc("a".to_owned()));
    assert!(refusal("inproc://").contains("has no name"));
}

#[test]
fn other_transports_and_junk_are_refused_with_the_accepted_ones() {
    for text in ["bogus", "tcp:/a:1", "5555", "@", ">"] {
        assert!(refusal(text).ends_with("does not begin with one of tcp://, ipc://, inproc://"), "{text}");
    }
    for (text, scheme) in [("udp://a:1", "udp"), ("TCP://a:1", "TCP"), ("://a:1", ""), ("pgm://a;b:1", "pgm")] {
        let expected = format!("has the transport {scheme:?}, which is not one of tcp, ipc, inproc");
        assert!(refusal(text).ends_with(&expected), "{text}: {}", refusal(text));
    }
    for text in ["@>tcp://a:1", ">@tcp://a:1", "@@tcp://*:1"] {
        assert!(refusal(text).contains("more than one direction sign"), "{text}");
    }
}

#[test]
fn control_characters_are_refused_and_never_printed_as_they_are() {
    for text in ["inproc://a\0b", "ipc:///run/\u{1b}[31m", "\u{7f}tcp://a:1"] {
        let message = refusal(text);
        assert!(message.ends_with("contains a control character"), "{message:?}");
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn every_accepted_binding_form_is_one_that_libzmq_binds() {
    let context = Context::new().unwrap();
    for text in ["@tcp://*:*", "@tcp://127.0.0.1:0", "@tcp://lo:*", "@ipc://*", "@inproc://endpoint-test"] {
        let socket = context.socket(kind::PULL).unwrap();
        let address = one(text).address.to_string();
        socket.bind(&address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let bound = socket.last_endpoint().unwrap();
        assert_eq!(one(&bound).to_string(), bound, "what libzmq reports is accepted again");
    }
}

#[test]
fn every_accepted_connecting_form_is_one_that_libzmq_connects() {
    let context = Context::new().unwrap();
    for text in [
        ">tcp://localhost:9",
        ">tcp://127.0.0.1:*;127.0.0.1:9",
        ">tcp://[::1]:9",
        ">tcp://lo:0;localhost:9",
        ">ipc://@abstract",
        ">ipc:///nonexistent/socket",
    ] {
        let socket = context.socket(kind::PUSH).unwrap();
        socket.set_int(crate::sys::zmq::option::LINGER, 0).unwrap();
        let address = one(text).address;
        socket.set_int(crate::sys::zmq::option::IPV6, i32::from(address.is_ipv6())).unwrap();
        socket.connect(&address.to_string()).unwrap_or_else(|error| panic!("{address}: {error}"));
    }
}
