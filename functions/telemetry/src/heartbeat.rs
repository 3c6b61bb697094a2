//! A heartbeat or a `status.json` to one [`Snapshot`].

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use crate::json::{Block, List, Scalar, Source, parse};
use crate::judge::Judge;
use crate::wire::{self, Heartbeat, Operations, Sessions, Status, Summary, Timeout, Wake};
use crate::{
    Details, HostName, Limits, Nic, NicSettings, Power, Reason, Rejection, ServiceState, Snapshot, format_instant,
};

/// How far a station's clock may run ahead of the arrival.
const MAX_AHEAD: TimeDelta = TimeDelta::hours(24);
/// No station had a clock that was right before.
const FIRST_YEAR: i32 = 2020;
/// Names of local users that are kept.
const MAX_LOCAL_USERS: usize = 16;

/// A heartbeat. Its host must be that of the object key, letter case apart; without a key nothing is compared.
///
/// # Errors
/// The first reason of the table that applies, and never [`Reason::TornTail`].
pub fn normalize_heartbeat(
    bytes: &[u8],
    key_host: Option<&HostName>,
    arrived_at: DateTime<Utc>,
    limits: &Limits,
) -> Result<Snapshot, Rejection> {
    let source = Source::of_file(bytes, limits)?;
    let mut heartbeat: Heartbeat<'_> = parse(&source, limits.depth())?;
    let mut judge = Judge::default();
    let schema_version = schema_version(&mut judge, heartbeat.schema_version);
    let host = host(&mut judge, heartbeat.host, key_host);
    let version = lenient(|judge| judge.text(("", "version"), heartbeat.version));
    let mut status = judge.block(("", "status"), heartbeat.status).unwrap_or_default();
    let collected_at = lenient(|judge| judge.instant(("status", "timestamp"), status.timestamp));
    // What a document says at its top goes before the copy in its status; the wake block is taken the other way.
    let [summary_at, operations_at, wake_at] = [
        top_or_status(&mut heartbeat.summary, &mut status.summary),
        top_or_status(&mut heartbeat.operations, &mut status.operations),
        status_or_top(&mut status.wake, &mut heartbeat.wake),
    ];
    let parts = Parts { timestamp: heartbeat.timestamp, summary_at, operations_at, wake_at, arrived_at };
    snapshot(judge, host, status, &parts, Details { version, schema_version, collected_at, ..Details::default() })
}

/// A `status.json`. It does not say whose it is: the host is that of the object key. Its timestamp is the start of
/// collection.
///
/// # Errors
/// As [`normalize_heartbeat`], but for the host.
pub fn normalize_status(
    bytes: &[u8],
    host: &HostName,
    arrived_at: DateTime<Utc>,
    limits: &Limits,
) -> Result<Snapshot, Rejection> {
    let source = Source::of_file(bytes, limits)?;
    let status: Status<'_> = parse(&source, limits.depth())?;
    let mut judge = Judge::default();
    let schema_version = schema_version(&mut judge, status.schema_version);
    let collected_at = lenient(|judge| judge.instant(("", "timestamp"), status.timestamp));
    let parts = Parts { timestamp: status.timestamp, summary_at: "", operations_at: "", wake_at: "", arrived_at };
    let details = Details { schema_version, collected_at, ..Details::default() };
    snapshot(judge, Some(host.clone()), status, &parts, details)
}

/// What the station's clock said in a heartbeat that was rejected for its date alone ([`Reason::TimestampOutOfRange`]).
pub fn misdated_timestamp(bytes: &[u8], limits: &Limits) -> Option<DateTime<Utc>> {
    let source = Source::of_file(bytes, limits).ok()?;
    let heartbeat: Heartbeat<'_> = parse(&source, limits.depth()).ok()?;
    lenient(|judge| judge.required_instant(("", "timestamp"), heartbeat.timestamp))
}

/// Where the parts of a snapshot were found (for the detail of a rejection), and its time.
struct Parts<'de> {
    timestamp: Scalar<'de>,
    summary_at: &'static str,
    operations_at: &'static str,
    wake_at: &'static str,
    arrived_at: DateTime<Utc>,
}

