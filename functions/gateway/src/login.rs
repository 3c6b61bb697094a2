//! `POST /lab-manager/login` with the form field `token`, and the way out.

use axum::body::Bytes;
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use stationkeeper_api::ErrorBody;
use utoipa::ToSchema;

use crate::Gateway;
use crate::actor::{COOKIE, TOKEN_LIMIT, cookie};
use crate::attempts::WINDOW;
use crate::error::ApiError;
use crate::extract::Reader;
use crate::origin::{by_loopback_name, counted, refuse_foreign};
use crate::session::LASTS;
use crate::status_page::{LoginProblem, login_form};
use crate::token::digest;

#[derive(Deserialize, ToSchema)]
#[schema(as = LoginForm)]
struct Fields {
    /// As it was given.
    #[schema(min_length = 1, max_length = 512)]
    token: String,
}

/// Opens a session of half an hour. A browser's form is led to the page instead of 204.
#[utoipa::path(
    post, path = "/lab-manager/login", operation_id = "login", tag = "access", security(()),
    request_body(content = Fields, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = NO_CONTENT, description = "Logged in", headers(("Set-Cookie" = String, description = "The session"))),
        (status = SEE_OTHER, description = "Logged in, for a browser's form", headers(("Location" = String))),
        (status = UNAUTHORIZED, description = "`unauthenticated`: no such token", body = ErrorBody),
        (status = FORBIDDEN, description = "`foreign_origin`: the page of another site asks", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "`too_many_attempts`: see `Retry-After`", body = ErrorBody),
    ),
)]
pub(crate) async fn login(
    State(gateway): State<Gateway>,
    Reader(language): Reader,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    refuse_foreign(&parts.headers)?;
    let from_form = wants_page(&parts.headers);
    let origin = counted(&parts);
    let headers = parts.headers.clone();
    let now = gateway.now();
    if let Some(wait) = gateway.shared().attempts.logins.wait(&origin, now) {
        let seconds = gateway.persons_seconds(wait);
        let refusal = ApiError::TooManyAttempts { seconds };
        return if from_form { login_form(language, Some(LoginProblem::Wait { seconds })) } else { Err(refusal) };
    }
    let Form(fields) = Form::<Fields>::from_request(Request::from_parts(parts, body), &())
        .await
        .map_err(|_rejection| ApiError::BadRequest("the form field token is missing".to_owned()))?;
    let token = fields.token.trim();
    if token.is_empty() || token.chars().count() > TOKEN_LIMIT {
        return Err(ApiError::BadRequest(format!("the form field token has 1 to {TOKEN_LIMIT} characters")));
    }
    let sha256 = digest(token.as_bytes());
    if gateway.holder(&sha256, None).await?.is_none() {
        gateway.shared().attempts.logins.count(&origin, now, now + gateway.lasting(WINDOW));
        tracing::warn!("somebody tried to log in with a token that is not valid");
        return if from_form {
            login_form(language, Some(LoginProblem::Wrong))
        } else {
            Err(gateway.refusal().await?)
        };
    }
    gateway.shared().attempts.logins.forget(&origin);
    let value = gateway.shared().sessions.open(sha256, now, now + gateway.lasting(LASTS))?;
    let set =
        set_cookie(&value, LASTS.num_seconds(), gateway.shared().options.tls.is_some() || !by_loopback_name(&headers));
    Ok(done(from_form, &set))
}

/// Ends the session of this browser. Also at `/admin/logout`, where the older service has it.
#[utoipa::path(
    post, path = "/lab-manager/logout", operation_id = "logout", tag = "access", security(()),
    responses(
        (status = NO_CONTENT, description = "Logged out", headers(("Set-Cookie" = String, description = "Removes the session"))),
        (status = SEE_OTHER, description = "Logged out, for a browser's form", headers(("Location" = String))),
        (status = FORBIDDEN, description = "`foreign_origin`: the page of another site asks", body = ErrorBody),
    ),
)]
pub(crate) async fn logout(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    _body: Bytes,
) -> Result<Response, ApiError> {
    refuse_foreign(&headers)?;
    if let Some(cookie) = cookie(&headers) {
        gateway.shared().sessions.end(cookie);
    }
    let set = set_cookie("", 0, gateway.shared().options.tls.is_some() || !by_loopback_name(&headers));
    Ok(done(wants_page(&headers), &set))
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn set_cookie(value: &str, seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn done(from_form: bool, cookie: &str) -> Response {
    let mut response = match from_form {
        true => (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    };
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
