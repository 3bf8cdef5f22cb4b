//! Which certificates clients may come with.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::{ClientAuth, Rules, TlsError, pem_certificates};

/// `None`: clients are not asked for certificates.
pub(super) fn verifier(
    client_ca: Option<&[u8]>,
    rules: &Rules,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    // What is not looked at need not be asked for.
    let checked: Arc<dyn ClientCertVerifier> = match rules.client_auth {
        ClientAuth::None | ClientAuth::Request => return Ok(None),
        ClientAuth::RequireAny => Arc::new(Any(Arc::clone(provider))),
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {
            let mut roots = RootCertStore::empty();
            for certificate in pem_certificates(client_ca.unwrap_or_default(), "client_ca (client_ca_file)")? {
                roots.add(certificate).map_err(|e| TlsError::Clients(e.to_string()))?;
            }
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            let optional = rules.client_auth == ClientAuth::VerifyIfGiven;
            let builder = if optional { builder.allow_unauthenticated() } else { builder };
            builder.build().map_err(|e| TlsError::Clients(e.to_string()))?
        }
    };
    if rules.allowed_sans.is_empty() {
        return Ok(Some(checked));
    }
    let names = rules.allowed_sans.iter().map(|name| San::new(name)).collect::<Result<_, _>>()?;
    Ok(Some(Arc::new(Named { checked, names })))
}

/// Any certificate whose key the client has.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ClientCertVerifier for Any {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A name that a certificate may carry.
#[derive(Debug)]
enum San {
    /// A DNS name or an IP address.
    Server(ServerName<'static>),
    Uri(String),
}

impl San {
    fn new(written: &str) -> Result<Self, TlsError> {
        if written.contains("://") {
            return Ok(Self::Uri(written.to_owned()));
        }
        let name = ServerName::try_from(written.to_owned()).map_err(|_| TlsError::San(written.to_owned()))?;
        Ok(Self::Server(name))
    }

    fn is_of(&self, certificate: &webpki::EndEntityCert<'_>) -> bool {
        match self {
            Self::Server(name) => certificate.verify_is_valid_for_subject_name(name).is_ok(),
            Self::Uri(uri) => certificate.valid_uri_names().any(|name| name == uri),
        }
    }
}

/// A certificate that is good, and has one of the names.
#[derive(Debug)]
struct Named {
    checked: Arc<dyn ClientCertVerifier>,
    names: Vec<San>,
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.checked.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.checked.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.checked.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.checked.verify_client_cert(certificate, intermediates, now)?;
        let parsed = webpki::EndEntityCert::try_from(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let is_allowed = self.names.iter().any(|name| name.is_of(&parsed));
        if is_allowed { Ok(verified) } else { Err(CertificateError::ApplicationVerificationFailure.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.checked.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.checked.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.checked.supported_verify_schemes()
    }
}
