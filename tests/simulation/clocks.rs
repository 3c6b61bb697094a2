//! Stations whose clocks are wrong, by a second or by ten years, from the start, for a while, or from one beat to the next.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_rules::{Rule, StationState, StationWord, Transition};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_telemetry::{HostName, ObjectKey, ObjectKind};
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory};
use stationkeeper_tests::database::{Database, Kind, blocking};

use crate::moved::{openings, stored};
use crate::ticks::TICK;
use crate::world::World;

/// Seconds between two heartbeats.
const SPACING: i64 = 65;
const BEATS: usize = 28;
const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;
/// By so many seconds clocks are off.
const OFF: [i64; 8] = [1, 60, 300, HOUR, 23 * HOUR, 25 * HOUR, YEAR, 10 * YEAR];

/// A station and its clock.
pub struct Case {
    pub host: HostName,
    shows: String,
    /// From this beat on, the clock is off by so many seconds.
    clock: Vec<(usize, i64)>,
    /// Seconds from writing a heartbeat to its PUT.
    upload: i64,
    /// Its last beat, when it falls silent before the end.
    last: usize,
}

/// One heartbeat on its way.
#[derive(Debug, Clone)]
pub struct Beat {
    /// Which, from 0.
    pub number: usize,
    pub timestamp: DateTime<Utc>,
    pub arrives_at: DateTime<Utc>,
}

impl Beat {
    /// The order of DESIGN.md section 4.1, written down once more.
    fn rank(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.timestamp.min(self.arrives_at), self.timestamp)
    }

    /// Whether its date is taken at all.
    fn is_taken(&self) -> bool {
        let earliest: DateTime<Utc> = "2020-01-01T00:00:00Z".parse().unwrap();
        self.timestamp >= earliest && self.timestamp - self.arrives_at <= TimeDelta::hours(24)
    }
}

impl Case {
    fn new(shows: impl Into<String>, clock: Vec<(usize, i64)>) -> Self {
        let host = HostName::parse("LAB").unwrap();
        Self { host, shows: shows.into(), clock, upload: 2, last: BEATS - 1 }
    }

    fn off(&self, number: usize) -> i64 {
        self.clock.iter().rev().find(|(from, _)| *from <= number).map_or(0, |(_, off)| *off)
    }

    pub fn beats(&self, start: DateTime<Utc>) -> Vec<Beat> {
        (0..=self.last)
            .map(|number| {
                let written = start + TimeDelta::seconds(10 + SPACING * i64::try_from(number).unwrap());
                Beat {
                    number,
                    timestamp: written + TimeDelta::seconds(self.off(number)),
                    arrives_at: written + TimeDelta::seconds(self.upload),
                }
            })
            .collect()
    }

    /// The bytes tell which beat they are, so that two of one timestamp differ.
    pub fn bytes(&self, beat: &Beat) -> Bytes {
        let user = format!("beat{}", beat.number);
        HeartbeatBuilder::new(self.host.as_str(), beat.timestamp).hybrid().local_session(&user).bytes().into()
    }
}

/// Which beat a state shows.
fn shown(state: &StationState) -> Option<usize> {
    let user = state.latest.as_ref()?.snapshot.details.local_users.first()?;
    user.strip_prefix("beat")?.parse().ok()
}

/// Whether the station's newest word is not the one that is shown: its clock was set back, or to a date that cannot be.
fn is_hidden(beats: &[Beat]) -> bool {
    let best = greatest(beats).map(|beat| beat.number);
    best != beats.last().map(|beat| beat.number)
}

/// The beat that must be shown. Of two of one timestamp the later arrival wins, at the rank of the first.
fn greatest(beats: &[Beat]) -> Option<&Beat> {
    let first_rank = |beat: &Beat| {
        let first = beats.iter().find(|other| other.timestamp == beat.timestamp);
        first.map(Beat::rank)
    };
    beats.iter().filter(|beat| beat.is_taken()).max_by_key(|beat| (first_rank(beat), beat.arrives_at))
}

/// Every way in which a clock can be wrong, a station each.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new("a clock that is right", vec![])];
    for off in OFF.into_iter().flat_map(|off| [off, -off]) {
        cases.push(Case::new(format!("{off} s off from the start"), vec![(0, off)]));
        cases.push(Case::new(format!("{off} s off for ten beats"), vec![(8, off), (18, 0)]));
        cases.push(Case::new(format!("set right by {off} s for good"), vec![(0, off), (12, 0)]));
    }
    for off in [1, 300, HOUR] {
        let flaps = (0..BEATS).map(|number| (number, if number % 2 == 0 { off } else { -off })).collect();
        cases.push(Case::new(format!("to and fro by {off} s with each beat"), flaps));
    }
    let beats = |count: i64| count * SPACING;
    cases.push(Case::new("set back so that two timestamps come again", vec![(8, beats(-2))]));
    cases.push(Case::new("set back so that seven timestamps come again", vec![(8, beats(-7))]));
    cases.push(Case::new("set back again and again", vec![(6, -HOUR), (12, -2 * HOUR), (18, -3 * HOUR)]));
    cases.push(Case::new("ten years ahead, then ten years behind", vec![(8, 10 * YEAR), (18, -10 * YEAR)]));
    for off in [300, -300, HOUR, -HOUR] {
        let jumps = Case::new(format!("{off} s while a heartbeat was on its way"), vec![(9, off)]);
        cases.push(Case { upload: 40, ..jumps });
    }
    for off in [HOUR, -HOUR] {
        cases.push(Case { last: 11, ..Case::new(format!("{off} s off, then silent"), vec![(0, off)]) });
    }
    cases.push(Case { last: 14, ..Case::new("set back by an hour, then silent", vec![(8, -HOUR)]) });
    cases.push(Case { last: 14, ..Case::new("set back by ten years, then silent", vec![(8, -10 * YEAR)]) });
    for (number, case) in cases.iter_mut().enumerate() {
        case.host = HostName::parse(&format!("LAB-{number:02}")).unwrap();
    }
    cases
}

