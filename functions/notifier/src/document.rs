//! The webhook: a JSON document, signed.
//!
//! `X-Stationkeeper-Timestamp` is the time of the attempt in seconds since 1970, `X-Stationkeeper-Signature` is `sha256=` and the
//! HMAC-SHA256 of `TIMESTAMP.BODY` by the connection's secret, in hexadecimal digits. `Idempotency-Key` is the message's id, the same
//! with every attempt.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use sha2::Sha256;
use stationkeeper_api::text;
use stationkeeper_pipeline::deliver::NotifyError;
use stationkeeper_rules::{Cause, Language, Message, MessageKind, NewsEvent, Problem};

use crate::Wording;
use crate::connections::Webhook;
use crate::wording::of_texts;

/// Header of the message's id.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Header of the instant that is signed.
pub const TIMESTAMP: &str = "x-stationkeeper-timestamp";
/// Header of the signature.
pub const SIGNATURE: &str = "x-stationkeeper-signature";

/// What a webhook is sent. Keys are added, never changed.
#[derive(Serialize)]
struct Document<'a> {
    id: &'a str,
    kind: MessageKind,
    receiver: &'a str,
    lab: Option<&'a str>,
    made_at: DateTime<Utc>,
    subject: &'a str,
    news: Vec<NewsItem<'a>>,
    current: Vec<Alert<'a>>,
    link: Option<&'a str>,
}

#[derive(Serialize)]
struct NewsItem<'a> {
    event: NewsEvent,
    at: DateTime<Utc>,
    text: String,
    cause: &'a Cause,
    alert: Alert<'a>,
}

#[derive(Serialize)]
struct Alert<'a> {
    text: String,
    #[serde(flatten)]
    problem: &'a Problem,
}

pub(crate) fn body(message: &Message, language: Language, wording: &Wording) -> Result<String, NotifyError> {
    let language = of_texts(language);
    let alert = |problem: &Problem| text(language, &problem.cause);
    let document = Document {
        id: &message.id.0,
        kind: message.kind,
        receiver: &message.receiver,
        lab: message.lab.as_deref(),
        made_at: message.made_at,
        subject: &wording.subject,
        news: message
            .news
            .iter()
            .map(|news| NewsItem {
                event: news.event,
                at: news.at,
                text: text(language, &news.cause),
                cause: &news.cause,
                alert: Alert { text: alert(&news.problem), problem: &news.problem },
            })
            .collect(),
        current: message.current.iter().map(|problem| Alert { text: alert(problem), problem }).collect(),
        link: wording.link.as_deref(),
    };
    serde_json::to_string(&document)
        .map_err(|error| NotifyError::permanent(format!("it cannot be written as JSON: {error}")))
}

pub(crate) fn request(
    http: &Client,
    to: &Webhook,
    message: &Message,
    body: String,
    now: DateTime<Utc>,
) -> RequestBuilder {
    let request = http
        .post(to.url.expose())
        .header(CONTENT_TYPE, "application/json")
        .header(IDEMPOTENCY_KEY, &message.id.0)
        .header(TIMESTAMP, now.timestamp());
    let request = match &to.secret {
        Some(secret) => {
            request.header(SIGNATURE, signature(secret.expose().as_bytes(), now.timestamp(), body.as_bytes()))
        }
        None => request,
    };
    request.body(body)
}

/// `sha256=` and the HMAC of `timestamp.body`.
pub fn signature(secret: &[u8], timestamp: i64, body: &[u8]) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_other_tools() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let expected = "sha256=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        assert_eq!(signature(b"secret", 1_700_000_000, b"{}"), expected);
    }
}
