//! The words that gateway, command line and tray app share: wire types in snake_case, instants in RFC 3339 UTC, texts in two languages.
//!
//! Pure: a view is a function of what the rules know and of `now`. No I/O, no clock, no `tokio`.

mod access_view;
mod action_view;
mod alert_view;
mod decision_view;
mod evidence_view;
mod health_view;
mod history_view;
mod instant;
mod lab_view;
mod listed_station;
mod operation_view;
mod page;
mod request_view;
mod reservation_view;
mod station_view;
mod step_view;
mod text;

pub use access_view::{AuditView, MintedTokenView, PairingCodeView, TokenView};
pub use action_view::ActionView;
pub use alert_view::{AlertActionView, AlertView, TransitionView};
pub use decision_view::{DecisionView, ExplanationView, SilenceView, because_text, span_text};
pub use evidence_view::{ForcedLogoffView, QuarantinedObjectView};
pub use health_view::{HealthStatus, HealthView, PartView, PartsView};
pub use history_view::{BucketView, GapView, HeartbeatView, HistoryView, StateRunView};
pub use instant::Instant;
pub use lab_view::LabView;
pub use listed_station::{KeptRow, ReadNow};
pub use operation_view::{ForcedLogoffOperationView, PowerActionView, SafeguardRebootView, SessionOperationView};
pub use page::{ErrorBody, Page};
pub use request_view::{HoldView, RequestView};
pub use reservation_view::{
    ImportOutcome, ImportView, ImportedView, RefusedRowView, ReservationRecordView, ReservationSourceView, RiskView,
};
pub use station_view::{CurrentActionView, ReservationView, StationView};
pub use step_view::{CommandOutputView, OperationView};
pub use text::{Language, issue_text, phrase, phrases, rule_text, severity_text, step_text, text, word_text};

/// The words that stand in the views, so that a client needs no other crate for them.
pub use stationkeeper_rules::orchestrator::{ActionKind, ActionState};
pub use stationkeeper_rules::requests::{HoldStage, RequestKind, RequestState};
pub use stationkeeper_rules::{AlertState, AtRisk, Cause, Doing, ReservationStatus, Rule, Severity, StationWord};
