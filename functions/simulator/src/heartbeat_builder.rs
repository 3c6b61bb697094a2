//! One heartbeat for a test: the emitter's bytes, without a lab around it.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_telemetry::{BadHost, HostName, Snapshot};

use crate::hardware::{Adapter, Timeouts};
use crate::operation::{Logoff, Operation, PowerRun, SessionRun};
use crate::role::Profile;
use crate::station_view::{FmuExecutor, SessionRow, StationView};

/// Builds a heartbeat (or `status.json`) of a station that is ready unless told otherwise.
///
/// `HeartbeatBuilder::new("LAB-01", at).unready(["Sleep timeout is not disabled"]).local_session("ana").bytes()`
#[derive(Debug, Clone)]
pub struct HeartbeatBuilder {
    view: StationView,
}

impl HeartbeatBuilder {
    /// A ready server, published at `at` by its own clock and collected 9 s before. The name goes out as it is, a bad one too.
    pub fn new(host: &str, at: DateTime<Utc>) -> Self {
        Self { view: StationView::ready(host, at) }
    }

    /// Not ready, with these issues word for word.
    pub fn unready<T: Into<String>>(mut self, issues: impl IntoIterator<Item = T>) -> Self {
        self.view.issues = issues.into_iter().map(Into::into).collect();
        self
    }

    /// How long before publishing it was collected.
    pub fn collected_before(mut self, before: TimeDelta) -> Self {
        self.view.collected_at = self.view.timestamp - before;
        self
    }

    /// Hybrid instead of server.
    pub fn hybrid(mut self) -> Self {
        self.view.profile = Profile::Hybrid;
        self
    }

    /// Someone sits at it.
    pub fn local_session(mut self, user: &str) -> Self {
        self.view.other_sessions.push(SessionRow {
            user: user.to_owned(),
            session: "console".to_owned(),
            id: "1".to_owned(),
            state: "Active".to_owned(),
            idle: ".".to_owned(),
            logon_time: "11/24/2026 9:00 AM".to_owned(),
        });
        self
    }

    /// Someone left without logging off: the columns of the row shift.
    pub fn disconnected_session(mut self, user: &str) -> Self {
        self.view.other_sessions.push(disconnected(user, "4", "11/24/2026 6:00 AM"));
        self
    }

    /// The flag of local mode is up.
    pub fn local_mode(mut self) -> Self {
        self.view.local_mode = true;
        self
    }

    /// The last forced logoff.
    pub fn forced_logoff(mut self, logoff: Logoff) -> Self {
        self.view.operations.record(&Operation::ForcedLogoff(logoff));
        self
    }

    /// The last prepare.
    pub fn prepare(mut self, run: SessionRun) -> Self {
        self.view.operations.record(&Operation::Prepare(run));
        self
    }

    /// The last release.
    pub fn release(mut self, run: SessionRun) -> Self {
        self.view.operations.record(&Operation::Release(run, None));
        self
    }

    /// The last power action.
    pub fn power_action(mut self, run: PowerRun) -> Self {
        self.view.operations.record(&Operation::Power(run));
        self
    }

    /// Any operation.
    pub fn operation(mut self, operation: &Operation) -> Self {
        self.view.operations.record(operation);
        self
    }

    /// These adapters instead of the one that complies. Issues do not follow; say them with [`unready`](Self::unready).
    pub fn adapters(mut self, adapters: impl IntoIterator<Item = Adapter>) -> Self {
        self.view.adapters = adapters.into_iter().collect();
        self
    }

    /// These devices are armed to wake the PC; none prints the word `NONE`.
    pub fn armed<T: Into<String>>(mut self, devices: impl IntoIterator<Item = T>) -> Self {
        self.view.armed = devices.into_iter().map(Into::into).collect();
        self
    }

    /// Sleep timeout in the raw text of the power plan (seconds). Issues do not follow.
    pub fn sleep(mut self, ac_seconds: u32, dc_seconds: u32) -> Self {
        self.view.sleep = Timeouts { ac_seconds, dc_seconds };
        self
    }

    /// Hibernate timeout in the raw text of the power plan (seconds). Issues do not follow.
    pub fn hibernate(mut self, ac_seconds: u32, dc_seconds: u32) -> Self {
        self.view.hibernate = Timeouts { ac_seconds, dc_seconds };
        self
    }

    /// A Windows whose tools speak Spanish.
    pub fn spanish(mut self) -> Self {
        self.view.spanish = true;
        self
    }

    /// Has an FMU executor; written by the panel when `by_panel`, which does not see it run. Issues do not follow.
    pub fn fmu_executor(mut self, by_panel: bool) -> Self {
        let answered_at = self.view.collected_at.timestamp() as f64 + 0.5;
        self.view.fmu = Some(FmuExecutor { pid: 4711, answered_at: (!by_panel).then_some(answered_at) });
        self
    }

    /// The body of `heartbeat.json`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8192);
        self.view.write_heartbeat(&mut out);
        out
    }

    /// The body of `status.json`.
    pub fn status_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8192);
        self.view.write_status(&mut out);
        out
    }

    /// The body of `service-state.ini`, with what ran.
    pub fn service_state_bytes(&self) -> Vec<u8> {
        self.view.operations.ini()
    }

    /// What a normalizer must make of it, unless its host is no name.
    pub fn snapshot(&self) -> Result<Snapshot, BadHost> {
        Ok(self.view.snapshot(HostName::parse(&self.view.host)?))
    }
}

/// The body of `session-guard-events.jsonl` after these logoffs.
pub fn session_guard_events(logoffs: &[Logoff]) -> Vec<u8> {
    let mut out = crate::station_view::BOM.to_vec();
    for logoff in logoffs {
        logoff.line(&mut out);
    }
    out
}

/// A disconnected row: no session name, so the other columns move left.
pub(crate) fn disconnected(user: &str, id: &str, logon_time: &str) -> SessionRow {
    SessionRow {
        user: user.to_owned(),
        session: id.to_owned(),
        id: "Disc".to_owned(),
        state: "1:05".to_owned(),
        idle: logon_time.to_owned(),
        logon_time: String::new(),
    }
}
