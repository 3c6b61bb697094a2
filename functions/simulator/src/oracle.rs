//! Which alerts a lab must raise: alerts.md applied to the simulator's own truth, by code that shares nothing with the rules it checks.

use chrono::{DateTime, TimeDelta, Utc};

use crate::scenario::{ExpectedAlert, Policy};
use crate::script::Slot;

/// What of a heartbeat the rules look at.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    pub at: DateTime<Utc>,
    pub issues: Vec<String>,
    pub local_session: bool,
    pub local_mode: bool,
    pub last_logoff: Option<DateTime<Utc>>,
    pub after_guard: bool,
}

/// A station's part in the lab.
pub(crate) struct Case<'c> {
    pub host: &'c str,
    /// In order of their timestamps.
    pub beats: &'c [Beat],
    pub reservations: &'c [(String, Slot)],
    /// Spans in which it was silent, and why.
    pub silent: &'c [(DateTime<Utc>, DateTime<Utc>, &'static str)],
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// All alerts of one station, by rule and opening.
pub(crate) fn expected_alerts(case: &Case<'_>, policy: &Policy) -> Vec<ExpectedAlert> {
    let mut alerts = not_ready(case, policy);
    alerts.extend(missing(case, policy));
    for (id, slot) in case.reservations {
        let lead = |seconds: u32| slot.start - TimeDelta::seconds(i64::from(seconds));
        let session_from = lead(policy.local_session_lead_s);
        alerts.extend(while_true(case, "local_session_before_reservation", id, |beat| {
            beat.local_session && session_from <= beat.at && beat.at < slot.start
        }));
        let check_from = lead(policy.forced_logoff_check_lead_s);
        let too_old = lead(policy.forced_logoff_max_age_s);
        alerts.extend(while_true(case, "stale_forced_logoff", id, |beat| {
            beat.last_logoff.is_some_and(|logoff| logoff < too_old) && check_from <= beat.at && beat.at < slot.start
        }));
    }
    alerts.extend(local_mode(case));
    alerts
}

/// Opens on the first unready heartbeat more than the limit after the first of its run.
fn not_ready(case: &Case<'_>, policy: &Policy) -> Vec<ExpectedAlert> {
    let limit = TimeDelta::seconds(i64::from(policy.not_ready_after_s));
    let gap = TimeDelta::seconds(i64::from(policy.gap_resets_not_ready_s));
    let mut alerts: Vec<ExpectedAlert> = Vec::new();
    let mut open = false;
    let mut run: Option<&Beat> = None;
    let mut previous: Option<DateTime<Utc>> = None;
    for beat in case.beats {
        if previous.is_some_and(|previous| beat.at - previous > gap) {
            run = None;
        }
        previous = Some(beat.at);
        if beat.issues.is_empty() {
            run = None;
            if open && let Some(alert) = alerts.last_mut() {
                resolve(alert, case, beat.at);
            }
            open = false;
            continue;
        }
        let first = *run.get_or_insert(beat);
        if !open && beat.at - first.at > limit {
            open = true;
            alerts.push(alert(case, "not_ready", None, &first.issues.join("; "), beat.at));
        }
    }
    alerts
}

