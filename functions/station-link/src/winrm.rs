//! WinRM: Windows' WS-Management over HTTPS. One command is one shell that is opened, used and closed.

mod answer;
mod certificates;
mod client;
mod code_page;
mod connection;
mod envelope;
mod error;
mod login;

pub use certificates::{CertificatePolicy, CertificatePolicyError};
pub use client::{CommandReport, Timings, WinRm, WinRmTarget};
pub use code_page::CodePage;
pub use error::WinRmError;
pub use login::{Credential, Login};

/// The port of WinRM over HTTPS. There is no other way to a station.
pub const WINRM_PORT: u16 = 5986;
