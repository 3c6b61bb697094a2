//! `replay`: every transition as a line of JSON, in time order.

use serde::Serialize;
use stationkeeper_api::{Language, text};
use stationkeeper_rules::{AlertState, OffPolicy, Rule, RuleSet};
use stationkeeper_store::{AlertFilter, Store, StoreOptions};
use stationkeeper_telemetry::format_instant;

use crate::cli;
use crate::failure::{Exit, Failure, print_json};
use crate::progress;
use crate::replay::{self, Disorder, Plan, Timeline};
use crate::temporary::TemporaryFolder;

#[derive(Serialize)]
struct Line {
    at: String,
    rule: &'static str,
    host: Option<String>,
    reservation_id: Option<String>,
    to: &'static str,
    cause: String,
}

/// Runs `replay`.
pub async fn run(arguments: &cli::Replay) -> Result<Option<Exit>, Failure> {
    let scenario = replay::read_scenario(&arguments.dir)?;
    let timeline = Timeline::read(&arguments.dir)?;
    let folder = TemporaryFolder::make("replay")?;
    let cannot = |error: stationkeeper_store::StoreError| Failure::of(Exit::Unavailable, &error);
    let store = match &arguments.database {
        Some(url) => Store::open(url, StoreOptions::default()).await.map_err(cannot)?,
        None => Store::sqlite(&folder.path().join("replay.sqlite"), StoreOptions::default()).await.map_err(cannot)?,
    };
    store.migrate().await.map_err(cannot)?;
    if store.count_heartbeats(None).await.map_err(cannot)? > 0 {
        let said = format!("{} holds heartbeats already: a replay needs an empty database", store.describe());
        return Err(Failure::new(Exit::Rejected, said));
    }
    store.apply_settings(&replay::settings(scenario.as_ref())).await.map_err(cannot)?;
    if let Some(scenario) = &scenario {
        replay::put_reservations(&store, &replay::reservations(scenario)?).await?;
    }
    let last = timeline.end();
    let end = scenario.as_ref().map(|scenario| scenario.end_utc).or(last).unwrap_or_else(crate::place::now);
    let plan = Plan {
        disorder: Disorder {
            duplicate_percent: arguments.duplicate,
            shuffle: arguments.shuffle,
            late_percent: arguments.late,
        },
        off: if arguments.off { OffPolicy::Excuses } else { OffPolicy::Ignored },
        rules: if arguments.all_rules { RuleSet::ALL } else { RuleSet::of(&Rule::MISSION) },
    };
    let bar = progress::bar(timeline.puts.len() as u64, "replaying", arguments.json);
    let done = replay::run(store.clone(), &timeline, end, plan, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    done?;
    for line in transitions(&store).await? {
        print_json(&line)?;
    }
    store.close().await;
    Ok(None)
}

async fn transitions(store: &Store) -> Result<Vec<Line>, Failure> {
    let cannot =
        |error: stationkeeper_store::StoreError| Failure::because(Exit::Unavailable, "cannot read the alerts", &error);
    let mut moved = Vec::new();
    let mut after = None;
    loop {
        let page = store.alerts(&AlertFilter::default(), after.as_ref(), 500).await.map_err(cannot)?;
        let Some(last) = page.last() else { break };
        after = Some(stationkeeper_store::AlertCursor { opened_at: last.opened_at, id: last.id.clone() });
        for alert in page {
            if let Some(found) = store.alert(&alert.id).await.map_err(cannot)? {
                moved.extend(found.transitions);
            }
        }
    }
    moved.sort_by(|one, other| {
        (one.at, &one.key, one.to == AlertState::Resolved).cmp(&(
            other.at,
            &other.key,
            other.to == AlertState::Resolved,
        ))
    });
    Ok(moved
        .into_iter()
        .map(|transition| Line {
            at: format_instant(transition.at),
            rule: transition.key.rule.as_str(),
            host: transition.key.host.map(|host| host.to_string()),
            reservation_id: transition.key.reservation_id.map(|id| id.0),
            to: transition.to.as_str(),
            cause: text(Language::En, &transition.cause),
        })
        .collect())
}
