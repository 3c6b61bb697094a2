//! `Idempotency-Key`: a request that names itself by a key is carried out once, however often it is sent (gateway.md section 1). One layer
//! around the API; no handler knows of it, but that it marks an answer which holds a secret ([`Secret`]).

use std::collections::BTreeMap;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stationkeeper_store::{ClaimTimes, KeyClaim, KeyedRequest, StoreError};

use crate::Gateway;
use crate::actor::Actor;
use crate::error::{ApiError, ErrorParts};
use crate::repeating::repeating;
use crate::token::random;

/// By which a caller names a request.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is one that was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key, in characters.
const LONGEST: usize = 255;
/// How long an answer is kept, in a person's time.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// Longer than any request of the API may take (`router::TIME_LIMIT`): whoever holds one longer has died.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Largest answer that is kept, in bytes; ours are far smaller.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// What is kept of an answer's headers.
const HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// An answer that holds a secret, which is shown once and kept nowhere.
pub(crate) struct Secret<T>(pub T);

/// The mark of such an answer.
#[derive(Clone, Copy)]
struct HoldsSecret;

impl<T: Serialize> IntoResponse for Secret<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.0).into_response();
        response.extensions_mut().insert(HoldsSecret);
        response
    }
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kept {
    /// A success.
    Answer { status: u16, headers: BTreeMap<String, String>, body: String },
    /// A refusal: it gets the id of the request that it is told to.
    Refusal { status: u16, code: String, error: String },
    /// It held a secret.
    Withheld,
}

/// Around every `POST` of `/api/v1`. Whoever is not known is left to the handler, which refuses them or (pairing) knows a secret that
/// works once.
pub(crate) async fn once(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let is_ours = request.method() == Method::POST && request.uri().path().starts_with("/v1/");
    if !is_ours || !request.headers().contains_key(&KEY) {
        return next.run(request).await;
    }
    match keyed(&gateway, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn keyed(gateway: &Gateway, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let key = key(&parts.headers)?;
    let Ok(actor) = Actor::from_request_parts(&mut parts, gateway).await else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let whole = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(whole, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
        _ => ApiError::BadRequest("the body could not be read".to_owned()),
    })?;
    let request = KeyedRequest {
        token_id: actor.token_id().to_owned(),
        key,
        sha256: digest(&parts, &body),
        claimed_by: hex::encode(random()?),
    };
    match claim(gateway, &request).await? {
        KeyClaim::Taken => {}
        KeyClaim::OtherRequest => return Err(ApiError::KeyOfOtherRequest),
        KeyClaim::InFlight { until } => {
            return Err(ApiError::InFlight { seconds: gateway.persons_seconds(until - gateway.now()) });
        }
        KeyClaim::Answered(answer) => return replayed(&answer),
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    settled(gateway, &request, response).await
}

/// 1 to 255 visible ASCII characters, once.
pub(crate) fn key(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut said = headers.get_all(&KEY).iter();
    let (first, second) = (said.next().map(HeaderValue::as_bytes).unwrap_or_default(), said.next());
    let is_fine = (1..=LONGEST).contains(&first.len()) && first.iter().all(u8::is_ascii_graphic) && second.is_none();
    match std::str::from_utf8(first) {
        Ok(key) if is_fine => Ok(key.to_owned()),
        _ => Err(ApiError::BadRequest(format!("Idempotency-Key is 1 to {LONGEST} visible ASCII characters, once"))),
    }
}

/// What makes it this request: its method, its address (without `/api` or `/ops/api`) and its body.
fn digest(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in [parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default()] {
        hash.update(piece.as_bytes());
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}

async fn claim(gateway: &Gateway, request: &KeyedRequest) -> Result<KeyClaim, StoreError> {
    let now = gateway.now();
    let times =
        ClaimTimes { now, claimed_until: now + gateway.lasting(LEASE), expires_at: now + gateway.lasting(KEPT) };
    repeating!(gateway.store().claim_request(request, times))
}

/// Keeps what may be kept. An answer that could not be kept is given all the same: it is what happened, and the lease ends.
async fn settled(gateway: &Gateway, request: &KeyedRequest, response: Response) -> Result<Response, ApiError> {
    let status = response.status();
    let parts = response.extensions().get::<ErrorParts>().cloned();
    let (response, kept) = if response.extensions().get::<HoldsSecret>().is_some() {
        (response, Some(Kept::Withheld))
    } else if status.is_server_error() {
        (response, None)
    } else if let Some(ErrorParts { text, code }) = parts {
        (response, Some(Kept::Refusal { status: status.as_u16(), code: code.into_owned(), error: text }))
    } else {
        answer(response).await?
    };
    let done = match kept.map(|kept| serde_json::to_string(&kept)) {
        Some(Ok(kept)) => gateway.store().keep_answer(request, &kept).await,
        Some(Err(_)) | None => gateway.store().release_request(request).await,
    };
    if let Err(error) = done {
        tracing::warn!(error = &error as &dyn std::error::Error, "the answer of a request with a key is not kept");
    }
    Ok(response)
}

async fn answer(response: Response) -> Result<(Response, Option<Kept>), ApiError> {
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, ANSWER_LIMIT).await.map_err(|_too_large| ApiError::TooSlow)?;
    let said = |name: &HeaderName| Some((name.to_string(), head.headers.get(name)?.to_str().ok()?.to_owned()));
    let headers = HEADERS.iter().filter_map(said).collect();
    let kept = String::from_utf8(bytes.to_vec()).ok();
    let kept = kept.map(|body| Kept::Answer { status: head.status.as_u16(), headers, body });
    Ok((Response::from_parts(head, Body::from(bytes)), kept))
}

/// An answer that was kept, as one.
fn replayed(kept: &str) -> Result<Response, ApiError> {
    let kept: Kept = serde_json::from_str(kept).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a kept answer cannot be read");
        ApiError::AnswerNotKept
    })?;
    let (status, mut response) = match kept {
        Kept::Withheld => return Err(ApiError::AnswerNotKept),
        Kept::Refusal { status, code, error } => {
            let mut response = ().into_response();
            response.extensions_mut().insert(ErrorParts { text: error, code: code.into() });
            (status, response)
        }
        Kept::Answer { status, headers, body } => {
            let mut response = Response::new(Body::from(body));
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            (status, response)
        }
    };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_a_length_and_said_once() {
        let long = "k".repeat(255);
        let longer = "k".repeat(256);
        for (said, fine) in [
            (vec!["1f0c-9a"], true),
            (vec!["\"quoted\""], true),
            (vec![long.as_str()], true),
            (vec![longer.as_str()], false),
            (vec![""], false),
            (vec!["two words"], false),
            (vec!["tab\t"], false),
            (vec!["a", "b"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in &said {
                headers.append(KEY, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(key(&headers).is_ok(), fine, "{said:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(KEY, HeaderValue::from_bytes(b"\xc3\xb1").unwrap());
        assert!(key(&headers).is_err(), "ñ");
    }
}
