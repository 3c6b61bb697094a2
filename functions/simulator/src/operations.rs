//! What a station did: `service-state.ini`, its way back into the heartbeat with the losses of telemetry.md section 4, and the truth beside it.

use stationkeeper_telemetry::{ForcedLogoff, PowerAction, SafeguardReboot, ServiceState, SessionOperation};

use crate::json;
use crate::operation::{Operation, SessionRun, WakeCheck};
use crate::scenario::instant_text;

/// Everything that ran so far on one station.
#[derive(Debug, Clone, Default)]
pub struct Operations {
    /// In order of first use; keys in the order of their names.
    sections: Vec<(&'static str, Vec<(&'static str, String)>)>,
    truth: ServiceState,
}

/// The five objects of the heartbeat, in its order, and the sections they come from.
const OBJECTS: [(&str, &str); 5] = [
    ("lastForcedLogoff", "forced-logoff"),
    ("lastPowerAction", "power-action"),
    ("lastPrepareSession", "prepare-session"),
    ("lastReleaseSession", "release-session"),
    ("lastSafeguardReboot", "safeguard-reboot"),
];

impl Operations {
    /// Nothing ever ran: the INI does not exist.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// What the normalizer must find, in the heartbeat as well as in the INI read as the emitter reads it.
    pub fn truth(&self) -> &ServiceState {
        &self.truth
    }

    /// Records a run.
    pub fn record(&mut self, operation: &Operation) {
        let (section, keys) = operation.keys();
        self.write(section, keys);
        self.remember(operation);
    }

    /// The same, caught half-way: keys are written one by one by name, and those after `timestamp` still belong to the older run.
    pub fn record_torn(&mut self, operation: &Operation) {
        let (section, keys) = operation.keys();
        self.write(section, keys.into_iter().filter(|(key, _)| *key <= "timestamp").collect());
        let before = self.truth.clone();
        self.remember(operation);
        match (operation, &mut self.truth) {
            (Operation::ForcedLogoff(_), ServiceState { last_forced_logoff: Some(new), .. }) => {
                new.user = before.last_forced_logoff.and_then(|old| old.user);
            }
            (Operation::Prepare(_), ServiceState { last_prepare: Some(new), .. }) => {
                new.user = before.last_prepare.and_then(|old| old.user);
            }
            (Operation::Release(..), ServiceState { last_release: Some(new), .. }) => {
                new.user = before.last_release.and_then(|old| old.user);
            }
            (Operation::Power(_), ServiceState { last_power_action: Some(new), .. }) => {
                new.wake_ready = before.last_power_action.as_ref().and_then(|old| old.wake_ready);
                new.wake_issues = before.last_power_action.and_then(|old| old.wake_issues);
            }
            // Its keys all come before `timestamp`.
            _ => {}
        }
    }

    /// A write changes and adds keys; it never deletes one.
    fn write(&mut self, section: &'static str, keys: Vec<(&'static str, String)>) {
        if !self.sections.iter().any(|(name, _)| *name == section) {
            self.sections.push((section, Vec::new()));
        }
        let Some((_, stored)) = self.sections.iter_mut().find(|(name, _)| *name == section) else {
            return; // pushed above
        };
        for (key, value) in keys {
            match stored.binary_search_by(|(name, _)| (*name).cmp(key)) {
                Ok(place) => stored[place].1 = value,
                Err(place) => stored.insert(place, (key, value)),
            }
        }
    }

    fn remember(&mut self, operation: &Operation) {
        let session = |run: &SessionRun| SessionOperation {
            timestamp: Some(run.at),
            success: Some(run.success),
            duration_ms: Some(run.duration_ms),
            user: lossy(&run.user),
        };
        match operation {
            Operation::Prepare(run) => self.truth.last_prepare = Some(session(run)),
            Operation::Release(run, _) => self.truth.last_release = Some(session(run)),
            Operation::SafeguardReboot { at, rebooted, success, reason, message, issues } => {
                let stale_issues = self.truth.last_safeguard_reboot.take().and_then(|old| old.issues);
                self.truth.last_safeguard_reboot = Some(SafeguardReboot {
                    timestamp: Some(*at),
                    rebooted: Some(*rebooted),
                    success: Some(*success),
                    reason: lossy(reason),
                    message: lossy(message),
                    issues: issues.as_deref().map_or(stale_issues, lossy),
                });
            }
            Operation::ForcedLogoff(logoff) => {
                self.truth.last_forced_logoff = Some(ForcedLogoff {
                    timestamp: Some(logoff.at),
                    user: lossy(&logoff.user),
                    session_id: Some(logoff.session_id),
                    grace: Some(logoff.whole_grace()),
                    force: None,
                    message: lossy(&logoff.message),
                    source: Some("session-guard".to_owned()),
                    state: lossy(&logoff.state),
                    success: Some(true),
                });
            }
            Operation::Power(run) => {
                let stale_reason = self.truth.last_power_action.take().and_then(|old| old.reason);
                self.truth.last_power_action = Some(PowerAction {
                    timestamp: Some(run.at),
                    mode: lossy(&run.mode),
                    forced: Some(run.force),
                    wake_ready: Some(!matches!(run.wake, WakeCheck::NotReady(..))),
                    success: Some(run.success),
                    delay: Some(run.delay),
                    reason: run.reason.as_deref().map_or(stale_reason, lossy),
                    wake_issues: match &run.wake {
                        WakeCheck::NotReady(_, issues) => lossy(issues),
                        WakeCheck::Skipped | WakeCheck::Ready(_) => None,
                    },
                });
            }
        }
    }

    /// `service-state.ini`: UTF-16LE with BOM, CRLF.
    pub fn ini(&self) -> Vec<u8> {
        let mut text = String::from("\u{feff}");
        for (section, keys) in &self.sections {
            text.push_str(&format!("[{section}]\r\n"));
            for (key, value) in keys {
                text.push_str(&format!("{key}={value}\r\n"));
            }
        }
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// The object `operations` of a heartbeat.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        for (index, (object, _)) in OBJECTS.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            json::text(out, object);
            out.push(b':');
            self.write_object(out, index);
        }
        out.push(b'}');
    }

    /// `lastForcedLogoff`, which also stands at `status.lastForcedLogoff`.
    pub(crate) fn write_last_forced_logoff(&self, out: &mut Vec<u8>) {
        self.write_object(out, 0);
    }

    /// One of [`OBJECTS`]; `[]` when it never ran.
    fn write_object(&self, out: &mut Vec<u8>, index: usize) {
        let section = OBJECTS[index].1;
        let Some((_, keys)) = self.sections.iter().find(|(name, _)| *name == section) else {
            out.extend_from_slice(b"[]");
            return;
        };
        for (index, (key, value)) in keys.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            json::text(out, key);
            out.push(b':');
            write_read_back(out, value);
        }
        out.push(b'}');
    }
}

