//! What can be said of the catalog of hosts and their logins.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Place;

/// `hosts`.
#[derive(Debug, Subcommand)]
pub enum HostsCommand {
    /// Lists the catalog, in its order
    #[command(after_help = "Example:\n  stationkeeper hosts list")]
    List {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Puts a station into the catalog
    #[command(
        after_help = "Example:\n  stationkeeper hosts add LAB-WS01 --address lab-ws01.example --lab optics --mac 00:1A:2B:3C:4D:5E"
    )]
    Add(Box<AddHost>),
    /// Takes a station out of use; its history stays
    #[command(after_help = "Example:\n  stationkeeper hosts remove LAB-WS01")]
    Remove {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// The station
        host: String,
    },
    /// Keeps the login of stations, encrypted by OPS_SECRETS_KEY; without --user says which there are
    #[command(
        after_help = "Example: the password is read from standard input\n  stationkeeper hosts credentials lab-ws01 --user labadmin < password\n\nThe file is OPS_CREDENTIALS_PATH, or winrm-credentials.json in the data folder."
    )]
    Credentials {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// What stations name as their credential_ref; one that names none takes the login of its address
        #[arg(requires = "user")]
        reference: Option<String>,
        /// Who logs in
        #[arg(long, value_name = "NAME", requires = "reference")]
        user: Option<String>,
    },
    /// Encrypts all logins by another key: all of them, or none
    #[command(
        name = "rotate-key",
        after_help = "Example:\n  OPS_SECRETS_KEY_FILE=key stationkeeper hosts rotate-key --new-key-file next-key\n\nStop the gateway before, and start it with the new key. What was there before stands beside the file."
    )]
    RotateKey {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// File with the new key; it is made with a fresh one if it is not there
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
}

/// `hosts add`.
#[derive(Debug, Args)]
pub struct AddHost {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// The station
    pub host: String,
    /// Where it answers on the lab's network: a name or an address
    #[arg(long, value_name = "ADDRESS")]
    pub address: String,
    /// Its adapter's address
    #[arg(long, value_name = "MAC")]
    pub mac: Option<String>,
    /// Its laboratory; again for each other one
    #[arg(long = "lab", value_name = "LAB")]
    pub labs: Vec<String>,
    /// Which login it takes [default: that of its address]
    #[arg(long, value_name = "REF")]
    pub credential_ref: Option<String>,
    /// SHA-256 of its certificate, where no authority vouches for it
    #[arg(long, value_name = "HEX")]
    pub pin: Option<String>,
}
