//! A step that a person makes an alert take.

use chrono::{DateTime, Utc};
use serde_json::json;
use stationkeeper_rules::{Alert, Transition};
use stationkeeper_store::{AuditEntry, NewUpdate, StoreError, Transaction};

/// Writes it with its update, the news that it owes and its row of the audit log.
pub(super) async fn write(
    work: &mut Transaction,
    alert: &Alert,
    step: Transition,
    entry: AuditEntry,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let host = alert.key.host.as_ref();
    let payload = json!({ "id": alert.id, "rule": alert.key.rule, "state": step.to });
    let update = NewUpdate { at: step.at, kind: "alert".to_owned(), host: host.cloned(), payload };
    let steps = [step];
    work.alerts().apply(&steps).await?;
    work.owed().append(&steps, now).await?;
    work.updates().append(&[update]).await?;
    work.audit().append(&[entry.of(host)]).await
}
