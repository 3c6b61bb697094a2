//! How page and API are served.

use std::path::PathBuf;

use clap::Args;

/// By which connections to page and API are encrypted.
#[derive(Debug, Clone, Default, Args)]
pub struct Encryption {
    /// Certificate by which page and API are served over HTTPS, in PEM, those of its authorities behind it; one that is renewed is taken up within a minute
    #[arg(long, value_name = "FILE", env = "STATIONKEEPER_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", env = "STATIONKEEPER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
}
