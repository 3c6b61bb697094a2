//! The catalog of the older service, `hosts.json`: what an entry says, or why it is set aside. Pure: bytes in, entries out.

use serde_json::{Map, Value};
use stationkeeper_station_link::wake::MacAddress;
use stationkeeper_station_link::winrm::{CertificatePolicy, WINRM_PORT};
use stationkeeper_station_link::{ManagementNetworks, StationPath};
use stationkeeper_store::HostAccess;
use stationkeeper_telemetry::HostName;

use crate::extract::boolean;
use crate::reach::host_and_port;

/// Longest text that is kept, in characters.
const LONGEST: usize = 191;
/// More labs than a station has.
const MOST_LABS: usize = 100;

/// An entry that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedHost {
    /// Which station.
    pub host: HostName,
    /// Where it answers.
    pub address: String,
    /// Its adapter.
    pub mac: Option<String>,
    /// The rest. It has no order and no source yet.
    pub access: HostAccess,
}

/// An entry that cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// As it names itself, if it does.
    pub name: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
}

/// What a document says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// In its order; of two of one name the later, at the place of the first.
    pub hosts: Vec<ListedHost>,
    /// In its order.
    pub set_aside: Vec<SetAside>,
}

/// A document that says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// No JSON.
    #[error("it is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Another JSON.
    #[error("it is no object with a list `hosts`")]
    NoHosts,
}

/// Reads a document.
pub(crate) fn read(bytes: &[u8], networks: &ManagementNetworks) -> Result<Document, DocumentError> {
    let mut document = Document::default();
    for entry in entries(bytes)? {
        let Value::Object(fields) = entry else {
            document.set_aside.push(SetAside { name: None, reason: "it is no object".to_owned() });
            continue;
        };
        match read_host(&fields, networks) {
            Ok(host) => put(&mut document.hosts, host),
            Err(reason) => {
                let name = fields.get("name").and_then(Value::as_str).map(|name| name.chars().take(128).collect());
                document.set_aside.push(SetAside { name, reason });
            }
        }
    }
    Ok(document)
}

/// The entries of a document, as they are.
pub(crate) fn entries(bytes: &[u8]) -> Result<Vec<Value>, DocumentError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match serde_json::from_slice(bytes)? {
        Value::Object(mut document) => match document.remove("hosts") {
            Some(Value::Array(hosts)) => Ok(hosts),
            None => Ok(Vec::new()),
            Some(_) => Err(DocumentError::NoHosts),
        },
        _ => Err(DocumentError::NoHosts),
    }
}

/// Base and overlay as one: the overlay wins by name, at the place of the base.
pub(crate) fn merge(base: Vec<ListedHost>, overlay: Vec<ListedHost>) -> Vec<ListedHost> {
    let mut merged = base;
    for host in overlay {
        put(&mut merged, host);
    }
    merged
}

fn put(hosts: &mut Vec<ListedHost>, host: ListedHost) {
    match hosts.iter_mut().find(|known| known.host == host.host) {
        Some(known) => *known = host,
        None => hosts.push(host),
    }
}

/// Reads an entry; the error says why it cannot be used. A user or a password in it is never looked at.
pub(crate) fn read_host(fields: &Map<String, Value>, networks: &ManagementNetworks) -> Result<ListedHost, String> {
    let name = match fields.get("name") {
        // What is wrong with a name is told of its signs, however many there are.
        Some(Value::String(name)) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => text(fields, "name")?.ok_or("name is required")?,
    };
    let host = host_name(&name)?;
    let address = text(fields, "address")?.ok_or("address is required")?;
    check_address(&address, networks)?;
    let mac = text(fields, "mac")?;
    if let Some(mac) = &mac {
        mac.parse::<MacAddress>().map_err(|error| error.to_string())?;
    }
    match fields.get("winrm_use_ssl") {
        None | Some(Value::Null) => {}
        Some(value) => match boolean(value) {
            Some(true) => {}
            Some(false) => return Err("winrm_use_ssl is false: stations are reached by HTTPS alone".to_owned()),
            None => return Err("winrm_use_ssl is true or false".to_owned()),
        },
    }
    if let Some(port) = text(fields, "winrm_port")?
        && port.parse() != Ok(WINRM_PORT)
    {
        return Err(format!("winrm_port is {WINRM_PORT}"));
    }
    let transport = text(fields, "winrm_transport")?.map(|transport| transport.to_lowercase());
    if let Some(transport) = &transport
        && !["ntlm", "basic"].contains(&transport.as_str())
    {
        return Err("winrm_transport is ntlm or basic".to_owned());
    }
    let pin = match text(fields, "certificate_sha256")? {
        None => None,
        Some(digits) => match CertificatePolicy::pin(&digits) {
            Ok(CertificatePolicy::Pin(sha256)) => Some(sha256),
            Ok(_) => None,
            Err(error) => return Err(format!("certificate_sha256: {error}")),
        },
    };
    let access = HostAccess {
        spelling: Some(name),
        labs: labs(fields.get("labs"))?,
        order: None,
        ping_target: text(fields, "ping_target")?,
        credential_ref: text(fields, "credential_ref")?,
        transport,
        heartbeat_path: path(fields, "heartbeat_path")?,
        events_path: path(fields, "events_path")?,
        mode: text(fields, "mode")?,
        pin,
        source: None,
    };
    Ok(ListedHost { host, address, mac, access })
}

