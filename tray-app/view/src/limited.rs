//! What the older service tells, as stations. It has no word for them: the little that its heartbeats allow is said here.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_api::{Cause, HoldStage, HoldView, StationView, StationWord};
use stationkeeper_telemetry::{HostName, Snapshot};

/// Hosts are read one after the other, each once a minute at most; later than this, something is in the way.
const LATE_AFTER: TimeDelta = TimeDelta::seconds(300);

/// A host of the older service's list.
#[derive(Debug, Clone, PartialEq)]
pub struct PolledHost {
    /// Its name.
    pub host: HostName,
    /// The first laboratory of it.
    pub lab: Option<String>,
    /// When it was listed.
    pub listed_at: DateTime<Utc>,
    /// The last heartbeat that could be read, and when that was.
    pub heard: Option<(Snapshot, DateTime<Utc>)>,
    /// Since when it cannot be read.
    pub failing_since: Option<DateTime<Utc>>,
    /// The local mode that was asked for last, and when.
    pub asked: Option<(bool, DateTime<Utc>)>,
}

/// As stations.
pub fn limited_stations(hosts: &[PolledHost], now: DateTime<Utc>) -> Vec<StationView> {
    hosts.iter().map(|host| station(host, now)).collect()
}

fn station(polled: &PolledHost, now: DateTime<Utc>) -> StationView {
    let snapshot = polled.heard.as_ref().map(|(snapshot, _)| snapshot);
    let read_at = polled.heard.as_ref().map(|(_, at)| *at);
    let (state, since, cause) = word(polled, now);
    StationView {
        host: polled.host.clone(),
        lab: polled.lab.clone(),
        state,
        state_since: since.into(),
        cause,
        cause_text: None,
        timestamp_utc: snapshot.map(|snapshot| snapshot.timestamp_utc.into()),
        arrived_at: read_at.map(Into::into),
        age_seconds: read_at.map(|at| (now - at).num_seconds().max(0)),
        skew_seconds: None,
        ready: snapshot.map(|snapshot| snapshot.ready),
        issues: snapshot.map(|snapshot| snapshot.issues.clone()).unwrap_or_default(),
        local_mode_enabled: snapshot.and_then(|snapshot| snapshot.local_mode_enabled),
        local_session_active: snapshot.and_then(|snapshot| snapshot.local_session_active),
        local_users: snapshot.map(|snapshot| snapshot.details.local_users.clone()).unwrap_or_default(),
        nic_issue_count: snapshot.and_then(|snapshot| snapshot.nic_issue_count),
        sleep_compliant: snapshot.and_then(|snapshot| snapshot.sleep_compliant),
        hibernate_compliant: snapshot.and_then(|snapshot| snapshot.hibernate_compliant),
        last_prepare: snapshot.and_then(|snapshot| snapshot.last_prepare.as_ref()).map(Into::into),
        last_release: snapshot.and_then(|snapshot| snapshot.last_release.as_ref()).map(Into::into),
        last_power_action: snapshot.and_then(|snapshot| snapshot.last_power_action.as_ref()).map(Into::into),
        last_forced_logoff: snapshot.and_then(|snapshot| snapshot.last_forced_logoff.as_ref()).map(Into::into),
        last_safeguard_reboot: snapshot.and_then(|snapshot| snapshot.last_safeguard_reboot.as_ref()).map(Into::into),
        version: snapshot.and_then(|snapshot| snapshot.details.version.clone()),
        status_as_of: None,
        current_action: None,
        current_reservation: None,
        next_reservation: None,
        hold: asked(polled),
    }
}

/// Asked, until a heartbeat that was read afterwards says what became of it.
fn asked(polled: &PolledHost) -> Option<HoldView> {
    let (enabled, at) = polled.asked?;
    let read_since = polled.heard.as_ref().filter(|(_, read_at)| *read_at > at);
    if read_since.is_some_and(|(snapshot, _)| snapshot.local_mode_enabled == Some(enabled)) {
        return None;
    }
    let heard = polled.heard.as_ref().map(|(snapshot, _)| snapshot);
    Some(HoldView {
        host: polled.host.clone(),
        state: if enabled { HoldStage::Ordered } else { HoldStage::Releasing },
        enabled,
        observed: heard.and_then(|snapshot| snapshot.local_mode_enabled),
        observed_at: heard.map(|snapshot| snapshot.timestamp_utc.into()),
        owner: String::new(),
        reason: None,
        ordered_at: at.into(),
        expires_at: None,
        warned_at: None,
        ended_by: None,
        applied_at: None,
        problem: None,
        request_id: None,
    })
}

