//! TLS for the endpoint: what a web configuration file says (in exporter-toolkit's words) as a rustls configuration, and
//! connections whose handshake happens when they are first read, so that a slow client delays no other.
//!
//! Deliberately absent: reading files (the caller hands in PEM), HTTP/2, TLS below 1.2, cipher suites that rustls does
//! not have.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WantsServerCert};
use rustls::{CipherSuite, ConfigBuilder, SupportedCipherSuite, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::expose::connection::{Connection, Standing};
use crate::telemetry::Closing;

mod clients;

/// Which certificates clients must show. The names are Go's, as in `client_auth_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `NoClientCert`.
    #[default]
    None,
    /// `RequestClientCert`: any or none, and it is not looked at.
    Request,
    /// `RequireAnyClientCert`: any, signed by whomever.
    RequireAny,
    /// `VerifyClientCertIfGiven`.
    VerifyIfGiven,
    /// `RequireAndVerifyClientCert`.
    RequireAndVerify,
}

impl ClientAuth {
    /// The names of a web configuration file.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("NoClientCert", Self::None),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        ("RequireClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
    ];

    /// Whether a client's certificate is checked against an authority.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

/// A version of TLS that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// What is allowed on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which certificates clients must show.
    pub client_auth: ClientAuth,
    /// A client's certificate must have one of these names (DNS, IP or URI); empty: any.
    pub allowed_sans: Vec<String>,
    /// The oldest version.
    pub oldest: Version,
    /// The newest version.
    pub newest: Version,
    /// Suites of TLS 1.2 by their IANA names, which are Go's; empty: all that rustls has. Those of TLS 1.3 are not chosen, as in Go.
    pub cipher_suites: Vec<String>,
    /// Go's names: `X25519`, `CurveP256`; empty: all that rustls has.
    pub curves: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            client_auth: ClientAuth::None,
            allowed_sans: Vec::new(),
            oldest: Version::Tls12,
            newest: Version::Tls13,
            cipher_suites: Vec::new(),
            curves: Vec::new(),
        }
    }
}

/// Why there is no TLS with these certificates and rules. No secrets in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or nothing in it.
    #[error("{what} cannot be used: {why}")]
    Pem {
        /// `the certificate (cert_file)`.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The certificate does not fit the key, or rustls refuses the combination.
    #[error("the certificate and the key cannot be used together: {0}")]
    Pair(rustls::Error),
    /// Names that rustls does not have.
    #[error("{key}: {name} is not offered; there are {offered}")]
    Unknown {
        /// `cipher_suites`.
        key: &'static str,
        /// As written.
        name: String,
        /// All that there are.
        offered: String,
    },
    /// The rules leave nothing.
    #[error("the versions, cipher suites and curves leave nothing to talk with: {0}")]
    Nothing(rustls::Error),
    /// A name that cannot be compared.
    #[error("client_allowed_sans: {0} is neither a DNS name, an IP address nor a URI")]
    San(String),
    /// The authority of the clients.
    #[error("client_ca cannot be used: {0}")]
    Clients(String),
}

/// A configuration for these PEM texts. `client_ca`: needed where clients are verified.
pub fn server(
    certificates: &[u8],
    key: &[u8],
    client_ca: Option<&[u8]>,
    rules: &Rules,
) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = pem_certificates(certificates, "the certificate (cert_file)")?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|e| TlsError::Pem { what: "the key (key_file)", why: e.to_string() })?;
    let provider = Arc::new(provider(rules)?);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&versions(rules)).map_err(TlsError::Nothing)?;
    let builder: ConfigBuilder<ServerConfig, WantsServerCert> = match clients::verifier(client_ca, rules, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn pem_certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |why: String| TlsError::Pem { what, why };
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| bad(e.to_string()))?;
    if all.is_empty() { Err(bad("there is no CERTIFICATE block in it".into())) } else { Ok(all) }
}

fn versions(rules: &Rules) -> Vec<&'static SupportedProtocolVersion> {
    let known = [(Version::Tls12, &rustls::version::TLS12), (Version::Tls13, &rustls::version::TLS13)];
    known.into_iter().filter(|(v, _)| (rules.oldest..=rules.newest).contains(v)).map(|(_, known)| known).collect()
}

