//! The format of the older service's secrets (<https://github.com/fernet/spec>): version, time, initialization vector, AES-128 in CBC, and an
//! HMAC-SHA256 over all of it, in base64 for URLs. Pure: time and randomness are arguments.

use aes::Aes128;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const VERSION: u8 = 0x80;
/// Version, seconds, vector.
const HEAD: usize = 1 + 8 + 16;
const TAG: usize = 32;
const BLOCK: usize = 16;
/// Padding may be there or not, as with other readers of the format.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key, which is never shown but by [`text`](Self::text).
#[derive(Clone, PartialEq, Eq)]
pub struct SecretsKey {
    signing: [u8; 16],
    encryption: [u8; 16],
}

impl SecretsKey {
    /// 32 bytes in base64 for URLs.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = BASE64.decode(text.trim()).ok()?.try_into().ok()?;
        Some(Self::of(bytes))
    }

    /// A fresh one.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self::of(crate::token::random()?))
    }

    fn of(bytes: [u8; 32]) -> Self {
        let [mut signing, mut encryption] = [[0; 16]; 2];
        signing.copy_from_slice(&bytes[..16]);
        encryption.copy_from_slice(&bytes[16..]);
        Self { signing, encryption }
    }

    /// As it is written into a file. Whoever has it reads all that it encrypts.
    pub fn text(&self) -> String {
        BASE64.encode([self.signing, self.encryption].concat())
    }

    pub(crate) fn encrypt(&self, plain: &[u8], at: DateTime<Utc>, vector: [u8; 16]) -> String {
        let mut token = vec![VERSION];
        token.extend(at.timestamp().to_be_bytes());
        token.extend(vector);
        let encryptor = cbc::Encryptor::<Aes128>::new(&self.encryption.into(), &vector.into());
        token.extend(encryptor.encrypt_padded_vec::<Pkcs7>(plain));
        let tag = self.mac(&token).finalize().into_bytes();
        token.extend(tag);
        BASE64.encode(token)
    }

    /// None: it was not made by this key, or was changed.
    pub(crate) fn decrypt(&self, token: &str) -> Option<Vec<u8>> {
        let token = BASE64.decode(token.trim()).ok()?;
        let (signed, tag) = token.split_at_checked(token.len().checked_sub(TAG)?)?;
        let (head, text) = signed.split_at_checked(HEAD)?;
        if head[0] != VERSION || text.is_empty() || text.len() % BLOCK != 0 {
            return None;
        }
        // In constant time, and before a byte is decrypted.
        self.mac(signed).verify_slice(tag).ok()?;
        let vector: [u8; 16] = head[9..].try_into().ok()?;
        let decryptor = cbc::Decryptor::<Aes128>::new(&self.encryption.into(), &vector.into());
        decryptor.decrypt_padded_vec::<Pkcs7>(text).ok()
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.signing)
            .unwrap_or_else(|_length| unreachable!("HMAC takes keys of any length"));
        mac.update(bytes);
        mac
    }
}

impl std::fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretsKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

    #[test]
    fn the_examples_of_the_specification_hold() {
        let key = SecretsKey::parse(KEY).unwrap();
        let at = "1985-10-26T08:20:00Z".parse().unwrap();
        let vector = std::array::from_fn(|place| u8::try_from(place).unwrap());
        let token =
            "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        assert_eq!(key.encrypt(b"hello", at, vector), token);
        assert_eq!(key.decrypt(token), Some(b"hello".to_vec()));
        assert_eq!(key.decrypt(token.trim_end_matches('=')), Some(b"hello".to_vec()));
        assert_eq!(key.text(), KEY);
    }

    #[test]
    fn what_was_changed_or_is_another_s_is_not_read() {
        let key = SecretsKey::parse(KEY).unwrap();
        let token = key.encrypt("contraseña".as_bytes(), DateTime::UNIX_EPOCH, [7; 16]);
        assert_eq!(SecretsKey::generate().unwrap().decrypt(&token), None);
        let bytes = BASE64.decode(&token).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(key.decrypt(&BASE64.encode(changed)), None, "byte {place}");
        }
        for length in 0..bytes.len() {
            assert_eq!(key.decrypt(&BASE64.encode(&bytes[..length])), None, "{length} bytes");
        }
        for odd in ["", "!", "gAAAAA=="] {
            assert_eq!(key.decrypt(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_key_is_32_bytes() {
        for (text, fine) in [(KEY, true), (&KEY[..43], true), ("", false), ("c2hvcnQ=", false), ("not base64!", false)]
        {
            assert_eq!(SecretsKey::parse(text).is_some(), fine, "{text}");
        }
    }
}