/// A station that cannot be read is not down: it may be off by somebody's wish, which is not known here.
fn word(polled: &PolledHost, now: DateTime<Utc>) -> (StationWord, DateTime<Utc>, Option<Cause>) {
    let Some((snapshot, read_at)) = &polled.heard else {
        return (StationWord::Unknown, polled.listed_at, None);
    };
    if let Some(since) = polled.failing_since.or((now - *read_at > LATE_AFTER).then_some(*read_at)) {
        return (StationWord::Late, since, Some(Cause::Late { since: *read_at }));
    }
    let since = snapshot.timestamp_utc;
    if snapshot.local_mode_enabled == Some(true) {
        return (StationWord::Held, since, None);
    }
    if !snapshot.ready {
        let cause = Cause::Issues { issues: snapshot.issues.clone(), codes: Vec::new(), since };
        return (StationWord::Attention, since, Some(cause));
    }
    (StationWord::Ready, since, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, host, snapshot};

    #[test]
    fn a_polled_host_has_the_word_that_its_heartbeat_allows() {
        type Change = fn(&mut Snapshot);
        let as_it_is: Change = |_| {};
        let unready: Change = |snapshot| snapshot.ready = false;
        let held: Change = |snapshot| (snapshot.ready, snapshot.local_mode_enabled) = (false, Some(true));
        for (read, change, failing, now, word) in [
            (None, as_it_is, None, "10:00:00", "unknown"),
            (None, as_it_is, Some("10:00:00"), "10:01:00", "unknown"),
            (Some("10:00:00"), as_it_is, None, "10:05:00", "ready"),
            (Some("10:00:00"), as_it_is, None, "10:05:01", "late"),
            (Some("10:00:00"), unready, None, "10:01:00", "attention"),
            (Some("10:00:00"), held, None, "10:01:00", "held"),
            (Some("10:00:00"), held, Some("10:01:00"), "10:01:01", "late"),
        ] {
            let heard = read.map(|read| {
                let mut heard = snapshot("LAB-WS01", read);
                change(&mut heard);
                (heard, at(read))
            });
            let polled = PolledHost {
                host: host("LAB-WS01"),
                lab: Some("Redes".to_owned()),
                listed_at: at("09:00:00"),
                heard,
                failing_since: failing.map(at),
                asked: None,
            };
            let stations = limited_stations(&[polled], at(now));
            assert_eq!(stations[0].state.as_str(), word, "{read:?} {failing:?} {now}");
            assert_eq!(stations[0].next_reservation, None);
        }
    }

    #[test]
    fn local_mode_is_asked_for_until_a_later_heartbeat_says_so() {
        for (read, says, asked_at, stage) in [
            ("10:00:00", false, "10:01:00", Some(HoldStage::Ordered)),
            // It was so before it was asked for; only what is read afterwards counts.
            ("10:00:00", true, "10:01:00", Some(HoldStage::Ordered)),
            ("10:02:00", false, "10:01:00", Some(HoldStage::Ordered)),
            ("10:02:00", true, "10:01:00", None),
        ] {
            let mut heard = snapshot("LAB-WS01", read);
            heard.local_mode_enabled = Some(says);
            let polled = PolledHost {
                host: host("LAB-WS01"),
                lab: None,
                listed_at: at("09:00:00"),
                heard: Some((heard, at(read))),
                failing_since: None,
                asked: Some((true, at(asked_at))),
            };
            let hold = limited_stations(&[polled], at("10:03:00")).remove(0).hold;
            assert_eq!(hold.map(|hold| hold.state), stage, "{read} {says}");
        }
    }
}
