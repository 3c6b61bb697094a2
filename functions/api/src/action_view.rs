//! What a rule proposes or a person wants done to a station.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::orchestrator::{ActionKind, ActionState, StationAction};
use stationkeeper_telemetry::HostName;

use crate::{CommandOutputView, Instant};

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActionView {
    /// 32 hex digits.
    pub id: String,
    /// At this station.
    pub host: HostName,
    /// What.
    pub kind: ActionKind,
    /// Where it stands.
    pub state: ActionState,
    /// `rule:` or `person:` and a name.
    pub ordered_by: String,
    /// The alert that it answers.
    pub alert_id: Option<String>,
    /// For this reservation, where it is about one.
    pub reservation_id: Option<String>,
    /// Who let it go ahead, where it was proposed.
    pub approved_by: Option<String>,
    /// When it was wanted.
    pub ordered_at: Instant,
    /// Not done before.
    pub not_before: Instant,
    /// Not done from here on.
    pub expires_at: Instant,
    /// When it was sent.
    pub issued_at: Option<Instant>,
    /// When it was over.
    pub settled_at: Option<Instant>,
    /// How it ended, in a sentence.
    pub message: Option<String>,
    /// What its command was given and wrote. Only for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<CommandOutputView>,
}

impl ActionView {
    /// Without what its command wrote.
    pub fn new(action: &StationAction) -> Self {
        Self {
            id: action.id.0.clone(),
            host: action.host.clone(),
            kind: action.kind,
            state: action.state,
            ordered_by: action.ordered_by.to_string(),
            alert_id: action.alert_id.as_ref().map(|id| id.0.clone()),
            reservation_id: action.reservation_id.as_ref().map(|id| id.0.clone()),
            approved_by: action.approved_by.clone(),
            ordered_at: action.ordered_at.into(),
            not_before: action.not_before.into(),
            expires_at: action.expires_at.into(),
            issued_at: action.issued_at.map(Into::into),
            settled_at: action.settled_at.map(Into::into),
            message: action.message.clone(),
            output: None,
        }
    }
}
