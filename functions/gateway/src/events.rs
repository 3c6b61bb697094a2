//! `POST /events/s3`: what a bucket says of its objects. 200 only after the commit: whoever is answered otherwise sends again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use subtle::ConstantTimeEq;

use crate::Gateway;
use crate::actor::{TOKEN_LIMIT, sent_token};
use crate::error::ApiError;
use crate::token::digest;

/// What became of a bucket's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// It is in the database, or recorded as one that says nothing.
    Taken,
    /// Nothing could be written.
    NotWritten,
    /// Its object could not be read yet, or not written.
    NotTaken,
}

/// Takes the body of one request.
pub type TakeEvent = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = EventOutcome> + Send>> + Send + Sync>;

/// Who takes events, and by which token they come.
#[derive(Clone)]
pub struct EventReceiver {
    sha256: [u8; 32],
    take: TakeEvent,
}

impl EventReceiver {
    /// Only requests with this token are taken.
    pub fn new(token: &str, take: TakeEvent) -> Self {
        Self { sha256: digest(token.as_bytes()), take }
    }

    fn lets_in(&self, sent: Option<&[u8]>) -> bool {
        sent.is_some_and(|sent| sent.len() <= TOKEN_LIMIT && bool::from(digest(sent).ct_eq(&self.sha256)))
    }
}

impl fmt::Debug for EventReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReceiver").finish_non_exhaustive()
    }
}

/// What a bucket says of its objects.
///
/// It comes with a token of its own (`STATIONKEEPER_EVENTS_TOKEN`), which is looked at before a byte of the body is read.
#[utoipa::path(
    post, path = "/events/s3", operation_id = "receive_bucket_event", tag = "operation", security(("token" = [])),
    request_body(content = Value, content_type = "application/json", description = "An event of a bucket, in any of the forms that S3, MinIO and others send"),
    responses(
        (status = OK, description = "Its rows are committed", body = Value, example = json!({ "taken": true })),
        (status = NOT_FOUND, description = "`unknown_address`: nobody takes events here", body = ErrorBody),
    ),
)]
pub(crate) async fn receive(State(gateway): State<Gateway>, request: Request) -> Result<Json<Value>, ApiError> {
    let Some(receiver) = gateway.shared().options.events.clone() else { return Err(ApiError::UnknownAddress) };
    if !receiver.lets_in(sent_token(request.headers())) {
        return Err(ApiError::Unauthenticated);
    }
    let bytes = Bytes::from_request(request, &gateway).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
        _ => ApiError::BadRequest("the body could not be read".to_owned()),
    })?;
    let body = String::from_utf8(bytes.to_vec())
        .map_err(|_not_utf8| ApiError::BadRequest("the body is no text in UTF-8".to_owned()))?;
    if body.trim().is_empty() {
        return Err(ApiError::BadRequest("the body is empty: an event is wanted".to_owned()));
    }
    match (receiver.take)(body).await {
        EventOutcome::Taken => Ok(Json(json!({ "taken": true }))),
        EventOutcome::NotWritten => Err(ApiError::EventNotWritten),
        EventOutcome::NotTaken => Err(ApiError::EventNotTaken),
    }
}
