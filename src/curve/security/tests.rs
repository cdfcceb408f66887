//! The table of parameters, right and wrong, and what a socket really does with them.

use super::*;
use crate::curve::certificate::secret_path;
use crate::sys::zmq::{Context, kind};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
    own: String,
    peer: String,
    allowed: String,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (own, peer, allowed) = (path("own"), path("peer"), path("allowed"));
        for name in [&own, &peer] {
            let pair = KeyPair::generate().unwrap();
            Certificate::from_pair(pair, Vec::new()).write_new(Path::new(name)).unwrap();
        }
        std::fs::remove_file(secret_path(Path::new(&peer))).unwrap();
        std::fs::create_dir(&allowed).unwrap();
        Self { directory, own, peer, allowed }
    }
}

fn settings(authtype: &str, server: &str, client: &str, authenticator: Option<bool>) -> SecuritySettings {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    SecuritySettings {
        authtype: given(authtype),
        servercertpath: given(server),
        clientcertpath: given(client),
        authenticator,
    }
}

/// Both ways of asking have to agree.
fn error_of(settings: &SecuritySettings) -> String {
    let checked = settings.check().unwrap_err().to_string();
    let loaded = settings.load().unwrap_err().to_string();
    assert_eq!(checked, loaded);
    checked
}

fn load(settings: &SecuritySettings) -> Security {
    settings.check().unwrap();
    settings.load().unwrap()
}

#[test]
fn o13_i16_an_authtype_is_known_in_any_case_or_refused() {
    for text in ["curveserver", "CurveServer", "CURVESERVER"] {
        assert_eq!(text.parse::<AuthType>().unwrap(), AuthType::CurveServer);
    }
    assert_eq!("none".parse::<AuthType>().unwrap(), AuthType::None);
    for text in ["", "CURVE", "CURVESERVER ", "PLAIN", "curve-server"] {
        let error = error_of(&SecuritySettings { authtype: Some(text.to_owned()), ..SecuritySettings::default() });
        assert_eq!(error, format!("authtype {text:?} is not one of NONE, CURVESERVER, CURVECLIENT"));
    }
}

#[test]
fn o13_certificates_that_no_authtype_would_use_are_an_error() {
    let cases = [
        (settings("", "a", "", None), "servercertpath is given without authtype"),
        (settings("", "", "b", None), "clientcertpath is given without authtype"),
        (settings("", "", "", Some(true)), "authenticator is given without authtype"),
        (settings("NONE", "a", "", None), "servercertpath is given, but authtype NONE uses no security"),
        (settings("NONE", "", "*", None), "clientcertpath is given, but authtype NONE uses no security"),
    ];
    for (settings, expected) in cases {
        let error = error_of(&settings);
        assert!(error.starts_with(expected), "{error}");
    }
    for settings in [settings("", "", "", None), settings("NONE", "", "", Some(false))] {
        assert!(matches!(load(&settings), Security::None));
    }
}

#[test]
fn o14_a_server_admits_by_its_list_unless_the_authenticator_is_switched_off_explicitly() {
    let place = Place::new();
    for authenticator in [None, Some(true)] {
        let error = error_of(&settings("CURVESERVER", &place.own, "", authenticator));
        assert!(error.starts_with("authtype CURVESERVER needs clientcertpath"), "{error}");
        let security = load(&settings("CURVESERVER", &place.own, &place.allowed, authenticator));
        assert_eq!(security.policy(), Some(Policy::Directory(place.allowed.clone().into())));
        assert_eq!(security.warning(), None);
        let security = load(&settings("CURVESERVER", &place.own, "*", authenticator));
        assert!(matches!(&security, Security::CurveServer { admission: Admission::AnyKey, .. }));
        assert_eq!(security.policy(), Some(Policy::Anyone));
    }
    for clients in ["", "*", &place.allowed, "/nonexistent"] {
        let security = load(&settings("CURVESERVER", &place.own, clients, Some(false)));
        assert_eq!(security.policy(), Some(Policy::Anyone));
        assert!(security.warning().unwrap().contains("every client"), "{clients}");
    }
}

#[test]
fn i17_a_missing_parameter_is_named() {
    let place = Place::new();
    let cases = [
        (settings("CURVESERVER", "", &place.allowed, None), "authtype CURVESERVER needs servercertpath"),
        (settings("CURVESERVER", "", "", Some(false)), "authtype CURVESERVER needs servercertpath"),
        (settings("CURVECLIENT", "", &place.own, None), "authtype CURVECLIENT needs servercertpath"),
        (settings("CURVECLIENT", &place.peer, "", None), "authtype CURVECLIENT needs clientcertpath"),
    ];
    for (settings, expected) in cases {
        let error = error_of(&settings);
        assert!(error.starts_with(expected), "{error}");
    }
    let empty =
        SecuritySettings { clientcertpath: Some(String::new()), ..settings("CURVESERVER", &place.own, "", None) };
    assert!(error_of(&empty).starts_with("authtype CURVESERVER needs clientcertpath"));
}

