//! Access tokens: made here, kept as a hash.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_store::{NewApiToken, TokenGrant};

/// A fresh token: what its owner is told, once, and what is kept of it.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn mint_token(grant: TokenGrant, created_at: DateTime<Utc>) -> Result<(String, NewApiToken), getrandom::Error> {
    let secret = format!("sk_{}", hex::encode(random()?));
    let sha256 = digest(secret.as_bytes());
    let kept = NewApiToken { id: hex::encode(&sha256[..8]), grant, sha256, created_at };
    Ok((secret, kept))
}

/// What is compared and kept in place of a secret. 256 random bits need no slow hash.
pub(crate) fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// 32 bytes that nobody can guess.
pub(crate) fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
