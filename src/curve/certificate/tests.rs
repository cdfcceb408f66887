//! Certificate files as they should be, as they should not, and as somebody else left them.

use super::*;
use crate::sys::private_file::without_privileges;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file with these permissions.
    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn pair() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn secret_text(pair: &KeyPair) -> String {
    format!("curve\n    public-key = \"{}\"\n    secret-key = \"{}\"\n", pair.public, pair.secret.to_z85().as_str())
}

fn public_text(key: &PublicKey) -> String {
    format!("curve\n    public-key = \"{key}\"\n")
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_written_is_read_back() {
    let place = Place::new();
    let metadata = vec![("name".to_owned(), "Alice # 1".to_owned()), ("motto".to_owned(), "say \"hi\"".to_owned())];
    let certificate = Certificate::from_pair(pair(), metadata.clone());
    let path = place.path("alice.key");
    certificate.write_new(&path).unwrap();

    assert_eq!(mode_of(&path), 0o644);
    assert_eq!(mode_of(&secret_path(&path)), 0o600);
    let public = Certificate::read_public(&path).unwrap();
    assert_eq!((public.public, &public.metadata), (certificate.public, &metadata));
    assert!(public.secret.is_none());
    assert!(
        Certificate::read_public(&secret_path(&path)).unwrap().secret.is_none(),
        "only the public half was asked for"
    );
    let both = Certificate::read_pair(&path).unwrap();
    assert_eq!(both.metadata, metadata);
    let secret = certificate.secret.unwrap();
    assert_eq!(both.into_pair().unwrap().secret.as_bytes(), secret.as_bytes());
    let public_file = fs::read_to_string(&path).unwrap();
    assert!(!public_file.contains(secret.to_z85().as_str()) && !public_file.contains("secret-key"));
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_half_done() {
    let place = Place::new();
    let certificate = Certificate::from_pair(pair(), Vec::new());
    place.write("public", "mine", 0o644);
    place.write("secret_secret", "mine", 0o600);
    for name in ["public", "secret"] {
        let error = certificate.write_new(&place.path(name)).unwrap_err();
        assert!(matches!(error, CertificateError::Exists { .. }), "{error}");
    }
    symlink(place.path("victim"), place.path("link_secret")).unwrap();
    assert!(matches!(certificate.write_new(&place.path("link")).unwrap_err(), CertificateError::Exists { .. }));
    assert_eq!(place.names(), ["link_secret", "public", "secret_secret"]);
    assert_eq!(fs::read_to_string(place.path("public")).unwrap(), "mine");
    let error = certificate.write_new(Path::new("/nonexistent/alice.key")).unwrap_err().to_string();
    assert_eq!(error, "cannot write \"/nonexistent/alice.key_secret\": No such file or directory (os error 2)");
}

#[test]
fn metadata_that_would_not_come_back_is_refused_before_a_file_is_made() {
    let place = Place::new();
    for (name, value) in
        [("a b", "c"), ("a", "b\nc"), ("a", "'\""), ("secret-key", "x"), ("public-keys", "x"), ("", "x")]
    {
        let certificate = Certificate::from_pair(pair(), vec![(name.to_owned(), value.to_owned())]);
        assert!(certificate.write_new(&place.path("alice.key")).is_err(), "{name:?} {value:?}");
    }
    let certificate = Certificate::from_pair(pair(), Vec::new());
    let error = certificate.write_new(&place.path("alice_secret")).unwrap_err();
    assert!(matches!(error, CertificateError::SecretPath { .. }), "{error}");
    assert!(place.names().is_empty());
}

#[test]
fn a_secret_that_others_may_read_is_refused_with_its_mode() {
    let place = Place::new();
    let text = secret_text(&pair());
    for mode in [0o640, 0o604, 0o620, 0o610, 0o644, 0o660, 0o666, 0o777] {
        for name in ["beside_secret", "alone"] {
            place.write(name, &text, mode);
            let path = place.path(name.trim_end_matches("_secret"));
            let error = Certificate::read_pair(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("(mode {mode:04o}): chmod 600 ")), "{error}");
            fs::remove_file(place.path(name)).unwrap();
        }
    }
    for mode in [0o600, 0o400, 0o700] {
        assert!(Certificate::read_pair(&place.write("alone", &text, mode)).is_ok(), "{mode:o}");
        fs::remove_file(place.path("alone")).unwrap();
    }
}

#[test]
fn the_mode_of_a_symlinks_target_counts() {
    let place = Place::new();
    let target = place.write("target", &secret_text(&pair()), 0o600);
    symlink(&target, place.path("alice.key_secret")).unwrap();
    assert!(Certificate::read_pair(&place.path("alice.key")).is_ok());
    fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Certificate::read_pair(&place.path("alice.key")).unwrap_err();
    assert!(matches!(error, CertificateError::Permissions { mode: 0o644, .. }), "{error}");
}

#[test]
fn halves_that_do_not_belong_together_are_refused() {
    let place = Place::new();
    let (one, other) = (pair(), pair());
    let mixed =
        secret_text(&KeyPair { public: other.public, secret: SecretKey::from_z85(&one.secret.to_z85()).unwrap() });
    let path = place.write("mixed", &mixed, 0o600);
    let error = Certificate::read_pair(&path).unwrap_err();
    assert!(matches!(error, CertificateError::Mismatch { .. }), "{error}");

    place.write("stale.key_secret", &secret_text(&one), 0o600);
    let stale = place.write("stale.key", &public_text(&other.public), 0o644);
    let error = Certificate::read_pair(&stale).unwrap_err().to_string();
    assert!(error.contains("stale.key\" does not belong to the secret key in"), "{error}");
    place.write("stale.key", &public_text(&one.public), 0o644);
    assert!(Certificate::read_pair(&stale).is_ok());
}

#[test]
fn a_certificate_without_a_secret_is_said_to_be_one() {
    let place = Place::new();
    let key = pair().public;
    let none = place.write("none", &public_text(&key), 0o644);
    let error = Certificate::read_pair(&none).unwrap_err().to_string();
    assert!(error.ends_with("has no secret key, and there is no secret certificate beside it"), "{error}");
    // What CZMQ writes for a certificate whose secret it does not have.
    for zero in ["0".repeat(40), String::new()] {
        let text = format!("{}    secret-key = \"{zero}\"\n", public_text(&key));
        let path = place.write("zero", &text, 0o600);
        let error = Certificate::read_pair(&path).unwrap_err();
        assert!(matches!(error, CertificateError::NoSecret { .. }), "{error}");
    }
    let text = format!("{}    secret-key = \"tooshort\"\n", public_text(&key));
    let error = Certificate::read_pair(&place.write("short", &text, 0o600)).unwrap_err().to_string();
    assert!(error.contains("line 3, secret-key: a key is 40 characters of Z85, this is 8 bytes"), "{error}");
    assert!(!error.contains("tooshort"), "{error}");
}

#[test]
fn o18_a_secret_file_that_cannot_be_read_is_never_passed_over() {
    let place = Place::new();
    let pair = pair();
    // A pair that could be read stands at PATH: it must not be used instead.
    let path = place.write("alice.key", &secret_text(&pair), 0o600);
    let secret = secret_path(&path);
    fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    place.write("alice.key_secret", &secret_text(&pair), 0o000);
    let error = without_privileges(|| Certificate::read_pair(&path).unwrap_err());
    assert!(matches!(error, CertificateError::SecretUnreadable { .. }), "{error}");
    assert!(error.to_string().ends_with("alice.key_secret\": Permission denied (os error 13)"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(&secret).unwrap();
    fs::create_dir(&secret).unwrap();
    let error = Certificate::read_pair(&path).unwrap_err();
    assert!(matches!(error, CertificateError::SecretUnreadable { .. }), "{error}");
    fs::remove_dir(&secret).unwrap();
    symlink(place.path("gone"), &secret).unwrap();
    let error = Certificate::read_pair(&path).unwrap_err();
    assert!(matches!(error, CertificateError::SecretUnreadable { .. }), "{error}");
    fs::remove_file(&secret).unwrap();
    symlink(&secret, &secret).unwrap();
    let error = Certificate::read_pair(&path).unwrap_err();
    assert!(matches!(error, CertificateError::SecretUnreadable { .. }), "{error}");
    fs::remove_file(&secret).unwrap();
    place.write("alice.key_secret", "curve\n", 0o600);
    let error = Certificate::read_pair(&path).unwrap_err();
    assert!(matches!(error, CertificateError::NoPublicKey { .. }), "{error}");
    fs::remove_file(&secret).unwrap();
    assert!(Certificate::read_pair(&path).is_ok());
}

#[test]
fn c7_a_long_path_is_the_path_that_is_read() {
    let place = Place::new();
    let mut directory = place.0.path().to_owned();
    for _ in 0..5 {
        directory.push("d".repeat(200));
        fs::create_dir(&directory).unwrap();
    }
    let path = directory.join("alice.key");
    let certificate = Certificate::from_pair(pair(), Vec::new());
    certificate.write_new(&path).unwrap();
    assert_eq!(Certificate::read_pair(&path).unwrap().public, certificate.public);
}

#[test]
fn c9_a_key_without_quotes_is_read_whole_or_refused() {
    let hash = "j0vncXHLCvdmxj#JFst<UnvC1NGOz[8fk=bIorTw";
    let path = Path::new("test");
    let key = PublicKey::from_z85(hash).unwrap();
    for line in [hash.to_owned(), format!("{hash}  # Alice"), format!("\"{hash}\"# Alice"), format!("'{hash}'")] {
        let text = format!("curve\n    public-key = {line}\n");
        assert_eq!(Certificate::parse_public(text.as_bytes(), path).unwrap().public, key, "{line}");
    }
    for line in [format!("{hash}# Alice"), format!("{} # Alice", &hash[..38]), format!("# {hash}"), "Ab#cd".to_owned()]
    {
        let text = format!("curve\n    public-key = {line}\n");
        let error = Certificate::parse_public(text.as_bytes(), path).unwrap_err();
        assert!(matches!(error, CertificateError::BadKey { line: 2, .. }), "{line}: {error}");
    }
}

#[test]
fn files_that_are_no_certificates_are_refused_with_the_reason() {
    let place = Place::new();
    let key = pair().public;
    let cases = [
        (String::new(), "has no public-key in a section curve"),
        ("metadata\n".to_owned(), "has no public-key in a section curve"),
        (format!("public-key = \"{key}\"\n"), "has no public-key in a section curve"),
        ("curve\n    public-key\n".to_owned(), "has no public-key in a section curve"),
        (format!("{}    public-key = \"{key}\"\n", public_text(&key)), "has a second \"public-key\" in line 3"),
        (public_text(&key).repeat(2), "has a second \"curve\" in line 3"),
        (public_text(&PublicKey::from_bytes([0; 32])), "is all zeros, which is no key"),
        (
            "curve\n   public-key = \"x\"\n".to_owned(),
            "line 2, column 4: the indentation is not a multiple of 4 spaces",
        ),
        ("x".repeat(SIZE_LIMIT + 1), "longer than 65536 bytes"),
    ];
    for (text, expected) in cases {
        let error = Certificate::read_public(&place.write("case", &text, 0o644)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let fifo = place.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let error = Certificate::read_public(&fifo).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    let error = Certificate::read_public(&place.path("none")).unwrap_err().to_string();
    assert!(error.contains("No such file or directory"), "{error}");
}

#[test]
fn metadata_keeps_its_order_and_each_name_once() {
    let text = format!("metadata\n    b = 1\n    a = \"2\"\n    b = 3\n    flag\n{}", public_text(&pair().public));
    let certificate = Certificate::parse_public(text.as_bytes(), Path::new("test")).unwrap();
    let names: Vec<_> = certificate.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(names, [("b", "1"), ("a", "2"), ("flag", "")]);
    assert_eq!(certificate.metadata("a"), Some("2"));
}

#[test]
fn no_error_and_no_debug_output_has_a_secret_in_it() {
    let place = Place::new();
    let pair = pair();
    let secret = pair.secret.to_z85();
    let path = place.write("alice.key", &secret_text(&pair), 0o600);
    let shown = format!("{:?}", Certificate::read_pair(&path).unwrap());
    assert!(!shown.contains(secret.as_str()), "{shown}");
    let broken = [
        secret_text(&pair).replace("secret-key = \"", "secret-key \""),
        secret_text(&pair).replace("secret-key = \"", "secret-key = '"),
        secret_text(&pair).replace("secret-key = \"", "secret-key = \"x"),
        secret_text(&pair).replace("secret-key = ", ""),
        secret_text(&pair).replace("    secret", "  secret"),
        secret_text(&pair).replace("public-key", "secret-key"),
    ];
    for text in broken {
        let error = Certificate::read_pair(&place.write("broken", &text, 0o600)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&secret[..20]) && !shown.contains(&secret[20..]), "{shown}");
    }
}
