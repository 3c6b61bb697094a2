//! A function a happening: its log line and its metric come from one place.

use std::time::Duration;

use stationkeeper_rules::Transition;
use stationkeeper_rules::notify::Plan;
use stationkeeper_store::{ClaimedNotification, StoreError};

use crate::ingest::BatchReport;
use crate::quarantine::Quarantined;
use crate::{IngestError, chain};

pub(crate) fn batch(report: &BatchReport, deliveries: usize, took: Duration) {
    let tally = report.tally;
    for (outcome, count) in [
        ("advanced", tally.advanced),
        ("history_only", tally.history_only),
        ("duplicate", tally.duplicates),
        ("variant", tally.variants),
    ] {
        metrics::counter!("stationkeeper_heartbeats_total", "outcome" => outcome).increment(count);
    }
    metrics::counter!("stationkeeper_state_documents_total").increment(tally.state_documents);
    metrics::counter!("stationkeeper_object_events_ignored_total").increment(report.ignored);
    metrics::counter!("stationkeeper_deliveries_total", "outcome" => "done")
        .increment((deliveries - report.failed.len().min(deliveries)) as u64);
    metrics::counter!("stationkeeper_deliveries_total", "outcome" => "failed").increment(report.failed.len() as u64);
    metrics::histogram!("stationkeeper_ingest_duration_seconds").record(took.as_secs_f64());
    for failure in &report.failed {
        tracing::warn!(delivery.id = failure.id, error = failure.reason, "a delivery comes back");
    }
    tracing::info!(
        deliveries,
        failed = report.failed.len(),
        advanced = tally.advanced,
        duplicates = tally.duplicates,
        quarantined = report.quarantined,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "took a batch of deliveries"
    );
    if tally.variants > 0 {
        tracing::warn!(count = tally.variants, "other bytes came for a known timestamp; both are kept");
    }
}

pub(crate) fn conflict(attempt: u32) {
    metrics::counter!("stationkeeper_conflicts_total").increment(1);
    tracing::debug!(attempt, "another handler was at the same stations; the batch is repeated");
}

/// What was refused is counted and said once, by whoever gives it up.
pub(crate) fn refused(error: &IngestError) {
    let IngestError::Refused(violation) = error else { return };
    metrics::counter!("stationkeeper_violations_total", "invariant" => violation.invariant.as_str()).increment(1);
    tracing::error!(
        invariant = violation.invariant.as_str(),
        station.host = violation.host.as_ref().map(tracing::field::display),
        detail = violation.detail,
        "refused to write what would break an invariant; the deliveries come back"
    );
}

pub(crate) fn quarantined(one: &Quarantined) {
    metrics::counter!("stationkeeper_objects_quarantined_total", "reason" => one.reason).increment(1);
    tracing::warn!(object.key = one.key, reason = one.reason, detail = one.detail, "put an object aside");
}

pub(crate) fn transition(moved: &Transition) {
    metrics::counter!("stationkeeper_alert_transitions_total", "rule" => moved.key.rule.as_str(), "to" => moved.to.as_str())
        .increment(1);
    tracing::info!(
        alert.rule = moved.key.rule.as_str(),
        alert.id = %moved.alert_id,
        station.host = moved.key.host.as_ref().map(tracing::field::display),
        to = moved.to.as_str(),
        at = %moved.at,
        "an alert moved"
    );
}

pub(crate) fn check(due: usize, looked: usize, judged: bool, took: Duration) {
    metrics::histogram!("stationkeeper_overdue_check_duration_seconds").record(took.as_secs_f64());
    tracing::debug!(
        due,
        looked,
        judged,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "checked stations that were due"
    );
}

pub(crate) fn unannounced(host: &str, found: u64) {
    metrics::counter!("stationkeeper_objects_unannounced_total").increment(found);
    tracing::warn!(
        station.host = host,
        objects = found,
        "the bucket held objects that nothing had announced; they are ingested"
    );
}

pub(crate) fn not_compared(folder: &str, error: &str) {
    metrics::counter!("stationkeeper_comparisons_failed_total").increment(1);
    tracing::warn!(
        object.key = folder,
        error,
        "cannot compare what the bucket holds with the database; it is tried again"
    );
}

pub(crate) fn unreadable(error: &StoreError) {
    metrics::counter!("stationkeeper_notification_rows_unreadable_total").increment(1);
    tracing::error!(error = chain(error), "a row about notifications cannot be read; the others are told");
}

/// Never what a message says, nor where it goes.
pub(crate) fn planned(plan: &Plan, waiting: usize) {
    metrics::gauge!("stationkeeper_notifications_waiting").set(waiting as f64);
    for decision in &plan.decisions {
        let telling = decision.because.telling().as_str();
        metrics::counter!("stationkeeper_notification_decisions_total", "telling" => telling).increment(1);
    }
    for message in &plan.messages {
        metrics::counter!("stationkeeper_notifications_planned_total", "kind" => message.kind.as_str()).increment(1);
        tracing::info!(
            notification.id = %message.id,
            notification.receiver = message.receiver,
            kind = message.kind.as_str(),
            news = message.news.len(),
            "a notification is owed"
        );
    }
    for silence in &plan.ended_silences {
        tracing::info!(silence.id = %silence, "what a silence waited for is over");
    }
}

/// A message was tried. Never what it says, nor where it goes.
pub(crate) fn attempt(claimed: &ClaimedNotification, outcome: &'static str, error: Option<&str>) {
    metrics::counter!("stationkeeper_notification_attempts_total", "outcome" => outcome).increment(1);
    match (outcome, error) {
        ("dead", error) => tracing::error!(
            notification.id = %claimed.id,
            notification.receiver = claimed.receiver,
            error,
            "gave up a notification; `stationkeeper notifications retry` sends it again"
        ),
        (_, Some(error)) => tracing::warn!(
            notification.id = %claimed.id,
            notification.receiver = claimed.receiver,
            attempt = claimed.attempts + 1,
            error,
            "could not deliver a notification; it is tried again"
        ),
        (_, None) => tracing::info!(
            notification.id = %claimed.id,
            notification.receiver = claimed.receiver,
            "delivered a notification"
        ),
    }
}
