//! What instructors ask for: to hold a station for a while, that they leave it, more time at it; and the receipts of all that.

mod guard;
pub(crate) mod hold;
pub(crate) mod keeper;
pub(crate) mod leaving;
mod local_mode;
pub(crate) mod more_time;
pub(crate) mod receipts;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use stationkeeper_rules::requests::{InstructorRequest, LocalModeOrder};
use stationkeeper_store::{NewUpdate, Store, StoreError};
use stationkeeper_telemetry::HostName;

pub(crate) use local_mode::{claim_patiently, tell_station};

/// Reservations that matter to whoever sits at a station begin within this time.
const AHEAD: TimeDelta = TimeDelta::hours(24);
/// Longest reason or note, in characters.
const TEXT_LENGTH: usize = 500;
/// Who ends what ends by itself, in the audit log.
const NAME: &str = "stationkeeper";

/// Whoever listens hears of a hold whenever it moves; `ends_soon` once, before it ends.
fn hold_update(order: &LocalModeOrder, ends_soon: bool, now: DateTime<Utc>) -> NewUpdate {
    NewUpdate {
        at: now,
        kind: "hold".to_owned(),
        host: Some(order.host.clone()),
        payload: json!({
            "state": order.stage(),
            "owner": order.owner,
            "expires_at": order.expires_at,
            "request_id": order.request_id,
            "ends_soon": ends_soon,
        }),
    }
}

/// And of a request.
fn request_update(request: &InstructorRequest, now: DateTime<Utc>) -> NewUpdate {
    NewUpdate {
        at: now,
        kind: "request".to_owned(),
        host: Some(request.host.clone()),
        payload: json!({
            "id": request.id,
            "kind": request.kind,
            "state": request.state,
            "reservation_id": request.reservation_id,
            "until": request.until,
            "expires_at": request.expires_at,
        }),
    }
}

/// A text of a person, without what surrounds it.
fn said(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A station that is claimed is given up by then at the latest: nobody tells it for so long.
const CLAIM: Duration = Duration::from_secs(120);

async fn claim(store: &Store, host: &HostName, claimant: &str) -> Result<bool, StoreError> {
    store.claim_local_mode(host, claimant, CLAIM).await
}
