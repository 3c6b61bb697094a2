//! Bodies that are none, addresses that are none, methods that are none, and the name of a request.

use serde_json::{Value, json};

use crate::row::{Row, check, error, row};
use crate::service::{SECRET, Service};

const POSTS: [(&str, &str); 9] = [
    ("POST /api/wol", "mac is required"),
    ("POST /api/winrm", "host and command are required"),
    ("POST /api/heartbeat/poll", "host is required"),
    ("POST /api/hosts/discover", "address is required"),
    ("POST /api/hosts/provision", "address is required"),
    ("POST /api/hosts/winrm-credentials", "Invalid WinRM credentials request"),
    ("POST /api/hosts/local-mode", "host is required"),
    ("POST /api/reservations/start", "reservationId and host are required"),
    ("POST /api/reservations/end", "reservationId and host are required"),
];

fn bodies() -> Vec<Row> {
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let nested = format!(r#"{{"host":{deep}}}"#);
    let mut rows = Vec::new();
    for (line, required) in POSTS {
        for (shows, body) in [
            ("malformed", &b"{\"host\":"[..]),
            ("no JSON", b"host=lab-off&command=status-json"),
            ("no text", b"\xff\xfe\x00"),
            ("no number", br#"{"host":NaN}"#),
            ("no number either", br#"{"host":"lab-off","attempts":1e999}"#),
            ("nothing", b"null"),
            ("an empty list", b"[]"),
            ("an empty text", b"\"\""),
            ("two objects", b"{}{}"),
            ("too deep", nested.as_bytes()),
        ] {
            rows.push(row(shows, line, body, 400, error(required)));
        }
        for (shows, body) in [("a list", &b"[1]"[..]), ("a text", b"\"x\""), ("a number", b"7"), ("yes", b"true")] {
            rows.push(row(shows, line, body, 400, error("the body is not a JSON object")));
        }
        let large = format!(r#"{{"host":"{}"}}"#, "x".repeat(1024 * 1024));
        rows.push(row("too large", line, large, 413, error("the body is larger than 1 MiB")));
        // JSON it is, whatever it is called.
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "nonsense"]
        {
            rows.push(row(kind, line, "{}", 400, error(required)).with("Content-Type", kind));
        }
    }
    let marked = [&b"\xEF\xBB\xBF"[..], br#"{"host":"ghost","command":"status-json"}"#].concat();
    rows.push(row("a byte order mark", "POST /api/winrm", marked, 404, error("host 'ghost' not found in config")));
    let twice = r#"{"host":"lab-off","host":"ghost","command":"status-json"}"#;
    rows.push(row(
        "the last of two of a name",
        "POST /api/winrm",
        twice,
        404,
        error("host 'ghost' not found in config"),
    ));
    rows
}

fn addresses() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in [
        "POST /api/aas-sync",
        "GET /api/power/controllers",
        "POST /api/power/credentials",
        "PUT /api/power/policies/7",
        "GET /api/power/operations?reservationId=R",
        "POST /api/labs/7/power/start",
        "POST /api/labs/7/power/end",
        "GET /api/nothing",
        "GET /api/",
        "POST /api/wol/",
        "GET /api/hosts/",
        "POST /api/hosts/discover/",
        "GET /api/WOL",
        "GET /api/reservations",
        "POST /api/wol//",
        "GET /api/%2e%2e/health",
        "GET /api/heartbeat",
    ] {
        rows.push(row("nothing is there", line, "{}", 404, error("nothing is at this address")));
    }
    rows.push(row("shells of assets", "POST /aas-admin/lab/7/sync", "{}", 404, error("nothing is at this address")));
    for line in [
        "GET /api/wol",
        "PUT /api/wol",
        "DELETE /api/wol",
        "GET /api/winrm",
        "GET /api/heartbeat/poll",
        "POST /api/heartbeat/stream",
        "POST /api/hosts",
        "DELETE /api/hosts",
        "GET /api/hosts/discover",
        "GET /api/hosts/provision",
        "GET /api/hosts/reload",
        "GET /api/hosts/winrm-credentials",
        "GET /api/hosts/local-mode",
        "GET /api/reservations/start",
        "GET /api/reservations/end",
        "POST /api/reservations/timeline",
        "POST /api/operations/recent",
        "OPTIONS /api/wol",
    ] {
        rows.push(row("another method", line, "", 405, error("this address does not take this method")));
    }
    for line in ["GET /api/hosts?token=x", "GET /api/hosts?a=1&access_token=x", "POST /api/wol?Token=x"] {
        let text =
            "a token in the query string is refused: send it as `Authorization: Bearer` or `X-Lab-Manager-Token`";
        rows.push(row("a token among the parameters", line, "{}", 400, error(text)));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_addresses_and_methods_that_are_none_are_errors_in_json() {
    let service = Service::start().await;
    let count = check(&service, &bodies()).await + check(&service, &addresses()).await;
    println!("{count} requests");
    for (name, kept) in [
        ("abc-1", true),
        ("A.b:c_D-9", true),
        (&"x".repeat(128)[..], true),
        (&"x".repeat(129)[..], false),
        ("a b", false),
        ("a/b", false),
        ("a\"b", false),
        ("ñ", false),
        ("", false),
    ] {
        for (path, status) in [("/api/hosts", 200), ("/api/nothing", 404), ("/health", 200), ("/ops/api/wol", 405)] {
            let headers = [("X-Request-ID", name), ("X-Ops-Internal-Token", SECRET)];
            let answer = service.send("GET", path, &headers, b"").await;
            assert_eq!(answer.status, status, "{path}");
            let named = answer.header("x-request-id").unwrap().to_owned();
            assert_eq!(named == name, kept, "{name:?}: {named}");
            assert!(!named.is_empty() && named.len() <= 128);
            if status >= 400 {
                assert_eq!(answer.json()["requestId"], json!(named));
            }
        }
    }
    for path in ["/api/hosts", "/health", "/ops/health"] {
        let head = service.send("HEAD", path, &[("X-Ops-Internal-Token", SECRET)], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    let hosts = service.get("/api/hosts").await;
    assert_eq!(hosts.header("content-type"), Some("application/json"));
    let refused = service.send("GET", "/api/wol", &[("X-Ops-Internal-Token", SECRET)], b"").await;
    assert_eq!((refused.header("allow"), refused.header("content-type")), (Some("POST"), Some("application/json")));
    let _: Value = refused.json();
    service.stop().await;
}
