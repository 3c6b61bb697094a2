//! Connecting to a laboratory: the link or code that a person was given, and whether the gateway's certificate is to be trusted.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stationkeeper_api::Language;
use url::{Host, Url};

use crate::words::say;

/// Where a gateway is: `https`, or `http` on this PC alone. A host and a port, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayUrl(Url);

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadGatewayUrl {
    /// It cannot be read.
    #[error("it is no address: write https:// and the gateway's name")]
    Unreadable,
    /// A token would go over the network for all to read.
    #[error("an address begins with https://; http:// is for this PC alone")]
    Open,
    /// A name, a password, a path, a query or a fragment.
    #[error("an address has a name and a port, nothing else")]
    TooMuch,
}

impl FromStr for GatewayUrl {
    type Err = BadGatewayUrl;

    fn from_str(text: &str) -> Result<Self, BadGatewayUrl> {
        let url = Url::parse(text.trim()).map_err(|_unreadable| BadGatewayUrl::Unreadable)?;
        let host = url.host().ok_or(BadGatewayUrl::Unreadable)?;
        match url.scheme() {
            "https" => {}
            "http" if is_this_pc(&host) => {}
            "http" => return Err(BadGatewayUrl::Open),
            _ => return Err(BadGatewayUrl::Unreadable),
        }
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(BadGatewayUrl::TooMuch);
        }
        Ok(Self(url))
    }
}

fn is_this_pc(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => *address == Ipv4Addr::LOCALHOST,
        Host::Ipv6(address) => *address == Ipv6Addr::LOCALHOST,
    }
}

impl GatewayUrl {
    /// One of its addresses, such as `api/v1/stations`; the path is ours and never a person's.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// What a person is shown: the host, and the port where it is not the usual one.
    pub fn shown(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl Serialize for GatewayUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GatewayUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Eight signs as a person types them. It is a secret for ten minutes: it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode(String);

/// Not a pairing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has eight letters and digits, such as K7M4-Q2XX")]
pub struct BadPairingCode;

impl FromStr for PairingCode {
    type Err = BadPairingCode;

    fn from_str(text: &str) -> Result<Self, BadPairingCode> {
        let signs: String = text.chars().filter(|sign| !matches!(sign, ' ' | '-')).collect();
        match signs.len() == 8 && signs.bytes().all(|sign| sign.is_ascii_alphanumeric()) {
            true => Ok(Self(signs.to_ascii_uppercase())),
            false => Err(BadPairingCode),
        }
    }
}

impl PairingCode {
    /// As the gateway takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode")
    }
}

/// The SHA-256 of a gateway's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<_> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&bytes.join(":"))
    }
}

impl FromStr for Fingerprint {
    type Err = BadPairingLink;

    fn from_str(text: &str) -> Result<Self, BadPairingLink> {
        let mut bytes = [0; 32];
        let signs: String = text.chars().filter(|sign| *sign != ':').collect();
        hex::decode_to_slice(signs, &mut bytes).map_err(|_not_hex| BadPairingLink::Fingerprint)?;
        Ok(Self(bytes))
    }
}

/// `stationkeeper://pair?gateway=…&code=…[&certificate=…]`. The person is asked before it is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingLink {
    /// Where.
    pub gateway: GatewayUrl,
    /// By which.
    pub code: PairingCode,
    /// The certificate that is meant, if whoever made the link said so.
    pub certificate: Option<Fingerprint>,
}

