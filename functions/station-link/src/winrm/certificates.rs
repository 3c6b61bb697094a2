//! Whose certificate a station may show.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Which certificates are taken.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum CertificatePolicy {
    /// Those of the public authorities.
    #[default]
    Roots,
    /// Those of a deployment's own authorities, in PEM.
    Authority(Arc<[u8]>),
    /// One certificate, by its SHA-256. Whoever issued it, whomever it names, however old it is.
    Pin([u8; 32]),
}

/// A policy that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificatePolicyError {
    /// Not 32 bytes in hexadecimal.
    #[error("a pin is the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons")]
    Pin,
    /// No certificate in it, or one that is none.
    #[error("the authorities are no PEM with certificates: {0}")]
    Authority(String),
}

impl CertificatePolicy {
    /// Of a fingerprint as tools write it: hexadecimal, with or without colons or spaces.
    pub fn pin(fingerprint: &str) -> Result<Self, CertificatePolicyError> {
        let digits: String = fingerprint.chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| CertificatePolicyError::Pin)?;
        Ok(Self::Pin(bytes))
    }

    /// Of authorities in PEM.
    pub fn authority(pem: &[u8]) -> Result<Self, CertificatePolicyError> {
        authorities(pem)?;
        Ok(Self::Authority(pem.into()))
    }

    pub(crate) fn tls(&self) -> Result<ClientConfig, CertificatePolicyError> {
        let provider = Arc::new(ring::default_provider());
        let broken = |error: Error| CertificatePolicyError::Authority(error.to_string());
        let verifier = self.verifier(&provider)?;
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(broken)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // Each connection shows its certificate.
        tls.resumption = rustls::client::Resumption::disabled();
        Ok(tls)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, CertificatePolicyError> {
        let roots = match self {
            Self::Roots => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
            Self::Authority(pem) => authorities(pem)?,
            Self::Pin(sha256) => {
                let algorithms = provider.signature_verification_algorithms;
                return Ok(Arc::new(Pinned { sha256: *sha256, algorithms }));
            }
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        Ok(verifier.map_err(|error| CertificatePolicyError::Authority(error.to_string()))?)
    }
}

impl fmt::Debug for CertificatePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roots => f.write_str("Roots"),
            Self::Authority(pem) => write!(f, "Authority({} bytes of PEM)", pem.len()),
            Self::Pin(sha256) => write!(f, "Pin({})", hex::encode(sha256)),
        }
    }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, CertificatePolicyError> {
    let wrong = |reason: String| CertificatePolicyError::Authority(reason);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| wrong(error.to_string()))?).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there is none".to_owned())) } else { Ok(roots) }
}

/// Takes one certificate, whose key the handshake must still prove.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown: [u8; 32] = Sha256::digest(leaf).into();
        if bool::from(shown.ct_eq(&self.sha256)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_a_fingerprint() {
        let plain = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        let expected = CertificatePolicy::Pin([0xab; 32]);
        assert_eq!(CertificatePolicy::pin(&plain), Ok(expected.clone()));
        assert_eq!(CertificatePolicy::pin(&colons), Ok(expected));
        for wrong in ["", "ab", &"ab".repeat(31), &"ab".repeat(33), &"xy".repeat(32)] {
            assert_eq!(CertificatePolicy::pin(wrong), Err(CertificatePolicyError::Pin), "{wrong}");
        }
    }

    #[test]
    fn authorities_are_certificates_in_pem() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["lab".into()]).unwrap().self_signed(&key).unwrap();
        let policy = CertificatePolicy::authority(certificate.pem().as_bytes()).unwrap();
        assert!(policy.tls().is_ok());
        for wrong in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(
                matches!(CertificatePolicy::authority(wrong.as_bytes()), Err(CertificatePolicyError::Authority(_))),
                "{wrong}"
            );
        }
    }
}
