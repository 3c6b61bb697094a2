//! How page and API are served, alone or with everything else.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Networks, ReservationTable};

/// What a gateway is told, alone or with everything else.
#[derive(Debug, Args)]
pub struct Service {
    /// Where page and API listen; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "STATIONKEEPER_LISTEN")]
    pub listen: Option<SocketAddr>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub networks: Networks,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub encryption: Encryption,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub table: ReservationTable,
    /// File with the connections of notifications: mail server, webhooks, dead man's switch (see README, Notifications)
    #[arg(long, value_name = "FILE", env = "STATIONKEEPER_CONNECTIONS_FILE")]
    pub connections_file: Option<PathBuf>,
    /// Say where everything is as one line of JSON, once all of it answers
    #[arg(long)]
    pub json: bool,
}

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
