//! Names each request, echoes the name, and writes the body of every error with it.

use axum::Json;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use stationkeeper_api::ErrorBody;
use tracing::Instrument;

use crate::error::{ApiError, ErrorParts};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request, for whoever writes it down.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Of this request; none in a test without the layer.
    pub fn of(parts: &Parts) -> Option<String> {
        parts.extensions.get::<Self>().map(|id| id.0.clone())
    }
}

/// The outermost layer but the headers: what comes from within is dressed here.
pub(crate) async fn request_id(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| acceptable(id));
    let id = match given {
        Some(id) => id.to_owned(),
        None => match fresh() {
            Ok(id) => id,
            Err(error) => return ApiError::from(error).into_response(),
        },
    };
    let span = tracing::info_span!("request", request.id = %id, http.method = %request.method(), http.path = request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span).await;
    if let Some(parts) = error_parts(&mut response) {
        let success = ["unauthenticated", "not_configured"].contains(&parts.code.as_ref()).then_some(false);
        let body = ErrorBody { error: parts.text, code: parts.code.into_owned(), request_id: id.clone(), success };
        let (mut head, _) = response.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::CONTENT_TYPE);
        let written = Json(body).into_response();
        let mut dressed = Response::from_parts(head, axum::body::Body::empty());
        dressed.headers_mut().extend(written.headers().clone());
        *dressed.body_mut() = written.into_body();
        response = dressed;
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What a handler left, or what the framework meant by a bare status.
fn error_parts(response: &mut Response) -> Option<ErrorParts> {
    if let Some(parts) = response.extensions_mut().remove::<ErrorParts>() {
        return Some(parts);
    }
    let said = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().starts_with(b"application/json") || kind.as_bytes().starts_with(b"text/html")
    });
    if said || !(response.status().is_client_error() || response.status().is_server_error()) {
        return None;
    }
    let (code, text) = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", ApiError::BodyTooLarge.to_string()),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", ApiError::MethodNotAllowed.to_string()),
        StatusCode::NOT_FOUND => ("unknown_address", ApiError::UnknownAddress.to_string()),
        status if status.is_server_error() => ("INTERNAL_ERROR", "Internal server error".to_owned()),
        status => ("bad_request", status.canonical_reason().unwrap_or("bad request").to_lowercase()),
    };
    Some(ErrorParts { text, code: code.into() })
}

fn acceptable(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}

fn fresh() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_caller_is_kept_when_it_is_short_and_plain() {
        for (id, kept) in [
            ("a", true),
            ("a.b:c-1", true),
            ("a_b", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("ñ", false),
            (&"x".repeat(128), true),
            (&"x".repeat(129), false),
        ] {
            assert_eq!(acceptable(id), kept, "{id}");
        }
    }
}