/// Why a link is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPairingLink {
    /// It is for something else.
    #[error("it does not begin with stationkeeper://pair?")]
    NotALink,
    /// It has what it must not have, twice what it has once, or less than it must.
    #[error("it has one gateway, one code and at most one certificate, and nothing else")]
    Parts,
    /// Its gateway.
    #[error(transparent)]
    Gateway(#[from] BadGatewayUrl),
    /// Its code.
    #[error(transparent)]
    Code(#[from] BadPairingCode),
    /// Its certificate.
    #[error("the certificate is given by its SHA-256, 64 hex digits")]
    Fingerprint,
}

impl FromStr for PairingLink {
    type Err = BadPairingLink;

    fn from_str(text: &str) -> Result<Self, BadPairingLink> {
        let url = Url::parse(text.trim()).map_err(|_unreadable| BadPairingLink::NotALink)?;
        let plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        // Some desktops put a slash behind the name.
        let is_pair = url.host_str() == Some("pair") && matches!(url.path(), "" | "/");
        if url.scheme() != "stationkeeper" || !plain || !is_pair || url.fragment().is_some() {
            return Err(BadPairingLink::NotALink);
        }
        let (mut gateway, mut code, mut certificate) = (None, None, None);
        for (name, value) in url.query_pairs() {
            let slot = match name.as_ref() {
                "gateway" => &mut gateway,
                "code" => &mut code,
                "certificate" => &mut certificate,
                _ => return Err(BadPairingLink::Parts),
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(BadPairingLink::Parts);
            }
        }
        let (Some(gateway), Some(code)) = (gateway, code) else { return Err(BadPairingLink::Parts) };
        Ok(Self {
            gateway: gateway.parse()?,
            code: code.parse()?,
            certificate: certificate.map(|text| text.parse()).transpose()?,
        })
    }
}

/// Whether a certificate is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Go on.
    Trusted,
    /// The person is asked, and shown its fingerprint.
    Ask(Fingerprint),
    /// No.
    Refused,
}

/// What is known of the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// Its SHA-256.
    pub fingerprint: Fingerprint,
    /// A public authority, or one of this system's, vouches for it and for the gateway's name.
    pub vouched_for: bool,
}

/// `pinned`: what was accepted when the app was paired, or what the link names. `pairing`: the person is there and can be asked.
///
/// One that is vouched for may be renewed, and needs no pin; one that was pinned is that one or nothing, and none is accepted later on.
pub fn trust(presented: Presented, pinned: Option<Fingerprint>, pairing: bool) -> Trust {
    match pinned {
        Some(pinned) if pinned == presented.fingerprint => Trust::Trusted,
        Some(_) => Trust::Refused,
        None if presented.vouched_for => Trust::Trusted,
        None if pairing => Trust::Ask(presented.fingerprint),
        None => Trust::Refused,
    }
}

/// Why it did not work out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairingProblem {
    /// The address is none.
    Url(BadGatewayUrl),
    /// The code is none, before anybody was asked.
    NoCode,
    /// Nothing of this name is known.
    Name,
    /// Nothing answers there.
    NoAnswer,
    /// What answers is something else.
    NotAGateway,
    /// Nobody vouches for its certificate: the person may.
    Certificate(Fingerprint),
    /// It is not the certificate that was expected.
    OtherCertificate,
    /// The gateway knows no such code, or it was used.
    WrongCode,
    /// It was good once, and is no more.
    ExpiredCode,
    /// Too often, too fast.
    Wait {
        /// Seconds.
        seconds: u64,
    },
    /// Something else, in the gateway's words.
    Other(String),
}

impl PairingProblem {
    /// What the person is told.
    pub fn text(&self, language: Language, gateway: &str) -> String {
        let says = |key: &str| say(language, key, &[("gateway", gateway)]);
        match self {
            Self::Url(BadGatewayUrl::Unreadable) => says("url_unreadable"),
            Self::Url(BadGatewayUrl::Open) => says("url_open"),
            Self::Url(BadGatewayUrl::TooMuch) => says("url_too_much"),
            Self::NoCode => says("code_unreadable"),
            Self::Name => says("url_name"),
            Self::NoAnswer => says("url_no_answer"),
            Self::NotAGateway => says("url_not_a_gateway"),
            Self::Certificate(fingerprint) => {
                say(language, "certificate_unknown", &[("fingerprint", &fingerprint.to_string())])
            }
            Self::OtherCertificate => says("certificate_changed"),
            Self::WrongCode => says("code_wrong"),
            Self::ExpiredCode => says("code_expired"),
            Self::Wait { seconds } => say(language, "code_wait", &[("seconds", &seconds.to_string())]),
            Self::Other(text) => say(language, "pairing_other", &[("text", text)]),
        }
    }
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
