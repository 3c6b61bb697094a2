//! The server's side of NTLM, version 2 alone ([MS-NLMP]): one challenge, one answer, no clock and no socket.
//!
//! Three things are compared: the proof of the password, the integrity code over all three messages where the client says that it sends one, and the certificate
//! that the client saw, where it says.

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use rc4::{Rc4, StreamCipher};

use super::account::{Account, same};

const SIGNATURE: &[u8] = b"NTLMSSP\0";
const UNICODE: u32 = 0x1;
const KEY_EXCHANGE: u32 = 0x4000_0000;
/// What of the client's wishes is granted: Unicode, target, sign, seal, NTLM, always sign, extended security, version, 128 and 56 bits, key exchange.
const GRANTED: u32 =
    UNICODE | 0x4 | 0x10 | 0x20 | 0x200 | 0x8000 | 0x8_0000 | 0x200_0000 | 0x2000_0000 | KEY_EXCHANGE | 0x8000_0000;
/// Said in any case: Unicode, NTLM, the target is a server, extended security, facts about the target.
const ALWAYS: u32 = UNICODE | 0x200 | 0x2_0000 | 0x8_0000 | 0x80_0000;
/// Windows 10, NTLM revision 15.
const VERSION: [u8; 8] = [10, 0, 0x63, 0x45, 0, 0, 0, 15];
/// Before the facts about the client, in its answer's second half.
const BLOB_HEAD: usize = 28;
/// Where the third message has its integrity code.
const CODE_AT: std::ops::Range<usize> = 72..88;

/// Facts about a target or a client, by number.
mod fact {
    pub const END: u16 = 0;
    pub const COMPUTER: u16 = 1;
    pub const DOMAIN: u16 = 2;
    pub const FLAGS: u16 = 6;
    pub const TIME: u16 = 7;
    pub const BINDING: u16 = 10;
}

/// Why somebody is not let in. Nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No message of NTLM, or not the one that is due.
    #[error("the message is not the one that is due")]
    Malformed,
    /// Version 1, or nobody at all.
    #[error("the answer is not of NTLM version 2")]
    OldVersion,
    /// Another name.
    #[error("nobody has this name")]
    Name,
    /// Another password.
    #[error("the proof is of another password")]
    Proof,
    /// A message was changed on its way.
    #[error("the integrity code does not fit the messages")]
    IntegrityCode,
    /// The client saw another certificate.
    #[error("the client saw another certificate")]
    Binding,
}

/// What a client must answer on the same connection.
#[derive(Debug, Clone)]
pub struct Challenge {
    negotiate: Vec<u8>,
    message: Vec<u8>,
    nonce: [u8; 8],
}

impl Challenge {
    /// Answers a client's first message. `time`: 100 ns since 1601.
    pub fn new(negotiate: &[u8], computer: &str, nonce: [u8; 8], time: u64) -> Result<Self, Refused> {
        if !is(negotiate, 1) {
            return Err(Refused::Malformed);
        }
        let wishes = word(negotiate, 12).ok_or(Refused::Malformed)?;
        if wishes & UNICODE == 0 {
            return Err(Refused::Malformed);
        }
        let name = utf16(computer);
        let mut facts = Vec::new();
        for (number, value) in [
            (fact::DOMAIN, name.as_slice()),
            (fact::COMPUTER, &name),
            (fact::TIME, &time.to_le_bytes()),
            (fact::END, &[]),
        ] {
            facts.extend(number.to_le_bytes());
            facts.extend(length(value)?);
            facts.extend(value);
        }
        let mut message = SIGNATURE.to_vec();
        message.extend(2_u32.to_le_bytes());
        let name_at = 56_u32;
        let name_bytes = u32::try_from(name.len()).map_err(|_| Refused::Malformed)?;
        for (value, at) in [(&name, name_at), (&facts, name_at + name_bytes)] {
            if at != name_at {
                message.extend(((wishes & GRANTED) | ALWAYS).to_le_bytes());
                message.extend(nonce);
                message.extend([0; 8]);
            }
            message.extend(length(value)?);
            message.extend(length(value)?);
            message.extend(at.to_le_bytes());
        }
        message.extend(VERSION);
        message.extend(&name);
        message.extend(&facts);
        Ok(Self { negotiate: negotiate.to_vec(), message, nonce })
    }

