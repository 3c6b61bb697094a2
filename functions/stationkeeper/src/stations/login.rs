//! Who a connection is: NTLM logs a connection in, not a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::Options;
use super::ntlm::Challenge;

/// How far a connection's login is.
#[derive(Debug, Default)]
pub(super) enum Login {
    /// Nobody yet.
    #[default]
    Nobody,
    /// It was asked for its proof.
    Challenged(Box<Challenge>),
    /// The station's account.
    Known,
}

/// What a request's login comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is answered.
    Admitted,
    /// It is not, and here is what can be tried.
    Refused,
    /// It is not yet: `WWW-Authenticate` says this.
    Continue(String),
}

/// Seconds from 1601 to 1970.
const EPOCH: i64 = 11_644_473_600;

impl Login {
    /// Looks at a request. `binding`: of the certificate that the connection shows.
    pub fn of(
        &mut self,
        headers: &HeaderMap,
        options: &Options,
        host: &str,
        now: DateTime<Utc>,
        binding: [u8; 16],
    ) -> Outcome {
        let Some(value) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return if matches!(self, Self::Known) { Outcome::Admitted } else { Outcome::Refused };
        };
        let challenge = std::mem::take(self);
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        let Ok(token) = STANDARD.decode(token.trim()) else { return Outcome::Refused };
        if scheme.eq_ignore_ascii_case("basic") {
            // Each request carries it.
            let text = text(token);
            let admitted = text.split_once(':').is_some_and(|(user, word)| options.account.is(user, word));
            return if options.basic && admitted { Outcome::Admitted } else { Outcome::Refused };
        }
        if !scheme.eq_ignore_ascii_case("ntlm") && !scheme.eq_ignore_ascii_case("negotiate") {
            return Outcome::Refused;
        }
        let answered = match challenge {
            Self::Challenged(challenge) => challenge.accepts(&token, &options.account, binding),
            Self::Nobody | Self::Known => Err(super::ntlm::Refused::Malformed),
        };
        match answered {
            Ok(()) => {
                *self = Self::Known;
                Outcome::Admitted
            }
            Err(why) => {
                let mut nonce = [0; 8];
                let begun = getrandom::fill(&mut nonce).is_ok();
                let time = (now.timestamp() + EPOCH).saturating_mul(10_000_000);
                let time = u64::try_from(time).unwrap_or_default();
                match Challenge::new(&token, host, nonce, time) {
                    Ok(challenge) if begun => {
                        let said = format!("{scheme} {}", STANDARD.encode(challenge.message()));
                        *self = Self::Challenged(Box::new(challenge));
                        Outcome::Continue(said)
                    }
                    _ => {
                        tracing::debug!(error = %why, "a login at {host} was refused");
                        Outcome::Refused
                    }
                }
            }
        }
    }
}

/// Clients disagree on letters beyond ASCII: what is no UTF-8 is Latin-1.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stations::Account;

    fn login(basic: bool, value: Option<&str>) -> Outcome {
        let account = Account { user: "labadmin".to_owned(), password: "pa:ss".to_owned() };
        let options = Options { account, basic, wake_port: 0 };
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        Login::default().of(&headers, &options, "LAB-WS01", DateTime::UNIX_EPOCH, [0; 16])
    }

    #[test]
    fn only_who_says_name_and_password_is_admitted() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (shows, allowed, value, admitted) in [
            ("name and password", true, Some(basic("labadmin:pa:ss")), true),
            ("the name with its domain", true, Some(basic("LAB\\LabAdmin:pa:ss")), true),
            ("another password", true, Some(basic("labadmin:pa")), false),
            ("Basic is not allowed", false, Some(basic("labadmin:pa:ss")), false),
            ("nothing", true, None, false),
            ("no base64", true, Some("Basic §".replace('§', "*")), false),
            ("another scheme", true, Some("Bearer YQ==".to_owned()), false),
            (
                "the third message without the first",
                true,
                Some(format!("NTLM {}", STANDARD.encode("NTLMSSP\0\x03\0\0\0"))),
                false,
            ),
        ] {
            assert_eq!(login(allowed, value.as_deref()) == Outcome::Admitted, admitted, "{shows}");
        }
    }
}
