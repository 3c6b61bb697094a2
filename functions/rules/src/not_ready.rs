//! `not_ready`: unready for longer than the limit, in an unbroken run of heartbeats.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{Snapshot, issue_code};

use crate::judge::seconds;
use crate::{AlertSettings, Cause, UnreadyRun, Verdict};

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
}