/// What a run left.
pub struct Left {
    pub transitions: Vec<Transition>,
    pub objects: Arc<MemoryBucket>,
}

/// Half an hour of these stations, checked every five seconds by handlers whose clocks are off by so much.
pub async fn half_an_hour(database: &Database, cases: &[Case], off: &[TimeDelta]) -> Left {
    let start: DateTime<Utc> = "2026-11-24T08:00:00Z".parse().unwrap();
    let mut world = World::of(database, start, off).await;
    let beats: Vec<_> = cases.iter().map(|case| case.beats(start)).collect();
    let end = start + TimeDelta::seconds(10 + SPACING * i64::try_from(BEATS).unwrap());
    let mut now = start;
    while now < end {
        let before = now;
        now += TICK;
        world.clock.advance_to(now);
        let mut announced = Vec::new();
        for (case, beats) in cases.iter().zip(&beats) {
            for beat in beats.iter().filter(|beat| before < beat.arrives_at && beat.arrives_at <= now) {
                let key = ObjectKey::latest(&case.host, ObjectKind::Heartbeat).into_string();
                announced.push(world.put(&key, case.bytes(beat), beat.arrives_at));
            }
        }
        let some = !announced.is_empty();
        world.take(announced).await;
        world.check().await;
        if some {
            for (case, beats) in cases.iter().zip(&beats) {
                let came = beats.partition_point(|beat| beat.arrives_at <= now);
                shows_the_truth(&world, case, &beats[..came]).await;
            }
        }
    }
    let left = Left { transitions: stored(world.store()).await, objects: world.objects.clone() };
    world.close().await;
    left
}

/// What a board must show after these beats: the greatest, which is the newest unless the clock was set back; and then no word that
/// says that all is well.
async fn shows_the_truth(world: &World, case: &Case, beats: &[Beat]) {
    if beats.is_empty() {
        return;
    }
    let state = world.state(&case.host).await.expect("a station that uploaded is known");
    let told = format!("{}, beat {}", case.shows, beats.len() - 1);
    assert_eq!(shown(&state), greatest(beats).map(|beat| beat.number), "{told}");
    let hidden_for = (1..=beats.len()).rev().take_while(|count| is_hidden(&beats[..*count])).count();
    if hidden_for == 0 {
        assert_eq!(shown(&state), Some(beats.len() - 1), "{told}: the newest");
    } else if hidden_for >= 2 {
        let fine = [StationWord::Ready, StationWord::Held, StationWord::Busy];
        let is_down = state.word == StationWord::Down && case.last == BEATS - 1;
        assert!(
            !fine.contains(&state.word) && !is_down,
            "{told}: {} hides that the clock was set back",
            state.word.as_str()
        );
    }
}

fn whatever_its_clock_says(kind: Kind) {
    let database = Database::new(kind);
    let cases = cases();
    blocking(async {
        let left = half_an_hour(&database, &cases, &[TimeDelta::zero()]).await;
        let start: DateTime<Utc> = "2026-11-24T08:00:00Z".parse().unwrap();
        let missing = openings(&left.transitions, Rule::HeartbeatMissing);
        for case in &cases {
            let of_case: Vec<_> = missing.iter().filter(|moved| moved.key.host.as_ref() == Some(&case.host)).collect();
            let opened: Vec<_> = of_case.iter().map(|moved| moved.at).collect();
            let beats = case.beats(start);
            let silent = (case.last < BEATS - 1).then(|| beats[case.last].arrives_at + TimeDelta::seconds(181));
            assert_eq!(opened, silent.into_iter().collect::<Vec<_>>(), "{}", case.shows);
        }
        assert!(openings(&left.transitions, Rule::IngestStalled).is_empty());
        assert!(openings(&left.transitions, Rule::ClockSkew).len() > 20, "wrong clocks are named");
        Conservation::of(database.url())
            .accepted(accepted_by_memory(&left.objects))
            .at_least("history", 1_000)
            .at_least("quarantined", 100)
            .at_least("stations", cases.len() as u64)
            .holds()
            .await;
    });
}

#[test]
fn whatever_its_clock_says_a_station_is_missing_only_when_it_is_silent_and_the_board_shows_the_truth_on_sqlite() {
    whatever_its_clock_says(Kind::Sqlite);
}

#[test]
fn whatever_its_clock_says_a_station_is_missing_only_when_it_is_silent_and_the_board_shows_the_truth_on_mariadb() {
    whatever_its_clock_says(Kind::MariaDb);
}

#[test]
fn when_every_clock_of_a_laboratory_is_set_back_at_once_nobody_is_missing_and_nothing_is_stalled() {
    let database = Database::new(Kind::Sqlite);
    let mut cases: Vec<_> = (0..5).map(|_| Case::new("all of them at once", vec![(8, -HOUR)])).collect();
    for (number, case) in cases.iter_mut().enumerate() {
        case.host = HostName::parse(&format!("LAB-{number:02}")).unwrap();
    }
    blocking(async {
        let left = half_an_hour(&database, &cases, &[TimeDelta::zero()]).await;
        let rules: std::collections::BTreeSet<_> =
            left.transitions.iter().map(|moved| moved.key.rule.as_str()).collect();
        assert_eq!(rules.into_iter().collect::<Vec<_>>(), ["clock_skew"]);
        assert_eq!(left.transitions.len(), cases.len());
        Conservation::of(database.url())
            .accepted(accepted_by_memory(&left.objects))
            .at_least("history", 5 * BEATS as u64)
            .holds()
            .await;
    });
}