/// Opens a second after the last interval that a silence may last.
fn missing(case: &Case<'_>, policy: &Policy) -> Vec<ExpectedAlert> {
    let limit = TimeDelta::seconds(i64::from(policy.interval_s) * i64::from(policy.missing_after_intervals) + 1);
    let mut alerts = Vec::new();
    for (index, beat) in case.beats.iter().enumerate() {
        let opens_at = beat.at + limit;
        let next = case.beats.get(index + 1);
        if next.map_or(opens_at >= case.end, |next| next.at < opens_at) {
            continue;
        }
        let cause = if next.is_some_and(|next| next.after_guard) {
            "service loop blocked by session guard"
        } else {
            let overlaps =
                |(from, to, _): &&(DateTime<Utc>, DateTime<Utc>, &'static str)| *from < opens_at && beat.at < *to;
            case.silent.iter().find(overlaps).map_or("", |(_, _, cause)| cause)
        };
        let mut alert = alert(case, "heartbeat_missing", None, cause, opens_at);
        if let Some(next) = next {
            resolve(&mut alert, case, next.at);
        }
        alerts.push(alert);
    }
    alerts
}

/// Opens with the flag for the earliest reservation that has not ended.
fn local_mode(case: &Case<'_>) -> Vec<ExpectedAlert> {
    let mut alerts = Vec::new();
    for (index, (id, slot)) in case.reservations.iter().enumerate() {
        let earlier_end = index.checked_sub(1).map(|before| case.reservations[before].1.end);
        alerts.extend(while_true(case, "local_mode_pending_reservation", id, |beat| {
            beat.local_mode && beat.at < slot.end && earlier_end.is_none_or(|end| end <= beat.at)
        }));
    }
    alerts
}

/// One alert for each unbroken row of heartbeats at which the rule holds.
fn while_true(case: &Case<'_>, rule: &str, id: &str, holds: impl Fn(&Beat) -> bool) -> Vec<ExpectedAlert> {
    let mut alerts: Vec<ExpectedAlert> = Vec::new();
    let mut open = false;
    for beat in case.beats {
        match (open, holds(beat)) {
            (false, true) => alerts.push(alert(case, rule, Some(id), "", beat.at)),
            (true, false) => {
                if let Some(alert) = alerts.last_mut() {
                    resolve(alert, case, beat.at);
                }
            }
            (false, false) | (true, true) => {}
        }
        open = holds(beat);
    }
    alerts
}

fn alert(case: &Case<'_>, rule: &str, id: Option<&str>, cause: &str, opens_at: DateTime<Utc>) -> ExpectedAlert {
    ExpectedAlert {
        rule: rule.to_owned(),
        host: case.host.to_owned(),
        reservation_id: id.map(str::to_owned),
        cause: cause.to_owned(),
        opens_at,
        open_minute: (opens_at - case.start).num_minutes(),
        resolves_at: None,
        resolve_minute: None,
    }
}

fn resolve(alert: &mut ExpectedAlert, case: &Case<'_>, at: DateTime<Utc>) {
    alert.resolves_at = Some(at);
    alert.resolve_minute = Some((at - case.start).num_minutes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn at(seconds: i64) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 24, 8, 0, 0).unwrap() + TimeDelta::seconds(seconds)
    }

    /// `seconds` with marks: `-` unready, `s` local session, `m` local mode, `l` logoff at 0, `g` after a guard.
    fn alerts(beats: &str, reservation: Option<(i64, i64)>) -> String {
        let beats: Vec<Beat> = beats
            .split(' ')
            .map(|text| {
                let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
                Beat {
                    at: at(digits.parse().unwrap()),
                    issues: if text.contains('-') { vec![format!("from {digits}")] } else { vec![] },
                    local_session: text.contains('s'),
                    local_mode: text.contains('m'),
                    last_logoff: text.contains('l').then(|| at(0)),
                    after_guard: text.contains('g'),
                }
            })
            .collect();
        let reservations: Vec<_> = reservation
            .map(|(start, end)| ("R".to_owned(), Slot { start: at(start), end: at(end) }))
            .into_iter()
            .collect();
        let case = Case {
            host: "LAB-01",
            beats: &beats,
            reservations: &reservations,
            silent: &[(at(100), at(1000), "host down")],
            start: at(0),
            end: at(3000),
        };
        expected_alerts(&case, &Policy::default())
            .iter()
            .map(|alert| {
                let seconds = |at: DateTime<Utc>| (at - case.start).num_seconds();
                let to = alert.resolves_at.map_or("open".to_owned(), |at| seconds(at).to_string());
                format!("{} {}..{to} {}", alert.rule, seconds(alert.opens_at), alert.cause)
            })
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn both_sides_of_every_limit() {
        for (shows, beats, reservation, expected) in [
            ("120 s unready is not yet more", "2900- 2960- 3020-", None, ""),
            ("one second more is", "2800- 2860- 2921-", None, "not_ready 2921..open from 2800"),
            ("a ready beat resolves", "2700- 2760- 2821- 2880", None, "not_ready 2821..2880 from 2700"),
            ("a gap of 180 s does not restart", "2820- 3000-", None, "not_ready 3000..open from 2820"),
            (
                "a longer one restarts the run, and is missing",
                "2500- 2700- 2800- 2900-",
                None,
                "not_ready 2900..open from 2700, heartbeat_missing 2681..2700 ",
            ),
            ("180 s of silence are no alert", "2700 2880", None, ""),
            ("181 s are, resolved at once", "2700 2881", None, "heartbeat_missing 2881..2881 "),
            (
                "a silence at the end stays open",
                "60 2000",
                None,
                "heartbeat_missing 241..2000 host down, heartbeat_missing 2181..open ",
            ),
            (
                "a guard is named",
                "2700 2900g",
                None,
                "heartbeat_missing 2881..2900 service loop blocked by session guard",
            ),
            ("a session before the lead is nothing", "2600s 2700 2820 2990", Some((3201, 3300)), ""),
            (
                "at the lead it is",
                "2600s 2700 2820 2990",
                Some((3200, 3300)),
                "local_session_before_reservation 2600..2700 ",
            ),
            (
                "not any more at the start",
                "2820s 2990s",
                Some((2900, 3300)),
                "local_session_before_reservation 2820..2990 ",
            ),
            (
                "900 s old is not too old",
                "600l 750l 900l 2900",
                Some((900, 950)),
                "heartbeat_missing 1081..2900 host down",
            ),
            (
                "one second more is too old",
                "600l 750l 901l 2900",
                Some((901, 950)),
                "heartbeat_missing 1082..2900 host down, stale_forced_logoff 600..901 ",
            ),
            ("no logoff ever raises nothing", "2820 2990", Some((2900, 3300)), ""),
            (
                "local mode until the end",
                "2700m 2820m 2990m",
                Some((2750, 2900)),
                "local_mode_pending_reservation 2700..2990 ",
            ),
            ("and not after it", "2700 2820m 2990m", Some((2750, 2820)), ""),
        ] {
            assert_eq!(alerts(beats, reservation), expected, "{shows}");
        }
    }
}