/// The name of a station. Lab Station gives no other ones: it is the name of a computer.
pub(crate) fn host_name(name: &str) -> Result<HostName, String> {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "_.-".contains(sign);
    if !(1..=128).contains(&name.len()) || !name.chars().all(is_plain) {
        return Err("name must contain only letters, numbers, dots, underscores, and hyphens".to_owned());
    }
    HostName::parse(name).map_err(|error| format!("'{name}' is no name of a station: {error}"))
}

/// The labs of a list, or of a text with commas.
pub(crate) fn labs(value: Option<&Value>) -> Result<Vec<String>, String> {
    let wrong = || format!("labs is a list of at most {MOST_LABS} texts, or one text with commas");
    let listed: Vec<String> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(',').map(str::to_owned).collect(),
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|lab| match lab {
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                _ => Err(wrong()),
            });
            texts.collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong()),
    };
    let mut labs: Vec<String> = Vec::new();
    for lab in listed {
        let lab = lab.trim().to_owned();
        if !lab.is_empty() && !labs.contains(&lab) {
            labs.push(bounded("labs", lab)?);
        }
    }
    if labs.len() > MOST_LABS { Err(wrong()) } else { Ok(labs) }
}

/// Whether it could be an address; whether it is in the networks, where that needs no resolver.
fn check_address(address: &str, networks: &ManagementNetworks) -> Result<(), String> {
    let (host, _) = host_and_port(address);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let signs = |sign: char| sign.is_alphanumeric() || "-_.:".contains(sign);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(signs) {
        return Err("address is neither a host name nor an address".to_owned());
    }
    match host.parse() {
        Ok(ip) if !networks.is_empty() && !networks.contains(ip) => {
            Err("address lies outside the management networks (WINRM_MANAGEMENT_CIDRS)".to_owned())
        }
        _ => Ok(()),
    }
}

/// A path of the station. Catalogs are seen with each backslash written twice, which Windows takes for one.
fn path(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    let Some(written) = text(fields, name)? else { return Ok(None) };
    let mut single = String::with_capacity(written.len());
    for sign in written.chars().map(|sign| if sign == '/' { '\\' } else { sign }) {
        if sign != '\\' || !single.ends_with('\\') {
            single.push(sign);
        }
    }
    let path: StationPath = single.parse().map_err(|error| format!("{name}: {error}"))?;
    Ok(Some(path.as_str().to_owned()))
}

/// A text, or a number as one. Nothing counts as absent.
fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    let said = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(format!("{name} is a text")),
    };
    if said.is_empty() { Ok(None) } else { bounded(name, said).map(Some) }
}

