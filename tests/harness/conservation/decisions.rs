//! What is planned is decided, what is told is in a message, and a message holds nothing that was not told.

use std::collections::{BTreeMap, BTreeSet};

use stationkeeper_rules::Message;
use stationkeeper_rules::notify::Because;

use super::{Counts, Violations};
use crate::tables::{Picked, Tables};

pub(crate) async fn check(tables: &mut Tables, found: &mut Violations, counts: &mut Counts) -> Result<(), sqlx::Error> {
    let columns = &["alert_id", "at", "to_state", "receiver", "because"];
    let mut decided: BTreeSet<String> = BTreeSet::new();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in tables.columns("notification_decisions", columns).await? {
        decided.insert(step(&row));
        let because: Because = serde_json::from_str(row.text("because")).expect("a reason");
        if let Because::Message { id, .. } = because {
            told.entry(id.0).or_default().insert(row.text("alert_id").to_owned());
        }
    }
    for row in tables.columns("notifications_owed", &["alert_id", "at", "to_state", "planned_at"]).await? {
        let is_planned = row.optional("planned_at").is_some();
        if is_planned && row.text("to_state") != "acknowledged" && !decided.contains(&step(&row)) {
            found.add("undecided", format!("{} is planned, and nothing was decided about it", step(&row)));
        }
    }
    let mut messages = 0;
    for row in tables.columns("notifications", &["id", "content"]).await? {
        let message: Message = serde_json::from_str(row.text("content")).expect("a message");
        let said: BTreeSet<_> = message.news.iter().map(|news| news.problem.alert_id.0.clone()).collect();
        let told = told.remove(row.text("id")).unwrap_or_default();
        if said != told {
            found.add("told otherwise", format!("message {} speaks of {said:?}, and {told:?} were told", message.id));
        }
        messages += 1;
    }
    for (id, alerts) in told {
        found.add("lost", format!("{alerts:?} were told in message {id}, which is not there"));
    }
    counts.insert("messages", messages);
    Ok(())
}

fn step(row: &Picked) -> String {
    format!("{} of {} at {}", row.text("to_state"), row.text("alert_id"), row.instant("at"))
}
