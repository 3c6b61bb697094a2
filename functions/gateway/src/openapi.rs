//! `GET /api/openapi.json`: the document of the API (OpenAPI 3.1), made from the routes themselves. What is the same everywhere is said
//! here: how a caller shows who they are, how errors look, and which of them any address may give.

use std::sync::LazyLock;

use axum::Json;
use stationkeeper_api::ErrorBody;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoParams, OpenApi};

use crate::actor::{Actor, COOKIE};
use crate::error::ApiError;
use crate::extract::{NoParameters, Query};
use crate::router::described;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stationkeeper",
        description = include_str!("openapi.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The gateway that this document comes from")),
    security(("token" = []), ("header" = []), ("session" = [])),
    tags(
        (name = "stations", description = "The PCs of the laboratories, with their latest state."),
        (name = "alerts", description = "What needs somebody, since when and why."),
        (name = "silences", description = "What nobody shall be told of for a while."),
        (name = "reservations", description = "Who uses which station when."),
        (name = "evidence", description = "What is kept for whoever settles a dispute."),
        (name = "live", description = "What changes, as it changes."),
        (name = "access", description = "Who may do what, and who did."),
        (name = "operation", description = "Whether the system itself is well; what a bucket says."),
        (name = "older service", description = "Addresses of ops-worker, with its spellings and texts."),
    ),
    components(schemas(ErrorBody)),
)]
struct About;

/// The language in which sentences are told.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header that `extract::Reader` reads")]
pub(crate) struct AcceptLanguage {
    /// Sentences are told in English, or in Spanish where that comes first.
    #[param(rename = "Accept-Language", example = "es")]
    accept_language: Option<String>,
}

/// What must hold before a change (RFC 9110, section 13.1).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes headers that `reservations::Expected` reads")]
pub(crate) struct Conditions {
    /// Only if it is of this version, or one of several; `*`: only if it is there.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// `*`: only if it is not there yet.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

type Applies = fn(&Operation) -> bool;

/// Errors that any address may give: status, when, and what is said of it.
const COMMON: [(&str, Applies, &str); 5] = [
    ("400", |_| true, "`bad_request`: the text says what; `token_in_query`"),
    ("401", is_closed, "`unauthenticated`: no valid token, and no session"),
    ("413", |operation| operation.request_body.is_some(), "`body_too_large`: over 1 MiB"),
    ("500", |_| true, "`INTERNAL_ERROR`: the log says what"),
    (
        "503",
        |_| true,
        "`not_configured`, `database_away`, `too_slow`, `closing`, `no_networks`, `no_login`: the text says what to do",
    ),
];

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let mut about = About::openapi();
    about.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = about.components.get_or_insert_with(Components::new);
    for (name, scheme) in schemes() {
        components.add_security_scheme(name, scheme);
    }
    let mut document = described(about);
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for (status, applies, said) in COMMON {
            if applies(operation) {
                let answers = &mut operation.responses.responses;
                answers.entry(status.to_owned()).or_insert_with(|| error(said));
            }
        }
    }
    document
});

fn schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token that an admin has made, or that an app was given for a pairing code."))
        .build();
    let header =
        ApiKeyValue::with_description("X-Lab-Manager-Token", "The same token, where the older service has it.");
    let session = ApiKeyValue::with_description(COOKIE, "The session of a browser, half an hour from its login.");
    [
        ("token", SecurityScheme::Http(bearer)),
        ("header", SecurityScheme::ApiKey(ApiKey::Header(header))),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(session))),
    ]
}

/// Somebody must be known to call it.
fn is_closed(operation: &Operation) -> bool {
    let open = SecurityRequirement::default();
    !operation.security.as_ref().is_some_and(|required| required.contains(&open))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn error(said: &str) -> RefOr<utoipa::openapi::Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    ResponseBuilder::new().description(said).content("application/json", content).build().into()
}

/// This document.
///
/// Whoever holds a token may read it, whatever its role: nothing of the API is open but what says so.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "get_openapi", tag = "operation",
    responses((status = OK, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
pub(crate) async fn json(
    _actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<&'static Document>, ApiError> {
    Ok(Json(&*DOCUMENT))
}
