//! Query, path and body, with our own rejections.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use stationkeeper_api::Language;

use crate::error::ApiError;

/// Query parameters. `T` denies unknown fields: a filter that is misspelt is an error, not a longer list.
pub(crate) struct Query<T>(pub T);

/// For addresses that take none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|rejection| {
            let said = rejection.body_text();
            let reason = said.split_once(": ").map_or(said.as_str(), |(_, reason)| reason);
            ApiError::BadRequest(format!("query parameters: {reason}"))
        })
    }
}

/// The last part of the path.
pub(crate) struct Path(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|_rejection| ApiError::UnknownAddress)
    }
}

/// A JSON object, whatever the Content-Type; no body is `{}`. `T` denies unknown fields.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
            _ => ApiError::BadRequest("the body could not be read".to_owned()),
        })?;
        let bytes = if bytes.trim_ascii().is_empty() { &b"{}"[..] } else { &bytes[..] };
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::BadRequest("the body is not a JSON object".to_owned()));
        }
        serde_json::from_slice(bytes).map(Self).map_err(|error| ApiError::BadRequest(format!("body: {error}")))
    }
}

/// A body as the older service reads it: whatever cannot be read counts as `{}`, so that the answer is what is missing in it; a JSON
/// value that is no object is an error.
pub(crate) struct OldBody(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for OldBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
            _ => ApiError::BadRequest("the body could not be read".to_owned()),
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(body)) => Ok(Self(body)),
            Ok(_) => Err(ApiError::BadRequest("the body is not a JSON object".to_owned())),
            Err(_malformed) => Ok(Self(Map::new())),
        }
    }
}

/// The first of these fields that says something.
pub(crate) fn first_text(body: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match body.get(*name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        _ => None,
    })
}

/// A yes or a no, in one of the words of either.
pub(crate) fn boolean(value: &Value) -> Option<bool> {
    let word = match value {
        Value::Bool(flag) => return Some(*flag),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_lowercase(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    match word.as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The language that the caller reads.
pub(crate) struct Reader(pub Language);

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self(accepted.map(Language::accepted).unwrap_or_default()))
    }
}