/// Moves the block of the top into the status, if there is one.
fn top_or_status<T>(top: &mut Block<T>, status: &mut Block<T>) -> &'static str {
    if matches!(top, Block::Absent) {
        return "status";
    }
    *status = std::mem::take(top);
    ""
}

/// As [`top_or_status`], but only into a status that has none.
fn status_or_top<T>(status: &mut Block<T>, top: &mut Block<T>) -> &'static str {
    if matches!(status, Block::Absent) { top_or_status(top, status) } else { "status" }
}

/// For what is good to know and decides nothing: a value of the wrong type is an unknown one.
fn lenient<T>(read: impl FnOnce(&mut Judge) -> T) -> T {
    read(&mut Judge::default())
}

/// A snapshot out of a status that has all its blocks.
fn snapshot(
    mut judge: Judge,
    host: Option<HostName>,
    status: Status<'_>,
    parts: &Parts<'_>,
    details: Details,
) -> Result<Snapshot, Rejection> {
    let timestamp = timestamp(&mut judge, parts.timestamp, parts.arrived_at);
    let verdict = verdict(&mut judge, parts.summary_at, status.summary);
    let adapters = adapters(&mut judge, parts.wake_at, status.wake);
    let power = judge.block(("status", "power"), status.power).unwrap_or_default();
    let sleep_compliant = judge.boolean(("status.power", "sleepCompliant"), power.sleep_compliant);
    let hibernate_compliant = judge.boolean(("status.power", "hibernateCompliant"), power.hibernate_compliant);
    let recorded = recorded(&mut judge, parts.operations_at, status.operations);
    let local_session_active = judge.boolean(("status", "localSessionActive"), status.local_session_active);
    let local_mode_enabled = judge.boolean(("status", "localModeEnabled"), status.local_mode_enabled);
    let (Some(host), Some(timestamp_utc), Some(ready)) = (host, timestamp, verdict.ready) else {
        return Err(judge.into_rejection());
    };
    judge.verdict(Snapshot {
        host,
        timestamp_utc,
        ready,
        state: verdict.state,
        issues: verdict.issues,
        local_session_active,
        local_mode_enabled,
        nics: adapters.nics,
        nic_issue_count: adapters.issue_count,
        sleep_compliant,
        hibernate_compliant,
        last_prepare: recorded.last_prepare,
        last_release: recorded.last_release,
        last_forced_logoff: recorded.last_forced_logoff,
        last_power_action: recorded.last_power_action,
        last_safeguard_reboot: recorded.last_safeguard_reboot,
        details: Details {
            station_profile: lenient(|judge| judge.text(("status", "stationProfile"), status.station_profile)),
            local_users: local_users(status.sessions),
            wake_armed_count: adapters.armed_count,
            power: timeouts(power),
            ..details
        },
    })
}

/// Absent, or a text of version 1. A number is another schema, not a wrong type.
fn schema_version(judge: &mut Judge, scalar: Scalar<'_>) -> Option<String> {
    let text = scalar.text();
    let known = matches!(scalar, Scalar::Missing | Scalar::Null) || text.as_ref().is_some_and(|t| t.starts_with("1."));
    if !known {
        judge.note(Reason::UnsupportedSchema, || "schemaVersion is not a text that starts with 1.".to_owned());
    }
    text.map(|text| text.into_owned())
}

/// The host is never coerced: a number is none.
fn host(judge: &mut Judge, scalar: Scalar<'_>, key_host: Option<&HostName>) -> Option<HostName> {
    let Some(text) = scalar.text() else {
        match scalar {
            Scalar::Missing | Scalar::Null => judge.missing(("", "host")),
            _ => judge.wrong_type(("", "host"), "a text"),
        }
        return None;
    };
    match HostName::parse(&text) {
        Ok(host) => {
            if let Some(key_host) = key_host.filter(|key_host| **key_host != host) {
                judge.note(Reason::HostMismatch, || format!("the document is of {host}, its key of {key_host}"));
            }
            Some(host)
        }
        Err(error) => {
            judge.note(Reason::BadHost, || error.to_string());
            None
        }
    }
}

