//! Query, path and body, with our own rejections.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use stationkeeper_api::Language;
use stationkeeper_station_link::split;
use stationkeeper_telemetry::parse_instant;

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

/// The body as it was sent.
pub(crate) struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
            _ => ApiError::BadRequest("the body could not be read".to_owned()),
        })
    }
}

/// A JSON object, whatever the Content-Type; no body is `{}`. `T` denies unknown fields.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        let bytes = if bytes.trim_ascii().is_empty() { &b"{}"[..] } else { &bytes[..] };
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::BadRequest("the body is not a JSON object".to_owned()));
        }
        serde_json::from_slice(bytes).map(Self).map_err(|error| ApiError::BadRequest(format!("body: {error}")))
    }
}

/// A body as the older service reads it: whatever cannot be read, and whatever is nothing (`null`, `[]`, `""`), counts as `{}`, so that
/// the answer is what is missing in it; another JSON value that is no object is an error.
pub(crate) struct OldBody(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for OldBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        match serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes)) {
            Ok(Value::Object(body)) => Ok(Self(body)),
            Ok(value) if is_nothing(&value) => Ok(Self(Map::new())),
            Ok(_) => Err(ApiError::BadRequest("the body is not a JSON object".to_owned())),
            Err(_malformed) => Ok(Self(Map::new())),
        }
    }
}

/// A query as the older service reads it: unknown parameters are ignored.
pub(crate) struct OldQuery(pub Map<String, Value>);

impl<S: Send + Sync> FromRequestParts<S> for OldQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // The first of a name counts; what cannot be read counts as nothing.
        let read = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let pairs = read.map(|query| query.0).unwrap_or_default();
        Ok(Self(pairs.into_iter().rev().map(|(name, value)| (name, Value::String(value))).collect()))
    }
}

/// What says nothing.
pub(crate) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(said) => !said,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The first of these fields that says something. A number is its text: callers have numbers for laboratories and reservations.
pub(crate) fn first_text(body: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match body.get(*name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A list of texts, or one text as a person would type it.
pub(crate) fn texts(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, ApiError> {
    let no_list = || ApiError::BadRequest(format!("{name} is a list of texts"));
    match body.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|one| match one {
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                _ => Err(no_list()),
            })
            .collect(),
        Some(Value::String(text)) => Ok(split(text)),
        Some(_) => Err(no_list()),
    }
}

/// A number, or its text, as callers of the older service send it; none: it says nothing.
pub(crate) fn number(body: &Map<String, Value>, name: &str, least: u32, most: u32) -> Result<Option<u32>, ApiError> {
    let said = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => String::new(),
    };
    said.strip_suffix(".0")
        .unwrap_or(&said)
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .map(Some)
        .ok_or_else(|| ApiError::BadRequest(format!("{name} is a number from {least} to {most}")))
}

/// A number of seconds, or its text, with a fraction if the caller likes; none: it says nothing.
pub(crate) fn seconds(body: &Map<String, Value>, name: &str, most: u32) -> Result<Option<Duration>, ApiError> {
    let said = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    said.filter(|seconds| (0.0..=f64::from(most)).contains(seconds))
        .map(|seconds| Some(Duration::from_secs_f64(seconds)))
        .ok_or_else(|| ApiError::BadRequest(format!("{name} is a number from 0 to {most}")))
}

/// Yes or no, as callers of the older service write it.
pub(crate) fn yes(body: &Map<String, Value>, name: &str, default: bool) -> bool {
    match body.get(name) {
        None | Some(Value::Null) => default,
        Some(Value::Bool(said)) => *said,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => {
            !["false", "0", "no", "off"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
        }
        Some(Value::Array(_) | Value::Object(_)) => default,
    }
}

/// An instant among the query parameters.
pub(crate) fn instant(name: &str, text: &str) -> Result<DateTime<Utc>, ApiError> {
    parse_instant(text).map_err(|error| ApiError::BadRequest(format!("{name}: {error}")))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_as_numbers_or_as_texts_within_their_range() {
        for (value, expected) in [
            (json!({}), Some(None)),
            (json!({ "attempts": null }), Some(None)),
            (json!({ "attempts": 1 }), Some(Some(1))),
            (json!({ "attempts": " 10 " }), Some(Some(10))),
            (json!({ "attempts": 2.0 }), Some(Some(2))),
            (json!({ "attempts": 2.5 }), None),
            (json!({ "attempts": 0 }), None),
            (json!({ "attempts": "11" }), None),
            (json!({ "attempts": -1 }), None),
            (json!({ "attempts": true }), None),
            (json!({ "attempts": "many" }), None),
        ] {
            let body = value.as_object().unwrap();
            assert_eq!(number(body, "attempts", 1, 10).ok(), expected, "{value}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        for (value, expected) in [
            (json!({}), Some(None)),
            (json!({ "ping_timeout": 0 }), Some(Some(0))),
            (json!({ "ping_timeout": 0.25 }), Some(Some(250))),
            (json!({ "ping_timeout": " 1.5 " }), Some(Some(1_500))),
            (json!({ "ping_timeout": 60 }), Some(Some(60_000))),
            (json!({ "ping_timeout": 60.1 }), None),
            (json!({ "ping_timeout": -1 }), None),
            (json!({ "ping_timeout": "nan" }), None),
            (json!({ "ping_timeout": [] }), None),
        ] {
            let read = seconds(value.as_object().unwrap(), "ping_timeout", 60).ok();
            assert_eq!(read.map(|read| read.map(|read| read.as_millis())), expected, "{value}");
        }
    }

    #[test]
    fn a_no_is_a_word() {
        for (value, expected) in [
            (json!({}), true),
            (json!({ "wake": null }), true),
            (json!({ "wake": true }), true),
            (json!({ "wake": "yes" }), true),
            (json!({ "wake": 1 }), true),
            (json!({ "wake": false }), false),
            (json!({ "wake": "False" }), false),
            (json!({ "wake": "0" }), false),
            (json!({ "wake": " no " }), false),
            (json!({ "wake": "off" }), false),
            (json!({ "wake": 0 }), false),
        ] {
            assert_eq!(yes(value.as_object().unwrap(), "wake", true), expected, "{value}");
        }
    }

    #[test]
    fn a_list_of_texts_may_be_one_text() {
        for (value, expected) in [
            (json!({}), Some(vec![])),
            (json!({ "args": ["--a=1", 2] }), Some(vec!["--a=1", "2"])),
            (json!({ "args": "--a=1 \"--b=x y\"" }), Some(vec!["--a=1", "--b=x y"])),
            (json!({ "args": [true] }), None),
            (json!({ "args": 7 }), None),
        ] {
            let read = texts(value.as_object().unwrap(), "args").ok();
            assert_eq!(read, expected.map(|list| list.iter().map(|one| one.to_string()).collect()), "{value}");
        }
    }
}