fn bounded(name: &str, text: String) -> Result<String, String> {
    let too_long = text.chars().count() > LONGEST && !name.ends_with("_path");
    if too_long || text.chars().any(char::is_control) {
        return Err(format!("{name} has at most {LONGEST} characters, none of them a control character"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn networks() -> ManagementNetworks {
        "10.20.0.0/16".parse().unwrap()
    }

    fn said(document: &Value) -> Document {
        read(document.to_string().as_bytes(), &networks()).unwrap()
    }

    #[test]
    fn a_catalog_of_the_older_service_is_read_as_it_stands() {
        let host = &said(&json!({ "hosts": [{
            "name": "lab-ws-01", "address": "lab-ws-01", "mac": "00:11:22:33:44:55", "credential_ref": "Shared",
            "winrm_transport": "NTLM", "winrm_use_ssl": true, "winrm_port": 5986,
            "heartbeat_path": "C:\\\\LabStation\\\\labstation\\\\data\\\\telemetry\\\\heartbeat.json",
            "events_path": "C:/LabStation/data/events.jsonl", "labs": ["1", 2, " 3 ", "", "1"], "unknown": {},
            "winrm_user": "never", "winrm_pass": "looked at", "mode": "hybrid", "ping_target": "10.20.0.9",
            "certificate_sha256": "AB:".repeat(31) + "AB",
        }] }))
        .hosts[0];
        assert_eq!((host.host.as_str(), host.access.spelling.as_deref()), ("LAB-WS-01", Some("lab-ws-01")));
        assert_eq!(host.access.labs, ["1", "2", "3"]);
        let heartbeat = r"C:\LabStation\labstation\data\telemetry\heartbeat.json";
        assert_eq!(host.access.heartbeat_path.as_deref(), Some(heartbeat));
        assert_eq!(host.access.events_path.as_deref(), Some(r"C:\LabStation\data\events.jsonl"));
        assert_eq!((host.access.transport.as_deref(), host.access.pin), (Some("ntlm"), Some([0xab; 32])));
        assert!(!format!("{host:?}").contains("looked at"));
    }

    #[test]
    fn a_bad_entry_is_set_aside_with_its_reason_and_costs_no_other() {
        for (entry, reason) in [
            (json!(7), "it is no object"),
            (json!({ "address": "x" }), "name is required"),
            (json!({ "name": " ", "address": "x" }), "name is required"),
            (json!({ "name": "a b", "address": "x" }), "name must contain only"),
            (json!({ "name": "lab-ws-01.example.org", "address": "x" }), "is no name of a station"),
            (json!({ "name": ["x"], "address": "x" }), "name is a text"),
            (json!({ "name": "x" }), "address is required"),
            (json!({ "name": "x", "address": "a b" }), "neither a host name nor an address"),
            (json!({ "name": "x", "address": "192.0.2.1" }), "outside the management networks"),
            (json!({ "name": "x", "address": "192.0.2.1:5986" }), "outside the management networks"),
            (json!({ "name": "x", "address": "y", "mac": "12" }), "is no MAC address"),
            (json!({ "name": "x", "address": "y", "winrm_use_ssl": "off" }), "by HTTPS alone"),
            (json!({ "name": "x", "address": "y", "winrm_use_ssl": "perhaps" }), "true or false"),
            (json!({ "name": "x", "address": "y", "winrm_port": 5985 }), "winrm_port is 5986"),
            (json!({ "name": "x", "address": "y", "winrm_transport": "kerberos" }), "ntlm or basic"),
            (json!({ "name": "x", "address": "y", "heartbeat_path": "C:\\a';calc" }), "heartbeat_path"),
            (json!({ "name": "x", "address": "y", "labs": { "1": 2 } }), "labs is a list"),
            (json!({ "name": "x", "address": "y", "labs": [[]] }), "labs is a list"),
            (json!({ "name": "x", "address": "y", "mode": "m".repeat(200) }), "at most 191"),
            (json!({ "name": "x", "address": "y", "certificate_sha256": "12" }), "certificate_sha256"),
        ] {
            let document = said(&json!({ "hosts": [entry, { "name": "good", "address": "10.20.0.1" }] }));
            assert_eq!(document.hosts.len(), 1, "{entry}");
            let [aside] = document.set_aside.as_slice() else { panic!("{entry}: {document:?}") };
            assert!(aside.reason.contains(reason), "{entry}: {}", aside.reason);
        }
    }

    #[test]
    fn what_is_no_catalog_is_told_from_an_empty_one() {
        for (text, fine) in [
            ("{}", true),
            ("\u{feff}{\"hosts\":[]}", true),
            ("", false),
            ("{\"hosts\":{}}", false),
            ("[]", false),
            ("{\"hosts\":[}", false),
        ] {
            assert_eq!(read(text.as_bytes(), &networks()).is_ok(), fine, "{text:?}");
        }
    }

    #[test]
    fn the_overlay_wins_by_name_in_any_letter_case_at_the_place_of_the_base() {
        let listed = |hosts: Value| said(&json!({ "hosts": hosts })).hosts;
        let base = listed(json!([
            { "name": "lab-1", "address": "a" }, { "name": "lab-2", "address": "b" }, { "name": "LAB-1", "address": "c" }
        ]));
        let overlay = listed(json!([{ "name": "Lab-3", "address": "d" }, { "name": "Lab-2", "address": "e" }]));
        let merged = merge(base, overlay);
        let seen: Vec<_> = merged.iter().map(|host| (host.access.spelling.as_deref(), host.address.as_str())).collect();
        assert_eq!(seen, [(Some("LAB-1"), "c"), (Some("Lab-2"), "e"), (Some("Lab-3"), "d")]);
    }
}
