//! Metrics of the Lambda functions: one line of CloudWatch's embedded metric format an invocation, which the log service turns into
//! metrics by itself. Nothing is called, and what is counted arrives even when the invocation fails afterwards.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// What is counted or timed in an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Messages of the queue of bucket events.
    Deliveries,
    /// Of these, those that come back.
    DeliveriesFailed,
    /// Heartbeats that became the latest of their stations.
    HeartbeatsAdvanced,
    /// Objects put aside.
    ObjectsQuarantined,
    /// Transitions of alerts, whoever found them.
    AlertsMoved,
    /// From the event to the answer.
    IngestDuration,
    /// Messages that their receivers took.
    NotificationsSent,
    /// Messages that are tried again.
    NotificationsFailed,
    /// Messages that were given up.
    NotificationsDead,
}

impl Metric {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Deliveries,
        Self::DeliveriesFailed,
        Self::HeartbeatsAdvanced,
        Self::ObjectsQuarantined,
        Self::AlertsMoved,
        Self::IngestDuration,
        Self::NotificationsSent,
        Self::NotificationsFailed,
        Self::NotificationsDead,
    ];

    /// As dashboards and alarms call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deliveries => "Deliveries",
            Self::DeliveriesFailed => "DeliveriesFailed",
            Self::HeartbeatsAdvanced => "HeartbeatsAdvanced",
            Self::ObjectsQuarantined => "ObjectsQuarantined",
            Self::AlertsMoved => "AlertsMoved",
            Self::IngestDuration => "IngestDuration",
            Self::NotificationsSent => "NotificationsSent",
            Self::NotificationsFailed => "NotificationsFailed",
            Self::NotificationsDead => "NotificationsDead",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::IngestDuration => "Milliseconds",
            _ => "Count",
        }
    }
}

/// Where the metrics of a stack go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedMetrics {
    namespace: Option<String>,
}

impl EmbeddedMetrics {
    /// Into this namespace; without one, nothing is written.
    pub fn new(namespace: Option<String>) -> Self {
        Self { namespace }
    }

    /// Writes one line to standard output, which a function's log is made of.
    pub fn write(&self, at: DateTime<Utc>, measured: &[(Metric, u64)]) {
        let Some(namespace) = &self.namespace else { return };
        // Whole, so that no other line comes between; a log that cannot be written is no reason to fail a batch.
        let line = format!("{}\n", line(namespace, at, measured));
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }
}

/// No dimensions: a stack has one of each metric, and each set of dimensions would be paid for.
fn line(namespace: &str, at: DateTime<Utc>, measured: &[(Metric, u64)]) -> Value {
    let definitions: Vec<_> =
        measured.iter().map(|(metric, _)| json!({ "Name": metric.name(), "Unit": metric.unit() })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": at.timestamp_millis(),
            "CloudWatchMetrics": [{ "Namespace": namespace, "Dimensions": [[]], "Metrics": definitions }],
        },
    });
    for (metric, value) in measured {
        line[metric.name()] = Value::from(*value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_defines_each_metric_and_holds_its_value_beside_it() {
        let at = DateTime::from_timestamp_millis(1_790_000_000_123).unwrap();
        let measured = [(Metric::Deliveries, 10), (Metric::IngestDuration, 42)];
        assert_eq!(
            line("Stationkeeper/north", at, &measured),
            json!({
                "_aws": {
                    "Timestamp": 1_790_000_000_123_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Stationkeeper/north",
                        "Dimensions": [[]],
                        "Metrics": [{ "Name": "Deliveries", "Unit": "Count" }, { "Name": "IngestDuration", "Unit": "Milliseconds" }],
                    }],
                },
                "Deliveries": 10,
                "IngestDuration": 42,
            })
        );
    }

    #[test]
    fn each_metric_has_a_name_of_its_own() {
        let mut names = Metric::ALL.map(Metric::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