impl Operation {
    /// Its section and keys, in the order of their names.
    fn keys(&self) -> (&'static str, Vec<(&'static str, String)>) {
        let flag = |value: bool| if value { "1" } else { "0" }.to_owned();
        let session = |run: &SessionRun| {
            vec![
                ("durationMs", run.duration_ms.to_string()),
                ("success", flag(run.success)),
                ("timestamp", instant_text(run.at)),
                ("user", as_written(&run.user)),
            ]
        };
        match self {
            Self::Prepare(run) => ("prepare-session", session(run)),
            Self::Release(run, reboot) => {
                let mut keys = session(run);
                if let Some(timeout) = reboot {
                    keys.insert(1, ("rebootRequested", flag(true)));
                    keys.insert(2, ("rebootTimeout", timeout.to_string()));
                }
                ("release-session", keys)
            }
            Self::SafeguardReboot { at, rebooted, success, reason, message, issues } => {
                let mut keys = vec![
                    ("message", as_written(message)),
                    ("reason", as_written(reason)),
                    ("rebooted", flag(*rebooted)),
                    ("success", flag(*success)),
                    ("timestamp", instant_text(*at)),
                ];
                if let Some(issues) = issues {
                    keys.insert(0, ("issues", as_written(issues)));
                }
                ("safeguard-reboot", keys)
            }
            Self::ForcedLogoff(logoff) => (
                "forced-logoff",
                vec![
                    ("grace", logoff.whole_grace().to_string()),
                    ("message", as_written(&logoff.message)),
                    ("sessionId", logoff.session_id.to_string()),
                    ("source", "session-guard".to_owned()),
                    ("state", as_written(&logoff.state)),
                    ("success", flag(true)),
                    ("timestamp", instant_text(logoff.at)),
                    ("user", as_written(&logoff.user)),
                ],
            ),
            Self::Power(run) => {
                let mut keys = vec![
                    ("delay", run.delay.to_string()),
                    ("force", flag(run.force)),
                    ("mode", as_written(&run.mode)),
                    ("success", flag(run.success)),
                    ("timestamp", instant_text(run.at)),
                ];
                if let Some(reason) = &run.reason {
                    keys.insert(3, ("reason", as_written(reason)));
                }
                match &run.wake {
                    WakeCheck::Skipped => keys.push(("wakeArmed", String::new())),
                    WakeCheck::Ready(armed) => keys.push(("wakeArmed", armed.to_string())),
                    WakeCheck::NotReady(armed, issues) => {
                        keys.push(("wakeArmed", armed.to_string()));
                        keys.push(("wakeIssues", as_written(issues)));
                    }
                }
                keys.push(("wakeReady", flag(!matches!(run.wake, WakeCheck::NotReady(..)))));
                ("power-action", keys)
            }
        }
    }
}

/// Text on its way into the INI: what looks like the number 1 or 0 is rewritten (`01`, `0.0`).
fn as_written(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(1.0) => "1".to_owned(),
        Ok(0.0) => "0".to_owned(),
        _ => text.to_owned(),
    }
}

/// A value on its way from the INI into a heartbeat.
fn write_read_back(out: &mut Vec<u8>, value: &str) {
    let value = value.trim_matches([' ', '\t']);
    if ["true", "on", "1"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
        json::boolean(out, true);
    } else if ["false", "off", "0"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
        json::boolean(out, false);
    } else if let Some(number) = whole_number(value) {
        json::integer(out, number);
    } else {
        json::text(out, value);
    }
}

