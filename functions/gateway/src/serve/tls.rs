//! The certificate by which connections are encrypted, from files that somebody renews.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// A certificate with its key, as the files said when they were read last. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Tls(Arc<Files>);

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Of what is in force.
    sha256: Mutex<[u8; 32]>,
    config: RustlsConfig,
}

/// What is wrong with which file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read the {what} {}", .file.display())]
    Unreadable {
        /// `certificate` or `key`.
        what: &'static str,
        /// Which.
        file: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It is no PEM.
    #[error("the {what} {} is not in PEM", .file.display())]
    NoPem {
        /// `certificate` or `key`.
        what: &'static str,
        /// Which.
        file: PathBuf,
        /// The reader's word.
        source: pem::Error,
    },
    /// Nothing of its kind is in it.
    #[error("{} holds no certificate: it begins with the gateway's own, `-----BEGIN CERTIFICATE-----`, and its authority's follow", .0.display())]
    NoCertificate(PathBuf),
    /// Likewise; one under a password counts as none.
    #[error("{} holds no private key that can be read: PKCS#8, PKCS#1 or SEC1, and without a password", .0.display())]
    NoKey(PathBuf),
    /// Each is fine, and they do not go together.
    #[error("the key {} is not that of the certificate {}", .key.display(), .certificate.display())]
    NotItsKey {
        /// Of the certificate.
        certificate: PathBuf,
        /// Of the key.
        key: PathBuf,
    },
    /// The TLS library's word.
    #[error("the certificate {} with the key {} cannot be used", .certificate.display(), .key.display())]
    Unusable {
        /// Of the certificate.
        certificate: PathBuf,
        /// Of the key.
        key: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads a certificate, with those of its authorities behind it, and its key. Blocks for as long as the files take.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let read = Pair::read(&certificate, &key)?;
        let config = RustlsConfig::from_config(Arc::new(read.config(&certificate, &key)?));
        let sha256 = Mutex::new(read.sha256());
        Ok(Self(Arc::new(Files { certificate, key, sha256, config })))
    }

    /// Takes up what stands in the files now, for connections from now on; false: that was in force already. Blocks as
    /// [`read`](Self::read) does.
    ///
    /// # Errors
    /// As [`read`](Self::read); what was in force stays.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let Files { certificate, key, sha256, config } = &*self.0;
        let read = Pair::read(certificate, key)?;
        let mut in_force = sha256.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_force == read.sha256() {
            return Ok(false);
        }
        config.reload_from_config(Arc::new(read.config(certificate, key)?));
        *in_force = read.sha256();
        Ok(true)
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.0.config.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.0.certificate).field("key", &self.0.key).finish()
    }
}

/// The bytes of both files.
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |what, file: &Path| {
            std::fs::read(file).map_err(|source| TlsError::Unreadable { what, file: file.to_owned(), source })
        };
        Ok(Self { certificate: read("certificate", certificate)?, key: read("key", key)? })
    }

    fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for file in [&self.certificate, &self.key] {
            hash.update(Sha256::digest(file));
        }
        hash.finalize().into()
    }

    fn config(&self, certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>();
        let no_pem = |what, file: &Path, source| TlsError::NoPem { what, file: file.to_owned(), source };
        let chain = chain.map_err(|source| no_pem("certificate", certificate, source))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(certificate.to_owned()));
        }
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey(key.to_owned()),
            source => no_pem("key", key, source),
        })?;
        let files = || (certificate.to_owned(), key.to_owned());
        let unusable = |source: rustls::Error| match (source, files()) {
            (rustls::Error::InconsistentKeys(_), (certificate, key)) => TlsError::NotItsKey { certificate, key },
            (source, (certificate, key)) => TlsError::Unusable { certificate, key, source },
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
