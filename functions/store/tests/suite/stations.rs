use chrono::TimeDelta;
use stationkeeper_rules::{
    Cause, Doing, Heard, Latest, ReservationId, ResolvedByHand, Rule, Running, StateRun, StationState, StationWord,
    StatusDocument, UnreadyRun,
};
use stationkeeper_store::{CatalogEntry, HostStatus, StationFilter};
use stationkeeper_telemetry::{Details, HostName, Nic, NicSettings, ServiceState, SessionOperation, Snapshot};

use super::{at, heard, host, snapshot, with_stations};
use crate::Lab;

pub async fn unknown_stations_become_new_ones(lab: Lab) {
    // Ñ is not N, whatever a collation says.
    let hosts = ["LAB-Ñ", "LAB-N", "LAB-02", "LAB-02"].map(host);
    for second in [0, 60] {
        let mut work = lab.store.begin().await.unwrap();
        work.states().ensure(&hosts, at(second)).await.unwrap();
        work.commit().await.unwrap();
    }
    let mut work = lab.store.begin().await.unwrap();
    let locked = work.states().lock(&hosts).await.unwrap();
    drop(work);
    let names: Vec<&str> = locked.iter().map(|state| state.host.as_str()).collect();
    assert_eq!(names, ["LAB-02", "LAB-N", "LAB-Ñ"]);
    let station = lab.store.station(&host("LAB-Ñ")).await.unwrap().unwrap();
    assert_eq!(station.entry.status, HostStatus::New);
    assert_eq!(station.entry.created_at, at(0));
    assert_eq!(station.state, StationState::unheard(host("LAB-Ñ"), at(0)));
}

pub async fn states_come_back_as_they_were(lab: Lab) {
    let mut full = heard("LAB-01", at(0) + TimeDelta::microseconds(123_456), StationWord::Attention);
    full.unready_run = Some(UnreadyRun { since: at(-60), last: at(0), issues: vec!["WoL «off»".to_owned()] });
    full.resolved_by_hand = vec![ResolvedByHand {
        rule: Rule::StaleForcedLogoff,
        reservation_id: Some(ReservationId("R-1".to_owned())),
        at: at(30),
    }];
    full.nic_baseline = Some(vec![Nic {
        name: "Ethernet".to_owned(),
        wol_ready: Some(true),
        wake_armed: None,
        compliance_issues: Vec::new(),
        settings: NicSettings::default(),
    }]);
    let prepare =
        SessionOperation { timestamp: Some(at(-600)), success: Some(false), duration_ms: Some(7), user: None };
    full.service_state = Some((ServiceState { last_prepare: Some(prepare), ..ServiceState::default() }, at(3)));
    full.status = Some(StatusDocument { snapshot: snapshot("LAB-01", at(5)), arrived_at: at(6) });
    // Written by hand: what it remembers is the rule's own affair.
    full.uploads = serde_json::from_value(serde_json::json!({
        "service-state": { "read_at": at(-3), "unread": [{ "object": "1f", "arrived_at": at(-2) }], "raised": true },
    }))
    .unwrap();
    full.skew = Some(TimeDelta::milliseconds(-1_500));
    full.word_cause = Some(Cause::NothingNewer { since: at(0) });
    full.check_at = Some(at(181));
    with_stations(&lab.store, &[full.clone()]).await;
    assert_eq!(lab.store.station(&host("LAB-01")).await.unwrap().unwrap().state, full);
    assert_eq!(in_brief(&lab).await, brief(&full), "nothing runs: when it was heard is in no list");
    let heard_at = Heard { timestamp: at(0), in_range: true, arrived_at: at(1), alive_at: Some(at(1)) };
    full.heard = Some(heard_at);
    full.running = Some(Running { doing: Doing::Prepare, since: at(2), until: at(90) });
    with_stations(&lab.store, &[full.clone()]).await;
    assert_eq!(in_brief(&lab).await, StationState { heard: full.heard.clone(), ..brief(&full) });

    let empty = StationState::unheard(host("LAB-01"), at(9));
    with_stations(&lab.store, &[empty.clone()]).await;
    assert_eq!(lab.store.station(&host("LAB-01")).await.unwrap().unwrap().state, empty);
    assert_eq!(in_brief(&lab).await, empty);
}

/// The only station of a lab, as a list reads it.
async fn in_brief(lab: &Lab) -> StationState {
    lab.store.stations_in_brief(&StationFilter::default(), None, 10).await.unwrap().remove(0).state
}

