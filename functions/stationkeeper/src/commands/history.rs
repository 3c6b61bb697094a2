//! `station history`: what happened to a station in a stretch of time.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use stationkeeper_api::{HistoryView, Instant, Language};
use stationkeeper_gateway::station_history;
use stationkeeper_rules::history::Window;

use crate::cli::StationHistory;
use crate::commands::summary::{columns, harmless};
use crate::failure::{Exit, Failure, print_bytes, print_json};
use crate::place;

/// How far back it goes unless somebody says.
const BACK: TimeDelta = TimeDelta::hours(24);

/// Runs `station history`.
pub async fn run(arguments: &StationHistory) -> Result<Option<Exit>, Failure> {
    let host = place::host(&arguments.host)?;
    let now = place::now();
    let to = arguments.until.unwrap_or_else(|| now.trunc_subsecs(0));
    let window = Window::new(arguments.from.unwrap_or(to - BACK), to, arguments.buckets)
        .map_err(|error| Failure::because(Exit::Rejected, "there is no such stretch of time", &error))?;
    let store = place::existing_store(&arguments.place).await?;
    let unreadable =
        |error| Failure::because(Exit::Unavailable, format_args!("cannot read the past of {host}"), &error);
    if store.station(&host).await.map_err(unreadable)?.is_none() {
        return Err(Failure::new(
            Exit::NoInput,
            format!("there is no station {host}: `stationkeeper status` lists them"),
        ));
    }
    let view = station_history(&store, host.clone(), window, Language::En, now).await.map_err(unreadable)?;
    if arguments.json {
        print_json(&view)?;
    } else {
        print_bytes(text(&view, now).as_bytes())?;
    }
    Ok(None)
}

/// States and silences in order of time, and a line that sums up the heartbeats.
fn text(view: &HistoryView, now: DateTime<Utc>) -> String {
    let row = |from: Instant, to: Option<Instant>, word: &str, cause: String| {
        let lasts = length(to.map_or(now, |to| to.0) - from.0);
        let to = to.map_or_else(|| "now".to_owned(), |to| to.to_string());
        (from, [from.to_string(), to, lasts, word.to_owned(), cause])
    };
    let runs = view.runs.iter().map(|run| {
        row(run.from_at, run.to_at, run.state.as_str(), harmless(run.cause_text.as_deref().unwrap_or_default()))
    });
    let gaps =
        view.gaps.iter().map(|gap| row(gap.from_at, gap.to_at, "(silent)", "No heartbeat in between".to_owned()));
    let mut rows: Vec<_> = runs.chain(gaps).collect();
    rows.sort_by_key(|(from, _)| *from);
    let heartbeats: u64 = view.buckets.iter().map(|bucket| u64::from(bucket.heartbeats)).sum();
    let skew = view.buckets.iter().filter_map(|bucket| bucket.skew_min_ms).min();
    let skew = skew.zip(view.buckets.iter().filter_map(|bucket| bucket.skew_max_ms).max());
    let clock = skew.map_or_else(String::new, |(least, greatest)| {
        format!(", its clock {} to {} s off", seconds(least), seconds(greatest))
    });
    let summary = format!("{} from {} to {}: {heartbeats} heartbeats{clock}\n", view.host, view.from, view.to);
    if rows.is_empty() {
        return format!("{summary}Nothing is known of its state in this time.\n");
    }
    let headings = ["From", "To", "Lasts", "State", "Cause"].map(str::to_owned);
    let table: Vec<_> = std::iter::once(headings).chain(rows.into_iter().map(|(_, cells)| cells)).collect();
    summary + &columns(&table)
}

/// Milliseconds as seconds with one digit, `-1.5`.
fn seconds(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let tenths = (milliseconds.unsigned_abs() + 50) / 100;
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}

/// `2d 3h`, `3h 20m`, `20m 1s` or `1s`.
fn length(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(parts.len() - 1);
    let said = parts[first..].iter().take(2).enumerate().filter(|(place, (number, _))| *place == 0 || *number > 0);
    said.map(|(_, (number, unit))| format!("{number}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use stationkeeper_api::{BucketView, GapView, StateRunView};
    use stationkeeper_rules::StationWord;
    use stationkeeper_telemetry::HostName;

    use super::*;

    fn at(time: &str) -> Instant {
        Instant(format!("2026-11-24T{time}Z").parse().unwrap())
    }

    #[test]
    fn a_length_has_its_two_greatest_parts() {
        for (seconds, said) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (1_201, "20m 1s"),
            (3_600, "1h"),
            (3_601, "1h"),
            (12_000, "3h 20m"),
            (183_600, "2d 3h"),
            (-5, "0s"),
        ] {
            assert_eq!(length(TimeDelta::seconds(seconds)), said, "{seconds}");
        }
        for (milliseconds, said) in [(0, "0.0"), (49, "0.0"), (50, "0.1"), (-1_500, "-1.5"), (137_040, "137.0")] {
            assert_eq!(super::seconds(milliseconds), said, "{milliseconds}");
        }
    }

    #[test]
    fn states_and_silences_are_told_in_order_of_time() {
        let bucket = |heartbeats, skew: Option<(i64, i64)>| BucketView {
            from: at("08:00:00"),
            state: None,
            heartbeats,
            skew_min_ms: skew.map(|(least, _)| least),
            skew_max_ms: skew.map(|(_, greatest)| greatest),
        };
        let run = |from, to: Option<&str>, state, cause: Option<&str>| StateRunView {
            from_at: at(from),
            to_at: to.map(at),
            state,
            cause: None,
            cause_text: cause.map(str::to_owned),
        };
        let mut view = HistoryView {
            host: HostName::parse("LAB-01").unwrap(),
            from: at("08:00:00"),
            to: at("10:00:00"),
            bucket_seconds: 3_600,
            buckets: vec![bucket(40, Some((-1_500, 200))), bucket(0, None), bucket(2, Some((-300, 137_000)))],
            runs: vec![
                run("07:00:00", Some("08:43:00"), StationWord::Ready, None),
                run("08:43:00", None, StationWord::Down, Some("Nothing newer\u{7}")),
            ],
            gaps: vec![GapView { from_at: at("08:40:00"), to_at: Some(at("09:01:00")) }],
        };
        let expected = "\
LAB-01 from 2026-11-24T08:00:00Z to 2026-11-24T10:00:00Z: 42 heartbeats, its clock -1.5 to 137.0 s off
From                  To                    Lasts   State     Cause
2026-11-24T07:00:00Z  2026-11-24T08:43:00Z  1h 43m  ready
2026-11-24T08:40:00Z  2026-11-24T09:01:00Z  21m     (silent)  No heartbeat in between
2026-11-24T08:43:00Z  now                   1h 17m  down      Nothing newer\u{fffd}
";
        assert_eq!(text(&view, at("10:00:00").0), expected);
        (view.runs, view.gaps, view.buckets) = (Vec::new(), Vec::new(), Vec::new());
        let nothing = text(&view, at("10:00:00").0);
        assert!(nothing.ends_with("0 heartbeats\nNothing is known of its state in this time.\n"), "{nothing}");
    }
}
