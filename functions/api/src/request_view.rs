//! What instructors ask for: a hold of a station, and each request with what became of it.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::StationState;
use stationkeeper_rules::requests::{HoldStage, InstructorRequest, LocalModeOrder, RequestKind, RequestState};
use stationkeeper_telemetry::HostName;

use crate::Instant;

/// What is wanted of a station's local mode, and what is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HoldView {
    /// The station.
    pub host: HostName,
    /// Where it stands.
    pub state: HoldStage,
    /// What is wanted.
    pub enabled: bool,
    /// What the station's latest heartbeat says.
    pub observed: Option<bool>,
    /// When that heartbeat was made, by the station's clock.
    pub observed_at: Option<Instant>,
    /// Whose it is, or was.
    pub owner: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when it is wanted so.
    pub ordered_at: Instant,
    /// When it ends by itself; null: never.
    pub expires_at: Option<Instant>,
    /// When it was said that it ends soon.
    pub warned_at: Option<Instant>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// When the station did as it was told.
    pub applied_at: Option<Instant>,
    /// Why it has not yet.
    pub problem: Option<String>,
    /// The receipt; null: it was set at the older service's address.
    pub request_id: Option<String>,
}

impl HoldView {
    /// As a reader sees it, with what the station said last.
    pub fn new(order: &LocalModeOrder, state: Option<&StationState>) -> Self {
        let latest = state.and_then(|state| state.latest.as_ref()).map(|latest| &latest.snapshot);
        Self {
            host: order.host.clone(),
            state: order.stage(),
            enabled: order.enabled,
            observed: latest.and_then(|latest| latest.local_mode_enabled),
            observed_at: latest.map(|latest| latest.timestamp_utc.into()),
            owner: order.owner.clone(),
            reason: order.reason.clone(),
            ordered_at: order.ordered_at.into(),
            expires_at: order.expires_at.map(Instant),
            warned_at: order.warned_at.map(Instant),
            ended_by: order.ended_by.clone(),
            applied_at: order.applied_at.map(Instant),
            problem: order.problem.clone(),
            request_id: order.request_id.as_ref().map(ToString::to_string),
        }
    }
}

/// A request of an instructor, with its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestView {
    /// Derived from what is asked for.
    pub id: String,
    /// What.
    pub kind: RequestKind,
    /// At this station.
    pub host: HostName,
    /// With regard to this reservation.
    pub reservation_id: Option<String>,
    /// Who.
    pub asked_by: String,
    /// When.
    pub asked_at: Instant,
    /// Why.
    pub reason: Option<String>,
    /// How many, of more time.
    pub minutes: Option<u32>,
    /// The end of what is asked for.
    pub until: Option<Instant>,
    /// Where it stands.
    pub state: RequestState,
    /// When no answer helps any more.
    pub expires_at: Option<Instant>,
    /// When it was on somebody's screen.
    pub shown_at: Option<Instant>,
    /// When somebody looked at it.
    pub seen_at: Option<Instant>,
    /// When it was answered.
    pub answered_at: Option<Instant>,
    /// By whom; null with a time: by the rules, at once.
    pub answered_by: Option<String>,
    /// What they write with it.
    pub note: Option<String>,
}

impl From<&InstructorRequest> for RequestView {
    fn from(request: &InstructorRequest) -> Self {
        Self {
            id: request.id.to_string(),
            kind: request.kind,
            host: request.host.clone(),
            reservation_id: request.reservation_id.as_ref().map(|id| id.0.clone()),
            asked_by: request.asked_by.clone(),
            asked_at: request.asked_at.into(),
            reason: request.reason.clone(),
            minutes: request.minutes,
            until: request.until.map(Instant),
            state: request.state,
            expires_at: request.expires_at.map(Instant),
            shown_at: request.shown_at.map(Instant),
            seen_at: request.seen_at.map(Instant),
            answered_at: request.answered_at.map(Instant),
            answered_by: request.answered_by.clone(),
            note: request.note.clone(),
        }
    }
}