/// What a list shows of a state.
fn brief(full: &StationState) -> StationState {
    let snapshot = |of: &Snapshot| Snapshot {
        state: None,
        nics: None,
        details: Details {
            version: of.details.version.clone(),
            local_users: of.details.local_users.clone(),
            ..Details::default()
        },
        ..of.clone()
    };
    let latest = full.latest.as_ref();
    StationState {
        latest: latest.map(|latest| Latest { snapshot: snapshot(&latest.snapshot), ..latest.clone() }),
        status: full
            .status
            .as_ref()
            .map(|status| StatusDocument { snapshot: snapshot(&status.snapshot), arrived_at: status.arrived_at }),
        service_state: full.service_state.clone(),
        powered: full.powered.clone(),
        running: full.running,
        skew: full.skew,
        word: full.word,
        word_cause: full.word_cause.clone(),
        ..StationState::unheard(full.host.clone(), full.word_since)
    }
}

pub async fn stations_are_listed_by_filter_and_page(lab: Lab) {
    let words = [StationWord::Ready, StationWord::Down, StationWord::Ready, StationWord::Off];
    let names = ["LAB-01", "LAB-02", "LAB-03", "LAB-04"];
    let states: Vec<_> = names.iter().zip(words).map(|(name, word)| heard(name, at(0), word)).collect();
    with_stations(&lab.store, &states).await;
    let entry = CatalogEntry {
        host: host("LAB-03"),
        lab: Some("optics".to_owned()),
        address: Some("10.0.0.3".to_owned()),
        mac: None,
        status: HostStatus::Active,
        created_at: at(99),
    };
    let mut work = lab.store.begin().await.unwrap();
    work.states().save_catalog(&[entry.clone()]).await.unwrap();
    work.commit().await.unwrap();
    let station = lab.store.station(&host("LAB-03")).await.unwrap().unwrap();
    assert_eq!(station.entry, CatalogEntry { created_at: at(0), ..entry });
    assert_eq!(station.state, states[2], "the catalog does not touch the state");

    let all = StationFilter::default();
    let of_lab = StationFilter { lab: Some("optics".to_owned()), ..all.clone() };
    let silent = StationFilter { words: vec![StationWord::Down, StationWord::Off], ..all.clone() };
    let two = StationFilter { hosts: vec![host("LAB-04"), host("LAB-01")], ..all.clone() };
    for (shows, filter, after, limit, expected) in [
        ("the first page", &all, None, 3, &names[..3]),
        ("the next page", &all, Some("LAB-03"), 3, &names[3..]),
        ("a lab", &of_lab, None, 10, &names[2..3]),
        ("some states", &silent, None, 10, &["LAB-02", "LAB-04"]),
        ("some hosts", &two, None, 10, &["LAB-01", "LAB-04"]),
    ] {
        let found = lab.store.stations(filter, after.map(host).as_ref(), limit).await.unwrap();
        let found: Vec<&str> = found.iter().map(|station| station.entry.host.as_str()).collect();
        assert_eq!(found, expected, "{shows}");
        let found = lab.store.stations_in_brief(filter, after.map(host).as_ref(), limit).await.unwrap();
        let found: Vec<&str> = found.iter().map(|station| station.state.host.as_str()).collect();
        assert_eq!(found, expected, "in brief: {shows}");
    }
    let counts = lab.store.stations_by_word().await.unwrap();
    assert_eq!(counts, [(StationWord::Down, 1), (StationWord::Off, 1), (StationWord::Ready, 2)]);
}

pub async fn what_is_due_and_expected(lab: Lab) {
    assert_eq!(lab.store.newest_advance_at().await.unwrap(), None);
    let mut states = vec![
        heard("LAB-01", at(0), StationWord::Ready),
        heard("LAB-02", at(10), StationWord::Down),
        heard("LAB-03", at(20), StationWord::Held),
        heard("LAB-04", at(5), StationWord::Late),
    ];
    for (state, due) in states.iter_mut().zip([Some(100), None, Some(50), Some(101)]) {
        state.check_at = due.map(at);
    }
    with_stations(&lab.store, &states).await;
    let due = async |second, limit| -> Vec<HostName> { lab.store.due(at(second), limit).await.unwrap() };
    assert_eq!(due(49, 10).await, []);
    assert_eq!(due(100, 10).await, ["LAB-03", "LAB-01"].map(host));
    assert_eq!(due(200, 1).await, [host("LAB-03")]);
    assert_eq!(lab.store.expected_stations().await.unwrap(), 3);
    assert_eq!(lab.store.newest_advance_at().await.unwrap(), Some(at(21)));
    lab.tamper("update lab_hosts set status = 'retired' where name = 'LAB-01'").await;
    assert_eq!(lab.store.expected_stations().await.unwrap(), 2);
}