/// The document's own time, near enough to its arrival.
fn timestamp(judge: &mut Judge, scalar: Scalar<'_>, arrived_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let timestamp = judge.required_instant(("", "timestamp"), scalar)?;
    let early = timestamp.year() < FIRST_YEAR;
    // Not `arrived_at + MAX_AHEAD`, which may not exist.
    if early || timestamp.signed_duration_since(arrived_at) > MAX_AHEAD {
        judge.note(Reason::TimestampOutOfRange, || {
            let limit = if early { "before 2020" } else { "more than 24 h after its arrival" };
            format!("timestamp {} is {limit}", format_instant(timestamp))
        });
    }
    Some(timestamp)
}

/// The summary.
#[derive(Default)]
struct Verdict {
    ready: Option<bool>,
    state: Option<String>,
    issues: Vec<String>,
}

fn verdict(judge: &mut Judge, at: &'static str, summary: Block<Summary<'_>>) -> Verdict {
    if matches!(summary, Block::Absent) {
        judge.missing(("", "summary"));
    }
    let Some(summary) = judge.block((at, "summary"), summary) else {
        return Verdict::default();
    };
    Verdict {
        ready: judge.required_boolean(("summary", "ready"), summary.ready),
        state: judge.text(("summary", "state"), summary.state),
        issues: judge.texts(("summary", "issues"), summary.issues).unwrap_or_default(),
    }
}

/// The wake block.
#[derive(Default)]
struct Adapters {
    nics: Option<Vec<Nic>>,
    issue_count: Option<u64>,
    armed_count: Option<u64>,
}

fn adapters(judge: &mut Judge, at: &'static str, wake: Block<Wake<'_>>) -> Adapters {
    let Some(wake) = judge.block((at, "wake"), wake) else {
        return Adapters::default();
    };
    let nics = judge.list(("wake", "nicPower"), wake.nic_power);
    let nics: Option<Vec<Nic>> = nics.map(|nics| nics.into_iter().filter_map(|entry| adapter(judge, entry)).collect());
    // Adapters, not faults. Without the list of bad ones, those that say so themselves.
    let listed = judge.list(("wake", "nicNonCompliant"), wake.nic_non_compliant).map(|bad| bad.len());
    let unready = |nics: &Vec<Nic>| nics.iter().filter(|nic| nic.wol_ready == Some(false)).count();
    let issue_count = listed.or_else(|| nics.as_ref().map(unready)).map(|count| count as u64);
    // powercfg prints a word when there is nothing to list, and the emitter counts it.
    let armed = lenient(|judge| judge.integer(("wake", "armedCount"), wake.armed_count));
    let devices = lenient(|judge| judge.texts(("wake", "armedDevices"), wake.armed_devices));
    let none = devices.is_some_and(|devices| devices.iter().any(|device| device.eq_ignore_ascii_case("NONE")));
    let armed_count = if none { Some(0) } else { armed.and_then(|count| u64::try_from(count).ok()) };
    Adapters { nics, issue_count, armed_count }
}

fn adapter(judge: &mut Judge, entry: Block<wire::Nic<'_>>) -> Option<Nic> {
    let Block::Present(nic) = entry else {
        judge.wrong_type(("wake.nicPower", "entry"), "an object");
        return None;
    };
    let mut text = |field, scalar| judge.text(("wake.nicPower", field), scalar);
    Some(Nic {
        name: text("name", nic.name).unwrap_or_default(),
        settings: NicSettings {
            mac_address: text("macAddress", nic.mac_address),
            status: text("status", nic.status),
            wake_on_magic_packet: text("wakeOnMagicPacket", nic.wake_on_magic_packet),
            wake_on_pattern: text("wakeOnPattern", nic.wake_on_pattern),
            device_sleep_on_disconnect: text("deviceSleepOnDisconnect", nic.device_sleep_on_disconnect),
            allow_turn_off: text("allowTurnOff", nic.allow_turn_off),
        },
        wol_ready: judge.boolean(("wake.nicPower", "wolReady"), nic.wol_ready),
        wake_armed: judge.boolean(("wake.nicPower", "wakeArmed"), nic.wake_armed),
        compliance_issues: judge
            .texts(("wake.nicPower", "complianceIssues"), nic.compliance_issues)
            .unwrap_or_default(),
    })
}

