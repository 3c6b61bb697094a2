//! What Lab Station sees of its PC at one moment, written as `status.json` and `heartbeat.json` (telemetry.md sections 1 and 2), and what a normalizer must make of it.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{Details, HostName, Power, Snapshot};

use crate::hardware::{Adapter, Timeouts};
use crate::json;
use crate::operations::Operations;
use crate::role::Profile;
use crate::scenario::instant_text;

/// UTF-8's mark, at the start of each file that the emitter creates.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// A row of the session list; all text, as the emitter cuts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// First column.
    pub user: String,
    /// Name of the session; of a disconnected one, its number: columns shift.
    pub session: String,
    /// Number; of a disconnected one, the word `Disc`.
    pub id: String,
    /// State; of a disconnected one, the idle time.
    pub state: String,
    /// Idle time.
    pub idle: String,
    /// Local time in the host's locale.
    pub logon_time: String,
}

/// The executor of simulation models, where one is installed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FmuExecutor {
    /// Of its service.
    pub pid: i64,
    /// Epoch seconds of its last answer to the service; `None`: the writer is the panel or the command line, which do not see it run.
    pub answered_at: Option<f64>,
}

/// One moment of a station.
#[derive(Debug, Clone)]
pub struct StationView {
    /// Its name, as the PC says it; nobody checked it.
    pub host: String,
    /// Publish time, by the station's clock.
    pub timestamp: DateTime<Utc>,
    /// Start of collection, by the station's clock.
    pub collected_at: DateTime<Utc>,
    /// How it is run.
    pub profile: Profile,
    /// `summary.issues`; none is ready.
    pub issues: Vec<String>,
    /// RemoteApp policy.
    pub remote_app: bool,
    /// The controller starts by itself.
    pub autostart: bool,
    /// WinRM answered its check in time.
    pub winrm: bool,
    /// Members of Remote Desktop Users beside the lab user.
    pub rdp_members: Vec<String>,
    /// Logon time of the lab user's own console session, where there is one.
    pub lab_user_since: Option<String>,
    /// Other rows of the session list.
    pub other_sessions: Vec<SessionRow>,
    /// The flag file exists.
    pub local_mode: bool,
    /// Network adapters.
    pub adapters: Vec<Adapter>,
    /// Devices armed to wake the PC; empty prints the word `NONE`.
    pub armed: Vec<String>,
    /// Sleep timeout.
    pub sleep: Timeouts,
    /// Hibernate timeout.
    pub hibernate: Timeouts,
    /// Windows speaks Spanish.
    pub spanish: bool,
    /// `None`: not installed.
    pub fmu: Option<FmuExecutor>,
    /// What ran so far.
    pub operations: Operations,
}

impl StationView {
    /// A ready server with one adapter, collected 9 s before it was published.
    pub fn ready(host: &str, timestamp: DateTime<Utc>) -> Self {
        Self {
            host: host.to_owned(),
            timestamp,
            collected_at: timestamp - chrono::TimeDelta::seconds(9),
            profile: Profile::Server,
            issues: Vec::new(),
            remote_app: true,
            autostart: true,
            winrm: true,
            rdp_members: Vec::new(),
            lab_user_since: None,
            other_sessions: Vec::new(),
            local_mode: false,
            adapters: vec![Adapter::new("Ethernet", INTEL, "A4-BB-6D-00-00-01")],
            armed: vec![INTEL.to_owned()],
            sleep: Timeouts::default(),
            hibernate: Timeouts::default(),
            spanish: false,
            fmu: None,
            operations: Operations::default(),
        }
    }

    /// Fills `issues` from everything else, in the emitter's order.
    pub fn judge(&mut self) {
        let server = self.profile == Profile::Server;
        let mut issues = std::mem::take(&mut self.issues);
        issues.clear();
        let mut note = |wrong: bool, issue: &str| {
            if wrong {
                issues.push(issue.to_owned());
            }
        };
        note(!self.remote_app, "RemoteApp policy missing");
        note(!self.winrm, "WinRM not ready for Lab Gateway");
        note(!self.autostart, "Controller autostart missing");
        if server && !self.rdp_members.is_empty() {
            note(true, &format!("Unexpected Remote Desktop Users members: {}", self.rdp_members.join(", ")));
        }
        let faulty: Vec<&str> = self
            .adapters
            .iter()
            .filter(|nic| !nic.compliance_issues().is_empty())
            .map(|nic| nic.name.as_str())
            .collect();
        if !faulty.is_empty() {
            note(true, &format!("NIC power settings incomplete for: {}", faulty.join(", ")));
        }
        note(!self.sleep.compliant(self.spanish), "Sleep timeout is not disabled");
        note(!self.hibernate.compliant(self.spanish), "Hibernate timeout is not disabled");
        note(self.fmu.is_some_and(|fmu| fmu.answered_at.is_none()), "FMU executor is not running");
        self.issues = issues;
    }

