//! `alerts explain`: who was told of an alert, who was not, and why.

use std::collections::HashMap;

use stationkeeper_api::{AlertView, DecisionView, ExplanationView, Language, because_text, rule_text, text};
use stationkeeper_rules::notify::{Because, Decision, Silence, SilenceId};
use stationkeeper_store::Store;
use stationkeeper_telemetry::format_instant;

use crate::cli::Place;
use crate::commands::alerts::{find, none, unreadable};
use crate::commands::summary::harmless;
use crate::failure::{Exit, Failure, print_bytes, print_json};
use crate::place;

/// More silences than anybody sets.
const MOST: u32 = 10_000;

/// Runs `alerts explain`.
pub async fn run(place: &Place, id: &str, json: bool) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(place).await?;
    let found = find(&store, id, &[]).await?;
    let failed = |error| unreadable(&error);
    let Some(known) = store.alert(&found).await.map_err(failed)? else { return Err(none(id)) };
    let decisions = store.decisions(&found).await.map_err(failed)?;
    let next_look_at = store.next_look_at(&found).await.map_err(failed)?;
    let (alert, transitions) = (&known.alert, &known.transitions);
    if json {
        let view = AlertView::new(alert, None, Language::En).with_transitions(transitions, Language::En);
        let decisions = decisions.iter().map(|decision| DecisionView::new(decision, Language::En)).collect();
        print_json(&ExplanationView { alert: view, decisions, next_look_at: next_look_at.map(Into::into) })?;
        return Ok(None);
    }
    let silences = silences(&store, &decisions).await?;
    let about = alert.key.host.as_ref().map_or_else(|| "the system itself".to_owned(), ToString::to_string);
    let mut lines = vec![format!("{} of {about} ({})", rule_text(Language::En, alert.key.rule), alert.id)];
    for step in transitions {
        lines.push(format!(
            "{}  {}: {}",
            format_instant(step.at),
            step.to.as_str(),
            harmless(&text(Language::En, &step.cause))
        ));
        let of_step = decisions.iter().filter(|decision| decision.step.at == step.at && decision.step.to == step.to);
        lines.extend(of_step.map(|decision| {
            let receiver = harmless(decision.receiver.as_deref().unwrap_or("all"));
            let said = because_text(Language::En, &decision.because);
            let said = harmless(&format!("{said}{}", said_with(&decision.because, &silences)));
            format!("    {}  {receiver}: {said}", format_instant(decision.decided_at))
        }));
    }
    lines.extend(next_look_at.map(|at| format!("What waits is looked at again at {}.", format_instant(at))));
    if decisions.is_empty() && next_look_at.is_none() {
        lines.push("Nothing was decided about it: it is older than these decisions are kept.".to_owned());
    }
    lines.push(String::new());
    print_bytes(lines.join("\n").as_bytes())?;
    Ok(None)
}

/// The silences that decisions name.
async fn silences(store: &Store, decisions: &[Decision]) -> Result<HashMap<SilenceId, Silence>, Failure> {
    if !decisions.iter().any(|decision| matches!(decision.because, Because::Silenced { .. })) {
        return Ok(HashMap::new());
    }
    let all = store.silences(None, None, MOST).await.map_err(|error| unreadable(&error))?;
    Ok(all.into_iter().map(|silence| (silence.id.clone(), silence)).collect())
}

/// Whose silence it is and what for.
fn said_with(because: &Because, silences: &HashMap<SilenceId, Silence>) -> String {
    match because {
        Because::Silenced { silence, .. } => silences
            .get(silence)
            .map_or_else(String::new, |silence| format!(" ({}: {})", silence.author, silence.reason)),
        _ => String::new(),
    }
}
