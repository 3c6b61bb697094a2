//! A request, and what is to come back.

use serde_json::{Value, json};

use crate::service::{SECRET, Service};

/// One of them.
pub struct Row {
    shows: String,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    says: Value,
}

/// `line` is a method and a path; `says` is what the answer says at least (see [`holds`]).
pub fn row(shows: &str, line: &'static str, body: impl AsRef<[u8]>, status: u16, says: Value) -> Row {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    Row {
        shows: shows.to_owned(),
        method,
        path: path.to_owned(),
        headers: vec![("X-Ops-Internal-Token", SECRET.to_owned())],
        body: body.as_ref().to_vec(),
        status,
        says,
    }
}

/// An answer that is an error with this text.
pub fn error(text: &str) -> Value {
    json!({ "error": text, "code": "<text>", "requestId": "<text>" })
}

/// What is told of anything that only the log may tell.
pub fn internal() -> Value {
    json!({ "error": "Internal server error", "code": "INTERNAL_ERROR", "requestId": "<text>" })
}

impl Row {
    /// With another header.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Without the secret of the proxy.
    pub fn without_secret(mut self) -> Self {
        self.headers.clear();
        self
    }

    async fn check(&self, service: &Service, path: &str) {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = service.send(self.method, path, &headers, &self.body).await;
        let shows = format!("{}: {} {path} {}", self.shows, self.method, String::from_utf8_lossy(&self.body));
        let shows: String = shows.chars().take(300).collect();
        assert_eq!(answer.status, self.status, "{shows}: {}", answer.text());
        if self.says.is_null() {
            return;
        }
        let said = answer.json();
        if let Err(place) = holds(&self.says, &said, "") {
            panic!("{shows}: {place} is not {} in {said}", self.says);
        }
    }
}

/// Asks for all of them, each below `/api` and below `/ops/api`. How many requests that were.
pub async fn check(service: &Service, rows: &[Row]) -> usize {
    let mut count = 0;
    for row in rows {
        row.check(service, &row.path).await;
        count += 1;
        if row.path.starts_with("/api/") {
            row.check(service, &format!("/ops{}", row.path)).await;
            count += 1;
        }
    }
    count
}

/// Whether `said` has all that `expected` has. `"<text>"`, `"<number>"`, `"<time>"`, `"<flag>"` and `"<any>"` stand for values of a kind; a list is
/// as long as the other. The error is the place that differs.
pub fn holds(expected: &Value, said: &Value, place: &str) -> Result<(), String> {
    let fine = match (expected, said) {
        (Value::String(kind), said) if kind.starts_with('<') => match kind.as_str() {
            "<any>" => true,
            "<text>" => said.as_str().is_some_and(|text| !text.is_empty()),
            "<number>" => said.is_u64(),
            "<flag>" => said.is_boolean(),
            // RFC 3339 with an offset.
            "<time>" => said.as_str().is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok()),
            other => panic!("{other} is no kind of value"),
        },
        (Value::Object(expected), Value::Object(said)) => {
            for (name, value) in expected {
                let place = format!("{place}.{name}");
                holds(value, said.get(name).ok_or_else(|| format!("{place} (missing)"))?, &place)?;
            }
            true
        }
        (Value::Array(expected), Value::Array(said)) if expected.len() == said.len() => {
            for (at, (expected, said)) in expected.iter().zip(said).enumerate() {
                holds(expected, said, &format!("{place}[{at}]"))?;
            }
            true
        }
        (expected, said) => expected == said,
    };
    if fine { Ok(()) } else { Err(place.to_owned()) }
}
