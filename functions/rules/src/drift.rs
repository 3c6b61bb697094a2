//! The quieter rules: adapters that change, a power plan that sleeps after all, a clock that is wrong.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_telemetry::{Nic, Snapshot};

use crate::judge::seconds;
use crate::{AlertSettings, Cause, NicDeviation, Verdict};

/// How the adapters differ for the worse from what they were.
///
/// An adapter that appears without a fault, or that loses one, is no deviation; nor is one that vanishes (docks, USB).
pub fn nic_deviations(baseline: &[Nic], current: &[Nic]) -> Vec<NicDeviation> {
    let mut deviations = Vec::new();
    for nic in current {
        let before = baseline.iter().find(|before| before.name == nic.name);
        for issue in &nic.compliance_issues {
            if before.is_none_or(|before| !before.compliance_issues.contains(issue)) {
                deviations.push(deviation(nic, "compliance", None, Some(issue)));
            }
        }
        let Some(before) = before else { continue };
        let mended = nic.compliance_issues.len() < before.compliance_issues.len();
        if mended {
            continue;
        }
        for (setting, from, to) in [
            ("wake_on_magic_packet", &before.settings.wake_on_magic_packet, &nic.settings.wake_on_magic_packet),
            ("wake_on_pattern", &before.settings.wake_on_pattern, &nic.settings.wake_on_pattern),
            ("allow_turn_off", &before.settings.allow_turn_off, &nic.settings.allow_turn_off),
        ] {
            if from != to && from.is_some() && to.is_some() {
                deviations.push(deviation(nic, setting, from.as_ref(), to.as_ref()));
            }
        }
    }
    deviations
}

fn deviation(nic: &Nic, setting: &str, from: Option<&String>, to: Option<&String>) -> NicDeviation {
    NicDeviation { adapter: nic.name.clone(), setting: setting.to_owned(), from: from.cloned(), to: to.cloned() }
}

/// `nic_policy_changed`. No adapters at all is a failed collector as often as not: nothing is judged then.
pub fn nic_policy(baseline: Option<&[Nic]>, snapshot: &Snapshot) -> Verdict {
    let at = snapshot.timestamp_utc;
    match (baseline, snapshot.nics.as_deref()) {
        (Some(baseline), Some(current)) if !current.is_empty() => match nic_deviations(baseline, current) {
            deviations if deviations.is_empty() => Verdict::Clear { at, cause: Cause::NicPolicyRestored },
            deviations => Verdict::Holds { at, cause: Cause::NicPolicy { deviations } },
        },
        _ => Verdict::Unjudged,
    }
}

/// `power_drift`: the plan has a timeout although the flag says compliant (the emitter reads `0xe10` as nothing).
pub fn power_drift(snapshot: &Snapshot) -> Verdict {
    let power = &snapshot.details.power;
    let timeouts: Vec<_> = [
        ("sleep_ac", power.sleep_ac_seconds, snapshot.sleep_compliant),
        ("sleep_dc", power.sleep_dc_seconds, snapshot.sleep_compliant),
        ("hibernate_ac", power.hibernate_ac_seconds, snapshot.hibernate_compliant),
        ("hibernate_dc", power.hibernate_dc_seconds, snapshot.hibernate_compliant),
    ]
    .into_iter()
    .filter_map(|(name, timeout, compliant)| Some((name.to_owned(), timeout?, compliant?)))
    .collect();
    let at = snapshot.timestamp_utc;
    let drifted: Vec<_> = timeouts
        .iter()
        .filter(|(_, timeout, compliant)| *timeout > 0 && *compliant)
        .map(|(name, timeout, _)| (name.clone(), *timeout))
        .collect();
    match (timeouts.is_empty(), drifted.is_empty()) {
        (true, _) => Verdict::Unjudged,
        (false, true) => Verdict::Clear { at, cause: Cause::PowerDriftGone },
        (false, false) => Verdict::Holds { at, cause: Cause::PowerDrift { timeouts: drifted } },
    }
}

