//! A lab as a folder: each heartbeat a file of its own, the other documents as they stand at the end.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use stationkeeper_telemetry::HostName;

use crate::lab::{Emissions, Lab};
use crate::oracle::Beat;
use crate::scenario::instant_text;
use crate::upload::{Document, TruthBeat, TruthEvent};

impl Lab {
    /// Relative path and content of every file: heartbeats as they come, then the final `status.json`, `service-state.ini` and `session-guard-events.jsonl` of each station, then `scenario.json`, `truth.jsonl`, `truth_events.jsonl`.
    /// Of an endless lab, its first 24 hours.
    pub fn files(&self) -> Files {
        let end = self.end();
        Files {
            lab: self.clone(),
            emissions: Some(self.emissions_until(end)),
            single: BTreeMap::new(),
            beats: BTreeMap::new(),
            truth: Vec::new(),
            last: VecDeque::new(),
        }
    }
}

/// See [`Lab::files`].
#[derive(Debug)]
pub struct Files {
    lab: Lab,
    emissions: Option<Emissions>,
    single: BTreeMap<String, Vec<u8>>,
    beats: BTreeMap<HostName, Vec<Beat>>,
    truth: Vec<u8>,
    last: VecDeque<(String, Vec<u8>)>,
}

impl Iterator for Files {
    type Item = (String, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(emissions) = &mut self.emissions {
            let Some(emission) = emissions.next() else {
                let events = emissions.events();
                self.emissions = None;
                self.sum_up(&events);
                break;
            };
            if let Some(truth) = &emission.truth {
                line(&mut self.truth, &truth.to_json());
                self.beats.entry(emission.upload.host.clone()).or_default().push(Beat::from(truth));
            }
            let upload = emission.upload;
            let name = match upload.document {
                Document::Heartbeat => {
                    return Some((format!("{}/{}", upload.host, heartbeat_file(upload.timestamp)), upload.bytes));
                }
                Document::Status => "status.json",
                Document::Events => "session-guard-events.jsonl",
                Document::ServiceState => "service-state.ini",
            };
            self.single.insert(format!("{}/{name}", upload.host), upload.bytes);
        }
        self.last.pop_front()
    }
}

impl Files {
    fn sum_up(&mut self, events: &[TruthEvent]) {
        self.last.extend(std::mem::take(&mut self.single));
        let scenario = self.lab.scenario_of(std::mem::take(&mut self.beats));
        // A scenario has neither maps with other keys than text nor fallible fields.
        let text = serde_json::to_vec_pretty(&scenario).unwrap_or_default();
        self.last.push_back(("scenario.json".to_owned(), text));
        self.last.push_back(("truth.jsonl".to_owned(), std::mem::take(&mut self.truth)));
        let mut lines = Vec::new();
        for event in events {
            line(&mut lines, &event.to_json());
        }
        self.last.push_back(("truth_events.jsonl".to_owned(), lines));
    }
}

fn line(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(b'\n');
}

impl TruthBeat {
    /// A line of `truth.jsonl`: the keys of a normalized heartbeat, and under `x` what else is known.
    pub fn to_json(&self) -> Value {
        let snapshot = &self.snapshot;
        let at = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(instant_text);
        let session = |run: &Option<stationkeeper_telemetry::SessionOperation>| {
            run.as_ref().map(|run| {
                json!({"timestamp": at(run.timestamp), "success": run.success, "duration_ms": run.duration_ms, "user": run.user})
            })
        };
        let nics = snapshot.nics.as_ref().map(|nics| {
            nics.iter()
                .map(|nic| {
                    json!({"name": nic.name, "wol_ready": nic.wol_ready, "wake_armed": nic.wake_armed,
                        "compliance_issues": nic.compliance_issues})
                })
                .collect::<Vec<_>>()
        });
        json!({
            "host": snapshot.host.as_str(),
            "timestamp_utc": instant_text(snapshot.timestamp_utc),
            "ready": snapshot.ready,
            "state": snapshot.state,
            "issues": snapshot.issues,
            "local_session_active": snapshot.local_session_active,
            "local_mode_enabled": snapshot.local_mode_enabled,
            "nics": nics,
            "nic_issue_count": snapshot.nic_issue_count,
            "sleep_compliant": snapshot.sleep_compliant,
            "hibernate_compliant": snapshot.hibernate_compliant,
            "last_prepare": session(&snapshot.last_prepare),
            "last_release": session(&snapshot.last_release),
            "last_forced_logoff": snapshot.last_forced_logoff.as_ref().map(|logoff| {
                json!({"timestamp": at(logoff.timestamp), "user": logoff.user, "session_id": logoff.session_id,
                    "grace": logoff.grace, "force": logoff.force, "message": logoff.message, "source": logoff.source})
            }),
            "last_power_action": snapshot.last_power_action.as_ref().map(|run| {
                json!({"timestamp": at(run.timestamp), "mode": run.mode, "forced": run.forced, "wake_ready": run.wake_ready})
            }),
            "x": {
                "armed_count": snapshot.details.wake_armed_count,
                "real_local_session": self.real_local_session,
                "real_sleep_ac_seconds": self.real_sleep_ac_seconds,
                "schema_version": snapshot.details.schema_version,
                "station_profile": snapshot.details.station_profile,
                "status_timestamp": at(snapshot.details.collected_at),
                "version": snapshot.details.version,
            },
        })
    }
}

impl TruthEvent {
    /// A line of `truth_events.jsonl`.
    pub fn to_json(&self) -> Value {
        let event = &self.event;
        json!({
            "host": self.host.as_str(),
            "line": event.line,
            "timestamp": instant_text(event.timestamp),
            "user": event.user,
            "session_id": event.session_id,
            "grace": event.grace,
            "force": event.force,
            "message": event.message,
            "source": event.source,
            "state": event.state,
        })
    }
}

/// The name of a heartbeat's file in a lab's folder.
fn heartbeat_file(timestamp: DateTime<Utc>) -> String {
    format!("heartbeat-{}.json", instant_text(timestamp).replace(['-', ':'], ""))
}
