//! `GET /api/docs`: the document of the API for people. Rendered here, so that it needs no script.

use std::sync::LazyLock;

use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::DOCUMENT;
use crate::Gateway;
use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::Reader;
use crate::status_page::{html, login_form};

#[derive(Template)]
#[template(path = "reference.html")]
struct Reference {
    version: String,
    about: Vec<Prose>,
    tags: Vec<Tag>,
    schemas: Vec<Schema>,
    codes: Vec<(&'static str, Prose)>,
}

/// Pieces of a text; those that stood between backticks are code.
struct Prose(Vec<(bool, String)>);

struct Tag {
    id: String,
    name: String,
    description: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: Prose,
    description: Option<Prose>,
    is_open: bool,
    parameters: Vec<Field>,
    body: Option<Kind>,
    answers: Vec<(String, Prose, Kind)>,
    curl: String,
}

struct Field {
    name: String,
    /// `query`, `path` or `header`; of a schema empty.
    place: String,
    kind: Kind,
    is_required: bool,
    description: Prose,
}

/// A type in words, with a link to the schema that it names.
#[derive(Default)]
struct Kind {
    before: &'static str,
    link: Option<String>,
    after: String,
}

struct Schema {
    name: String,
    description: Prose,
    kind: Kind,
    /// Alternatives of it; without a title where there is no choice.
    forms: Vec<(Option<Prose>, Vec<Field>)>,
    example: Option<String>,
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| reference(&DOCUMENT));

/// The page for whoever is logged in, otherwise the login form.
pub(crate) async fn page(
    State(gateway): State<Gateway>,
    Reader(language): Reader,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _body) = request.into_parts();
    match Actor::from_request_parts(&mut parts, &gateway).await {
        Ok(_actor) => html(StatusCode::OK, &*REFERENCE),
        Err(ApiError::Unauthenticated) => login_form(language, None),
        Err(error) => Err(error),
    }
}

fn reference(document: &Value) -> Reference {
    let plain = |line: &str| line.trim_start_matches("- ").replace("**", "");
    let about = text(&document["info"]["description"]);
    let operations: Vec<(String, Operation)> = entries(&document["paths"])
        .flat_map(|(path, item)| entries(item).map(move |(method, said)| (path, method, said)))
        .map(|(path, method, said)| (text(&said["tags"][0]), operation(path, method, said)))
        .collect();
    let mut tags: Vec<Tag> = document["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| Tag {
            id: text(&tag["name"]).replace(' ', "-"),
            name: text(&tag["name"]),
            description: text(&tag["description"]),
            operations: Vec::new(),
        })
        .collect();
    for (name, operation) in operations {
        if let Some(tag) = tags.iter_mut().find(|tag| tag.name == name) {
            tag.operations.push(operation);
        }
    }
    Reference {
        version: text(&document["info"]["version"]),
        about: about.lines().filter(|line| !line.is_empty()).map(|line| prose(&plain(line))).collect(),
        tags,
        schemas: entries(&document["components"]["schemas"]).map(|(name, said)| schema(name, said)).collect(),
        codes: super::codes::CODES.into_iter().map(|(word, meaning)| (word, prose(meaning))).collect(),
    }
}

