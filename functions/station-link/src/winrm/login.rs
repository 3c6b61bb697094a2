//! Who logs in, and how that is proven.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha384, Sha512};
use sspi::{
    AuthIdentityBuffers, BufferType, ClientRequestFlags, DataRepresentation, Ntlm, SecurityBuffer, Sspi, SspiImpl,
};

/// An account of a station and its password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    user: String,
    password: String,
}

impl Credential {
    /// `user` is `NAME`, `DOMAIN\NAME` or `NAME@DOMAIN`.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// Whose it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }

    fn identity(&self) -> AuthIdentityBuffers {
        let (domain, name) = self.user.split_once('\\').unwrap_or(("", &self.user));
        // `.\NAME` is an account of the station itself.
        AuthIdentityBuffers::from_utf8(name, if domain == "." { "" } else { domain }, &self.password)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How the password is proven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Login {
    /// Challenge and response; the password does not travel.
    #[default]
    Ntlm,
    /// The password travels inside of TLS. For local accounts only, and only where the station allows it.
    Basic,
}

/// The scheme of a header that carries NTLM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Negotiate,
    Ntlm,
}

impl Scheme {
    pub fn word(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
        }
    }
}

/// One exchange of NTLM: a first word, the station's challenge, our answer.
pub(crate) struct Handshake {
    ntlm: Ntlm,
    identity: Option<AuthIdentityBuffers>,
}

impl Handshake {
    pub fn new(credential: &Credential) -> Self {
        Self { ntlm: Ntlm::new(), identity: Some(credential.identity()) }
    }

    pub fn first(&mut self) -> Result<String, String> {
        self.step(&[])
    }

    /// `binding`: what ties the answer to this TLS connection.
    pub fn answer(&mut self, challenge: &str, binding: Option<&[u8]>) -> Result<String, String> {
        if challenge.len() > 8192 {
            return Err("its challenge is too long".to_owned());
        }
        let challenge = STANDARD.decode(challenge).map_err(|_| "its challenge is no base64".to_owned())?;
        if let Some(binding) = binding {
            self.ntlm.set_channel_bindings(binding);
        }
        self.step(&challenge)
    }

    fn step(&mut self, token: &[u8]) -> Result<String, String> {
        let mut input = [SecurityBuffer::new(token.to_vec(), BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = self
            .ntlm
            .initialize_security_context()
            .with_credentials_handle(&mut self.identity)
            .with_context_requirements(ClientRequestFlags::CONFIDENTIALITY | ClientRequestFlags::ALLOCATE_MEMORY)
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        let step =
            self.ntlm.initialize_security_context_impl(&mut builder).and_then(|mut step| step.resolve_to_result());
        step.map_err(|error| format!("its NTLM challenge cannot be answered ({:?})", error.error_type))?;
        Ok(STANDARD.encode(&output[0].buffer))
    }
}

/// The challenge of a scheme in the `WWW-Authenticate` headers of an answer; empty where it is only offered.
pub(crate) fn challenge<'a>(headers: impl Iterator<Item = &'a str>, scheme: Scheme) -> Option<&'a str> {
    headers.flat_map(|header| header.split(',')).find_map(|offer| {
        let offer = offer.trim();
        let (word, token) = offer.split_once(' ').unwrap_or((offer, ""));
        word.eq_ignore_ascii_case(scheme.word()).then_some(token.trim())
    })
}

/// The binding of NTLM to a TLS connection by its certificate (RFC 5929, `tls-server-end-point`). `None` where that leaves the hash open.
pub(crate) fn channel_binding(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    let algorithm = signature_algorithm(certificate)?;
    let hash = if algorithm == ECDSA_SHA1 {
        Sha256::digest(certificate).to_vec()
    } else {
        let (&last, family) = algorithm.split_last()?;
        match (family, last) {
            // MD5 and SHA-1 are too weak: SHA-256 stands for them.
            (RSA, 4 | 5 | 11) | (ECDSA_SHA2, 2) => Sha256::digest(certificate).to_vec(),
            (RSA, 12) | (ECDSA_SHA2, 3) => Sha384::digest(certificate).to_vec(),
            (RSA, 13) | (ECDSA_SHA2, 4) => Sha512::digest(certificate).to_vec(),
            _ => return None,
        }
    };
    Some([b"tls-server-end-point:", hash.as_slice()].concat())
}

