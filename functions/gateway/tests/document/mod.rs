//! The document of the API: it says what is there, and all of it.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value;
use stationkeeper_store::TokenRole;

use crate::app::App;

/// `(path, method, operation)` of all that are described.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.clone(), method.to_uppercase(), operation.clone()))
    });
    each.collect()
}

#[tokio::test]
async fn whoever_holds_a_token_reads_the_document_and_nobody_else() {
    let app = App::start().await;
    let viewer = app.add_token("a page", TokenRole::Viewer).await;
    for path in ["/api/openapi.json", "/ops/api/openapi.json"] {
        assert_eq!(app.get_as(None, path).await.status, StatusCode::UNAUTHORIZED, "{path}");
        let answer = app.get_as(Some(&viewer), path).await;
        assert_eq!((answer.status, answer.json()["openapi"].as_str()), (StatusCode::OK, Some("3.1.0")), "{path}");
        assert_eq!(answer.json()["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test]
async fn what_is_described_is_answered_and_no_other_method() {
    let app = App::start().await;
    let document = app.get("/api/openapi.json").await.json();
    let described = operations(&document);
    assert!(described.len() > 25, "{}", described.len());
    for (path, _, _) in &described {
        let methods: Vec<&str> =
            described.iter().filter(|(one, _, _)| one == path).map(|(_, method, _)| method.as_str()).collect();
        let address: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            // Of what is not there only somebody who is known is told that.
            let mut request = app.request(method, &address.join("/"));
            if !methods.contains(&method) {
                request = request.header("x-lab-manager-token", &app.admin);
            }
            let answer = app.send(request).await;
            let there = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(there, methods.contains(&method), "{method} {path}: {}", answer.status);
            let nowhere = answer.status == StatusCode::NOT_FOUND && path != "/events/s3";
            assert!(!nowhere || answer.json()["code"] != "unknown_address", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn each_operation_has_a_name_of_its_own_a_known_tag_a_sentence_and_its_errors() {
    let app = App::start().await;
    let document = app.get("/api/openapi.json").await.json();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} twice");
        assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(tag.as_str().unwrap())), "{name}");
        assert!(operation["summary"].as_str().is_some_and(|said| said.ends_with('.')), "{name}");
        let answers = operation["responses"].as_object().unwrap();
        let open = operation["security"] == serde_json::json!([{}]);
        assert!(open || answers.contains_key("401"), "{name}");
        for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
            let schema = &answer["content"]["application/json"]["schema"];
            // What a part that is not well, or a station that did not do all of it, is told as: the same as of a success.
            let as_ever =
                *schema == operation["responses"]["200"]["content"]["application/json"]["schema"] && schema.is_object();
            assert!(
                as_ever || schema["$ref"] == "#/components/schemas/ErrorBody",
                "{method} {path} {status}: {schema}"
            );
        }
    }
}

#[tokio::test]
async fn each_example_of_a_body_can_be_read_where_it_is_shown() {
    let app = App::start().await;
    let document = app.get("/api/openapi.json").await.json();
    let mut sent = 0;
    for (path, method, operation) in operations(&document) {
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        if example.is_null() {
            continue;
        }
        let address: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let request = app.request(&method, &address.join("/")).header("x-lab-manager-token", &app.admin);
        let answer = app.send_body(request, example.to_string().into_bytes()).await;
        // Read, and then not let through: the example's station is not where the stations of this test are.
        let elsewhere = answer.text().contains("outside the management networks")
            // Of a station that the catalog lacks a wake says what is missing.
            || (path == "/api/wol" && answer.text().contains("mac is required"));
        assert!(answer.status != StatusCode::BAD_REQUEST || elsewhere, "{method} {path}: {}", answer.text());
        sent += 1;
    }
    assert!(sent >= 7, "{sent}");
}

#[tokio::test]
async fn the_page_shows_every_operation_without_a_script_to_whoever_is_logged_in() {
    let app = App::start().await;
    let stranger = app.get_as(None, "/api/docs").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert!(stranger.text().contains("action=\"/lab-manager/login\""), "the form to log in");
    let page = app.get("/api/docs").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("script"), "{policy}");
    let text = page.text();
    assert!(!text.contains("<script") && !text.contains("style=\"") && !text.contains("://"), "nothing from elsewhere");
    assert!(text.contains("<code>If-Match</code>") && !text.contains('`'), "code is shown as code");
    let document = app.get("/api/openapi.json").await.json();
    for (path, _, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(
            text.contains(&format!("<h3 id=\"{id}\">")) && text.contains(&format!("href=\"#{id}\"")),
            "{id} {path}"
        );
    }
    // Each link within the page leads somewhere.
    for target in text.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(text.contains(&format!("id=\"{target}\"")), "#{target}");
    }
    for style in ["/assets/status.css", "/assets/reference.css"] {
        assert_eq!(app.get_as(None, style).await.header("content-type"), "text/css; charset=utf-8", "{style}");
    }
}
