//! An alert that says why another is there mutes that one.

use super::Placed;
use crate::{Alert, Rule};

/// The unresolved alert that mutes this one: a station that is missing mutes its other rules, and an ingest that is stalled mutes
/// every missing station.
pub fn inhibitor<'a>(unresolved: &'a [Placed], alert: &Alert) -> Option<&'a Alert> {
    let mutes = |other: &Alert| match alert.key.rule {
        Rule::IngestStalled => false,
        Rule::HeartbeatMissing => other.key.rule == Rule::IngestStalled,
        _ => other.key.rule == Rule::HeartbeatMissing && other.key.host == alert.key.host && alert.key.host.is_some(),
    };
    unresolved.iter().map(|placed| &placed.alert).find(|other| mutes(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::placed;

    #[test]
    fn what_is_missing_mutes_its_other_rules_and_a_stalled_ingest_mutes_what_is_missing() {
        let of = |rule, host| placed(rule, host, "2026-11-24T10:00");
        let stalled = {
            let mut stalled = of(Rule::IngestStalled, "LAB-01");
            stalled.alert.key.host = None;
            stalled
        };
        for (shows, standing, alert, muted) in [
            ("its own station", of(Rule::HeartbeatMissing, "LAB-01"), of(Rule::NotReady, "LAB-01"), true),
            ("another station", of(Rule::HeartbeatMissing, "LAB-02"), of(Rule::NotReady, "LAB-01"), false),
            ("no rule but that", of(Rule::NotReady, "LAB-01"), of(Rule::PowerDrift, "LAB-01"), false),
            ("not itself", of(Rule::HeartbeatMissing, "LAB-01"), of(Rule::HeartbeatMissing, "LAB-01"), false),
            ("stalled mutes missing", stalled.clone(), of(Rule::HeartbeatMissing, "LAB-01"), true),
            ("and nothing else", stalled.clone(), of(Rule::NotReady, "LAB-01"), false),
            ("nothing mutes stalled", of(Rule::HeartbeatMissing, "LAB-01"), stalled.clone(), false),
        ] {
            assert_eq!(inhibitor(&[standing], &alert.alert).is_some(), muted, "{shows}");
        }
    }
}
