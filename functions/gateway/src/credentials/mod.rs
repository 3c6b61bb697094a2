//! Logins of stations, encrypted in a file as the older service keeps them: `{"credentials": {REF: {"token": …}}}`, each token a user and a
//! password. No text, log or answer ever has a secret.

mod fernet;
pub(crate) mod save;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stationkeeper_station_link::winrm::Credential;

pub use fernet::SecretsKey;

use crate::hosts::catalog::{CatalogError, write_file};
use crate::token::random;

/// Larger files are none of ours, in bytes.
const LARGEST: u64 = 16 << 20;

/// Why logins cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// No key was named.
    #[error("no key for the logins of stations: set OPS_SECRETS_KEY, 32 random bytes in base64 for URLs")]
    NoKey,
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is none.
    #[error("{} holds no logins: it is no object with an object `credentials`", path.display())]
    Document {
        /// Which.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] CatalogError),
    /// A login was made by another key.
    #[error("the login '{0}' cannot be decrypted by this key")]
    OtherKey(String),
    /// The operating system gives no random bytes.
    #[error("cannot get random bytes")]
    Random(#[from] getrandom::Error),
}

/// The key as it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfiguredKey {
    /// None was.
    None,
    /// What was is no key.
    Invalid,
    /// This one.
    Valid(SecretsKey),
}

/// Where logins are kept, and by which key.
#[derive(Debug, Clone)]
pub struct CredentialStore {
    /// The file; it need not be there.
    pub path: PathBuf,
    /// By which they are encrypted.
    pub key: ConfiguredKey,
}

/// A user and a password, as they are encrypted.
#[derive(Serialize, Deserialize)]
struct Secret {
    user: String,
    password: String,
}

/// The logins of a file, read once.
#[derive(Default)]
pub(crate) struct Logins {
    tokens: BTreeMap<String, String>,
    key: Option<SecretsKey>,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").field("refs", &self.tokens.keys()).finish_non_exhaustive()
    }
}

impl Logins {
    /// Of this reference; none: there is none, or it cannot be decrypted.
    pub fn of(&self, reference: &str) -> Option<Credential> {
        let token = self.tokens.get(reference)?;
        let secret = self.key.as_ref().and_then(|key| read_secret(key, token));
        if secret.is_none() {
            tracing::warn!(reference, "a login of stations cannot be decrypted");
        }
        secret.map(|secret| Credential::new(secret.user, secret.password))
    }
}

fn read_secret(key: &SecretsKey, token: &str) -> Option<Secret> {
    secret_of(&key.decrypt(token)?)
}

fn secret_of(clear: &[u8]) -> Option<Secret> {
    let secret: Secret = serde_json::from_slice(clear).ok()?;
    (!secret.user.trim().is_empty() && !secret.password.is_empty()).then_some(secret)
}

impl CredentialStore {
    /// All of them.
    pub(crate) async fn logins(&self) -> Result<Logins, CredentialError> {
        let key = match &self.key {
            ConfiguredKey::Valid(key) => Some(key.clone()),
            ConfiguredKey::None | ConfiguredKey::Invalid => None,
        };
        let (_, credentials) = self.document().await?;
        let tokens = credentials.into_iter().filter_map(|(reference, entry)| {
            let token = entry.get("token")?.as_str()?.to_owned();
            Some((reference, token))
        });
        Ok(Logins { tokens: tokens.collect(), key })
    }

