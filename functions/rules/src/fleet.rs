//! `ingest_stalled`: when nothing comes in from anybody, it is us, not the stations.

use chrono::{DateTime, TimeDelta, Utc};

use crate::evaluate::{open, resolve};
use crate::{Alert, AlertKey, AlertSettings, Cause, Rule, Transition};

/// What the overdue check knows of all stations together.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// The newest arrival of an advance, of any station.
    pub newest_advance_at: Option<DateTime<Utc>>,
    /// Stations that should be heard: heard once, neither off nor down. Of no account while somebody is heard
    /// ([`nobody_is_heard`]), and then not worth counting.
    pub expected: u64,
    /// When the check last ran to its end.
    pub last_check_at: Option<DateTime<Utc>>,
    /// The grace that is in force.
    pub grace_from: Option<DateTime<Utc>>,
    /// The unresolved `ingest_stalled`, if any.
    pub stalled: Option<Alert>,
    /// Since when nobody has been judged; without an alert that stands, somebody has called it over.
    pub stalled_since: Option<DateTime<Utc>>,
    /// What the bucket said when it could not be looked into.
    pub look_error: Option<String>,
}

/// Whether stations may be judged now.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetOutcome {
    /// False: nobody is declared missing in this run.
    pub judge_stations: bool,
    /// The grace from now on.
    pub grace_from: Option<DateTime<Utc>>,
    /// How the alert moved.
    pub transition: Option<Transition>,
}

/// Nothing came from anybody for longer than a station may be silent.
pub fn nobody_is_heard(newest_advance_at: Option<DateTime<Utc>>, now: DateTime<Utc>, settings: &AlertSettings) -> bool {
    silent_from(newest_advance_at, settings).is_some_and(|at| now >= at)
}

fn silent_from(newest_advance_at: Option<DateTime<Utc>>, settings: &AlertSettings) -> Option<DateTime<Utc>> {
    newest_advance_at.map(|at| at + settings.missing_after() + TimeDelta::seconds(1))
}