#[test]
fn every_file_is_checked_under_the_name_of_its_parameter() {
    let place = Place::new();
    let file = place.directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let cases = [
        (settings("CURVESERVER", "/nonexistent", "*", None), "servercertpath: cannot read the certificate"),
        (settings("CURVESERVER", &place.peer, "*", None), "servercertpath: certificate"),
        (settings("CURVESERVER", &place.own, "/nonexistent", None), "clientcertpath: cannot read the directory"),
        (settings("CURVESERVER", &place.own, file, None), "clientcertpath: cannot read the directory"),
        (settings("CURVECLIENT", "/nonexistent", "*", None), "servercertpath: cannot read the certificate"),
        (settings("CURVECLIENT", file, "*", None), "servercertpath: certificate"),
        (settings("CURVECLIENT", "*", "*", None), "servercertpath: cannot read the certificate \"*\""),
        (settings("CURVECLIENT", &place.peer, "/nonexistent", None), "clientcertpath: cannot read the certificate"),
        (settings("CURVECLIENT", &place.peer, &place.peer, None), "clientcertpath: certificate"),
    ];
    for (settings, expected) in cases {
        let error = error_of(&settings);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_client_has_its_own_certificate_or_a_fresh_key() {
    let place = Place::new();
    let expected = Certificate::read_public(Path::new(&place.peer)).unwrap().public;
    let own = Certificate::read_public(Path::new(&place.own)).unwrap().public;
    let key = |settings: &SecuritySettings| match load(settings) {
        Security::CurveClient { server, pair } => {
            assert_eq!(server, expected);
            pair.public
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(key(&settings("curveclient", &place.peer, &place.own, None)), own);
    let fresh = settings("CURVECLIENT", &place.peer, "*", None);
    assert_ne!(key(&fresh), key(&fresh));
    assert!(load(&fresh).policy().is_none() && load(&fresh).warning().is_none());
}

#[test]
fn o15_module_parameters_are_defaults_and_an_own_authtype_stands_alone() {
    let module = settings("CURVESERVER", "module/server", "module/clients", Some(false));
    let inherit = |own| SecuritySettings::inherit(&own, &module);
    assert_eq!(inherit(SecuritySettings::default()), module);
    assert_eq!(
        inherit(settings("", "own/server", "", None)),
        settings("CURVESERVER", "own/server", "module/clients", Some(false))
    );
    assert_eq!(
        inherit(settings("", "", "own/clients", Some(true))),
        settings("CURVESERVER", "module/server", "own/clients", Some(true))
    );
    for own in [
        settings("NONE", "", "", None),
        settings("CURVESERVER", "own", "", None),
        settings("CURVECLIENT", "own", "*", Some(true)),
    ] {
        assert_eq!(inherit(own.clone()), own);
    }
    let none = SecuritySettings::default();
    let own = settings("CURVECLIENT", "own", "*", None);
    assert_eq!(SecuritySettings::inherit(&own, &none), own);
}

#[test]
fn o33_one_context_holds_a_server_a_client_and_a_plain_socket() {
    let place = Place::new();
    let context = Context::new().unwrap();
    let mechanism_of = |settings: &SecuritySettings| {
        let socket = context.socket(kind::PULL).unwrap();
        load(settings).apply(&socket, "logs").unwrap();
        let role = [option::MECHANISM, option::CURVE_SERVER, option::ZAP_ENFORCE_DOMAIN];
        role.map(|option| socket.get_int(option).unwrap())
    };
    const CURVE: i32 = 2;
    assert_eq!(mechanism_of(&settings("CURVESERVER", &place.own, "*", None)), [CURVE, 1, 1]);
    assert_eq!(mechanism_of(&settings("CURVESERVER", &place.own, "", Some(false))), [CURVE, 1, 1], "never fails open");
    assert_eq!(mechanism_of(&settings("CURVECLIENT", &place.peer, "*", None)), [CURVE, 0, 0]);
    assert_eq!(mechanism_of(&settings("NONE", "", "", None)), [0, 0, 0]);
}

#[test]
fn a_server_needs_a_domain_of_its_own() {
    let place = Place::new();
    let context = Context::new().unwrap();
    let security = load(&settings("CURVESERVER", &place.own, "*", None));
    for domain in [String::new(), "x".repeat(256), "a\0b".to_owned()] {
        let socket = context.socket(kind::PULL).unwrap();
        assert!(matches!(security.apply(&socket, &domain), Err(SecurityError::Domain(_))), "{domain:?}");
    }
    security.apply(&context.socket(kind::PULL).unwrap(), &"x".repeat(255)).unwrap();
}

#[test]
fn o16_no_key_shows_in_debug_output_and_the_keys_on_the_socket_are_the_files() {
    let place = Place::new();
    let security = load(&settings("CURVESERVER", &place.own, "*", None));
    let secret = std::fs::read_to_string(secret_path(Path::new(&place.own))).unwrap();
    let secret = secret.split("secret-key = \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(secret.len(), 40);
    let shown = format!("{security:?}");
    assert!(shown.contains("SecretKey(..)") && !shown.contains(secret), "{shown}");
    let Security::CurveServer { pair, .. } = &security else { panic!("{security:?}") };
    assert_eq!(pair.secret.to_z85().as_str(), secret);
}

#[test]
fn a_check_keeps_no_descriptor_open() {
    let place = Place::new();
    let open = || {
        let entries =
            std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.unwrap().path().read_link().ok());
        entries.filter(|target| target.starts_with(place.directory.path())).count()
    };
    for settings in [
        settings("CURVESERVER", &place.own, &place.allowed, None),
        settings("CURVECLIENT", &place.peer, &place.own, None),
    ] {
        settings.check().unwrap();
        drop(settings.load().unwrap());
        assert_eq!(open(), 0);
    }
}