    /// The second message, for the client.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Whether the third message is that account's. `binding`: see [`binding`], of the certificate that this connection shows.
    pub fn accepts(&self, answer: &[u8], account: &Account, binding: [u8; 16]) -> Result<(), Refused> {
        if !is(answer, 3) {
            return Err(Refused::Malformed);
        }
        let field = |at| field(answer, at).ok_or(Refused::Malformed);
        let (response, domain, user) = (field(20)?, field(28)?, field(36)?);
        if response.len() < 16 + BLOB_HEAD {
            return Err(Refused::OldVersion);
        }
        let name = text(user).ok_or(Refused::Malformed)?;
        if name.to_uppercase() != account.user.to_uppercase() {
            return Err(Refused::Name);
        }
        let (proof, blob) = response.split_at(16);
        let owner = owner_key(&account.password, &name, domain);
        if !same(&code(&owner, &[&self.nonce, blob]), proof) {
            return Err(Refused::Proof);
        }
        let facts = Facts(blob.get(BLOB_HEAD..).unwrap_or_default());
        let says_code = facts.of(fact::FLAGS).and_then(|value| word(value, 0)).is_some_and(|flags| flags & 2 != 0);
        if says_code && !self.is_whole(answer, &code(&owner, &[proof])) {
            return Err(Refused::IntegrityCode);
        }
        match facts.of(fact::BINDING) {
            Some(seen) if seen.iter().any(|byte| *byte != 0) && !same(seen, &binding) => Err(Refused::Binding),
            _ => Ok(()),
        }
    }

    /// Whether the integrity code fits the three messages.
    fn is_whole(&self, answer: &[u8], base_key: &[u8; 16]) -> bool {
        let (Some(flags), Some(sent)) = (word(answer, 60), answer.get(CODE_AT)) else { return false };
        let mut key = *base_key;
        if flags & KEY_EXCHANGE != 0 {
            let Some(Ok(encrypted)) = field(answer, 52).map(<[u8; 16]>::try_from) else { return false };
            let Ok(mut cipher) = Rc4::new_from_slice(base_key) else { return false };
            key = encrypted;
            cipher.apply_keystream(&mut key);
        }
        let mut blank = answer.to_vec();
        blank[CODE_AT].fill(0);
        same(&code(&key, &[&self.negotiate, &self.message, &blank]), sent)
    }
}

/// What both sides make of a server's certificate (`tls-server-end-point`, RFC 5929). `hash`: SHA-256 of its DER form.
pub fn binding(hash: &[u8; 32]) -> [u8; 16] {
    let said = [b"tls-server-end-point:".as_slice(), hash].concat();
    let mut form = vec![0; 16];
    // 53 bytes.
    form.extend(u32::try_from(said.len()).unwrap_or_default().to_le_bytes());
    form.extend(said);
    Md5::digest(form).into()
}

/// The key that only who knows the password has.
fn owner_key(password: &str, user: &str, domain: &[u8]) -> [u8; 16] {
    let hashed: [u8; 16] = Md4::digest(utf16(password)).into();
    code(&hashed, &[&utf16(&user.to_uppercase()), domain])
}

fn code(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    // A key of HMAC may have any length.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) else { return [0; 16] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn is(message: &[u8], kind: u32) -> bool {
    message.starts_with(SIGNATURE) && word(message, 8) == Some(kind)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// What length and place at `at` mean.
fn field(message: &[u8], at: usize) -> Option<&[u8]> {
    let (length, place) = (usize::from(half(message, at)?), usize::try_from(word(message, at + 4)?).ok()?);
    message.get(place..place.checked_add(length)?)
}

fn length(value: &[u8]) -> Result<[u8; 2], Refused> {
    Ok(u16::try_from(value.len()).map_err(|_| Refused::Malformed)?.to_le_bytes())
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn text(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok().filter(|_| bytes.len().is_multiple_of(2))
}

struct Facts<'a>(&'a [u8]);

impl<'a> Facts<'a> {
    fn of(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut at = 0;
        loop {
            let (number, length) = (half(self.0, at)?, usize::from(half(self.0, at + 2)?));
            if number == fact::END {
                return None;
            }
            let value = self.0.get(at + 4..at + 4 + length)?;
            if number == wanted {
                return Some(value);
            }
            at += 4 + length;
        }
    }
}

#[cfg(test)]
#[path = "ntlm_tests.rs"]
mod tests;
