//! Where everything is, for scripts.

use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

/// Where everything is, and how to get in: the port file.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// The process.
    pub pid: u32,
    /// Base URL of the API.
    pub api: String,
    /// Base URL of the login: `{login}/oauth/token`.
    pub login: String,
    /// URL of the S3 endpoint.
    pub s3: String,
    /// The region to sign for.
    pub s3_region: String,
    /// URL of the signalling WebSocket.
    pub signalling: String,
    /// Where media goes, over UDP; none if it is off.
    pub media: Option<String>,
    /// Base URL of the control plane.
    pub admin: String,
    /// URL of the API's description.
    pub openapi: String,
    /// URL that answers while the mock serves.
    pub health: String,
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// How fast time passes.
    pub clock: String,
    /// Who may log in.
    pub clients: Vec<ClientAddress>,
}

/// A client of the mock. Its id and secret are its S3 keys too.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientAddress {
    /// OAuth client id; S3 access key.
    pub client_id: String,
    /// OAuth client secret; S3 secret key.
    pub client_secret: String,
    /// The organization, and its bucket.
    pub organization: String,
    /// Its bucket.
    pub bucket: String,
}

impl std::fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientAddress")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addresses")
            .field("api", &self.api)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

impl Addresses {
    /// Writes the port file: whole or not at all, and for its owner's eyes only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        let mut partial = name.to_owned();
        partial.push(format!(".{}.partial", self.pid));
        let partial = path.with_file_name(partial);
        let written = private(&partial)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&partial, path));
        if written.is_err() {
            drop(std::fs::remove_file(&partial));
        }
        written
    }
}

fn private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
