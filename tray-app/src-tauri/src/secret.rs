//! The token: in the system's keychain, or, where there is none, in a file for this user alone, which the window says.

use std::io;

use keyring::v1::{Entry, Error};
use serde::Serialize;
use stationkeeper_tray_client::Token;
use stationkeeper_tray_view::pairing::GatewayUrl;

use crate::files::{Folder, gone, replace};

const SERVICE: &str = "stationkeeper-tray";
const FILE: &str = "token";

/// Where the token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// In the system's keychain.
    Keychain,
    /// In a file: the system has no keychain, or does not open it.
    File,
}

/// The token of a gateway, and where it was found. These calls wait for the keychain, which may ask the person for a password.
pub fn read(folder: &Folder, gateway: &GatewayUrl) -> Option<(Token, Kept)> {
    match entry(gateway).and_then(|entry| entry.get_password()) {
        Ok(secret) => return Some((Token::new(secret), Kept::Keychain)),
        Err(Error::NoEntry | Error::NoDefaultStore) => {}
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the keychain does not answer"),
    }
    let text = std::fs::read_to_string(folder.at(FILE)).ok()?;
    // The first line says whose it is: a token is never sent to another gateway than the one that gave it.
    let (of, secret) = text.split_once('\n')?;
    (of == gateway.to_string()).then(|| (Token::new(secret.trim_end().to_owned()), Kept::File))
}

/// Keeps the token of a gateway.
///
/// # Errors
/// Neither the keychain nor a file takes it.
pub fn keep(folder: &Folder, gateway: &GatewayUrl, token: &Token) -> io::Result<Kept> {
    match entry(gateway).and_then(|entry| entry.set_password(token.secret())) {
        Ok(()) => {
            gone(&folder.at(FILE))?;
            Ok(Kept::Keychain)
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the keychain does not take the token: it goes to a file"
            );
            replace(&folder.at(FILE), format!("{gateway}\n{}\n", token.secret()).as_bytes())?;
            Ok(Kept::File)
        }
    }
}

/// Forgets the token of a gateway.
pub fn forget(folder: &Folder, gateway: &GatewayUrl) -> io::Result<()> {
    match entry(gateway).and_then(|entry| entry.delete_credential()) {
        Ok(()) | Err(Error::NoEntry | Error::NoDefaultStore) => {}
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the keychain does not forget the token");
        }
    }
    gone(&folder.at(FILE))
}

fn entry(gateway: &GatewayUrl) -> keyring::v1::Result<Entry> {
    Entry::new(SERVICE, &gateway.to_string())
}
