//! A station's own certificate, as Windows makes one for its listener.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::NoServerSessionStorage;
use sha2::{Digest, Sha256};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// What a client may know of a certificate beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// For clients that trust by file.
    pub pem: String,
    /// SHA-256 of its DER form, for clients that trust by pin.
    pub sha256: [u8; 32],
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The generator's word.
    #[error("cannot make a certificate")]
    Making(#[from] rcgen::Error),
    /// The TLS library's word.
    #[error("cannot use a certificate")]
    Using(#[from] rustls::Error),
}

/// Makes one for a name and an address.
pub(super) fn make(host: &str, address: IpAddr) -> Result<(Certificate, Arc<ServerConfig>), CertificateError> {
    let key = KeyPair::generate()?;
    // A station's name may have letters that no certificate knows; clients come by the address anyway.
    let mut parameters = CertificateParams::new(if host.is_ascii() { vec![host.to_owned()] } else { Vec::new() })?;
    parameters.subject_alt_names.push(SanType::IpAddress(address));
    let certificate = parameters.self_signed(&key)?;
    let der = certificate.der().clone();
    let known = Certificate { pem: certificate.pem(), sha256: Sha256::digest(&der).into() };
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    let mut server = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![der], private)?;
    // Room for sessions to come back to, once a station, is more than all else of it.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((known, Arc::new(server)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn stations_share_what_tls_needs_and_keep_no_sessions() {
        let stations = ["LAB-01", "LAB-02"].map(|host| make(host, Ipv4Addr::LOCALHOST.into()).unwrap());
        let [(one, tls), (other, other_tls)] = &stations;
        assert_ne!(one, other, "a certificate each");
        assert!(Arc::ptr_eq(tls.crypto_provider(), other_tls.crypto_provider()));
        for tls in [tls, other_tls] {
            assert!(!tls.session_storage.can_cache());
            assert!(!tls.ticketer.enabled());
        }
    }
}
