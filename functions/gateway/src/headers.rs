//! Headers that every answer carries.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::Gateway;

/// Allows nothing: answers of the API are not pages.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// What a page of ours may do: its own style sheet and forms, no script at all.
pub(crate) const PAGE: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A browser that has seen this comes by HTTPS alone, for a year.
const HTTPS: &str = "max-age=31536000";

/// Adds them; what a handler has set stays.
pub(crate) async fn headers(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, NOTHING),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Under `no-referrer` a browser says `Origin: null` of our own forms too, and they could not be told from foreign ones.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if gateway.shared().options.tls.is_some() {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS));
    }
    response
}
