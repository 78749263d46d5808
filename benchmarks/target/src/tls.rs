//! The TLS half of `--tls`: bytes in, bytes out.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// Reads a certificate and its key.
pub(crate) fn config(certificate: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.with_context(|| format!("--tls {}: no certificate", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("--tls {}: no key", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).context("--tls")?))
}

/// Decrypts what came and appends it to `plain`.
pub(crate) fn decrypt(session: &mut ServerConnection, mut input: &[u8], plain: &mut Vec<u8>) -> io::Result<()> {
    while !input.is_empty() {
        if session.read_tls(&mut input)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        session.process_new_packets().map_err(io::Error::other)?;
        match session.reader().read_to_end(plain) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Encrypts answers and appends them, and what the session has to say itself, to `out`.
pub(crate) fn encrypt(session: &mut ServerConnection, mut plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let count = session.writer().write(plain)?;
        plain = &plain[count..];
        while session.wants_write() {
            session.write_tls(out)?;
        }
        if plain.is_empty() {
            return Ok(());
        }
    }
}
