//! Requests that leave: one client, TLS by ring, no redirects, an end to every wait.

use std::sync::Arc;

use chrono::TimeDelta;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use stationkeeper_pipeline::chain;
use stationkeeper_pipeline::deliver::NotifyError;
use stationkeeper_rules::Refusal;

use crate::{ConnectionsError, LIMIT};

/// A client that trusts the public authorities and these (PEM).
pub(crate) fn client(authorities: Option<&[u8]>) -> Result<Client, ConnectionsError> {
    let cannot = |reason: String| ConnectionsError::Client { reason };
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(authorities.unwrap_or_default()) {
        let certificate = certificate.map_err(|error| cannot(format!("the authorities are no PEM ({error})")))?;
        roots.add(certificate).map_err(|error| cannot(chain(&error)))?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot(chain(&error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        // A redirect would take signature and text to where nobody sent them.
        .redirect(Policy::none())
        .timeout(LIMIT)
        .user_agent(concat!("stationkeeper/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| cannot(chain(&error)))
}

/// Sends it; any 2xx is a yes.
pub(crate) async fn post(request: RequestBuilder) -> Result<(), NotifyError> {
    // Its URL is a secret.
    let answer = request.send().await.map_err(|error| NotifyError::passing(chain(&error.without_url())))?;
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    judge(answer.status(), asked)
}

/// What an answer means. `retry_after`: seconds that it asks for.
fn judge(status: StatusCode, retry_after: Option<i64>) -> Result<(), NotifyError> {
    if status.is_success() {
        return Ok(());
    }
    let refusal = match status.as_u16() {
        429 | 503 => match retry_after.and_then(TimeDelta::try_seconds) {
            Some(asked) => Refusal::PassingAfter(asked),
            None => Refusal::Passing,
        },
        // A secret that is being changed answers so for a while.
        401 | 403 | 408 | 425 => Refusal::Passing,
        400..=499 => Refusal::Permanent,
        300..=399 => Refusal::Permanent,
        _ => Refusal::Passing,
    };
    Err(NotifyError { reason: format!("it answered {status}"), refusal, reached: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_to_come_again() {
        let after = |seconds| Refusal::PassingAfter(TimeDelta::seconds(seconds));
        for (status, asked, refusal) in [
            (200, None, None),
            (204, None, None),
            (301, None, Some(Refusal::Permanent)),
            (400, None, Some(Refusal::Permanent)),
            (401, None, Some(Refusal::Passing)),
            (404, Some(9), Some(Refusal::Permanent)),
            (410, None, Some(Refusal::Permanent)),
            (408, None, Some(Refusal::Passing)),
            (425, None, Some(Refusal::Passing)),
            (429, None, Some(Refusal::Passing)),
            (429, Some(120), Some(after(120))),
            (500, Some(120), Some(Refusal::Passing)),
            (503, Some(7), Some(after(7))),
            (503, Some(i64::MAX), Some(Refusal::Passing)),
        ] {
            let judged = judge(StatusCode::from_u16(status).unwrap(), asked);
            assert_eq!(judged.err().map(|error| error.refusal), refusal, "{status}");
        }
    }
}
