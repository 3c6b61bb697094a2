//! `not_ready`: unready for longer than the limit, in an unbroken run of heartbeats.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{Snapshot, issue_code};

use crate::judge::seconds;
use crate::{Alert, AlertSettings, AlertState, Cause, UnreadyRun, Verdict};

/// Whether the station counts as ready: it says so, or all it complains of is ignored here.
pub fn counts_as_ready(snapshot: &Snapshot, ignored_issue_codes: &[String]) -> bool {
    let ignored =
        |issue: &String| issue_code(issue).is_some_and(|code| ignored_issue_codes.iter().any(|known| known == code));
    snapshot.ready || (!snapshot.issues.is_empty() && snapshot.issues.iter().all(ignored))
}

/// The run after one more heartbeat. A ready one ends it; a longer gap, or a clock that went back, restarts it.
pub fn extend(
    run: Option<&UnreadyRun>,
    at: DateTime<Utc>,
    ready: bool,
    issues: &[String],
    settings: &AlertSettings,
) -> Option<UnreadyRun> {
    if ready {
        return None;
    }
    let unbroken = run.filter(|run| at >= run.last && at - run.last <= seconds(settings.gap_resets_not_ready_seconds));
    Some(match unbroken {
        Some(run) => UnreadyRun { last: at, ..run.clone() },
        None => UnreadyRun { since: at, last: at, issues: issues.to_vec() },
    })
}

/// Unready for *more than* the limit. A restarted run resolves nothing: only a ready heartbeat does.
pub fn not_ready(run: Option<&UnreadyRun>, at: DateTime<Utc>, settings: &AlertSettings) -> Verdict {
    match run {
        None => Verdict::Clear { at, cause: Cause::ReadyAgain },
        Some(run) if run.last - run.since > seconds(settings.not_ready_after_seconds) => Verdict::Holds {
            at: run.last,
            cause: Cause::Issues {
                issues: run.issues.clone(),
                codes: run.issues.iter().filter_map(|issue| issue_code(issue)).map(str::to_owned).collect(),
                since: run.since,
            },
        },
        Some(_) => Verdict::Unjudged,
    }
}

/// Why an alert that somebody has taken is open again: the station complains of something that it did not when they took it.
pub fn grown(alert: &Alert, snapshot: &Snapshot, ignored_issue_codes: &[String]) -> Option<Cause> {
    let Cause::Issues { codes: known, since, .. } = &alert.cause else { return None };
    if alert.state != AlertState::Acknowledged || counts_as_ready(snapshot, ignored_issue_codes) {
        return None;
    }
    let counts = |code: &&str| !ignored_issue_codes.iter().chain(known).any(|known| known == code);
    let mut codes = known.clone();
    codes.extend(snapshot.issues.iter().filter_map(|issue| issue_code(issue)).filter(counts).map(str::to_owned));
    (codes.len() > known.len()).then(|| Cause::Issues { issues: snapshot.issues.clone(), codes, since: *since })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(offset: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_500_000 + offset, 0).expect("in range")
    }

    #[test]
    fn not_ready_holds_after_an_unbroken_unready_run() {
        let settings = AlertSettings::default();
        // Beats: seconds, with + ready or - unready.
        for (shows, beats, expected) in [
            ("120 s is not yet more than 120 s", "0- 60- 120-", "unjudged"),
            ("one second more is", "0- 60- 121-", "holds"),
            ("a ready beat ends the run", "0- 60- 121- 180+", "clear"),
            ("after it the run starts anew", "0- 60- 121- 180+ 240-", "unjudged"),
            ("a gap of 180 s does not break it", "0- 180-", "holds"),
            ("a gap of 181 s restarts it", "0- 181-", "unjudged"),
            ("and a restarted run is not a ready station", "0- 60- 121- 303-", "unjudged"),
            ("a clock that goes back restarts it", "0- 60- 121- 100-", "unjudged"),
        ] {
            let mut run = None;
            let mut last = second(0);
            for beat in beats.split(' ') {
                let (offset, ready) = beat.split_at(beat.len() - 1);
                last = second(offset.parse().expect("a number"));
                run = extend(run.as_ref(), last, ready == "+", &["Lab user not found".to_owned()], &settings);
            }
            let got = match not_ready(run.as_ref(), last, &settings) {
                Verdict::Holds { .. } => "holds",
                Verdict::Clear { .. } => "clear",
                Verdict::Unjudged => "unjudged",
            };
            assert_eq!(got, expected, "{shows}: {beats}");
        }
    }

    #[test]
    fn the_cause_carries_the_issues_of_the_first_unready_heartbeat() {
        let settings = AlertSettings::default();
        let mut run = None;
        for (offset, issue) in [(0, "Controller autostart missing"), (61, "Lab user not found"), (125, "x")] {
            run = extend(run.as_ref(), second(offset), false, &[issue.to_owned()], &settings);
        }
        let Verdict::Holds { cause: Cause::Issues { issues, codes, since }, at } =
            not_ready(run.as_ref(), second(125), &settings)
        else {
            panic!("holds")
        };
        assert_eq!(
            (issues, codes),
            (vec!["Controller autostart missing".to_owned()], vec!["autostart_missing".into()])
        );
        assert_eq!((since, at), (second(0), second(125)));
    }

    #[test]
    fn an_alert_that_was_taken_is_open_again_when_the_issue_codes_grow() {
        let issues = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (sleep, fmu, unknown) = ("Sleep timeout is not disabled", "FMU executor is not running", "Disk is full");
        for (shows, state, says, ignored, codes) in [
            ("the same", AlertState::Acknowledged, &[sleep][..], &[][..], None),
            ("one more", AlertState::Acknowledged, &[sleep, fmu], &[], Some(&["sleep_timeout", "fmu_down"][..])),
            ("another", AlertState::Acknowledged, &[fmu], &[], Some(&["sleep_timeout", "fmu_down"])),
            ("a text without a code", AlertState::Acknowledged, &[sleep, unknown], &[], None),
            ("one that is ignored", AlertState::Acknowledged, &[sleep, fmu], &["fmu_down"], None),
            ("nobody has taken it", AlertState::Open, &[sleep, fmu], &[], None),
        ] {
            let mut alert = crate::notify::testing::placed(crate::Rule::NotReady, "LAB-01", "2026-11-24T10:00").alert;
            alert.state = state;
            let (codes_before, since) = (issues(&["sleep_timeout"]), second(0));
            alert.cause = Cause::Issues { issues: issues(&[sleep]), codes: codes_before, since };
            let mut snapshot = crate::testing::snapshot("10:10:00");
            (snapshot.ready, snapshot.issues) = (false, issues(says));
            let found = grown(&alert, &snapshot, &issues(ignored));
            let expected = codes.map(|codes| Cause::Issues { issues: issues(says), codes: issues(codes), since });
            assert_eq!(found, expected, "{shows}");
        }
    }
}
