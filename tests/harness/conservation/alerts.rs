//! At most one unresolved alert of a kind, each alert's transitions a path of its life, and news of each transition owed once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use stationkeeper_rules::{AlertId, AlertKey, ReservationId, Rule};
use stationkeeper_telemetry::HostName;

use super::{Counts, Violations};
use crate::tables::{Picked, Tables};

const KIND: &str = "not the life of an alert";

struct Step {
    at: DateTime<Utc>,
    from: Option<String>,
    to: String,
}

pub(crate) async fn check(tables: &mut Tables, found: &mut Violations, counts: &mut Counts) -> Result<(), sqlx::Error> {
    let mut steps: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    let mut transitions = 0;
    let mut owed = owed(tables).await?;
    for row in tables.columns("alert_transitions", &["alert_id", "at", "from_state", "to_state"]).await? {
        let from = row.optional("from_state").map(str::to_owned);
        if !owed.remove(&named(&row)) {
            found.add("lost", format!("no news are owed of {:?}", named(&row)));
        }
        let step = Step { at: row.instant("at"), from, to: row.text("to_state").to_owned() };
        steps.entry(row.text("alert_id").to_owned()).or_default().push(step);
        transitions += 1;
    }
    for step in owed {
        found.add("orphan", format!("news are owed of {step:?}, which is no transition"));
    }
    let columns = &["id", "rule", "host", "reservation_id", "state", "opened_at", "resolved_at"];
    let alerts = tables.columns("alerts", columns).await?;
    let mut unresolved: BTreeMap<String, u64> = BTreeMap::new();
    for alert in &alerts {
        let name = name(alert);
        if alert.text("state") != "resolved" {
            *unresolved.entry(name.clone()).or_default() += 1;
        }
        let id = alert.text("id");
        let name = format!("{name} ({id})");
        if Some(id) != derived(alert).as_deref() {
            found.add(KIND, format!("{name}: its id does not follow from what it is about and when it opened"));
        }
        let steps = steps.remove(id).unwrap_or_default();
        for problem in problems(alert, steps) {
            found.add(KIND, format!("{name}: {problem}"));
        }
    }
    for (name, count) in unresolved.iter().filter(|(_, count)| **count > 1) {
        found.add("double", format!("{count} unresolved alerts {name}"));
    }
    for (id, steps) in steps {
        found.add("orphan", format!("{} transitions of the alert {id}, which is not there", steps.len()));
    }
    counts.insert("alerts", alerts.len() as u64);
    counts.insert("unresolved", unresolved.values().sum());
    counts.insert("transitions", transitions);
    Ok(())
}

/// Transitions of which news are owed, or were.
async fn owed(tables: &mut Tables) -> Result<BTreeSet<(String, DateTime<Utc>, String)>, sqlx::Error> {
    let rows = tables.columns("notifications_owed", &["alert_id", "at", "to_state"]).await?;
    Ok(rows.iter().map(named).collect())
}

fn named(row: &Picked) -> (String, DateTime<Utc>, String) {
    (row.text("alert_id").to_owned(), row.instant("at"), row.text("to_state").to_owned())
}

fn name(alert: &Picked) -> String {
    let host = alert.optional("host").unwrap_or("no station");
    format!("{} of {host} {}", alert.text("rule"), alert.text("reservation_id")).trim_end().to_owned()
}

fn derived(alert: &Picked) -> Option<String> {
    let reservation = Some(alert.text("reservation_id")).filter(|id| !id.is_empty());
    let key = AlertKey {
        rule: Rule::parse(alert.text("rule"))?,
        host: alert.optional("host").map(HostName::parse).transpose().ok()?,
        reservation_id: reservation.map(|id| ReservationId(id.to_owned())),
    };
    Some(AlertId::derive(&key, alert.instant("opened_at")).0)
}

/// Walks from nothing to where the alert stands, each step from where the last one ended.
fn problems(alert: &Picked, mut steps: Vec<Step>) -> Vec<String> {
    let mut problems = Vec::new();
    steps.sort_by_key(|step| step.at);
    let mut stands: Option<String> = None;
    while !steps.is_empty() {
        // Of steps at one instant, the one that goes on from here.
        let first = steps[0].at;
        let next = steps.iter().position(|step| step.at == first && step.from == stands).unwrap_or_default();
        let step = steps.remove(next);
        let shown = |state: &Option<String>| state.clone().unwrap_or_else(|| "nothing".to_owned());
        if step.from != stands {
            problems.push(format!("goes from {} to {} where it is {}", shown(&step.from), step.to, shown(&stands)));
        } else if !may(stands.as_deref(), &step.to) {
            problems.push(format!("goes from {} to {}", shown(&stands), step.to));
        }
        if stands.is_none() && step.at != alert.instant("opened_at") {
            problems.push("opened at another instant than its first transition says".to_owned());
        }
        if step.to == "resolved" && Some(step.at) != alert.optional_instant("resolved_at") {
            problems.push("resolved at another instant than its transition says".to_owned());
        }
        stands = Some(step.to);
    }
    if stands.as_deref() != Some(alert.text("state")) {
        let ends = stands.unwrap_or_else(|| "nowhere".to_owned());
        problems.push(format!("is {}, and its transitions end {ends}", alert.text("state")));
    }
    problems
}

fn may(from: Option<&str>, to: &str) -> bool {
    matches!(
        (from, to),
        (None, "open") | (Some("open"), "acknowledged" | "resolved") | (Some("acknowledged"), "open" | "resolved")
    )
}