/// `-?digits` that fits.
fn whole_number(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) { None } else { value.parse().ok() }
}

/// What is left of a text after the INI and the heartbeat, in the normalizer's terms.
fn lossy(text: &str) -> Option<String> {
    match text.trim_matches([' ', '\t']) {
        "" | "null" => None,
        word => Some(match word.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" | "01" => "true".to_owned(),
            "false" | "off" | "0" | "00" => "false".to_owned(),
            _ => whole_number(word).map_or_else(|| word.to_owned(), |number| number.to_string()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Logoff, PowerRun};
    use chrono::{DateTime, Utc};

    fn at(minute: u32) -> DateTime<Utc> {
        use chrono::TimeZone;
        Utc.with_ymd_and_hms(2026, 11, 24, 8, minute, 10).unwrap()
    }

    fn json_of(operations: &Operations) -> serde_json::Value {
        let mut out = Vec::new();
        operations.write_json(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn spellings_get_lost_between_ini_and_heartbeat() {
        for (user, shown, truth) in [
            ("instructor", serde_json::json!("instructor"), Some("instructor")),
            ("1", serde_json::json!(true), Some("true")),
            ("01", serde_json::json!(true), Some("true")),
            ("OFF", serde_json::json!(false), Some("false")),
            ("00712", serde_json::json!(712), Some("712")),
            ("null", serde_json::Value::Null, None),
            ("", serde_json::json!(""), None),
            ("12a", serde_json::json!("12a"), Some("12a")),
        ] {
            let mut operations = Operations::default();
            operations.record(&Operation::ForcedLogoff(Logoff::new(at(0), user, 1)));
            assert_eq!(json_of(&operations)["lastForcedLogoff"]["user"], shown, "{user}");
            let logoff = operations.truth().last_forced_logoff.clone().unwrap();
            assert_eq!(logoff.user.as_deref(), truth, "{user}");
        }
    }

    #[test]
    fn the_ini_is_utf16_with_crlf_and_sections_in_order_of_first_use() {
        let mut operations = Operations::default();
        assert!(operations.is_empty());
        let run = |minute| SessionRun { at: at(minute), success: true, duration_ms: 0, user: String::new() };
        operations.record(&Operation::Release(run(1), Some(0)));
        operations.record(&Operation::Prepare(run(2)));
        operations.record(&Operation::Release(run(3), None));
        let bytes = operations.ini();
        assert_eq!(bytes[..4], [0xff, 0xfe, b'[', 0]);
        let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        assert_eq!(
            String::from_utf16(&units).unwrap(),
            "\u{feff}[release-session]\r\ndurationMs=0\r\nrebootRequested=1\r\nrebootTimeout=0\r\nsuccess=1\r\n\
             timestamp=2026-11-24T08:03:10Z\r\nuser=\r\n[prepare-session]\r\ndurationMs=0\r\nsuccess=1\r\n\
             timestamp=2026-11-24T08:02:10Z\r\nuser=\r\n",
            "the reboot of the older release stays"
        );
        assert_eq!(json_of(&operations)["lastReleaseSession"]["durationMs"], false);
        assert_eq!(json_of(&operations)["lastPowerAction"], serde_json::json!([]));
    }

    #[test]
    fn a_torn_read_has_the_new_time_and_the_old_user() {
        let mut operations = Operations::default();
        operations.record(&Operation::ForcedLogoff(Logoff::new(at(1), "ana", 2)));
        operations.record_torn(&Operation::ForcedLogoff(Logoff::new(at(5), "berta", 3)));
        let json = json_of(&operations);
        assert_eq!(json["lastForcedLogoff"]["timestamp"], "2026-11-24T08:05:10Z");
        assert_eq!(json["lastForcedLogoff"]["user"], "ana");
        assert_eq!(json["lastForcedLogoff"]["sessionId"], 3);
        assert_eq!(operations.truth().last_forced_logoff.as_ref().unwrap().user.as_deref(), Some("ana"));
    }

    #[test]
    fn a_power_action_keeps_keys_of_an_older_run() {
        let mut operations = Operations::default();
        let mut run = PowerRun::shutdown(at(1), 1);
        run.wake = WakeCheck::NotReady(3, "NIC not WoL ready: Ethernet".to_owned());
        operations.record(&Operation::Power(run));
        operations.record(&Operation::Power(PowerRun {
            reason: None,
            wake: WakeCheck::Skipped,
            ..PowerRun::shutdown(at(2), 0)
        }));
        assert_eq!(
            json_of(&operations)["lastPowerAction"],
            serde_json::json!({"delay": false, "force": true, "mode": "shutdown", "reason": "end of day", "success": true,
                "timestamp": "2026-11-24T08:02:10Z", "wakeArmed": "", "wakeIssues": "NIC not WoL ready: Ethernet", "wakeReady": true})
        );
        assert_eq!(operations.truth().last_power_action.as_ref().unwrap().wake_issues, None);
    }
}
