//! Access keys, and how far each reaches.

use std::fmt;

use stationkeeper_telemetry::HostName;

use crate::error::BucketError;

/// A secret access key: shown by [`expose`](Self::expose) and by nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretAccessKey(String);

impl SecretAccessKey {
    /// Takes a secret as it is.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that must show or store it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretAccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretAccessKey(…)")
    }
}

/// How far an access key reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole bucket.
    All,
    /// PUT, GET, HEAD and LIST below `stations/{HOST}/`, whatever the letter case of the host in the key.
    Station(HostName),
}

impl Scope {
    /// As stored: empty for the whole bucket, else the host.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::All => "",
            Self::Station(host) => host.as_str(),
        }
    }

    /// `None`: not what [`host`](Self::host) gives.
    pub(crate) fn from_host(host: &str) -> Option<Self> {
        match host {
            "" => Some(Self::All),
            host => HostName::parse(host).ok().map(Self::Station),
        }
    }
}

/// An access key with its secret and its reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The public half: 20 characters when made here.
    pub access_key_id: String,
    /// The secret half: 40 characters when made here.
    pub secret: SecretAccessKey,
    /// How far it reaches.
    pub scope: Scope,
}

impl Credential {
    /// A new one from the system's random bytes: 72 bits of name, 160 bits of secret.
    pub fn generate(scope: Scope) -> Result<Self, BucketError> {
        let mut random = [0_u8; 29];
        getrandom::fill(&mut random).map_err(|_| BucketError::NoRandomBytes)?;
        let (name, secret) = random.split_at(9);
        Ok(Self {
            access_key_id: format!("SK{}", hex::encode_upper(name)),
            secret: SecretAccessKey(hex::encode(secret)),
            scope,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed_unasked() {
        let credential = Credential::generate(Scope::All).unwrap();
        let shown = format!("{credential:?} {:?}", credential.secret);
        assert!(!shown.contains(credential.secret.expose()), "{shown}");
        assert_eq!((credential.access_key_id.len(), credential.secret.expose().len()), (20, 40));
        assert_ne!(credential, Credential::generate(Scope::All).unwrap());
    }
}
