//! Files of the page, embedded.

use axum::http::header;
use axum::response::IntoResponse;

/// The sign of the page in a browser's tab.
pub(crate) async fn icon() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=300")],
        include_str!("../templates/icon.svg"),
    )
}

/// The style sheet.
pub(crate) async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")],
        include_str!("../templates/status.css"),
    )
}

/// What the page of the API adds to it.
pub(crate) async fn reference_style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")],
        include_str!("../templates/reference.css"),
    )
}
