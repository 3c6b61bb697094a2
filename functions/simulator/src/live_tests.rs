use chrono::TimeDelta;

use super::*;
use crate::pc::Stream;
use crate::role::Role;
use crate::{Document, Lab, LabPlan};

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_795_507_200)
}

fn after(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

fn lab(roles: &[Role], stations: usize) -> Lab {
    let plan = LabPlan { roles: Some(roles.to_vec()), ..LabPlan::new(stations, start(), None, 5) };
    Lab::new(plan).unwrap()
}

/// One station, two minutes after its start.
struct One {
    lab: LiveLab,
    host: HostName,
    now: DateTime<Utc>,
    last: Option<serde_json::Value>,
}

impl One {
    fn of(role: Role) -> Self {
        let lab = lab(&[role], 1).emissions().live();
        let host = lab.hosts().next().unwrap().clone();
        let mut one = Self { lab, host, now: start(), last: None };
        one.wait(120);
        one
    }

    /// How many heartbeats came meanwhile; the last one is kept.
    fn wait(&mut self, seconds: i64) -> usize {
        self.now += TimeDelta::seconds(seconds);
        let uploads = self.lab.poll(self.now);
        let beats: Vec<_> = uploads.iter().filter(|upload| upload.document == Document::Heartbeat).collect();
        if let Some(beat) = beats.last() {
            self.last = serde_json::from_slice(&beat.bytes[3..]).ok();
        }
        beats.len()
    }

    fn give(&mut self, command: &str) -> Course {
        let line = format!(r"C:\LabStation\LabStation.exe {command}");
        self.lab.give(&self.host.clone(), &line, true, self.now).unwrap()
    }

    fn shows(&self, pointer: &str) -> serde_json::Value {
        self.last.as_ref().and_then(|beat| beat.pointer(pointer)).cloned().unwrap_or_default()
    }

    fn power(&self) -> Power {
        self.lab.power(&self.host, self.now).unwrap()
    }

    fn mac(&self) -> [u8; 6] {
        let text = self.lab.mac(&self.host).unwrap().to_owned();
        let bytes: Vec<u8> = text.split('-').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        bytes.try_into().unwrap()
    }
}

#[test]
fn a_lab_that_nobody_commands_uploads_the_same_bytes() {
    let lab = lab(&[Role::ALL.as_slice(), &[Role::EverydayUse, Role::Idle]].concat(), 16);
    let end = after(4 * 3600);
    let expected: Vec<Upload> = lab.uploads().take_while(|upload| upload.at <= end).collect();
    for (begins, step) in [(0, 7), (0, 1), (5000, 13)] {
        let mut emissions = lab.emissions();
        let mut uploads = Vec::new();
        while let Some(emission) = emissions.next_before(after(begins)) {
            uploads.push(emission.upload);
        }
        let mut live = emissions.live();
        let mut now = after(begins);
        while now <= end {
            uploads.extend(live.poll(now));
            now += TimeDelta::seconds(step);
        }
        uploads.extend(live.poll(end));
        let by_station = |uploads: &[Upload]| {
            let mut stations: BTreeMap<HostName, Vec<Upload>> = BTreeMap::new();
            for upload in uploads {
                stations.entry(upload.host.clone()).or_default().push(upload.clone());
            }
            stations
        };
        let (found, wanted) = (by_station(&uploads), by_station(&expected));
        for (host, wanted) in &wanted {
            let found = &found[host];
            let same = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
            let at = |uploads: &[Upload]| uploads.get(same).map(|upload| (upload.at, upload.document));
            let (found_at, wanted_at) = (at(found), at(wanted));
            assert_eq!(found_at, wanted_at, "{host}, polled from {begins} s on, every {step} s, differs after {same}");
            assert_eq!((same, found.len()), (wanted.len(), wanted.len()), "{host}");
        }
        assert!(uploads.len() > 3000);
    }
}

#[test]
fn what_is_next_is_never_missed_by_whoever_sleeps_until_then() {
    let lab = lab(&[Role::EverydayUse, Role::GoesDown], 2);
    let mut live = lab.emissions().live();
    let (mut now, mut uploads) = (start(), 0);
    let hosts: Vec<HostName> = live.hosts().cloned().collect();
    let mut dark = Vec::new();
    while now < after(3 * 3600) {
        uploads += live.poll(now).len();
        dark.extend(hosts.iter().filter(|host| live.power(host, now) == Some(Power::Off)).map(|_| now));
        let next = live.next_at(now).unwrap();
        assert!(now < next, "time goes on");
        now = next;
    }
    let expected = lab.uploads().take_while(|upload| upload.at < after(3 * 3600)).count();
    assert_eq!(uploads, expected);
    let down = lab.scenario().hosts[1].down.clone();
    let whole: Vec<_> = down.into_iter().filter(|(_, to)| *to < after(3 * 3600)).collect();
    assert!(whole.len() > 1);
    for (from, to) in whole {
        assert!(dark.contains(&from) && !dark.contains(&to), "it is seen when the PC goes and comes");
    }
}

#[test]
fn prepare_waits_for_whoever_sits_there_and_the_next_heartbeat_shows_it() {
    let mut one = One::of(Role::Idle);
    one.lab.sit_down(&one.host.clone(), "ana", one.now);
    one.wait(70);
    assert_eq!(one.shows("/status/localSessionActive"), true);
    let course = one.give("prepare-session --guard-grace=60");
    assert_eq!(course.exit_code, 0);
    one.wait(55);
    assert_eq!(one.shows("/status/localSessionActive"), true, "the grace has not passed");
    assert!(one.wait(80) > 0, "a command in a process of its own does not hold the loop");
    assert_eq!(one.shows("/status/localSessionActive"), false);
    assert_eq!(one.shows("/operations/lastForcedLogoff/user"), "ana");
    assert_eq!(one.shows("/operations/lastPrepareSession/success"), true);
    let seconds = one.shows("/operations/lastPrepareSession/durationMs").as_i64().unwrap() / 1000;
    assert!((62..=68).contains(&seconds), "{seconds}");
    let events =
        one.lab.give(&one.host.clone(), r"type C:\LabStation\data\telemetry\session-guard-events.jsonl", true, one.now);
    assert!(events.unwrap().text(Stream::Stdout).contains("\"user\":\"ana\""));
}

#[test]
fn a_pc_that_was_shut_down_is_silent_until_it_is_woken() {
    let mut one = One::of(Role::Idle);
    let course = one.give("power shutdown --delay=30");
    assert_eq!(course.exit_code, 0);
    one.wait(20);
    assert_eq!(one.power(), Power::On);
    assert_eq!(one.give("power hibernate").exit_code, 1, "a shutdown is already on its way");
    one.wait(15);
    assert!(matches!(one.power(), Power::GoingDown { .. }));
    one.wait(20);
    assert_eq!(one.power(), Power::Off);
    assert_eq!(one.wait(3600), 0, "no heartbeat");
    let refused = one.lab.give(&one.host.clone(), "hostname", true, one.now);
    assert_eq!(refused, Err(Unreachable::NotOn(Power::Off)));
    assert_eq!(one.lab.wake([1; 6], one.now), None, "somebody else's address");
    let (host, up_at) = one.lab.wake(one.mac(), one.now).unwrap();
    assert_eq!(host, one.host);
    assert!((40..=90).contains(&(up_at - one.now).num_seconds()));
    assert_eq!(one.lab.wake(one.mac(), one.now), None, "the second packet finds it booting");
    one.wait(30);
    assert!(matches!(one.power(), Power::Booting { .. }));
    assert!(one.wait(200) >= 1, "heartbeats come again");
    assert_eq!(one.power(), Power::On);
    assert_eq!(one.shows("/operations/lastPowerAction/mode"), "hibernate");
    assert_eq!(one.shows("/operations/lastPowerAction/success"), false, "the refused order was the last");
}

#[test]
fn a_release_reboots_after_its_time_and_the_pc_comes_back_by_itself() {
    let mut one = One::of(Role::Idle);
    assert_eq!(one.give("release-session --reboot --reboot-timeout=15").exit_code, 0, "the lab user was on");
    one.wait(10);
    assert_eq!(one.power(), Power::On);
    one.wait(20);
    assert_ne!(one.power(), Power::On);
    one.wait(250);
    assert_eq!(one.power(), Power::On);
    assert_eq!(one.shows("/operations/lastReleaseSession/rebootTimeout"), 15);
    assert_eq!(one.shows("/status/sessions/labUserState"), "Active", "it logs on by itself");
}

#[test]
fn a_command_that_is_stopped_or_falls_with_its_pc_leaves_nothing() {
    for falls in [false, true] {
        let mut one = One::of(Role::Idle);
        one.lab.sit_down(&one.host.clone(), "ana", one.now);
        let course = one.give("prepare-session");
        one.wait(30);
        if falls {
            one.lab.fall(&one.host.clone(), one.now);
            assert_eq!(one.power(), Power::Off);
            assert_eq!(one.wait(300), 0);
            assert!(one.lab.wake(one.mac(), one.now).is_some());
        } else {
            one.lab.stop(&one.host.clone(), &course, one.now);
        }
        one.wait(400);
        assert_eq!(one.shows("/operations/lastPrepareSession"), serde_json::json!([]), "falls: {falls}");
        assert_eq!(one.shows("/status/localSessionActive"), !falls);
        assert_eq!(one.lab.given(&one.host).len(), 1);
    }
}

#[test]
fn a_station_that_its_script_switched_off_can_be_woken_too() {
    let mut one = One::of(Role::OrderedShutdown);
    let mut waited = 0;
    while one.power() == Power::On {
        one.wait(10);
        waited += 10;
        assert!(waited < 3 * 3600);
    }
    assert_eq!(one.power(), Power::Off);
    one.lab.wake(one.mac(), one.now).unwrap();
    assert!(one.wait(200) >= 1);
}

#[test]
fn an_adapter_whose_settings_went_wakes_nothing() {
    let mut one = One::of(Role::NicDrift);
    let mut waited = 0;
    while one.shows("/status/wake/nicPower/0/wakeOnMagicPacket") != "Disabled" {
        one.wait(60);
        waited += 60;
        assert!(waited < 24 * 3600);
    }
    assert_eq!(one.give("power shutdown --require-wake").exit_code, 1);
    assert_eq!(one.give("power shutdown").exit_code, 0);
    one.wait(60);
    assert_eq!(one.lab.wake(one.mac(), one.now), None);
}

#[test]
fn local_mode_is_a_file_that_somebody_makes_or_removes() {
    let flag = r"C:\LabStation\labstation\data\local-mode.flag";
    let mut one = One::of(Role::Idle);
    for (line, shown) in [(format!("type nul > {flag}"), true), (format!("del {flag}"), false)] {
        one.lab.give(&one.host.clone(), &line, true, one.now).unwrap();
        one.wait(150);
        assert_eq!(one.shows("/status/localModeEnabled"), shown, "{line}");
    }
}

#[test]
fn the_heartbeat_on_disk_is_the_one_that_was_uploaded() {
    let mut one = One::of(Role::Idle);
    one.wait(300);
    let read =
        one.lab.give(&one.host.clone(), r"type C:\LabStation\data\telemetry\heartbeat.json", true, one.now).unwrap();
    let text = read.text(Stream::Stdout);
    let beat: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    assert_eq!(Some(beat), one.last);
}

#[test]
fn what_breaks_on_its_way_is_whole_on_the_disk() {
    let mut one = One::of(Role::Hostile);
    let mut broken = 0;
    for _ in 0..180 {
        one.now += TimeDelta::seconds(30);
        let uploads = one.lab.poll(one.now);
        let Some(upload) = uploads.iter().rfind(|upload| upload.document == Document::Heartbeat) else { continue };
        let file = one.lab.stations[0].read(&Named::Heartbeat, one.now).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&file[3..]).is_ok());
        assert_eq!(upload.bytes == file, upload.rejected.is_none(), "{:?}", upload.rejected);
        broken += usize::from(upload.rejected.is_some());
    }
    assert!(broken > 0);
}
