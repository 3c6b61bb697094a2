//! The operators' table: one line a station, the columns of the PowerShell summary object that they know.

use chrono::{DateTime, Utc};
use serde::Serialize;
use stationkeeper_rules::StationWord;
use stationkeeper_telemetry::{HostName, Snapshot, format_instant};

/// A line of the table; as JSON with the names of the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Station.
    pub host: HostName,
    /// The one word for it; absent when read from a share, where nobody judges it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StationWord>,
    /// Station timestamp of its latest heartbeat.
    pub timestamp_utc: Option<String>,
    /// It says that it is ready.
    pub ready: Option<bool>,
    /// Local mode is on.
    pub local_mode_enabled: Option<bool>,
    /// Local users as the station wrote them.
    pub local_users: Vec<String>,
    /// Adapters that do not comply.
    pub nic_issue_count: Option<u64>,
    /// The station's verdict.
    pub sleep_compliant: Option<bool>,
    /// The station's verdict.
    pub hibernate_compliant: Option<bool>,
    /// When it was last prepared.
    pub last_prepare: Option<String>,
    /// When it was last shut down or hibernated by order.
    pub last_power_action: Option<String>,
    /// `shutdown` or `hibernate`.
    pub last_power_mode: Option<String>,
    /// Who was last logged off.
    pub last_forced_logoff_user: Option<String>,
}

impl Line {
    /// Of a station that has said this.
    pub fn of(snapshot: &Snapshot, state: Option<StationWord>) -> Self {
        let instant = |at: Option<DateTime<Utc>>| at.map(format_instant);
        Self {
            host: snapshot.host.clone(),
            state,
            timestamp_utc: Some(format_instant(snapshot.timestamp_utc)),
            ready: Some(snapshot.ready),
            local_mode_enabled: snapshot.local_mode_enabled,
            local_users: snapshot.details.local_users.clone(),
            nic_issue_count: snapshot.nic_issue_count,
            sleep_compliant: snapshot.sleep_compliant,
            hibernate_compliant: snapshot.hibernate_compliant,
            last_prepare: instant(snapshot.last_prepare.as_ref().and_then(|operation| operation.timestamp)),
            last_power_action: instant(snapshot.last_power_action.as_ref().and_then(|action| action.timestamp)),
            last_power_mode: snapshot.last_power_action.as_ref().and_then(|action| action.mode.clone()),
            last_forced_logoff_user: snapshot.last_forced_logoff.as_ref().and_then(|logoff| logoff.user.clone()),
        }
    }

    /// Of a station that has said nothing yet.
    pub fn unheard(host: HostName, state: StationWord) -> Self {
        Self {
            host,
            state: Some(state),
            timestamp_utc: None,
            ready: None,
            local_mode_enabled: None,
            local_users: Vec::new(),
            nic_issue_count: None,
            sleep_compliant: None,
            hibernate_compliant: None,
            last_prepare: None,
            last_power_action: None,
            last_power_mode: None,
            last_forced_logoff_user: None,
        }
    }

    fn cells(&self) -> [String; 12] {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let flag = |flag: Option<bool>| match flag {
            Some(true) => "True".to_owned(),
            Some(false) => "False".to_owned(),
            None => String::new(),
        };
        [
            self.host.to_string(),
            text(&self.timestamp_utc),
            flag(self.ready),
            flag(self.local_mode_enabled),
            self.local_users.join(","),
            self.nic_issue_count.map(|count| count.to_string()).unwrap_or_default(),
            flag(self.sleep_compliant),
            flag(self.hibernate_compliant),
            text(&self.last_prepare),
            text(&self.last_power_action),
            text(&self.last_power_mode),
            text(&self.last_forced_logoff_user),
        ]
    }
}

const HEADINGS: [&str; 12] = [
    "Host",
    "Updated",
    "Ready",
    "LocalMode",
    "LocalUsers",
    "NicIssues",
    "SleepCompliant",
    "HibernateCompliant",
    "LastPrepare",
    "LastPowerAction",
    "LastPowerMode",
    "LastForcedLogoffUser",
];

/// The table, columns as wide as they need. Control characters of station texts are shown as `�`: a terminal obeys them.
pub fn table(lines: &[Line]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(lines.iter().map(|line| line.cells().map(|cell| harmless(&cell))));
    columns(&rows)
}

/// Rows of cells, aligned.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let blanks = width - cell.chars().count() + 2;
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A station's text as a terminal may see it.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_never_sees_a_control_character() {
        let host = HostName::parse("LAB-01").expect("a host");
        let mut line = Line::unheard(host, StationWord::Unknown);
        line.local_users = vec!["a\u{1b}[31m".to_owned(), "b".to_owned()];
        let shown = table(&[line]);
        assert!(shown.contains("a\u{fffd}[31m,b") && !shown.contains('\u{1b}'), "{shown}");
        assert_eq!(shown.lines().next().map(|heading| heading.split_whitespace().count()), Some(HEADINGS.len()));
    }
}