    /// The references, and whether each can be decrypted by the key.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn references(&self) -> Result<Vec<(String, bool)>, CredentialError> {
        let logins = self.logins().await?;
        Ok(logins.tokens.keys().map(|reference| (reference.clone(), logins.of(reference).is_some())).collect())
    }

    /// Keeps a login, in place of what was kept by this reference.
    ///
    /// # Errors
    /// There is no key, or the file cannot be read or written.
    pub async fn save(
        &self,
        reference: &str,
        user: &str,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CredentialError> {
        let ConfiguredKey::Valid(key) = &self.key else { return Err(CredentialError::NoKey) };
        let secret = Secret { user: user.trim().to_owned(), password: password.to_owned() };
        let token = encrypted(key, json!(secret).to_string().as_bytes(), now)?;
        let (mut document, mut credentials) = self.document().await?;
        credentials.insert(reference.trim().to_lowercase(), json!({ "token": token }));
        document.insert("credentials".to_owned(), Value::Object(credentials));
        write(&self.path, document).await
    }

    /// Encrypts all of them by another key. On an error nothing has changed; a copy of what was there stands beside it afterwards, and is
    /// answered with how many there are.
    ///
    /// # Errors
    /// One cannot be decrypted by the key of now, or the file cannot be read or written.
    pub async fn rotate(&self, new: &SecretsKey, now: DateTime<Utc>) -> Result<(PathBuf, usize), CredentialError> {
        let ConfiguredKey::Valid(key) = &self.key else { return Err(CredentialError::NoKey) };
        let Some(before) = self.bytes().await? else {
            return Err(CredentialError::Read { path: self.path.clone(), source: io::ErrorKind::NotFound.into() });
        };
        let (mut document, mut credentials) = self.document().await?;
        for (reference, entry) in &mut credentials {
            let other = || CredentialError::OtherKey(reference.clone());
            let token = entry.get("token").and_then(Value::as_str).ok_or_else(other)?;
            let clear = key.decrypt(token).filter(|clear| secret_of(clear).is_some()).ok_or_else(other)?;
            entry["token"] = Value::String(encrypted(new, &clear, now)?);
        }
        let backup = self.path.with_extension(format!("{}.backup", now.format("%Y%m%dT%H%M%SZ")));
        write_file(&backup, &before).await?;
        let count = credentials.len();
        document.insert("credentials".to_owned(), Value::Object(credentials));
        write(&self.path, document).await?;
        Ok((backup, count))
    }

    async fn bytes(&self) -> Result<Option<Vec<u8>>, CredentialError> {
        let failed = |source| CredentialError::Read { path: self.path.clone(), source };
        match tokio::fs::metadata(&self.path).await {
            Ok(about) if about.len() > LARGEST => Err(failed(io::ErrorKind::FileTooLarge.into())),
            Ok(_) => tokio::fs::read(&self.path).await.map(Some).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The file without its logins, and these.
    async fn document(&self) -> Result<(Map<String, Value>, Map<String, Value>), CredentialError> {
        let none = || CredentialError::Document { path: self.path.clone() };
        let Some(bytes) = self.bytes().await? else { return Ok(Default::default()) };
        let mut document: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|_no_json| none())?;
        match document.remove("credentials") {
            None => Ok((document, Map::new())),
            Some(Value::Object(credentials)) => Ok((document, credentials)),
            Some(_) => Err(none()),
        }
    }
}

fn encrypted(key: &SecretsKey, clear: &[u8], now: DateTime<Utc>) -> Result<String, getrandom::Error> {
    let mut vector = [0; 16];
    vector.copy_from_slice(&random()?[..16]);
    Ok(key.encrypt(clear, now, vector))
}

async fn write(path: &Path, document: Map<String, Value>) -> Result<(), CredentialError> {
    let text = format!("{:#}\n", Value::Object(document));
    Ok(write_file(path, text.as_bytes()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path, key: &SecretsKey) -> CredentialStore {
        CredentialStore { path: folder.join("logins.json"), key: ConfiguredKey::Valid(key.clone()) }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    #[tokio::test]
    async fn what_is_kept_comes_back_and_is_nowhere_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretsKey::generate().unwrap();
        let store = store(folder.path(), &key);
        assert!(store.references().await.unwrap().is_empty(), "no file is no login");
        std::fs::write(&store.path, r#"{"note":1,"credentials":{"other":{"token":"?"}}}"#).unwrap();
        store.save(" LAB-WS01 ", "labadmin", " s3cret ñ ", now()).await.unwrap();
        let logins = store.logins().await.unwrap();
        assert_eq!(logins.of("lab-ws01"), Some(Credential::new("labadmin", " s3cret ñ ")));
        assert_eq!((logins.of("other"), logins.of("nobody")), (None, None));
        assert_eq!(store.references().await.unwrap(), [("lab-ws01".to_owned(), true), ("other".to_owned(), false)]);
        let text = std::fs::read_to_string(&store.path).unwrap();
        assert!(text.contains("\"note\"") && !text.contains("s3cret") && !text.contains("labadmin"), "{text}");
        assert!(!format!("{store:?} {logins:?}").contains("s3cret"));
        let without = CredentialStore { key: ConfiguredKey::Invalid, ..store };
        assert!(matches!(without.save("x", "y", "z", now()).await, Err(CredentialError::NoKey)));
    }

    #[tokio::test]
    async fn another_key_is_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (SecretsKey::generate().unwrap(), SecretsKey::generate().unwrap());
        let before = store(folder.path(), &old);
        for reference in ["a", "b"] {
            before.save(reference, "user", "password", now()).await.unwrap();
        }
        let after = store(folder.path(), &new);
        let untouched = std::fs::read(&before.path).unwrap();
        let refused = after.rotate(&old, now()).await.unwrap_err();
        assert!(matches!(refused, CredentialError::OtherKey(_)), "{refused}");
        assert_eq!(std::fs::read(&before.path).unwrap(), untouched);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was left behind");
        let (backup, count) = before.rotate(&new, now()).await.unwrap();
        assert_eq!((std::fs::read(backup).unwrap(), count), (untouched, 2));
        assert_eq!(after.logins().await.unwrap().of("b"), Some(Credential::new("user", "password")));
        assert!(before.references().await.unwrap().iter().all(|(_, readable)| !readable));
    }
}
