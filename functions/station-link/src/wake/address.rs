//! Hardware addresses and the password that some adapters want.

use std::fmt;
use std::str::FromStr;

/// The hardware address of one adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress([u8; 6]);

/// A text that is no hardware address of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no MAC address: write it like 00:1A:2B:3C:4D:5E")]
pub struct MacAddressError(String);

impl MacAddress {
    /// Its six bytes.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

/// As people and tools write it: `00:1a:2b:3c:4d:5e`, `0:1a:2b:3c:4d:5e`, `00-1A-2B-3C-4D-5E`, `001a.2b3c.4d5e`, `001A2B-3C4D5E`, `001a2b3c4d5e`,
/// `00 1A 2B 3C 4D 5E`.
impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let wrong = || MacAddressError(text.chars().filter(|c| !c.is_control()).take(40).collect());
        let text = text.trim();
        let separator = text.chars().find(|c| !c.is_ascii_hexdigit());
        let parts: Vec<&str> = separator.map_or_else(|| vec![text], |separator| text.split(separator).collect());
        let width = match (separator, parts.len()) {
            (None, 1) => 12,
            (Some('-' | ':' | '.'), 2) => 6,
            (Some('-' | ':' | '.'), 3) => 4,
            (Some('-' | ':' | '.' | ' '), 6) => 2,
            _ => return Err(wrong()),
        };
        let mut digits = String::with_capacity(12);
        for part in parts {
            let short = width == 2 && part.len() == 1;
            if !(part.len() == width || short) || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            digits.extend(short.then_some('0'));
            digits.push_str(part);
        }
        let mut bytes = [0; 6];
        hex::decode_to_slice(&digits, &mut bytes).map_err(|_| wrong())?;
        // A group of adapters, or none, is no adapter.
        if bytes == [0; 6] || bytes[0] & 1 == 1 {
            return Err(wrong());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

/// The password of a SecureOn adapter: four or six bytes at the end of the packet.
#[derive(Clone, PartialEq, Eq)]
pub struct SecureOn(Vec<u8>);

impl SecureOn {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Six bytes like a MAC address, or four like an IPv4 address.
impl FromStr for SecureOn {
    type Err = SecureOnError;

    fn from_str(text: &str) -> Result<Self, SecureOnError> {
        if let Ok(four) = text.trim().parse::<std::net::Ipv4Addr>() {
            return Ok(Self(four.octets().to_vec()));
        }
        let digits: String = text.trim().chars().filter(|c| !":-".contains(*c)).collect();
        let bytes = hex::decode(digits).map_err(|_| SecureOnError)?;
        if matches!(bytes.len(), 4 | 6) { Ok(Self(bytes)) } else { Err(SecureOnError) }
    }
}

/// It is a secret.
impl fmt::Debug for SecureOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecureOn(…)")
    }
}

/// A text that is no SecureOn password; it is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SecureOn password has six bytes like 01:02:03:04:05:06 or four like 1.2.3.4")]
pub struct SecureOnError;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_has_many_spellings() {
        for text in [
            "00:1A:2B:3C:4D:5E",
            "00:1a:2b:3c:4d:5e",
            "0:1a:2b:3c:4d:5e",
            "00-1A-2B-3C-4D-5E",
            "001a.2b3c.4d5e",
            "001A-2B3C-4D5E",
            "001A2B-3C4D5E",
            "001a2b3c4d5e",
            " 00 1A 2B 3C 4D 5E ",
        ] {
            assert_eq!(text.parse::<MacAddress>().unwrap().to_string(), "00:1A:2B:3C:4D:5E", "{text}");
        }
        for text in [
            "",
            "00:1A:2B:3C:4D",
            "00:1A:2B:3C:4D:5E:6F",
            "00:1A-2B:3C:4D:5E",
            "00:1A:2B:3C:4D:5G",
            "00:1A:2B:3C:4D:",
            "001a2b3c4d5",
            "00:00:00:00:00:00",
            "FF:FF:FF:FF:FF:FF",
            "01:00:5E:00:00:01",
            "0:01a:2b:3c:4d:5e",
            "00;1A;2B;3C;4D;5E",
            "００:1A:2B:3C:4D:5E",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_has_four_or_six_bytes_and_is_not_shown() {
        for (text, bytes) in [
            ("01:02:03:04:05:06", Some(vec![1, 2, 3, 4, 5, 6])),
            ("AABBCCDDEEFF", Some(vec![0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff])),
            ("192.168.1.2", Some(vec![192, 168, 1, 2])),
            ("01020304", Some(vec![1, 2, 3, 4])),
            ("010203", None),
            ("secret", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<SecureOn>().ok().map(|password| password.0), bytes, "{text}");
        }
        assert!(!format!("{:?}", "AABBCCDDEEFF".parse::<SecureOn>().unwrap()).contains("AA"));
        assert!(!"hunter2".parse::<SecureOn>().unwrap_err().to_string().contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,30}") {
            if let Ok(address) = text.parse::<MacAddress>() {
                prop_assert_eq!(address.to_string().parse::<MacAddress>(), Ok(address));
            }
        }
    }
}
