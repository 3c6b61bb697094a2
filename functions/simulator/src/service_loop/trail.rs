//! What a session guard leaves behind.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use stationkeeper_telemetry::HostEvent;

use super::{Pending, Run};
use crate::operation::{Logoff, Operation};
use crate::script::Guard;
use crate::station_view::BOM;
use crate::upload::TruthEvent;

impl Run {
    /// A guard's traces: the INI first, then the lines. `torn`: the INI is only half-way, and no line is there yet.
    pub(super) fn log_off(&mut self, guard: &Guard, at: DateTime<Utc>, torn: bool) {
        for (number, (user, session_id)) in guard.victims.iter().enumerate() {
            let logoff = Logoff {
                message: guard.message.to_owned(),
                grace: guard.grace,
                ..Logoff::new(self.stamp(at), user, *session_id)
            };
            let operation = Operation::ForcedLogoff(logoff.clone());
            if torn {
                if number + 1 == guard.victims.len() {
                    self.view.operations.record_torn(&operation);
                }
                continue;
            }
            self.view.operations.record(&operation);
            if !guard.lines_lost {
                self.append_line(&logoff);
            }
        }
        if torn {
            return;
        }
        let soon = Pending::At(at.max(self.last_publish) + TimeDelta::seconds(3));
        self.ini_upload = if self.random.random_bool(0.5) { soon } else { Pending::WithNextBeat };
        if !guard.lines_lost && self.jsonl_upload == Pending::Nothing {
            self.jsonl_upload = match self.random.random_range(0..10) {
                0..5 => soon,
                5..8 => Pending::WithNextBeat,
                _ => Pending::At(at.max(self.last_publish) + TimeDelta::seconds(self.random.random_range(40..90))),
            };
        }
    }

    pub(super) fn append_line(&mut self, logoff: &Logoff) {
        if self.jsonl.is_empty() {
            self.jsonl.extend_from_slice(BOM);
        }
        logoff.line(&mut self.jsonl);
        self.lines += 1;
        let text = |text: &str| if matches!(text, "" | "null") { None } else { Some(text.to_owned()) };
        self.events.push(TruthEvent {
            host: self.station.host.clone(),
            event: HostEvent {
                timestamp: logoff.at,
                user: text(&logoff.user),
                session_id: Some(logoff.session_id),
                grace: Some(logoff.whole_grace()),
                force: Some(logoff.force),
                message: text(&logoff.message),
                source: Some("session-guard".to_owned()),
                line: self.lines,
                state: text(&logoff.state),
            },
        });
    }
}