/// The process's provider, with only what the rules allow.
fn provider(rules: &Rules) -> Result<CryptoProvider, TlsError> {
    let mut provider = base_provider();
    if !rules.cipher_suites.is_empty() {
        let chosen: Vec<_> = provider.cipher_suites.iter().copied().filter(|s| s.tls13().is_none()).collect();
        let names: Vec<String> = chosen.iter().map(|s| suite_name(s.suite())).collect();
        known("cipher_suites", &rules.cipher_suites, &names, |name| {
            name.starts_with("TLS_AES_") || name.starts_with("TLS_CHACHA20_")
        })?;
        let wanted =
            |s: &SupportedCipherSuite| s.tls13().is_some() || rules.cipher_suites.contains(&suite_name(s.suite()));
        provider.cipher_suites.retain(wanted);
    }
    if !rules.curves.is_empty() {
        let names: Vec<String> = provider.kx_groups.iter().map(|g| curve_name(*g)).collect();
        known("curve_preferences", &rules.curves, &names, |_| false)?;
        provider.kx_groups.retain(|group| rules.curves.contains(&curve_name(*group)));
    }
    Ok(provider)
}

fn base_provider() -> CryptoProvider {
    #[cfg(feature = "aws-lc")]
    return rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc")))]
    return rustls::crypto::ring::default_provider();
}

/// Every name in a list of the file must be one that there is, or one that is of no consequence.
fn known(
    key: &'static str,
    written: &[String],
    offered: &[String],
    of_no_consequence: impl Fn(&str) -> bool,
) -> Result<(), TlsError> {
    match written.iter().find(|name| !offered.contains(name) && !of_no_consequence(name)) {
        Some(name) => Err(TlsError::Unknown { key, name: name.clone(), offered: offered.join(", ") }),
        None => Ok(()),
    }
}

/// The IANA name.
fn suite_name(suite: CipherSuite) -> String {
    suite.as_str().unwrap_or_default().to_owned()
}

/// Go's name of a key exchange: `secp256r1` is `CurveP256` there.
fn curve_name(group: &dyn SupportedKxGroup) -> String {
    let name = format!("{:?}", group.name());
    match name.as_str() {
        "secp256r1" => "CurveP256".into(),
        "secp384r1" => "CurveP384".into(),
        "secp521r1" => "CurveP521".into(),
        _ => name,
    }
}

/// A connection, with or without TLS.
pub struct Stream {
    inner: Inner,
    standing: Arc<Standing>,
}

enum Inner {
    Plain(Connection),
    /// The handshake goes on whenever somebody reads.
    Handshake(Box<Accept<Connection>>),
    Tls(Box<TlsStream<Connection>>),
    /// The handshake has failed.
    Over,
}

impl Stream {
    /// As it is.
    pub fn plain(connection: Connection) -> Self {
        Self { standing: connection.standing(), inner: Inner::Plain(connection) }
    }

    /// With a handshake first.
    pub fn tls(connection: Connection, config: Arc<ServerConfig>) -> Self {
        let standing = connection.standing();
        Self { inner: Inner::Handshake(Box::new(TlsAcceptor::from(config).accept(connection))), standing }
    }

    /// The connection's, for whoever answers.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Inner::Handshake(accept) = &mut self.inner {
            match ready!(Pin::new(accept).poll(cx)) {
                Ok(stream) => self.inner = Inner::Tls(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    // What rustls objects to, but neither whoever leaves again nor whoever is too slow.
                    if error.kind() == io::ErrorKind::InvalidData {
                        self.standing.telemetry().closed(Closing::Tls);
                    }
                    self.inner = Inner::Over;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_handshake(cx))?;
        match &mut self.inner {
            Inner::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Inner::Tls(s) => Pin::new(s).poll_read(cx, buf),
            Inner::Handshake(_) | Inner::Over => over(),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_handshake(cx))?;
        match &mut self.inner {
            Inner::Plain(s) => Pin::new(s).poll_write(cx, bytes),
            Inner::Tls(s) => Pin::new(s).poll_write(cx, bytes),
            Inner::Handshake(_) | Inner::Over => over(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_handshake(cx))?;
        match &mut self.inner {
            Inner::Plain(s) => Pin::new(s).poll_write_vectored(cx, slices),
            Inner::Tls(s) => Pin::new(s).poll_write_vectored(cx, slices),
            Inner::Handshake(_) | Inner::Over => over(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(s) => s.is_write_vectored(),
            Inner::Tls(s) => s.is_write_vectored(),
            Inner::Handshake(_) | Inner::Over => false,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(s) => Pin::new(s).poll_flush(cx),
            Inner::Tls(s) => Pin::new(s).poll_flush(cx),
            Inner::Handshake(_) | Inner::Over => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Inner::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Inner::Handshake(_) | Inner::Over => Poll::Ready(Ok(())),
        }
    }
}
