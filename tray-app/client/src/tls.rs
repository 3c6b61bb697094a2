//! Connections by TLS of ring; whose certificate is trusted is decided by the view's rules.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use stationkeeper_tray_view::pairing::{Fingerprint, Presented, Trust, trust};

use crate::ClientError;
use crate::error::chain;

/// To connect. A laptop in another network shall not wait for long.
const CONNECT: Duration = Duration::from_secs(10);

/// A client, and the certificate that it refused.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub client: Client,
    refused: Arc<Mutex<Option<Fingerprint>>>,
}

#[derive(Debug)]
struct Verifier {
    public: Arc<WebPkiServerVerifier>,
    pinned: Option<Fingerprint>,
    refused: Arc<Mutex<Option<Fingerprint>>>,
}

impl Transport {
    pub fn new(pinned: Option<Fingerprint>) -> Result<Self, ClientError> {
        let cannot = |error: &dyn std::error::Error| ClientError::Client(chain(error));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let refused = Arc::new(Mutex::new(None));
        let verifier = Verifier::new(&provider, pinned, Arc::clone(&refused)).map_err(|error| cannot(&error))?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| cannot(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            // A redirect would take the token to where nobody sent it, and so would a proxy on an open connection.
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .user_agent(concat!("stationkeeper-tray/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| cannot(&error))?;
        Ok(Self { client, refused })
    }

    /// What is the matter, knowing which certificate was refused.
    pub fn error(&self, error: reqwest::Error) -> ClientError {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map_or_else(|| ClientError::of(error), ClientError::Certificate)
    }
}

impl Verifier {
    fn new(
        provider: &Arc<CryptoProvider>,
        pinned: Option<Fingerprint>,
        refused: Arc<Mutex<Option<Fingerprint>>>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let roots = Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        let public = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build()?;
        Ok(Self { public, pinned, refused })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let public = self.public.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let fingerprint = Fingerprint(Sha256::digest(end_entity).into());
        let presented = Presented { fingerprint, vouched_for: public.is_ok() };
        // Whoever pairs is asked by whoever called, who then comes back with a pin.
        match trust(presented, self.pinned, false) {
            Trust::Trusted => Ok(ServerCertVerified::assertion()),
            Trust::Ask(_) | Trust::Refused => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.public.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.public.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.public.supported_verify_schemes()
    }
}
