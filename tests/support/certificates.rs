//! Certificates in CZMQ's file format, written by the test itself so that nothing under test is needed to make them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zmq::CurveKeyPair;

/// A directory with certificates: `NAME` (public), `NAME_secret`, and `clients/` with the public ones of who is admitted.
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Certificates `server`, `client` and `stranger`; only `client` is in `clients/`.
    pub fn new() -> Self {
        let certificates = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(certificates.path("clients")).unwrap();
        for name in ["server", "client", "stranger"] {
            certificates.create(name);
        }
        certificates.admit("client");
        certificates
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a pair, in the files `NAME` and `NAME_secret`.
    pub fn create(&self, name: &str) -> CurveKeyPair {
        let pair = CurveKeyPair::new().unwrap();
        let [public, secret] = [&pair.public_key, &pair.secret_key].map(|key| zmq::z85_encode(key).unwrap());
        let metadata = format!("metadata\n    name = \"{name}\"\ncurve\n    public-key = \"{public}\"\n");
        std::fs::write(self.path(name), format!("#   ZeroMQ CURVE Public Certificate\n\n{metadata}")).unwrap();
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path(&format!("{name}_secret")))
            .unwrap();
        write!(file, "#   ZeroMQ CURVE **Secret** Certificate\n\n{metadata}    secret-key = \"{secret}\"\n").unwrap();
        pair
    }

    /// Puts a public certificate into `clients/`.
    pub fn admit(&self, name: &str) {
        std::fs::copy(self.path(name), self.path(&format!("clients/{name}"))).unwrap();
    }

    /// The keys of a pair, Z85: public, secret.
    pub fn keys(&self, name: &str) -> (String, String) {
        let text = std::fs::read_to_string(self.path(&format!("{name}_secret"))).unwrap();
        let value = |key: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
            line.split('"').nth(1).unwrap().to_owned()
        };
        (value("public-key"), value("secret-key"))
    }
}
