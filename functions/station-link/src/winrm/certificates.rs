//! Whose certificate a station may show.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
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
            Self::Authority(pem) => {
                let roots = authorities(pem)?;
                let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
                let chains = builder.build().map_err(|error| CertificatePolicyError::Authority(error.to_string()))?;
                return Ok(Arc::new(Listed { chains, sha256: fingerprints(pem) }));
            }
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

fn fingerprints(pem: &[u8]) -> Vec<[u8; 32]> {
    CertificateDer::pem_slice_iter(pem).flatten().map(|certificate| Sha256::digest(&certificate).into()).collect()
}

/// Takes what the authorities of a file have issued, and certificates that stand in it themselves: a station's own may call itself an
/// authority, which no chain may end with.
#[derive(Debug)]
struct Listed {
    chains: Arc<WebPkiServerVerifier>,
    sha256: Vec<[u8; 32]>,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = match self.chains.verify_server_cert(leaf, between, name, ocsp, now) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        let shown: [u8; 32] = Sha256::digest(leaf).into();
        let is_listed = self.sha256.iter().any(|listed| bool::from(listed.ct_eq(&shown)));
        let about_its_use = matches!(
            &refused,
            Error::InvalidCertificate(
                CertificateError::Other(_) | CertificateError::UnknownIssuer | CertificateError::InvalidPurpose
            )
        );
        if !is_listed || !about_its_use {
            return Err(refused);
        }
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
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

    #[test]
    fn a_certificate_that_stands_in_the_file_itself_is_taken_for_its_name_and_its_time() {
        let certificate = |name: &str, calls_itself_authority: bool, year: i32| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec![name.into()]).unwrap();
            if calls_itself_authority {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            params.self_signed(&key).unwrap()
        };
        let provider = Arc::new(ring::default_provider());
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_750_000_000));
        for (shows, certificate, listed, name, taken) in [
            ("a plain one", certificate("lab-1", false, 2040), true, "lab-1", true),
            ("one that calls itself an authority", certificate("lab-1", true, 2040), true, "lab-1", true),
            ("another name", certificate("lab-1", true, 2040), true, "lab-2", false),
            ("out of its time", certificate("lab-1", true, 2021), true, "lab-1", false),
            ("one that is not listed", certificate("lab-1", true, 2040), false, "lab-1", false),
        ] {
            let other = rcgen::CertificateParams::new(vec!["other".into()]).unwrap();
            let other = other.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            let pem = if listed { format!("{}{}", other.pem(), certificate.pem()) } else { other.pem() };
            let verifier = CertificatePolicy::authority(pem.as_bytes()).unwrap().verifier(&provider).unwrap();
            let name = ServerName::try_from(name).unwrap();
            let verified = verifier.verify_server_cert(certificate.der(), &[], &name, &[], now);
            assert_eq!(verified.is_ok(), taken, "{shows}: {verified:?}");
        }
    }
}