/// Judges the ingest before any station is judged.
pub fn on_check(fleet: &Fleet, now: DateTime<Utc>, settings: &AlertSettings) -> FleetOutcome {
    let missing_after = settings.missing_after();
    let key = AlertKey { rule: Rule::IngestStalled, host: None, reservation_id: None };
    let silent_from = silent_from(fleet.newest_advance_at, settings);
    let grace_holds = fleet.grace_from.is_some_and(|from| now <= from + missing_after);
    let silent = fleet.expected >= u64::from(settings.stalled_min_stations)
        && nobody_is_heard(fleet.newest_advance_at, now, settings)
        && !grace_holds;
    let holds = match (&fleet.look_error, silent, fleet.newest_advance_at) {
        (Some(error), _, _) => Some((now, Cause::LookFailed { error: error.clone() })),
        (None, true, Some(since)) => {
            Some((silent_from.unwrap_or(now), Cause::NothingFromAnyone { since, stations: fleet.expected }))
        }
        _ => None,
    };
    match (holds, &fleet.stalled) {
        (Some((at, cause)), None) => {
            // Called over, and not over: another alert, not the same again.
            let at = if fleet.stalled_since.is_some() { now } else { at };
            FleetOutcome { judge_stations: false, grace_from: fleet.grace_from, transition: Some(open(key, at, cause)) }
        }
        (Some(_), Some(_)) => FleetOutcome { judge_stations: false, grace_from: fleet.grace_from, transition: None },
        (None, Some(alert)) => FleetOutcome {
            judge_stations: true,
            grace_from: Some(now),
            transition: Some(resolve(alert, now, Cause::FlowsAgain)),
        },
        (None, None) => {
            let away = fleet.stalled_since.is_some() || fleet.last_check_at.is_some_and(|at| now - at > missing_after);
            FleetOutcome {
                judge_stations: true,
                grace_from: if away { Some(now) } else { fleet.grace_from },
                transition: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AlertState;
    use crate::testing::instant;

    fn fleet(newest: &str, expected: u64, last_check: &str) -> Fleet {
        Fleet {
            newest_advance_at: Some(instant(newest)),
            expected,
            last_check_at: Some(instant(last_check)),
            grace_from: None,
            stalled: None,
            stalled_since: None,
            look_error: None,
        }
    }

    #[test]
    fn nobody_heard_for_three_intervals_is_one_alert_of_no_station() {
        let settings = AlertSettings::default();
        for (shows, expected, now, opens) in [
            ("180 s are not more than three intervals", 3, "10:03:00", false),
            ("one second more is", 3, "10:03:01", true),
            ("two stations can be down together", 2, "10:03:01", false),
        ] {
            let outcome = on_check(&fleet("10:00:00", expected, "10:02:30"), instant(now), &settings);
            assert_eq!(outcome.transition.is_some(), opens, "{shows}");
            assert_eq!(outcome.judge_stations, !opens, "{shows}");
        }
    }

    #[test]
    fn how_many_are_expected_is_of_no_account_while_somebody_is_heard() {
        let settings = AlertSettings::default();
        for now in ["10:03:00", "10:03:01", "11:00:00"] {
            let [none, many] =
                [0, 9].map(|expected| on_check(&fleet("10:00:00", expected, now), instant(now), &settings));
            assert_eq!(none == many, !nobody_is_heard(Some(instant("10:00:00")), instant(now), &settings), "{now}");
        }
        assert!(!nobody_is_heard(None, instant("10:00:00"), &settings), "nobody was ever heard");
    }

    #[test]
    fn a_look_that_failed_judges_nobody() {
        let failed = Fleet { look_error: Some("503".to_owned()), ..fleet("10:00:00", 1, "10:02:30") };
        let outcome = on_check(&failed, instant("10:02:59"), &AlertSettings::default());
        assert!(!outcome.judge_stations);
        let opened = outcome.transition.expect("opens");
        assert_eq!((opened.key.rule, opened.at), (Rule::IngestStalled, instant("10:02:59")));
    }

    #[test]
    fn a_stall_that_somebody_called_over_is_another_alert_or_a_grace_without_one() {
        let settings = AlertSettings::default();
        let called_over =
            |newest: &str| Fleet { stalled_since: Some(instant("10:03:01")), ..fleet(newest, 5, "10:19:50") };
        let lasts = on_check(&called_over("10:00:00"), instant("10:20:00"), &settings);
        assert_eq!(lasts.transition.map(|moved| (moved.to, moved.at)), Some((AlertState::Open, instant("10:20:00"))));
        let flows = on_check(&called_over("10:19:58"), instant("10:20:00"), &settings);
        assert_eq!((flows.transition, flows.grace_from), (None, Some(instant("10:20:00"))));
    }

    #[test]
    fn when_heartbeats_flow_again_everybody_has_a_full_grace() {
        let settings = AlertSettings::default();
        let opened = on_check(&fleet("10:00:00", 5, "10:02:30"), instant("10:03:01"), &settings);
        let stalled = crate::unresolved_after(&[], &[opened.transition.expect("opens")]).pop();
        let again = Fleet { stalled, ..fleet("10:19:58", 5, "10:19:30") };
        let outcome = on_check(&again, instant("10:20:00"), &settings);
        assert_eq!(outcome.transition.map(|moved| moved.to), Some(AlertState::Resolved));
        assert_eq!((outcome.judge_stations, outcome.grace_from), (true, Some(instant("10:20:00"))));
    }

    #[test]
    fn a_check_that_was_away_gives_the_same_grace_without_an_alert() {
        let settings = AlertSettings::default();
        for (last_check, expected) in [("09:57:00", None), ("09:56:59", Some(instant("10:00:00")))] {
            let outcome = on_check(&fleet("09:59:00", 5, last_check), instant("10:00:00"), &settings);
            assert_eq!((outcome.grace_from, outcome.transition), (expected, None), "last check at {last_check}");
        }
    }
}
