//! A station's past: in buckets for a chart, with exact states and gaps, and heartbeat by heartbeat.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::history::{Bucket, Gap, Window};
use stationkeeper_rules::{Cause, StateRun, StationWord};
use stationkeeper_telemetry::HostName;

use crate::{Instant, Language, text};

/// What happened to a station in a stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryView {
    /// The station.
    pub host: HostName,
    /// First instant.
    pub from: Instant,
    /// First instant after it.
    pub to: Instant,
    /// Length of a bucket; the last one ends with `to`.
    pub bucket_seconds: u32,
    /// In order of time, without holes.
    pub buckets: Vec<BucketView>,
    /// States that touch it, whole.
    pub runs: Vec<StateRunView>,
    /// Silences that touch it, whole.
    pub gaps: Vec<GapView>,
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BucketView {
    /// First instant.
    pub from: Instant,
    /// The worst state in it; null where nothing is known.
    pub state: Option<StationWord>,
    /// Heartbeats in it, by the station's clock.
    pub heartbeats: u32,
    /// Least of station clock minus ours; positive: the station is ahead.
    pub skew_min_ms: Option<i64>,
    /// Greatest of the same.
    pub skew_max_ms: Option<i64>,
}

/// A station was in one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateRunView {
    /// From this instant.
    pub from_at: Instant,
    /// To this one; null: it still is.
    pub to_at: Option<Instant>,
    /// In this state.
    pub state: StationWord,
    /// Why: a code with its parameters.
    pub cause: Option<Cause>,
    /// The same as a sentence.
    pub cause_text: Option<String>,
}

/// No heartbeat for longer than makes a station missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GapView {
    /// The heartbeat before it, by the station's clock.
    pub from_at: Instant,
    /// The one after it; null: it goes on.
    pub to_at: Option<Instant>,
}

/// A heartbeat that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatView {
    /// The station.
    pub host: HostName,
    /// When, by the station's clock.
    pub timestamp_utc: Instant,
    /// When one of this timestamp was first put.
    pub first_arrived_at: Instant,
    /// When the body that counts was put.
    pub arrived_at: Instant,
    /// When it was stored.
    pub ingested_at: Instant,
    /// SHA-256 of the body as received, in hexadecimal digits.
    pub sha256: String,
    /// Bytes of the body.
    pub raw_length: u64,
    /// `summary.ready`.
    pub ready: bool,
    /// `summary.state`, verbatim.
    pub state: Option<String>,
    /// `summary.issues`, verbatim.
    pub issues: Vec<String>,
    /// Someone other than the lab user is logged on.
    pub local_session_active: Option<bool>,
    /// The flag of local mode.
    pub local_mode_enabled: Option<bool>,
    /// Adapters that do not comply.
    pub nic_issue_count: Option<u64>,
    /// The station's verdict on its sleep timeout.
    pub sleep_compliant: Option<bool>,
    /// The station's verdict on its hibernate timeout.
    pub hibernate_compliant: Option<bool>,
    /// Last prepare.
    pub last_prepare_at: Option<Instant>,
    /// It did all it was asked.
    pub last_prepare_success: Option<bool>,
    /// Last release.
    pub last_release_at: Option<Instant>,
    /// Last shutdown or hibernate.
    pub last_power_action_at: Option<Instant>,
    /// `shutdown` or `hibernate`.
    pub last_power_mode: Option<String>,
    /// Last forced logoff.
    pub last_forced_logoff_at: Option<Instant>,
    /// Who was logged off.
    pub last_forced_logoff_user: Option<String>,
    /// Lab Station's version.
    pub version: Option<String>,
    /// The reservation whose window holds it.
    pub reservation_id: Option<String>,
}

impl HistoryView {
    /// What was gathered of a station, for a reader.
    pub fn new(
        host: HostName,
        window: &Window,
        (buckets, gaps): (Vec<Bucket>, Vec<Gap>),
        runs: &[StateRun],
        language: Language,
    ) -> Self {
        Self {
            host,
            from: window.from().into(),
            to: window.to().into(),
            bucket_seconds: window.bucket_seconds(),
            buckets: buckets.iter().map(Into::into).collect(),
            runs: runs.iter().map(|run| StateRunView::new(run, language)).collect(),
            gaps: gaps.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Bucket> for BucketView {
    fn from(bucket: &Bucket) -> Self {
        Self {
            from: bucket.from.into(),
            state: bucket.word,
            heartbeats: bucket.heartbeats,
            skew_min_ms: bucket.skew.map(|(least, _)| least.num_milliseconds()),
            skew_max_ms: bucket.skew.map(|(_, greatest)| greatest.num_milliseconds()),
        }
    }
}

impl StateRunView {
    fn new(run: &StateRun, language: Language) -> Self {
        Self {
            from_at: run.from_at.into(),
            to_at: run.to_at.map(Into::into),
            state: run.word,
            cause: run.cause.clone(),
            cause_text: run.cause.as_ref().map(|cause| text(language, cause)),
        }
    }
}

impl From<&Gap> for GapView {
    fn from(gap: &Gap) -> Self {
        Self { from_at: gap.from_at.into(), to_at: gap.to_at.map(Into::into) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use stationkeeper_rules::history::{Beat, History};

    use super::*;

    #[test]
    fn what_is_not_known_is_null_and_what_goes_on_has_no_end() {
        let at = |time: &str| -> DateTime<Utc> { format!("2026-11-24T{time}Z").parse().unwrap() };
        let host = HostName::parse("LAB-01").unwrap();
        let window = Window::new(at("10:00:00"), at("10:02:00"), 2).unwrap();
        let mut history = History::new(window, TimeDelta::seconds(180));
        history.hear(Beat { timestamp_utc: at("10:00:30"), first_arrived_at: at("10:00:28.750") });
        let run = StateRun {
            host: host.clone(),
            from_at: at("09:00:00"),
            to_at: Some(at("10:01:00")),
            word: StationWord::Down,
            cause: Some(Cause::NothingNewer { since: at("08:57:00") }),
        };
        let runs = [run];
        let told = history.told(&runs, at("10:10:00"));
        let view = HistoryView::new(host, &window, told, &runs, Language::En);
        let json = serde_json::to_value(&view).unwrap();
        let sentence = json["runs"][0]["cause_text"].clone();
        assert!(sentence.as_str().is_some_and(|text| !text.is_empty()));
        let expected = serde_json::json!({
            "host": "LAB-01",
            "from": "2026-11-24T10:00:00Z",
            "to": "2026-11-24T10:02:00Z",
            "bucket_seconds": 60,
            "buckets": [
                { "from": "2026-11-24T10:00:00Z", "state": "down", "heartbeats": 1, "skew_min_ms": 1250, "skew_max_ms": 1250 },
                { "from": "2026-11-24T10:01:00Z", "state": null, "heartbeats": 0, "skew_min_ms": null, "skew_max_ms": null },
            ],
            "runs": [{
                "from_at": "2026-11-24T09:00:00Z",
                "to_at": "2026-11-24T10:01:00Z",
                "state": "down",
                "cause": { "code": "nothing_newer", "since": "2026-11-24T08:57:00Z" },
                "cause_text": sentence,
            }],
            "gaps": [{ "from_at": "2026-11-24T10:00:30Z", "to_at": null }],
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<HistoryView>(json).unwrap(), view);
    }
}