    /// `heartbeat.json`, appended to an empty `out`.
    pub fn write_heartbeat(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(BOM);
        out.extend_from_slice(b"{\"autoStartConfigured\":");
        json::boolean(out, self.autostart);
        out.extend_from_slice(b",\"host\":");
        // Never coerced and never a number; a host that is called null does not exist.
        json::text(out, &self.host);
        out.extend_from_slice(b",\"operations\":");
        self.operations.write_json(out);
        out.extend_from_slice(b",\"remoteAppEnabled\":");
        json::boolean(out, self.remote_app);
        out.extend_from_slice(b",\"schemaVersion\":\"1.0.0\",\"status\":");
        self.write_status_object(out);
        out.extend_from_slice(b",\"summary\":");
        self.write_summary(out);
        out.extend_from_slice(b",\"timestamp\":");
        json::text(out, &instant_text(self.timestamp));
        out.extend_from_slice(b",\"version\":\"3.2.0\",\"wake\":");
        self.write_wake(out);
        out.push(b'}');
    }

    /// `status.json`, appended to an empty `out`. It names no host.
    pub fn write_status(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(BOM);
        self.write_status_object(out);
    }

    fn write_summary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"issues\":");
        json::texts(out, &self.issues);
        out.extend_from_slice(b",\"ready\":");
        json::boolean(out, self.issues.is_empty());
        out.extend_from_slice(b",\"state\":");
        json::text(out, self.state());
        out.push(b'}');
    }

    fn state(&self) -> &'static str {
        if self.issues.is_empty() { "ready" } else { "needs-action" }
    }

    fn write_wake(&self, out: &mut Vec<u8>) {
        let devices = |out: &mut Vec<u8>| {
            if self.armed.is_empty() { json::texts(out, &["NONE"]) } else { json::texts(out, &self.armed) }
        };
        let count = i64::try_from(self.armed.len().max(1)).unwrap_or(i64::MAX);
        out.extend_from_slice(b"{\"armedCount\":");
        json::integer(out, count);
        out.extend_from_slice(b",\"armedDevices\":");
        devices(out);
        out.extend_from_slice(b",\"nicNonCompliant\":");
        let faulty: Vec<&Adapter> = self.adapters.iter().filter(|nic| !nic.compliance_issues().is_empty()).collect();
        json::array(out, &faulty, |out, nic| nic.write(out));
        out.extend_from_slice(b",\"nicPower\":");
        json::array(out, &self.adapters, |out, nic| nic.write(out));
        out.extend_from_slice(b",\"programmableCount\":");
        json::integer(out, count);
        out.extend_from_slice(b",\"programmableDevices\":");
        devices(out);
        out.push(b'}');
    }

    fn write_status_object(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"autoStartConfigured\":");
        json::boolean(out, self.autostart);
        out.extend_from_slice(b",\"biosChecklist\":[\"check wol in firmware\",\"check nic power-on\",\"check wired port\",\"check magic packet\"],\"fmuExecutor\":");
        self.write_fmu(out);
        out.extend_from_slice(b",\"identity\":{\"labUser\":\"LABUSER\",\"labUserExists\":true,\"labUserNormalized\":\"labuser\",\"profilePath\":\"C:\\\\Users\\\\LABUSER\"},\"lastForcedLogoff\":");
        self.operations.write_last_forced_logoff(out);
        out.extend_from_slice(b",\"localModeEnabled\":");
        json::boolean(out, self.local_mode);
        out.extend_from_slice(b",\"localSessionActive\":");
        json::boolean(out, self.local_session_active());
        out.extend_from_slice(b",\"operations\":");
        self.operations.write_json(out);
        out.extend_from_slice(b",\"policy\":");
        self.write_policy(out);
        out.extend_from_slice(b",\"power\":{\"activePlan\":\"Balanced\",\"hibernate\":");
        self.hibernate.write(out, self.spanish, "9d7815a6-7ee4-497e-8888-515a05f02364", "Hibernate after");
        out.extend_from_slice(b",\"hibernateCompliant\":");
        json::boolean(out, self.hibernate.compliant(self.spanish));
        out.extend_from_slice(b",\"sleep\":");
        self.sleep.write(out, self.spanish, "29f6c1db-86da-48c5-9fdb-f2b67b1f44da", "Sleep after");
        out.extend_from_slice(b",\"sleepCompliant\":");
        json::boolean(out, self.sleep.compliant(self.spanish));
        out.extend_from_slice(b"},\"remoteAppEnabled\":");
        json::boolean(out, self.remote_app);
        out.extend_from_slice(b",\"schemaVersion\":\"1.0.0\",\"sessions\":");
        self.write_sessions(out);
        out.extend_from_slice(b",\"stationProfile\":");
        json::text(out, self.profile.as_str());
        out.extend_from_slice(b",\"summary\":");
        self.write_summary(out);
        out.extend_from_slice(b",\"timestamp\":");
        json::text(out, &instant_text(self.collected_at));
        out.extend_from_slice(b",\"wake\":");
        self.write_wake(out);
        out.extend_from_slice(b",\"winrm\":");
        out.extend_from_slice(if self.winrm { WINRM_READY } else { WINRM_TIMED_OUT });
        out.push(b'}');
    }

    fn write_fmu(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"available\":");
        json::boolean(out, self.fmu.is_some());
        out.extend_from_slice(b",\"consecutiveFailures\":false,\"lastHealth\":");
        let answered_at = self.fmu.and_then(|fmu| fmu.answered_at);
        match answered_at {
            None => out.extend_from_slice(b"[]"),
            Some(at) => {
                out.extend_from_slice(b"{\"activeSessions\":false,\"fmuCount\":true,\"quarantinedCount\":false,\"status\":\"UP\",\"timestamp\":");
                json::float(out, at);
                out.push(b'}');
            }
        }
        out.extend_from_slice(b",\"pid\":");
        // Only the service process knows the pid.
        json::integer(out, self.fmu.filter(|fmu| fmu.answered_at.is_some()).map_or(0, |fmu| fmu.pid));
        out.extend_from_slice(b",\"port\":8091,\"running\":");
        json::boolean(out, answered_at.is_some());
        out.extend_from_slice(b",\"tokenConfigured\":");
        json::boolean(out, self.fmu.is_some());
        out.push(b'}');
    }

    fn write_policy(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.profile {
            Profile::Server => {
                b"{\"autoLogon\":{\"enabled\":true,\"passwordSet\":true,\"user\":\"LABUSER\",\"userMatches\":true}"
            }
            Profile::Hybrid => {
                b"{\"autoLogon\":{\"enabled\":false,\"passwordSet\":false,\"user\":\"\",\"userMatches\":false}"
                    as &[u8]
            }
        });
        out.extend_from_slice(b",\"denyInteractive\":{\"configured\":true,\"labUserDenied\":false,\"members\":[{\"label\":\"Builtin\\\\Guests\",\"token\":\"*S-1-5-32-546\"}],\"raw\":\"*S-1-5-32-546\"},\"remoteDesktopUsers\":{\"labUserPresent\":true,\"members\":[\"LABUSER\"");
        for member in &self.rdp_members {
            out.push(b',');
            json::text(out, member);
        }
        out.extend_from_slice(b"],\"otherMembers\":");
        json::texts(out, &self.rdp_members);
        out.extend_from_slice(b",\"queryError\":\"\",\"queryExitCode\":false}}");
    }

    /// The Spanish header of the session list, which the emitter takes for a user.
    fn header_row(&self) -> Option<SessionRow> {
        self.spanish.then(|| SessionRow {
            user: "USUARIO".to_owned(),
            session: "NOMBRE SESION".to_owned(),
            id: "ID".to_owned(),
            state: "ESTADO".to_owned(),
            idle: "INACTIVO".to_owned(),
            logon_time: "TIEMPO SESION".to_owned(),
        })
    }

    fn local_session_active(&self) -> bool {
        self.spanish || !self.other_sessions.is_empty()
    }

    fn write_sessions(&self, out: &mut Vec<u8>) {
        let header = self.header_row();
        let others: Vec<&SessionRow> = header.iter().chain(&self.other_sessions).collect();
        let lab_user = self.lab_user_since.as_ref().map(|since| SessionRow {
            user: "labuser".to_owned(),
            session: "console".to_owned(),
            id: "1".to_owned(),
            state: "Active".to_owned(),
            idle: "none".to_owned(),
            logon_time: since.clone(),
        });
        let all: Vec<&SessionRow> = header.iter().chain(&lab_user).chain(&self.other_sessions).collect();
        let row = |out: &mut Vec<u8>, row: &&SessionRow| {
            for (key, value) in [
                ("{\"id\":", &row.id),
                (",\"idle\":", &row.idle),
                (",\"logonTime\":", &row.logon_time),
                (",\"session\":", &row.session),
                (",\"state\":", &row.state),
                (",\"user\":", &row.user),
            ] {
                out.extend_from_slice(key.as_bytes());
                json::text(out, value);
            }
            out.push(b'}');
        };
        out.extend_from_slice(b"{\"entries\":");
        json::array(out, &all, row);
        out.extend_from_slice(b",\"hasOtherUsers\":");
        json::boolean(out, !others.is_empty());
        out.extend_from_slice(match lab_user {
            Some(_) => b",\"labUserSessionId\":\"1\",\"labUserState\":\"Active\"" as &[u8],
            None => b",\"labUserSessionId\":\"\",\"labUserState\":\"none\"",
        });
        out.extend_from_slice(b",\"localSessionActive\":");
        json::boolean(out, self.local_session_active());
        out.extend_from_slice(b",\"otherUsers\":");
        json::array(out, &others, row);
        out.push(b'}');
    }

    /// What a normalizer must make of the heartbeat; `host` is the name that is well-formed.
    pub fn snapshot(&self, host: HostName) -> Snapshot {
        let operations = self.operations.truth().clone();
        let users = self.header_row().into_iter().map(|row| row.user);
        Snapshot {
            host,
            timestamp_utc: self.timestamp,
            ready: self.issues.is_empty(),
            state: Some(self.state().to_owned()),
            issues: self.issues.clone(),
            local_session_active: Some(self.local_session_active()),
            local_mode_enabled: Some(self.local_mode),
            nics: Some(self.adapters.iter().map(Adapter::truth).collect()),
            nic_issue_count: Some(self.adapters.iter().filter(|nic| !nic.compliance_issues().is_empty()).count() as u64),
            sleep_compliant: Some(self.sleep.compliant(self.spanish)),
            hibernate_compliant: Some(self.hibernate.compliant(self.spanish)),
            last_prepare: operations.last_prepare,
            last_release: operations.last_release,
            last_forced_logoff: operations.last_forced_logoff,
            last_power_action: operations.last_power_action,
            last_safeguard_reboot: operations.last_safeguard_reboot,
            details: Details {
                version: Some("3.2.0".to_owned()),
                schema_version: Some("1.0.0".to_owned()),
                station_profile: Some(self.profile.as_str().to_owned()),
                collected_at: Some(self.collected_at),
                local_users: users.chain(self.other_sessions.iter().map(|row| row.user.clone())).take(16).collect(),
                wake_armed_count: Some(self.armed.len() as u64),
                power: Power {
                    active_plan: Some("Balanced".to_owned()),
                    sleep_ac_seconds: Some(u64::from(self.sleep.ac_seconds)),
                    sleep_dc_seconds: Some(u64::from(self.sleep.dc_seconds)),
                    hibernate_ac_seconds: Some(u64::from(self.hibernate.ac_seconds)),
                    hibernate_dc_seconds: Some(u64::from(self.hibernate.dc_seconds)),
                },
            },
        }
    }
}

/// The adapter that every simulated PC has.
pub(crate) const INTEL: &str = "Intel(R) Ethernet Connection (7) I219-LM";

const WINRM_READY: &[u8] = b"{\"allowUnencrypted\":false,\"certificateConfigured\":true,\"firewallEnabled\":true,\"httpListener\":false,\"httpsListener\":true,\"httpsPort\":true,\"negotiateAuth\":true,\"ntlmAuth\":true,\"ready\":true,\"serviceInstalled\":true,\"serviceRunning\":true,\"serviceStartType\":\"Automatic\"}";
const WINRM_TIMED_OUT: &[u8] = b"{\"allowUnencrypted\":false,\"certificateConfigured\":false,\"firewallEnabled\":false,\"httpListener\":false,\"httpsListener\":false,\"httpsPort\":false,\"negotiateAuth\":false,\"ntlmAuth\":false,\"ready\":false,\"serviceInstalled\":false,\"serviceRunning\":false,\"serviceStartType\":\"\"}";