fn operation(path: &str, method: &str, said: &Value) -> Operation {
    let parameters = said["parameters"].as_array().into_iter().flatten().map(|parameter| Field {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(&parameter["schema"]),
        is_required: parameter["required"] == true,
        description: prose(&text(&parameter["description"])),
    });
    let body = entries(&said["requestBody"]["content"]).next();
    let answers = entries(&said["responses"]).map(|(status, answer)| {
        let content = entries(&answer["content"]).next();
        (
            status.to_owned(),
            prose(&text(&answer["description"])),
            content.map(|(_, of)| kind(&of["schema"])).unwrap_or_default(),
        )
    });
    Operation {
        id: text(&said["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: prose(&text(&said["summary"])),
        description: said["description"].as_str().map(prose),
        is_open: said["security"] == serde_json::json!([{}]),
        parameters: parameters.collect(),
        body: body.map(|(_, content)| kind(&content["schema"])),
        answers: answers.collect(),
        curl: curl(path, method, said),
    }
}

/// A line for a shell that knows `GATEWAY` and `TOKEN`.
fn curl(path: &str, method: &str, said: &Value) -> String {
    let mut words = vec!["curl".to_owned()];
    if method != "get" {
        words.push(format!("-X {}", method.to_uppercase()));
    }
    if said["security"] != serde_json::json!([{}]) {
        words.push("-H \"Authorization: Bearer $TOKEN\"".to_owned());
    }
    if let Some((media, content)) = entries(&said["requestBody"]["content"]).next() {
        words.push(format!("-H 'Content-Type: {media}'"));
        if !content["example"].is_null() {
            words.push(format!("-d '{}'", content["example"].to_string().replace('\'', "'\\''")));
        }
    }
    let example = |name: &str| {
        let known = said["parameters"].as_array().into_iter().flatten().find(|one| one["name"] == name);
        known.and_then(|one| one["example"].as_str()).unwrap_or("ID").to_owned()
    };
    let parts = path.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => example(name),
        None => part.to_owned(),
    });
    words.push(format!("\"$GATEWAY{}\"", parts.collect::<Vec<_>>().join("/")));
    words.join(" ")
}

fn schema(name: &str, said: &Value) -> Schema {
    let forms: Vec<(Option<Prose>, Vec<Field>)> = match (said["oneOf"].as_array(), said["allOf"].as_array()) {
        (Some(choices), _) => choices.iter().map(|one| (one["description"].as_str().map(prose), fields(one))).collect(),
        (None, Some(parts)) => parts
            .iter()
            .map(|part| match reference_of(part) {
                Some(other) => (Some(prose(&format!("All of {other}, and:"))), Vec::new()),
                None => (None, fields(part)),
            })
            .collect(),
        (None, None) => vec![(None, fields(said))],
    };
    let example = said.get("example").filter(|example| example.is_object());
    Schema {
        name: name.to_owned(),
        description: prose(&text(&said["description"])),
        kind: if said["properties"].is_object() { Kind::default() } else { kind(said) },
        forms: forms.into_iter().filter(|(title, fields)| title.is_some() || !fields.is_empty()).collect(),
        example: example.and_then(|example| serde_json::to_string_pretty(example).ok()),
    }
}

fn fields(said: &Value) -> Vec<Field> {
    let required: Vec<&str> = said["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of = |(name, said): (&str, &Value)| {
        let described = said["oneOf"].as_array().and_then(|parts| parts.iter().find(|part| part["$ref"].is_string()));
        Field {
            name: name.to_owned(),
            place: String::new(),
            kind: kind(said),
            is_required: required.contains(&name),
            description: prose(&text(&described.unwrap_or(said)["description"])),
        }
    };
    entries(&said["properties"]).map(of).collect()
}

fn kind(said: &Value) -> Kind {
    let link = reference_of(said);
    if link.is_some() {
        return Kind { link, ..Kind::default() };
    }
    if let Some(values) = said["enum"].as_array() {
        let words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return Kind { after: words.join(", "), ..Kind::default() };
    }
    if let Some(parts) = said["oneOf"].as_array() {
        let link = parts.iter().find_map(reference_of);
        return if link.is_some() {
            Kind { link, after: " or null".to_owned(), ..Kind::default() }
        } else {
            Kind { after: "one of".to_owned(), ..Kind::default() }
        };
    }
    let names: Vec<&str> = match &said["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if names.contains(&"array") {
        let item = kind(&said["items"]);
        return Kind { before: "list of ", link: item.link, after: item.after };
    }
    let format = said["format"].as_str().map(|format| format!(" ({format})")).unwrap_or_default();
    Kind { after: names.join(" or ") + &format, ..Kind::default() }
}

fn prose(text: &str) -> Prose {
    Prose(text.split('`').enumerate().map(|(number, piece)| (number % 2 == 1, piece.to_owned())).collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn reference_of(said: &Value) -> Option<String> {
    said["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned)
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