/// `clock_skew`, of a heartbeat that was uploaded at once: off by *more than* the limit, either way.
pub fn clock_skew(skew: TimeDelta, arrived_at: DateTime<Utc>, settings: &AlertSettings) -> Verdict {
    if skew.abs() > seconds(settings.clock_skew_seconds) {
        Verdict::Holds { at: arrived_at, cause: Cause::ClockSkew { seconds: skew.num_seconds() } }
    } else {
        Verdict::Clear { at: arrived_at, cause: Cause::ClockRight }
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::NicSettings;

    use super::*;
    use crate::testing::{instant, snapshot};

    fn nic(name: &str, magic: &str, faults: &[&str]) -> Nic {
        Nic {
            name: name.to_owned(),
            wol_ready: Some(faults.is_empty()),
            wake_armed: Some(false),
            compliance_issues: faults.iter().map(|fault| (*fault).to_owned()).collect(),
            settings: NicSettings { wake_on_magic_packet: Some(magic.to_owned()), ..NicSettings::default() },
        }
    }

    #[test]
    fn an_adapter_that_changes_for_the_worse_is_a_deviation() {
        const FAULT: &str = "Wake on Magic Packet disabled";
        let good = [nic("Ethernet", "Enabled", &[])];
        let bad = [nic("Ethernet", "Disabled", &[FAULT])];
        let quiet = [nic("Ethernet", "Unsupported", &[])];
        let two = [nic("Ethernet", "Enabled", &[]), nic("Dock", "Enabled", &[])];
        let two_bad = [nic("Ethernet", "Enabled", &[]), nic("Dock", "Disabled", &[FAULT])];
        for (shows, before, after, expected) in [
            ("nothing changed", &good[..], &good[..], ""),
            ("a fault and the setting behind it", &good, &bad, "Ethernet compliance, Ethernet wake_on_magic_packet"),
            ("a setting alone", &good, &quiet, "Ethernet wake_on_magic_packet"),
            ("a fault that was always there", &bad, &bad, ""),
            ("a fault that is mended", &bad, &good, ""),
            ("an adapter more", &good, &two, ""),
            ("an adapter more, with a fault", &good, &two_bad, "Dock compliance"),
            ("an adapter less", &two, &good, ""),
        ] {
            let got: Vec<_> =
                nic_deviations(before, after).iter().map(|d| format!("{} {}", d.adapter, d.setting)).collect();
            assert_eq!(got.join(", "), expected, "{shows}");
        }
    }

    #[test]
    fn no_adapters_are_no_evidence() {
        let mut said = snapshot("10:00:00");
        for nics in [None, Some(vec![])] {
            said.nics = nics;
            assert_eq!(nic_policy(Some(&[nic("Ethernet", "Enabled", &[])]), &said), Verdict::Unjudged);
        }
    }

    #[test]
    fn a_plan_that_sleeps_although_it_is_called_compliant_has_drifted() {
        for (ac, compliant, expected) in [
            (Some(0), Some(true), "clear"),
            (Some(1), Some(true), "holds"),
            (Some(3600), Some(true), "holds"),
            (Some(3600), Some(false), "clear"),
            (None, Some(true), "unjudged"),
            (Some(3600), None, "unjudged"),
        ] {
            let mut said = snapshot("10:00:00");
            said.details.power.sleep_ac_seconds = ac;
            said.sleep_compliant = compliant;
            let got = match power_drift(&said) {
                Verdict::Holds { .. } => "holds",
                Verdict::Clear { .. } => "clear",
                Verdict::Unjudged => "unjudged",
            };
            assert_eq!(got, expected, "{ac:?} {compliant:?}");
        }
    }

    #[test]
    fn a_clock_is_wrong_beyond_120_seconds_either_way() {
        let settings = AlertSettings::default();
        for (skew, holds) in [(0, false), (120, false), (121, true), (-120, false), (-121, true)] {
            let verdict = clock_skew(TimeDelta::seconds(skew), instant("10:00:00"), &settings);
            assert_eq!(matches!(verdict, Verdict::Holds { .. }), holds, "{skew} s");
        }
    }
}
