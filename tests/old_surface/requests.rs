//! What a request lacks or says wrongly, and which of two wrongs is told first.

use serde_json::{Value, json};

use crate::row::{Row, check, error, internal, row};
use crate::service::Service;

fn bad(shows: &str, line: &'static str, body: impl AsRef<[u8]>, text: &str) -> Row {
    row(shows, line, body, 400, error(text))
}

fn wakes() -> Vec<Row> {
    const WOL: &str = "POST /api/wol";
    let number = |name: &str, range: &str| format!("{name} is a number from {range}");
    let mut rows = vec![
        bad("nothing", WOL, "", "mac is required"),
        bad("an empty object", WOL, "{}", "mac is required"),
        bad("a host without an adapter", WOL, r#"{"host":"lab-nomac"}"#, "mac is required"),
        bad("an adapter of nothing", WOL, r#"{"host":"lab-nomac","mac":""}"#, "mac is required"),
        bad("an adapter that is null", WOL, r#"{"host":"lab-nomac","mac":null}"#, "mac is required"),
        bad("a host that is not known", WOL, r#"{"host":"ghost"}"#, "mac is required"),
        bad("a host in the networks of others", WOL, r#"{"host":"lab-outside"}"#, "mac is required"),
        bad("a host that is a list", WOL, r#"{"host":["lab-off"]}"#, "mac is required"),
        bad("no adapter before a wrong target", WOL, r#"{"ping_target":"a b"}"#, "mac is required"),
        bad("no target", WOL, r#"{"mac":"00:1A:2B:3C:4D:5E"}"#, "ping_target or host address is required"),
        bad(
            "a blank target",
            WOL,
            r#"{"mac":"00:1A:2B:3C:4D:5E","ping_target":"  "}"#,
            "ping_target or host address is required",
        ),
        bad("no target before a wrong adapter", WOL, r#"{"mac":"odd"}"#, "ping_target or host address is required"),
        bad(
            "a host that is not known has no address",
            WOL,
            r#"{"host":"ghost","mac":"00:1A:2B:3C:4D:5E"}"#,
            "ping_target or host address is required",
        ),
        bad("a wrong adapter", WOL, r#"{"host":"lab-off","mac":"00:1A:2B:3C:4D"}"#, "mac is invalid"),
        bad("an adapter that is a number", WOL, r#"{"host":"lab-off","mac":12}"#, "mac is invalid"),
        bad(
            "an adapter of nobody",
            WOL,
            r#"{"host":"lab-off","mac":"02:00:00:00:00:99"}"#,
            "mac is not of a host in the catalog",
        ),
        bad("a target of nobody", WOL, r#"{"host":"lab-off","ping_target":"127.0.9.9"}"#, "ping_target is invalid"),
        bad("a target outside", WOL, r#"{"host":"lab-off","ping_target":"192.0.2.1"}"#, "ping_target is invalid"),
        bad("a broadcast that is none", WOL, r#"{"host":"lab-off","broadcast":"all"}"#, "broadcast is invalid"),
    ];
    for target in ["a b", "lab;reboot", "$(id)", "lab..example", "-lab", "lab-", "http://lab", "a/../b", "lab\\u0000"] {
        // A wrong target is told before an adapter of nobody.
        let body = format!(r#"{{"mac":"02:00:00:00:00:99","ping_target":"{target}"}}"#);
        rows.push(bad("a wrong target", WOL, body, "ping_target is invalid"));
    }
    let long = format!(r#"{{"host":"lab-off","ping_target":"{}"}}"#, "a".repeat(254));
    rows.push(bad("a target that is too long", WOL, long, "ping_target is invalid"));
    for (name, range, values) in [
        ("attempts", "1 to 10", &["0", "11", "-1", "\"many\"", "2.5", "[]", "true", "\"1e3\""][..]),
        ("ping_timeout", "0 to 60", &["-0.1", "61", "\"61\"", "\"soon\"", "\"NaN\"", "{}", "false"]),
        ("port", "1 to 65535", &["0", "65536", "\"port\"", "-9", "[9]"]),
    ] {
        for value in values {
            let body = format!(r#"{{"host":"lab-off","{name}":{value}}}"#);
            rows.push(bad("a number", WOL, body, &number(name, range)));
        }
    }
    let stays_down = |target: &str| json!({ "success": false, "attempts_used": 1, "duration_ms": "<number>", "ping_target": target });
    for (shows, body) in [
        ("numbers", r#"{"host":"lab-off","attempts":1,"ping_timeout":0.1,"port":9}"#),
        ("numbers as texts", r#"{"host":"LAB-OFF","attempts":"1","ping_timeout":"0.1","port":"7"}"#),
        ("no wait at all", r#"{"hostName":"Lab-Off","attempts":1,"ping_timeout":0}"#),
        ("whole numbers with a point", r#"{"host":"lab-off","attempts":1.0,"ping_timeout":0.0,"port":9.0}"#),
        (
            "the target and the adapter said again",
            r#"{"host":"lab-off","mac":"00-1a-2b-3c-4d-5e","ping_target":"127.0.250.1","attempts":1,"ping_timeout":0}"#,
        ),
        ("no host", r#"{"mac":"00:1A:2B:3C:4D:5E","ping_target":"127.0.250.1","attempts":1,"ping_timeout":0}"#),
        (
            "a host that is not known, and all the rest",
            r#"{"host":"ghost","mac":"00:1A:2B:3C:4D:5E","ping_target":"127.0.250.1","attempts":1,"ping_timeout":0}"#,
        ),
        ("a broadcast", r#"{"host":"lab-off","attempts":1,"ping_timeout":0,"broadcast":"127.0.255.255"}"#),
        ("further fields", r#"{"host":"lab-off","attempts":1,"ping_timeout":0,"further":{"a":[1]}}"#),
    ] {
        rows.push(row(shows, WOL, body, 200, stays_down("127.0.250.1")));
    }
    let twice = json!({ "success": false, "attempts_used": 2 });
    rows.push(row("two attempts", WOL, r#"{"host":"lab-off","attempts":"2","ping_timeout":0}"#, 200, twice));
    rows
}

fn commands() -> Vec<Row> {
    const WINRM: &str = "POST /api/winrm";
    let mut rows = Vec::new();
    for body in [
        "",
        "{}",
        r#"{"host":"lab-off"}"#,
        r#"{"command":"status-json"}"#,
        r#"{"host":"","command":"status-json"}"#,
        r#"{"host":"lab-off","command":""}"#,
        r#"{"host":null,"command":null}"#,
        r#"{"host":"lab-off","command":["status-json"]}"#,
    ] {
        rows.push(bad("something is missing", WINRM, body, "host and command are required"));
    }
    for word in
        ["account", "service", "winrm", "cmd.exe", "Status-Json", "status-json;calc", "LabStation.exe", "read-file"]
    {
        for host in ["lab-off", "ghost"] {
            let body = json!({ "host": host, "command": word }).to_string();
            rows.push(bad("told before the host", WINRM, body, &format!("command '{word}' not allowed")));
        }
    }
    for word in ["prepare-session", "release-session", "power", "session", "status-json", "recovery"] {
        let body = json!({ "host": "ghost", "command": word, "args": ["--whatever"] }).to_string();
        rows.push(row("the host before the arguments", WINRM, body, 404, error("host 'ghost' not found in config")));
    }
    for (host, shown) in [
        ("Ghost", "Ghost"),
        ("lab-outside", "lab-outside"),
        ("lab-plain", "lab-plain"),
        ("höst", "höst"),
        ("a b", "a b"),
    ] {
        let body = json!({ "host": host, "command": "status-json" }).to_string();
        rows.push(row(
            "a host that is not in use",
            WINRM,
            body,
            404,
            error(&format!("host '{shown}' not found in config")),
        ));
    }
    for (args, text) in [
        (json!([{}]), "args is a list of texts"),
        (json!(7), "args is a list of texts"),
        (json!(["--evil & calc"]), "status-json has no argument '--evil & calc'"),
    ] {
        let body = json!({ "host": "lab-off", "command": "status-json", "args": args }).to_string();
        rows.push(bad("arguments", WINRM, body, text));
    }
    let restated = |said: Value| {
        let mut body = json!({ "host": "lab-off", "command": "status-json" });
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        body.to_string()
    };
    for (said, text) in [
        (json!({ "use_ssl": false }), "request use_ssl does not match the host WinRM policy"),
        (json!({ "use_ssl": "off" }), "request use_ssl does not match the host WinRM policy"),
        (json!({ "use_ssl": "perhaps" }), "WinRM use_ssl must be a boolean"),
        (json!({ "port": 5985 }), "request port does not match the host WinRM policy"),
        (json!({ "port": "5985" }), "request port does not match the host WinRM policy"),
        (json!({ "port": "x" }), "request port is invalid"),
        (json!({ "transport": "basic" }), "request transport does not match the host WinRM policy"),
        (json!({ "transport": "kerberos" }), "request transport does not match the host WinRM policy"),
        (
            json!({ "transport": "plaintext", "use_ssl": true }),
            "request transport does not match the host WinRM policy",
        ),
    ] {
        rows.push(bad("another way than the catalog's", WINRM, restated(said), text));
    }
    // Nobody has stored a login yet: what is said again is fine, and the rest is for the log.
    for said in [
        json!({}),
        json!({ "use_ssl": true, "port": 5986, "transport": "ntlm" }),
        json!({ "use_ssl": "yes", "port": "5986", "transport": "NTLM" }),
        json!({ "use_ssl": null, "port": null, "transport": null }),
        json!({ "use_ssl": "", "port": "", "transport": "" }),
        json!({ "user": "somebody", "password": "else" }),
        json!({ "args": null }),
        json!({ "args": [] }),
        json!({ "args": "" }),
    ] {
        rows.push(row("no login", WINRM, restated(said), 500, internal()));
    }
    rows
}

fn stations() -> Vec<Row> {
    let mut rows = Vec::new();
    for body in ["", "{}", r#"{"host":""}"#, r#"{"host":null}"#, r#"{"host":{}}"#, r#"{"include_events":false}"#] {
        rows.push(bad("a poll of nothing", "POST /api/heartbeat/poll", body, "host is required"));
    }
    for host in ["ghost", "Ghöst", "lab-outside", "7"] {
        let body = json!({ "host": host }).to_string();
        let text = format!("host '{host}' not found in config");
        rows.push(row("a poll of nobody", "POST /api/heartbeat/poll", body, 404, error(&text)));
        let body = json!({ "host": host, "enabled": true }).to_string();
        let text = format!("host '{host}' not found");
        rows.push(row("local mode of nobody", "POST /api/hosts/local-mode", body, 404, error(&text)));
    }
    rows.push(row(
        "no login",
        "POST /api/heartbeat/poll",
        r#"{"host":"lab-off","include_events":"no"}"#,
        500,
        internal(),
    ));
    for (body, text) in [
        ("", "host is required"),
        (r#"{"enabled":true}"#, "host is required"),
        (r#"{"host":null,"enabled":null}"#, "host is required"),
        (r#"{"host":"ghost"}"#, "enabled is required"),
        (r#"{"host":"lab-off","enabled":null}"#, "enabled is required"),
        (r#"{"host":"ghost","enabled":"perhaps"}"#, "enabled is true or false"),
        (r#"{"host":"lab-off","enabled":2}"#, "enabled is true or false"),
        (r#"{"host":"lab-off","enabled":[]}"#, "enabled is true or false"),
    ] {
        rows.push(bad("local mode", "POST /api/hosts/local-mode", body, text));
    }
    rows.push(row("no login", "POST /api/hosts/local-mode", r#"{"host":"lab-off","enabled":"on"}"#, 500, internal()));
    for (line, status, text) in [
        ("GET /api/heartbeat/stream", 400, "host is required"),
        ("GET /api/heartbeat/stream?host=", 400, "host is required"),
        ("GET /api/heartbeat/stream?host=ghost", 404, "host 'ghost' not found"),
        ("GET /api/heartbeat/stream?host=gh%C3%B6st&include_events=no", 404, "host 'ghöst' not found"),
    ] {
        rows.push(row("a stream", line, "", status, error(text)));
    }
    rows
}

fn reservations() -> Vec<Row> {
    let mut rows = Vec::new();
    let long = "r".repeat(129);
    for line in ["POST /api/reservations/start", "POST /api/reservations/end"] {
        for body in [
            "",
            "{}",
            r#"{"reservationId":"R"}"#,
            r#"{"host":"lab-off"}"#,
            r#"{"reservationId":"","host":"lab-off"}"#,
            r#"{"reservationId":null,"reservation_id":null,"host":"lab-off"}"#,
            r#"{"reservation_id":"R","hostName":""}"#,
        ] {
            rows.push(bad("something is missing", line, body, "reservationId and host are required"));
        }
        for host in ["ghost", "Ghöst"] {
            let body = json!({ "reservationId": "R", "host": host }).to_string();
            rows.push(row("nobody", line, body, 404, error(&format!("host '{host}' not found"))));
        }
        let body = json!({ "reservation_id": 7, "hostName": "ghost", "lab_id": 1 }).to_string();
        rows.push(row("the other spellings", line, body, 404, error("host 'ghost' not found")));
        let body = json!({ "reservationId": long, "host": "ghost" }).to_string();
        rows.push(bad(
            "a name that is too long",
            line,
            body,
            "a reservation's id has 1 to 128 characters, none of them a control character",
        ));
    }
    let start = |said: Value| {
        let mut body = json!({ "reservationId": "R", "host": "lab-off" });
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        body.to_string()
    };
    for (said, text) in [
        (json!({ "guardGrace": "soon" }), "guardGrace is a number from 0 to 86400"),
        (json!({ "guardGrace": -1 }), "guardGrace is a number from 0 to 86400"),
        (json!({ "wakeOptions": "now" }), "wakeOptions is an object"),
        (json!({ "wakeOptions": { "attempts": 11 } }), "attempts is a number from 1 to 10"),
        (json!({ "wakeOptions": { "ping_timeout": "61" } }), "ping_timeout is a number from 0 to 60"),
        (json!({ "wakeOptions": { "port": 0 } }), "port is a number from 1 to 65535"),
        (json!({ "wakeOptions": { "broadcast": "all" } }), "broadcast is invalid"),
        (json!({ "wakeOptions": { "ping_target": "192.0.2.1" } }), "ping_target is invalid"),
        (json!({ "prepareArgs": ["--format"] }), "prepare-session has no argument '--format'"),
        (json!({ "prepareArgs": [{}] }), "prepareArgs is a list of texts"),
    ] {
        rows.push(bad("a start", "POST /api/reservations/start", start(said), text));
    }
    for (said, text) in [
        (json!({ "powerAction": { "mode": "reboot" } }), "powerAction.mode is shutdown or hibernate"),
        (json!({ "powerAction": { "mode": "sleep", "args": [] } }), "powerAction.mode is shutdown or hibernate"),
        (json!({ "powerAction": "shutdown" }), "powerAction is an object with mode and args"),
        (json!({ "powerAction": { "args": ["now"] } }), "power has no argument 'now'"),
        (json!({ "releaseArgs": ["--format"] }), "release-session has no argument '--format'"),
        (
            json!({ "releaseArgs": "--user=a&b" }),
            "--user is not taken: it is no Windows account (NAME or DOMAIN\\NAME of letters, digits, spaces and . _ - $ @)",
        ),
    ] {
        rows.push(bad("an end", "POST /api/reservations/end", start(said), text));
    }
    for (line, status, text) in [
        ("GET /api/reservations/timeline", 400, "reservationId is required"),
        ("GET /api/reservations/timeline?reservationId=", 400, "reservationId is required"),
        ("GET /api/reservations/timeline?limit=7", 400, "reservationId is required"),
        ("GET /api/reservations/timeline?reservationId=R", 404, "Reservation not found"),
        ("GET /api/reservations/timeline?reservationId=&reservation_id=R", 404, "Reservation not found"),
        ("GET /api/reservations/timeline?reservation_id=gh%C3%B6st&limit=x&offset=y", 404, "Reservation not found"),
        ("GET /api/operations/recent?host=ghost", 404, "host 'ghost' not found"),
        ("GET /api/operations/recent?host=Ghost&reservationId=R", 404, "host 'Ghost' not found"),
    ] {
        rows.push(row("what is told", line, "", status, error(text)));
    }
    rows
}

fn catalog() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in ["POST /api/hosts/discover", "POST /api/hosts/provision"] {
        for body in ["", "{}", r#"{"address":""}"#, r#"{"address":null}"#, r#"{"connectionId":7}"#] {
            rows.push(bad("no address", line, body, "address is required"));
        }
    }
    let provision = |said: Value| {
        let mut body = json!({ "name": "lab-new", "address": "127.0.250.9" });
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        body.to_string()
    };
    let plain = "name must contain only letters, numbers, dots, underscores, and hyphens";
    let candidates = "validLabIds must contain at least one lab candidate when provided";
    let long = "n".repeat(129);
    for (said, text) in [
        (json!({ "name": "a b" }), plain),
        (json!({ "name": "läb" }), plain),
        (json!({ "name": "lab/1" }), plain),
        (json!({ "name": "lab\n1" }), plain),
        (json!({ "name": long }), plain),
        (json!({ "mac": "odd" }), "'odd' is no MAC address: write it like 00:1A:2B:3C:4D:5E"),
        (json!({ "labs": { "a": 1 } }), "labs is a list of at most 100 texts, or one text with commas"),
        (json!({ "labs": ["1"], "validLabIds": [] }), candidates),
        (json!({ "labs": ["1"], "validLabIds": "" }), candidates),
        (json!({ "labs": "1, 2, 3", "validLabIds": [1] }), "labs contain values that are not valid candidates: 2, 3"),
        (json!({ "labs": ["1"], "validLabIds": "2" }), "labs contain values that are not valid candidates: 1"),
        (json!({ "address": "192.0.2.9" }), "address lies outside the management networks (WINRM_MANAGEMENT_CIDRS)"),
        (json!({ "address": "a b" }), "address is neither a host name nor an address"),
        (json!({ "winrmTransport": "kerberos" }), "winrm_transport is ntlm or basic"),
    ] {
        rows.push(bad("a station", "POST /api/hosts/provision", provision(said), text));
    }
    for name in ["lab-off", "LAB-OFF", "Lab-Off"] {
        let body = provision(json!({ "name": name }));
        rows.push(row(
            "one that is there",
            "POST /api/hosts/provision",
            body,
            409,
            error(&format!("host {name} already exists")),
        ));
    }
    let invalid = "Invalid WinRM credentials request";
    for body in [
        "",
        "{}",
        r#"{"credentialRef":"x"}"#,
        r#"{"credentialRef":"x","user":"u"}"#,
        r#"{"credentialRef":"x","password":"p"}"#,
        r#"{"user":"u","password":"p"}"#,
        r#"{"credentialRef":" ","user":"u","password":"p"}"#,
        r#"{"credentialRef":"x","user":" ","password":"p"}"#,
        r#"{"credential_ref":"x","username":"u","password":"  "}"#,
        r#"{"credentialRef":"x","user":"u","password":null}"#,
    ] {
        rows.push(bad("a login", "POST /api/hosts/winrm-credentials", body, invalid));
    }
    for line in ["PATCH /api/hosts/ghost", "DELETE /api/hosts/ghost"] {
        rows.push(row("nobody", line, r#"{"labs":["1"]}"#, 404, error("host 'ghost' not found")));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_told_in_the_older_service_s_words_and_in_its_order() {
    let service = Service::start().await;
    let mut count = 0;
    for rows in [wakes(), commands(), stations(), reservations(), catalog()] {
        count += check(&service, &rows).await;
    }
    assert!(service.given().is_empty(), "no station was given anything");
    println!("{count} requests");
    service.stop().await;
}