/// The object identifier after the signed part of a certificate.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const IDENTIFIER: u8 = 0x06;
    let (certificate, _) = der(certificate, SEQUENCE)?;
    let (_, after_signed) = der(certificate, SEQUENCE)?;
    let (algorithm, _) = der(after_signed, SEQUENCE)?;
    Some(der(algorithm, IDENTIFIER)?.0)
}

/// The content of a value of DER, and what follows it.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (first == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_password_is_shown() {
        let credential = Credential::new(r"LAB\operator", "s3cret, very");
        assert_eq!(format!("{credential:?}"), r#"Credential { user: "LAB\\operator", .. }"#);
        assert_eq!(credential.basic(), format!("Basic {}", STANDARD.encode(r"LAB\operator:s3cret, very")));
    }

    #[test]
    fn a_header_offers_schemes() {
        for (headers, scheme, found) in [
            (&["Negotiate"][..], Scheme::Negotiate, Some("")),
            (&["Basic realm=\"WSMAN\"", "Negotiate TlRM"], Scheme::Negotiate, Some("TlRM")),
            (&["Negotiate, NTLM TlRM=="], Scheme::Ntlm, Some("TlRM==")),
            (&["negotiate TlRM"], Scheme::Negotiate, Some("TlRM")),
            (&["Basic realm=\"NTLM\""], Scheme::Ntlm, None),
            (&[], Scheme::Ntlm, None),
        ] {
            assert_eq!(challenge(headers.iter().copied(), scheme), found, "{headers:?}");
        }
    }

    #[test]
    fn an_answer_needs_a_challenge() {
        let mut handshake = Handshake::new(&Credential::new("operator", "secret"));
        let first = STANDARD.decode(handshake.first().unwrap()).unwrap();
        assert_eq!(first[..12], *b"NTLMSSP\0\x01\0\0\0");
        for wrong in ["!", "", "TlRMTVNTUAACAAAA", &STANDARD.encode([0xff; 200]), &"A".repeat(9000)] {
            let said = handshake.answer(wrong, None).unwrap_err();
            assert!(!said.contains("secret"), "{said}");
        }
    }

    /// A challenge that a station could send.
    fn a_challenge(first: &str) -> Vec<u8> {
        let mut server = Ntlm::new();
        let mut identity = Some(AuthIdentityBuffers::from_utf8("operator", "", "secret"));
        let mut input = [SecurityBuffer::new(STANDARD.decode(first).unwrap(), BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let builder = server
            .accept_security_context()
            .with_credentials_handle(&mut identity)
            .with_context_requirements(sspi::ServerRequestFlags::ALLOCATE_MEMORY)
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        server.accept_security_context_impl(builder).unwrap().resolve_to_result().unwrap();
        output[0].buffer.clone()
    }

    #[test]
    fn a_binding_is_the_hash_of_the_certificate_by_its_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = rcgen::CertificateParams::new(vec!["lab".into()]).unwrap().self_signed(&key).unwrap();
            let binding = channel_binding(certificate.der());
            assert_eq!(binding.as_ref().map(|binding| binding.len() - "tls-server-end-point:".len()), length);
        }
    }

    proptest! {
        #[test]
        fn any_challenge_is_answered_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), signed in any::<bool>()) {
            let mut handshake = Handshake::new(&Credential::new("operator", "secret"));
            handshake.first().unwrap();
            let head: &[u8] = if signed { b"NTLMSSP\0\x02\0\0\0" } else { b"" };
            let _ = handshake.answer(&STANDARD.encode([head, &bytes].concat()), None);
        }

        #[test]
        fn a_damaged_challenge_is_answered_or_refused(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in 0_usize..40) {
            let mut handshake = Handshake::new(&Credential::new("operator", "secret"));
            let mut challenge = a_challenge(&handshake.first().unwrap());
            for (place, byte) in damage {
                let place = place.index(challenge.len());
                challenge[place] = byte;
            }
            challenge.truncate(challenge.len() - cut.min(challenge.len()) * usize::from(cut > 20));
            let _ = handshake.answer(&STANDARD.encode(&challenge), Some(b"tls-server-end-point:x"));
        }

        #[test]
        fn any_bytes_are_a_certificate_or_not(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = channel_binding(&bytes);
            let _ = channel_binding(&[&[0x30, 0x40][..], &bytes].concat());
        }
    }
}