fn recorded(judge: &mut Judge, at: &'static str, operations: Block<Operations<'_>>) -> ServiceState {
    let Some(operations) = judge.block((at, "operations"), operations) else {
        return ServiceState::default();
    };
    let mut block = |name, block| judge.block(("operations", name), block);
    let prepare = block("lastPrepareSession", operations.prepare);
    let release = block("lastReleaseSession", operations.release);
    let forced_logoff = block("lastForcedLogoff", operations.forced_logoff);
    let power_action = block("lastPowerAction", operations.power_action);
    ServiceState {
        last_prepare: prepare.map(|fields| fields.session_operation("operations.lastPrepareSession", judge)),
        last_release: release.map(|fields| fields.session_operation("operations.lastReleaseSession", judge)),
        last_forced_logoff: forced_logoff.map(|fields| fields.forced_logoff("operations.lastForcedLogoff", judge)),
        last_power_action: power_action.map(|fields| fields.power_action("operations.lastPowerAction", judge)),
        // Nothing is decided by it.
        last_safeguard_reboot: match operations.safeguard_reboot {
            Block::Present(fields) => Some(lenient(|judge| fields.safeguard_reboot("", judge))),
            _ => None,
        },
    }
}

/// Rows of other users, the localized header among them on some stations.
fn local_users(sessions: Block<Sessions<'_>>) -> Vec<String> {
    let Block::Present(Sessions { other_users: List::Items(rows) }) = sessions else {
        return Vec::new();
    };
    let user = |row| match row {
        Block::Present(wire::Session { user }) => lenient(|judge| judge.text(("sessions", "user"), user)),
        _ => None,
    };
    rows.into_iter().filter_map(user).take(MAX_LOCAL_USERS).collect()
}

/// The plan as `powercfg` printed it.
fn timeouts(power: wire::Power<'_>) -> Power {
    let (sleep_ac_seconds, sleep_dc_seconds) = last_two_hex(power.sleep).unzip();
    let (hibernate_ac_seconds, hibernate_dc_seconds) = last_two_hex(power.hibernate).unzip();
    Power {
        active_plan: lenient(|judge| judge.text(("power", "activePlan"), power.active_plan)),
        sleep_ac_seconds,
        sleep_dc_seconds,
        hibernate_ac_seconds,
        hibernate_dc_seconds,
    }
}

/// The last two `0x` numbers: mains, then battery, in every language.
fn last_two_hex(timeout: Block<Timeout<'_>>) -> Option<(u64, u64)> {
    let Block::Present(Timeout { raw: Scalar::Text(raw) | Scalar::Escaped(raw) }) = timeout else {
        return None;
    };
    let hex = |rest: &str| {
        let length = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        u64::from_str_radix(&rest[..length], 16).ok()
    };
    let (before, battery) = raw.rsplit_once("0x")?;
    let (_, mains) = before.rsplit_once("0x")?;
    Some((hex(mains)?, hex(battery)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_come_from_the_last_two_numbers() {
        for (raw, expected) in [
            ("AC: 0x00000e10\r\n DC: 0x000004b0\r\n", Some((3600, 1200))),
            ("x 0x1 y 0x00001C20 z 0x0", Some((7200, 0))),
            ("0x12c", None),
            ("0x 0x1", None),
            ("0x10000000000000000 0x1", None),
            ("", None),
        ] {
            let block = Block::Present(Timeout { raw: Scalar::Escaped(raw) });
            assert_eq!(last_two_hex(block), expected, "{raw}");
        }
        assert_eq!(last_two_hex(Block::Present(Timeout { raw: Scalar::Bool(true) })), None);
        assert_eq!(last_two_hex(Block::Absent), None);
    }
}
