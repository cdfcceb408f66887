//! The tables' checks: typed values, error texts, slips of the pen.

use super::*;

const TABLE: &[Parameter] = &[
    Parameter {
        name: "socktype",
        kind: Kind::Word(&["PUB", "PUSH"]),
        default: "",
        unit: "",
        is_required: true,
        help: "",
    },
    Parameter { name: "authtype", kind: Kind::Text, default: "", unit: "", is_required: false, help: "" },
    Parameter {
        name: "sendhwm",
        kind: Kind::Integer { least: 1, most: 100 },
        default: "10",
        unit: "messages",
        is_required: false,
        help: "the mark",
    },
    Parameter {
        name: "bytes",
        kind: Kind::Size { least: 0, most: 1 << 30 },
        default: "",
        unit: "",
        is_required: false,
        help: "",
    },
    Parameter { name: "topicframe", kind: Kind::Switch, default: "off", unit: "", is_required: false, help: "" },
];
const SCOPE: Scope = Scope { name: "action", parameters: &[TABLE] };

#[test]
fn values_are_typed_and_case_does_not_matter() {
    let values =
        SCOPE.check([("SockType", "push"), ("sendhwm", " 7 "), ("topicframe", "ON"), ("bytes", "2k")]).unwrap();
    assert_eq!(values.word("socktype"), Some("PUSH"));
    assert_eq!(values.number("sendhwm"), Some(7));
    assert_eq!(values.number("bytes"), Some(2048));
    assert_eq!(values.switch("topicframe"), Some(true));
    assert_eq!(values.text("authtype"), None);
}

#[test]
fn everything_wrong_is_reported_at_once_with_what_is_accepted() {
    let errors = SCOPE.check([("socktype", "BOGUS"), ("sendhwm", "5s"), ("topicframe", "yes")]).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "parameter \"socktype\": \"BOGUS\" is not one of PUB, PUSH",
            "parameter \"sendhwm\": \"5s\" is not a whole number from 1 to 100",
            "parameter \"topicframe\": \"yes\" is not one of on, off",
        ]
    );
    let missing = SCOPE.check([]).unwrap_err();
    assert_eq!(missing[0].to_string(), "parameter \"socktype\" is required; accepted: PUB, PUSH");
}

#[test]
fn numbers_are_numbers_and_nothing_else() {
    for junk in ["", "-", "0x10", "1e3", "+5", "5 5", "101", "0", "99999999999999999999"] {
        assert!(SCOPE.check([("socktype", "PUB"), ("sendhwm", junk)]).is_err(), "{junk:?} was accepted");
    }
    assert_eq!(
        (file_mode("0660"), file_mode("644"), file_mode("8"), file_mode("0o660")),
        (Some(0o660), Some(0o644), None, None)
    );
    assert!(SCOPE.check([("socktype", "PUB"), ("bytes", "99999999999g")]).is_err(), "an overflow was accepted");
}

#[test]
fn a_misspelt_security_parameter_is_a_typo_and_the_hosts_own_are_not() {
    let typos = SCOPE.typos(["name", "type", "queue.type", "action.resumeretrycount", "socktype", "somethingelse"]);
    assert!(typos.is_empty(), "{typos:?}");
    for (written, meant) in [("authtyp", "authtype"), ("atuhtype", "authtype"), ("authmode", "authtype")] {
        assert_eq!(SCOPE.typos([written]), [ParameterError::Typo { written: written.into(), meant }]);
    }
}
