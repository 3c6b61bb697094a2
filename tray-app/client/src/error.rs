//! What went wrong with a request.

use std::error::Error;

use stationkeeper_tray_view::pairing::Fingerprint;

/// Why there is no answer to go by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The gateway did not do it, and says why.
    #[error("{text}")]
    Refused {
        /// 400 and so on.
        status: u16,
        /// A word to decide by.
        code: String,
        /// A sentence to show.
        text: String,
        /// Finds the request in the gateway's log.
        request_id: String,
        /// Seconds after which it may be asked again.
        retry_after: Option<u64>,
    },
    /// The token is no longer taken.
    #[error("the gateway does not take the token any more")]
    TokenRefused,
    /// The certificate is not to be trusted; nothing was sent.
    #[error("the gateway's certificate is not the one that is trusted ({0})")]
    Certificate(Fingerprint),
    /// Nobody knows the name.
    #[error("the gateway's name is not known")]
    Name,
    /// Nothing answers, or not to the end.
    #[error("the gateway does not answer ({0})")]
    Away(String),
    /// What answers is something else.
    #[error("what answers is no gateway ({0})")]
    NotAGateway(String),
    /// The client could not be made.
    #[error("cannot prepare connections ({0})")]
    Client(String),
}

impl ClientError {
    /// The error of a request that got no answer.
    pub(crate) fn of(error: reqwest::Error) -> Self {
        // Its address is known anyhow, and may hold what is nobody's business.
        let error = error.without_url();
        let text = chain(&error);
        if error.is_decode() {
            return Self::NotAGateway(text);
        }
        match error.is_connect() && is_about_the_name(&error) {
            true => Self::Name,
            false => Self::Away(text),
        }
    }
}

/// All of it, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// No type says so, on no system; the connector calls it a DNS error.
fn is_about_the_name(error: &dyn Error) -> bool {
    chain(error).contains("dns error")
}