/// 10,000 stations, 10 of them due: the rows that a look touches are these, however many others there are.
pub async fn looking_for_what_is_due_reads_nothing_else(lab: Lab) {
    let states: Vec<_> = (0..10_000)
        .map(|number| {
            let mut state = heard(&format!("LAB-{number:05}"), at(0), StationWord::Ready);
            state.check_at = Some(at(if number % 1_000 == 7 { 60 } else { 180 }));
            state
        })
        .collect();
    with_stations(&lab.store, &states).await;
    assert_eq!(lab.store.due(at(100), 10_000).await.unwrap().len(), 10);
    for (statement, values, most) in [
        (include_str!("../../src/sql/due.sql"), &["2026-11-24T08:01:40.000000Z", "10000"][..], 10 + 2),
        ("select max(advanced_at) as advanced_at from lab_station_state", &[], 2),
    ] {
        lab.reads_by_index(statement, values, most).await;
    }
}

pub async fn state_runs_follow_one_another(lab: Lab) {
    with_stations(&lab.store, &[heard("LAB-01", at(0), StationWord::Ready)]).await;
    let run = |second, word, cause| StateRun { host: host("LAB-01"), from_at: at(second), to_at: None, word, cause };
    let runs = [
        run(0, StationWord::Ready, None),
        run(60, StationWord::Down, Some(Cause::NothingNewer { since: at(0) })),
        run(120, StationWord::Ready, None),
    ];
    for runs in [&runs[..1], &runs[1..], &runs[..]] {
        let mut work = lab.store.begin().await.unwrap();
        work.runs().append(runs).await.unwrap();
        work.commit().await.unwrap();
    }
    let closed = [
        StateRun { to_at: Some(at(60)), ..runs[0].clone() },
        StateRun { to_at: Some(at(120)), ..runs[1].clone() },
        runs[2].clone(),
    ];
    let read = async |from, to| lab.store.state_runs(&host("LAB-01"), at(from), at(to)).await.unwrap();
    assert_eq!(read(0, 1_000).await, closed);
    assert_eq!(read(60, 120).await, closed[1..2], "a run ends before its end");
    assert_eq!(lab.store.prune_audit(at(120), 10).await.unwrap().rows, 1);
    assert_eq!(read(0, 1_000).await, closed[1..]);
}

pub async fn looking_at_a_day_of_states_reads_no_other_days(lab: Lab) {
    let words = [StationWord::Ready, StationWord::Down];
    let run = |name: &str, number: usize| StateRun {
        host: host(name),
        from_at: at(i64::try_from(number).unwrap() * 60),
        to_at: None,
        word: words[number % 2],
        cause: None,
    };
    let mut work = lab.store.begin().await.unwrap();
    for name in ["LAB-01", "LAB-02"] {
        work.runs().append(&(0..2_000).map(|number| run(name, number)).collect::<Vec<_>>()).await.unwrap();
    }
    work.commit().await.unwrap();
    for (from, to, first, number) in [
        (60_000, 60_600, 60_000, 10),
        (60_001, 60_601, 60_000, 11),
        (59_999, 60_000, 59_940, 1),
        (-600, 1, 0, 1),
        (119_941, 200_000, 119_940, 1),
        (200_000, 300_000, 119_940, 1),
    ] {
        let found = lab.store.state_runs(&host("LAB-01"), at(from), at(to)).await.unwrap();
        assert_eq!((found.len(), found[0].from_at), (number, at(first)), "{from} to {to}");
    }
    assert_eq!(lab.store.state_runs(&host("LAB-01"), at(-600), at(0)).await.unwrap(), []);
    assert_eq!(lab.store.state_runs(&host("LAB-03"), at(0), at(600)).await.unwrap(), []);
    let (from, to) = ("2026-11-25T00:40:00.000000Z", "2026-11-25T00:50:00.000000Z");
    let values = ["LAB-01", to, from, "LAB-01", from, from];
    lab.reads_by_index(include_str!("../../src/sql/state_runs.sql"), &values, 10 + 4).await;
}
