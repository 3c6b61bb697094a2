//! The files of the catalog, through the API.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stationkeeper_gateway::CatalogFiles;

use super::{audited, listening};
use crate::app::App;

struct Files {
    app: App,
    base: PathBuf,
    overlay: PathBuf,
}

async fn with_files() -> Files {
    let app = App::start_with(|folder, options| {
        options.catalog =
            CatalogFiles { base: Some(folder.join("hosts.json")), overlay: Some(folder.join("data/hosts.json")) };
    })
    .await;
    let (base, overlay) = (app.folder().join("hosts.json"), app.folder().join("data/hosts.json"));
    Files { app, base, overlay }
}

fn write(path: &Path, hosts: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, json!({ "hosts": hosts }).to_string()).unwrap();
}

impl Files {
    async fn reload(&self) -> Value {
        let answer = self.app.post("/api/hosts/reload", "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn names(&self) -> Vec<String> {
        let shown = self.app.get("/api/hosts").await.json();
        let hosts = shown["hosts"].as_array().unwrap();
        hosts.iter().map(|host| format!("{}@{}", text(&host["name"]), text(&host["address"]))).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn the_files_are_read_again_and_a_bad_entry_costs_no_other() {
    let files = with_files().await;
    write(
        &files.base,
        &json!([
            { "name": "lab-02", "address": "127.0.0.2", "labs": ["b", "a"] },
            { "name": "lab-01", "address": "127.0.0.1", "labs": ["a"] },
            { "name": "lab-03", "address": "192.0.2.3" },
        ]),
    );
    write(
        &files.overlay,
        &json!([{ "name": "LAB-01", "address": "127.0.0.11" }, { "name": "lab-04", "address": "127.0.0.4" }]),
    );
    let read = files.reload().await;
    assert_eq!((&read["reloaded"], &read["hosts"]), (&json!(true), &json!(3)));
    let aside = read["setAside"].clone();
    assert_eq!(aside[0]["name"], "lab-03");
    assert!(text(&aside[0]["reason"]).contains("management networks"), "{aside}");
    assert_eq!(
        files.names().await,
        ["lab-02@127.0.0.2", "LAB-01@127.0.0.11", "lab-04@127.0.0.4"],
        "in the order of the files"
    );
    assert_eq!(files.app.get("/api/hosts").await.json()["setAside"], aside, "it is shown");
    let by_lab = json!({ "lab": "a", "start_at": "2026-11-24T12:00:00Z", "end_at": "2026-11-24T13:00:00Z" });
    let request = files.app.request("PUT", "/api/v1/reservations/r1").header("x-lab-manager-token", &files.app.admin);
    let reserved = files.app.send_body(request, by_lab.to_string().into_bytes()).await;
    assert_eq!(reserved.json()["host"], "LAB-02", "the first host that lists a lab owns it: {}", reserved.text());

    write(&files.base, &json!([{ "name": "lab-02", "address": "127.0.0.2" }]));
    write(&files.overlay, &json!([]));
    assert_eq!(files.reload().await["hosts"], 1, "what no file lists any more is out of use");
    assert_eq!(files.app.get("/api/v1/stations/LAB-01").await.status, 200, "and still known");
    assert_eq!(audited(&files.app, "catalog.reload").await.len(), 2);
}

#[tokio::test]
async fn a_file_that_is_no_catalog_changes_nothing() {
    let files = with_files().await;
    write(&files.base, &json!([{ "name": "lab-01", "address": "127.0.0.1" }]));
    files.reload().await;
    for broken in ["{\"hosts\":[", "[]", ""] {
        std::fs::write(&files.base, broken).unwrap();
        let refused = files.app.post("/api/hosts/reload", "").await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["error"].as_str()),
            (500, Some("Hosts configuration reload failed")),
            "{broken:?}"
        );
        assert_eq!(files.names().await, ["lab-01@127.0.0.1"], "{broken:?}");
    }
    let problem = files.app.get("/api/hosts").await.json()["catalogProblem"].clone();
    assert!(text(&problem).contains("hosts.json"), "{problem}");
    std::fs::remove_file(&files.base).unwrap();
    assert_eq!(files.reload().await["hosts"], 1, "a base that is away takes nothing with it");
}

#[tokio::test]
async fn what_is_changed_over_the_api_is_written_into_the_overlay_and_survives_a_reload() {
    let (_station, address) = listening().await;
    let files = with_files().await;
    write(&files.base, &json!([{ "name": "lab-01", "address": "127.0.0.1" }]));
    write(&files.overlay, &json!([{ "name": "lab-05", "address": "127.0.0.5", "note": "kept" }]));
    files.reload().await;
    let asked = json!({ "name": "lab-07", "address": address, "labs": ["1"] });
    assert_eq!(files.app.post("/api/hosts/provision", &asked.to_string()).await.status, 200);
    for (path, body) in
        [("/api/hosts/lab-05", json!({ "mode": "hybrid" })), ("/api/hosts/lab-01", json!({ "labs": "2" }))]
    {
        let request = files.app.request("PATCH", path).header("x-lab-manager-token", &files.app.admin);
        assert_eq!(files.app.send_body(request, body.to_string().into_bytes()).await.status, 200, "{path}");
    }
    let overlay: Value = serde_json::from_slice(&std::fs::read(&files.overlay).unwrap()).unwrap();
    let entry =
        |name: &str| overlay["hosts"].as_array().unwrap().iter().find(|host| host["name"] == name).cloned().unwrap();
    assert_eq!((&entry("lab-05")["note"], &entry("lab-05")["mode"]), (&json!("kept"), &json!("hybrid")));
    let new = entry("lab-07");
    assert_eq!(
        (&new["winrm_use_ssl"], &new["winrm_port"], &new["labs"]),
        (&json!(true), &json!(5986), &json!(["1"])),
        "as the older service wants it"
    );
    assert_eq!(entry("lab-01")["labs"], json!(["2"]));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&files.overlay).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = files.names().await;
    assert_eq!(files.reload().await["hosts"], 3);
    assert_eq!(files.names().await, before);
    for path in ["/api/hosts/lab-07", "/api/hosts/lab-01"] {
        let request = files.app.request("DELETE", path).header("x-lab-manager-token", &files.app.admin);
        assert_eq!(files.app.send(request).await.status, 200, "{path}");
    }
    assert_eq!(files.reload().await["hosts"], 1, "the base does not bring back what was taken out of use");
}

#[tokio::test]
async fn an_overlay_that_cannot_be_written_changes_nothing() {
    let (_station, address) = listening().await;
    let files = with_files().await;
    write(&files.base, &json!([]));
    std::fs::create_dir_all(&files.overlay).unwrap();
    let asked = json!({ "name": "lab-07", "address": address });
    let refused = files.app.post("/api/hosts/provision", &asked.to_string()).await;
    assert_eq!(refused.status, 500, "{}", refused.text());
    assert!(files.names().await.is_empty() && audited(&files.app, "host.add").await.is_empty());
}
