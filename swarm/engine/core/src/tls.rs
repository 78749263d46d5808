//! What a TLS session needs before it begins: whom to trust, who we are, and the name that the server must prove.
//!
//! `rustls` with `ring`, TLS 1.2 and 1.3, ALPN `http/1.1`. Sessions are resumed within one [`TlsConfig`] and name, as
//! browsers do: only the first handshake with a server is a full one.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// What a session is to be made of; texts are PEM.
#[derive(Clone)]
pub struct TlsOptions {
    /// The certificates to trust instead of the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// Our own certificate, then those that vouch for it.
    pub client_cert_pem: Option<Vec<u8>>,
    /// The key of our own certificate.
    pub client_key_pem: Option<Vec<u8>>,
    /// Whether the server's certificate and name are checked. Without, anyone may answer in its place.
    pub verify: bool,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { ca_pem: None, client_cert_pem: None, client_key_pem: None, verify: true }
    }
}

/// Options that no session can be made of, or a name that no certificate has.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A part cannot be read.
    #[error("the {part} cannot be read ({why}): give {wanted}")]
    Pem {
        /// Which part.
        part: &'static str,
        /// What is wrong.
        why: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("the {missing} is missing: a client certificate and its key belong together, give both or neither")]
    Pair {
        /// Which of the two.
        missing: &'static str,
    },
    /// Certificate and key do not fit.
    #[error("the client certificate and the client key cannot be used together: {0}")]
    Client(rustls::Error),
    /// There is nobody to trust.
    #[error("no root certificate of the system can be read ({0}): give a CA certificate, or install ca-certificates")]
    NoRoots(String),
    /// Not a name.
    #[error("server name {0:?} is neither a DNS name nor an IP address: give the name in the server's certificate")]
    Name(String),
    /// The library refuses what should always do.
    #[error("TLS cannot be set up: {0}")]
    Library(rustls::Error),
}

/// Options that were read, shared by all sessions that are made of them.
#[derive(Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

/// Equal when they are one and the same.
impl PartialEq for TlsConfig {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TlsConfig {}

/// Shows nothing, for there is a key in it.
impl fmt::Debug for TlsConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TlsConfig")
    }
}

impl TlsConfig {
    /// Reads options; takes milliseconds when it reads the system's roots, so do it once.
    ///
    /// # Errors
    /// [`TlsError`] says which part cannot be used and what to give.
    pub fn new(options: &TlsOptions) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Library)?;
        let verifier = verifier(options, provider)?;
        // "Dangerous" is the opt-out; with the other verifier it is what rustls does by itself.
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match client(options)? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::Client)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn shared(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

/// TLS to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsTarget {
    /// How.
    pub config: TlsConfig,
    /// The DNS name or IP address (IPv6 without brackets) that its certificate must be for.
    pub server_name: String,
}

impl TlsTarget {
    /// Returns the name as certificates have it.
    ///
    /// # Errors
    /// [`TlsError::Name`] when it is none.
    pub fn name(&self) -> Result<ServerName<'static>, TlsError> {
        ServerName::try_from(self.server_name.clone()).map_err(|_| TlsError::Name(self.server_name.clone()))
    }
}

fn verifier(options: &TlsOptions, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    // A CA that cannot be read is a fault even where nothing is checked against it.
    let given = options.ca_pem.as_deref().map(given_roots).transpose()?;
    if !options.verify {
        return Ok(Arc::new(Unchecked(provider)));
    }
    let roots = Arc::new(given.map_or_else(system_roots, Ok)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    Ok(verifier.map_err(|error| TlsError::NoRoots(error.to_string()))?)
}

const CA: &str = "CA certificate";
const CA_WANTED: &str = "a PEM file with a CERTIFICATE section for each authority";

fn given_roots(text: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(text, CA, CA_WANTED)? {
        let unfit = |error: rustls::Error| TlsError::Pem { part: CA, why: error.to_string(), wanted: CA_WANTED };
        roots.add(certificate).map_err(unfit)?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "there is none".into(), ToString::to_string);
        return Err(TlsError::NoRoots(why));
    }
    Ok(roots)
}

/// Our own certificates, the end's first, and the key.
type Client = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client(options: &TlsOptions) -> Result<Option<Client>, TlsError> {
    const WANTED: &str = "a PEM file with a CERTIFICATE section, ours first";
    const KEY_WANTED: &str = "a PEM file with a PRIVATE KEY section (PKCS#8, PKCS#1 or SEC1) without a pass phrase";
    match (&options.client_cert_pem, &options.client_key_pem) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(TlsError::Pair { missing: "client key" }),
        (None, Some(_)) => Err(TlsError::Pair { missing: "client certificate" }),
        (Some(chain), Some(key)) => {
            let chain = certificates(chain, "client certificate", WANTED)?;
            let key =
                PrivateKeyDer::from_pem_slice(key).map_err(|error| unreadable("client key", &error, KEY_WANTED))?;
            Ok(Some((chain, key)))
        }
    }
}

/// Returns all certificates of a text, at least one.
fn certificates(
    text: &[u8],
    part: &'static str,
    wanted: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = read.map_err(|error| unreadable(part, &error, wanted))?;
    if all.is_empty() { Err(unreadable(part, &pem::Error::NoItemsFound, wanted)) } else { Ok(all) }
}

fn unreadable(part: &'static str, error: &pem::Error, wanted: &'static str) -> TlsError {
    TlsError::Pem { part, why: error.to_string(), wanted }
}

/// Takes every certificate and name. That the server has the certificate's key is still proven.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
