//! The files of the TLS flags.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use twinload_engine_core::tls::{TlsConfig, TlsOptions};

/// What the flags named.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) insecure: bool,
}

impl TlsFiles {
    /// Reads the files.
    pub(crate) fn read(&self) -> anyhow::Result<TlsConfig> {
        let read = |flag: &str, file: &Path| {
            std::fs::read(file).with_context(|| format!("{flag} {}: the file cannot be read", file.display()))
        };
        let options = TlsOptions {
            ca_pem: self.ca.as_deref().map(|file| read("--tls-ca", file)).transpose()?,
            client_cert_pem: self.certificate.as_deref().map(|file| read("--tls-cert", file)).transpose()?,
            client_key_pem: self.key.as_deref().map(|file| read("--tls-key", file)).transpose()?,
            verify: !self.insecure,
        };
        TlsConfig::new(&options).context("TLS")
    }
}
