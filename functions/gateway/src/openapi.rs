//! `GET /api/openapi.json`: the document of the API (OpenAPI 3.1), made from the routes themselves. What is the same everywhere is said
//! here: how a caller shows who they are, how errors look, and which of them any address may give.

mod codes;
pub(crate) mod page;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Json;
use serde_json::{Value, json};
use stationkeeper_api::ErrorBody;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams, OpenApi};

use crate::actor::{Actor, COOKIE};
use crate::error::ApiError;
use crate::extract::{NoParameters, Query};
use crate::router::described;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stationkeeper",
        description = include_str!("openapi/about.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The gateway that this document comes from")),
    security(("token" = []), ("header" = []), ("session" = [])),
    tags(
        (name = "stations", description = "The PCs of the laboratories, with their latest state."),
        (name = "alerts", description = "What needs somebody, since when and why."),
        (name = "requests", description = "What instructors ask for, and what became of it."),
        (name = "actions", description = "What rules propose and persons want done to stations."),
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
const COMMON: [(&str, Applies, &str); 7] = [
    ("400", |_| true, "`bad_request`: the text says what; `token_in_query`"),
    ("401", is_closed, "`unauthenticated`: no valid token, and no session"),
    ("408", |operation| operation.request_body.is_some(), "`body_too_slow`: it did not come in time"),
    ("413", |operation| operation.request_body.is_some(), "`body_too_large`: over 1 MiB"),
    ("429", is_closed, "`too_many_attempts`: too many wrong tokens; `too_many_changes`; see `Retry-After`"),
    ("500", |_| true, "`INTERNAL_ERROR`: the log says what"),
    (
        "503",
        |_| true,
        "`not_configured`, `database_away`, `too_slow`, `closing`, `no_networks`, `no_login`: the text says what to do",
    ),
];

/// Examples of schemas, by name.
const EXAMPLES: &str = include_str!("openapi/examples.json");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut about = About::openapi();
    about.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = about.components.get_or_insert_with(Components::new);
    for (name, scheme) in schemes() {
        components.add_security_scheme(name, scheme);
    }
    let mut document = described(about);
    for (path, item) in &mut document.paths.paths {
        if let Some(post) = item.post.as_mut().filter(|post| path.starts_with("/api/v1/") && is_closed(post)) {
            takes_key(post);
        }
    }
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for (status, applies, said) in COMMON {
            if applies(operation) {
                let answers = &mut operation.responses.responses;
                answers.entry(status.to_owned()).or_insert_with(|| error(said));
            }
        }
    }
    // A test looks into it: a document that cannot be written is not shipped.
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    complete(&mut document["components"]["schemas"]);
    document
});

/// What derived schemas cannot say: the words of errors, examples, and that the items of a page have a name.
fn complete(schemas: &mut Value) {
    schemas["ErrorBody"]["properties"]["code"]["enum"] = codes::CODES.iter().map(|(word, _)| *word).collect();
    let examples: BTreeMap<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    for (name, example) in examples {
        if let Some(schema) = schemas.get_mut(format!("Page_{name}")) {
            schema["example"] = json!({ "items": [&example], "next": null });
        }
        schemas[name]["example"] = example;
    }
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        if let Some(item) = name.strip_prefix("Page_") {
            schema["properties"]["items"]["items"] = json!({ "$ref": format!("#/components/schemas/{item}") });
        }
    }
}

/// `idempotency::once`: what every `POST` of somebody known takes.
fn takes_key(operation: &mut Operation) {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[!-~]+$"))
        .build();
    let header = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A word of the caller's for this request: sent again within 24 hours, it is answered as before.",
        ))
        .schema(Some(key))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(header));
    let answers = &mut operation.responses.responses;
    answers.insert("422".to_owned(), error("`key_of_other_request`"));
    let busy = "`request_in_flight`: see `Retry-After`; `answer_not_kept`";
    match answers.get_mut("409") {
        Some(RefOr::T(known)) => known.description = format!("{}; {busy}", known.description),
        _ => drop(answers.insert("409".to_owned(), error(busy))),
    }
}

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

fn error(said: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    ResponseBuilder::new().description(said).content("application/json", content).build().into()
}

/// This document.
///
/// Whoever holds a token may read it, whatever its role: nothing of the API is open but what says so.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "get_openapi", tag = "operation",
    responses((status = OK, description = "OpenAPI 3.1", body = Value)),
)]
pub(crate) async fn json(
    _actor: Actor,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<&'static Value>, ApiError> {
    Ok(Json(&*DOCUMENT))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use stationkeeper_api::{
        AlertView, AuditView, ForcedLogoffView, LabView, ReservationRecordView, SilenceView, StationView, TokenView,
    };

    use super::*;

    fn again<T: Serialize + DeserializeOwned>(example: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(example.clone()).unwrap()).unwrap()
    }

    #[test]
    fn examples_are_what_their_types_say() {
        let examples: BTreeMap<String, Value> = serde_json::from_str(EXAMPLES).unwrap();
        for (name, example) in &examples {
            let said = match name.as_str() {
                "StationView" => again::<StationView>(example),
                "AlertView" => again::<AlertView>(example),
                "LabView" => again::<LabView>(example),
                "SilenceView" => again::<SilenceView>(example),
                "ReservationRecordView" => again::<ReservationRecordView>(example),
                "TokenView" => again::<TokenView>(example),
                "AuditView" => again::<AuditView>(example),
                "ForcedLogoffView" => again::<ForcedLogoffView>(example),
                "ErrorBody" => again::<ErrorBody>(example),
                other => panic!("{other}: say here of which type it is"),
            };
            assert_eq!(&said, example, "{name}");
            assert_eq!(DOCUMENT["components"]["schemas"][name]["type"], "object", "{name}");
        }
    }
}
