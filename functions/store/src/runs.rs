//! How long a station was in which state (`station_state_runs`): strip, chart and gaps come from it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use stationkeeper_rules::{StateRun, StationWord};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement};
use crate::{Store, StoreError};

/// State runs in a unit of work.
pub struct StateRuns<'t>(pub(crate) &'t mut Link);

impl StateRuns<'_> {
    /// Appends changes of state (`to_at` is ignored): closes the open run of a station where the next begins. A run that does not
    /// begin after the open one is already there, and is left out: repeating is harmless.
    pub async fn append(&mut self, runs: &[StateRun]) -> Result<(), StoreError> {
        let mut hosts: Vec<&HostName> = runs.iter().map(|run| &run.host).collect();
        hosts.sort();
        hosts.dedup();
        let mut open = Vec::new();
        for hosts in hosts.chunks(MOST_ITEMS) {
            let statement = Statement::new("read open state runs", include_str!("sql/open_state_runs.sql"))
                .of("station_state_runs", KEY)
                .times(hosts.len())
                .bind_all(hosts.iter().copied());
            for row in self.0.fetch(statement).await? {
                open.push(state_run(&row)?);
            }
        }
        let rows = appended(open, runs)
            .iter()
            .map(|run| {
                let cause = run.cause.as_ref().map(serde_json::to_string).transpose();
                Ok(vec![
                    (&run.host).into(),
                    run.from_at.into(),
                    run.to_at.into(),
                    run.word.as_str().into(),
                    cause.map_err(StoreError::json("append state runs"))?.into(),
                ])
            })
            .collect::<Result<_, StoreError>>()?;
        self.0.write_rows("append state runs", include_str!("sql/save_state_runs.sql"), rows).await
    }
}

impl Store {
    /// Runs of a station that touch [from, to), in time order.
    pub async fn state_runs(
        &self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StateRun>, StoreError> {
        let statement = Statement::new("read state runs", include_str!("sql/state_runs.sql"))
            .of("station_state_runs", KEY)
            .bind(host)
            .bind(to)
            .bind(from)
            // One run follows another: what was before the last that had begun by `from` is over.
            .bind(host)
            .bind(from)
            .bind(from);
        self.reader().await?.fetch(statement).await?.iter().map(state_run).collect()
    }
}

const KEY: &[&str] = &["host", "from_at"];

fn state_run(row: &Row) -> Result<StateRun, StoreError> {
    Ok(StateRun {
        host: row.host("host")?,
        from_at: row.instant("from_at")?,
        to_at: row.optional_instant("to_at")?,
        word: row.parsed("state", StationWord::parse)?,
        cause: row.optional_json("cause")?,
    })
}

/// The rows to write: open runs that end now, and the new ones. In order of host and time.
fn appended(open: Vec<StateRun>, new: &[StateRun]) -> Vec<StateRun> {
    let mut last: BTreeMap<HostName, StateRun> = open.into_iter().map(|run| (run.host.clone(), run)).collect();
    let mut new: Vec<&StateRun> = new.iter().collect();
    new.sort_by(|a, b| (&a.host, a.from_at).cmp(&(&b.host, b.from_at)));
    let mut rows = Vec::new();
    let mut changed = BTreeSet::new();
    for run in new {
        let next = StateRun { to_at: None, ..run.clone() };
        match last.get_mut(&run.host) {
            Some(before) if before.from_at >= run.from_at => continue,
            Some(before) => {
                rows.push(StateRun { to_at: Some(run.from_at), ..std::mem::replace(before, next) });
            }
            None => {
                last.insert(run.host.clone(), next);
            }
        }
        changed.insert(run.host.clone());
    }
    rows.extend(last.into_values().filter(|run| changed.contains(&run.host)));
    rows.sort_by(|a, b| (&a.host, a.from_at).cmp(&(&b.host, b.from_at)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(host: &str, from: i64, to: Option<i64>, word: StationWord) -> StateRun {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        StateRun { host: HostName::parse(host).unwrap(), from_at: at(from), to_at: to.map(at), word, cause: None }
    }

    #[test]
    fn a_run_ends_where_the_next_begins() {
        use StationWord::{Attention, Down, Ready};
        let r = run;
        for (shows, open, new, rows) in [
            ("the first of a station", vec![], vec![r("A", 1, None, Ready)], vec![r("A", 1, None, Ready)]),
            (
                "the open one is closed",
                vec![r("A", 1, None, Ready)],
                vec![r("A", 5, None, Down)],
                vec![r("A", 1, Some(5), Ready), r("A", 5, None, Down)],
            ),
            (
                "two in one batch, of two stations",
                vec![r("A", 1, None, Ready)],
                vec![r("B", 2, None, Down), r("A", 7, None, Ready), r("A", 5, None, Attention)],
                vec![
                    r("A", 1, Some(5), Ready),
                    r("A", 5, Some(7), Attention),
                    r("A", 7, None, Ready),
                    r("B", 2, None, Down),
                ],
            ),
            (
                "the same again",
                vec![r("A", 5, None, Down)],
                vec![r("A", 1, None, Ready), r("A", 5, None, Down)],
                vec![],
            ),
        ] {
            assert_eq!(appended(open, &new), rows, "{shows}");
        }
    }
}
