//! CURVE keys of one measurement: a server, a client, and the files rsyslogd reads.

use std::path::{Path, PathBuf};

use rsyslog_zmq::curve::certificate::Certificate;
use rsyslog_zmq::curve::keys::KeyPair;
use rsyslog_zmq::curve::security::{Security, SecuritySettings};
use rsyslog_zmq::sys::zmq::{Socket, option};

use crate::failure::{Failure, Result};

pub struct Keys {
    server: Certificate,
    client: Certificate,
    directory: PathBuf,
}

impl Keys {
    /// Fresh keys, written below `directory`.
    pub fn generate(directory: &Path) -> Result<Self> {
        let directory = directory.join("curve");
        std::fs::create_dir_all(directory.join("clients"))?;
        let certificate = |name: &str| -> Result<Certificate> {
            let certificate = Certificate::from_pair(KeyPair::generate()?, Vec::new());
            certificate.write_new(&directory.join(name))?;
            Ok(certificate)
        };
        let (server, client) = (certificate("server")?, certificate("client")?);
        std::fs::copy(directory.join("client"), directory.join("clients/client"))?;
        Ok(Self { server, client, directory })
    }

    /// The parameters of `module()` for an rsyslogd that connects to a server of ours.
    pub fn client_parameters(&self) -> String {
        let directory = self.directory.display();
        format!("authtype=\"CURVECLIENT\" servercertpath=\"{directory}/server\" clientcertpath=\"{directory}/client\"")
    }

    /// The parameters of `module()` for an rsyslogd that is the server.
    pub fn server_parameters(&self) -> String {
        let directory = self.directory.display();
        format!(
            "authtype=\"CURVESERVER\" authenticator=\"on\" servercertpath=\"{directory}/server\" \
             clientcertpath=\"{directory}/clients\""
        )
    }

    /// Makes a socket of ours the server; without an authenticator libzmq admits everybody.
    pub fn make_server(&self, socket: &Socket) -> Result<()> {
        socket.set_int(option::CURVE_SERVER, 1)?;
        own_keys(socket, &self.server)
    }

    /// Makes a socket of ours the client.
    pub fn make_client(&self, socket: &Socket) -> Result<()> {
        socket.set_bytes(option::CURVE_SERVERKEY, self.server.public.as_bytes())?;
        own_keys(socket, &self.client)
    }

    /// The client's side, for a socket of the modules' own.
    pub fn client_security(&self) -> Result<Security> {
        let path = |name: &str| Some(self.directory.join(name).to_string_lossy().into_owned());
        let settings = SecuritySettings {
            authtype: Some("CURVECLIENT".to_owned()),
            servercertpath: path("server"),
            clientcertpath: path("client"),
            authenticator: None,
        };
        settings.load().map_err(|error| Failure::Other(error.to_string()))
    }
}

fn own_keys(socket: &Socket, certificate: &Certificate) -> Result<()> {
    socket.set_bytes(option::CURVE_PUBLICKEY, certificate.public.as_bytes())?;
    if let Some(secret) = &certificate.secret {
        socket.set_bytes(option::CURVE_SECRETKEY, secret.as_bytes())?;
    }
    Ok(())
}
