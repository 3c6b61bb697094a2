use std::collections::BTreeSet;

use super::*;

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

/// Causes with the English sentence of each; at least one of every variant (checked below).
fn sentences() -> Vec<(Cause, &'static str)> {
    let since = at("10:02:17");
    let start = at("11:00:00");
    let some = |text: &str| Some(text.to_owned());
    let deviation = |from: Option<&str>, to: Option<&str>, setting: &str| NicDeviation {
        adapter: "Ethernet".into(),
        setting: setting.into(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    vec![
        (
            Cause::Issues { issues: vec!["Lab user not found".into(), "X".into()], codes: vec![], since },
            "Not ready since 2026-11-24 10:02 UTC: Lab user not found; X",
        ),
        (
            Cause::Issues { issues: vec![], codes: vec![], since },
            "Not ready since 2026-11-24 10:02 UTC; the station gave no reason",
        ),
        (Cause::ReadyAgain, "Ready again"),
        (
            Cause::LocalSession { users: vec!["ana".into(), "{start}".into()], start },
            "Local session of ana, {start}; the reservation starts at 2026-11-24 11:00 UTC",
        ),
        (Cause::LocalSession { users: vec![], start }, "Local session; the reservation starts at 2026-11-24 11:00 UTC"),
        (Cause::LocalSessionGone, "The local session is gone"),
        (
            Cause::LocalMode { start, end: at("12:00:00") },
            "Local mode is on; a reservation lasts from 2026-11-24 11:00 UTC to 2026-11-24 12:00 UTC",
        ),
        (Cause::LocalModeOff, "Local mode is off"),
        (
            Cause::StaleForcedLogoff { last: since, start },
            "The last forced logoff was at 2026-11-24 10:02 UTC; the reservation starts at 2026-11-24 11:00 UTC",
        ),
        (Cause::ForcedLogoffRenewed, "The station was cleared again"),
        (Cause::WindowPassed, "The time in which it mattered is over"),
        (Cause::NothingNewer { since }, "No heartbeat since 2026-11-24 10:02 UTC"),
        (Cause::HeartbeatArrived { timestamp: since }, "A heartbeat of 2026-11-24 10:02 UTC arrived"),
        (
            Cause::NicPolicy {
                deviations: vec![
                    deviation(Some("Enabled"), Some("Disabled"), "wake_on_magic_packet"),
                    deviation(Some("Enabled"), None, "wake_on_pattern"),
                    deviation(None, Some("Wake on Magic Packet disabled"), "compliance"),
                    deviation(None, Some("Up"), "status"),
                    deviation(None, None, "status"),
                ],
            },
            "Wake settings changed: Ethernet: wake_on_magic_packet was Enabled, is Disabled; Ethernet: wake_on_pattern was \
             Enabled, is not reported; Ethernet: Wake on Magic Packet disabled; Ethernet: status is Up; Ethernet: status",
        ),
        (Cause::NicPolicyRestored, "The wake settings are as before"),
        (
            Cause::PowerDrift { timeouts: vec![("sleep_ac".into(), 3600), ("odd".into(), 5)] },
            "The power plan sleeps although the station says that it complies: sleep on mains after 3600 s; odd: 5 s",
        ),
        (Cause::PowerDriftGone, "The power plan no longer sleeps"),
        (Cause::ClockSkew { seconds: 137 }, "The clock is 137 s fast"),
        (Cause::ClockSkew { seconds: -137 }, "The clock is 137 s slow"),
        (Cause::ClockRight, "The clock is right again"),
        (
            Cause::NothingFromAnyone { since, stations: 12 },
            "Nothing from any of 12 stations since 2026-11-24 10:02 UTC",
        ),
        (Cause::LookFailed { error: "no route".into() }, "The bucket could not be looked into: no route"),
        (Cause::FlowsAgain, "Heartbeats flow again"),
        (
            Cause::Unreadable { document: "status.json".into(), reason: "truncated_json".into(), uploads: 3, since },
            "3 uploads of status.json in a row cannot be read, since 2026-11-24 10:02 UTC: truncated_json",
        ),
        (Cause::ReadableAgain, "What it sends can be read again"),
        (Cause::UnreadableNoMore, "Nothing unreadable has come for an hour"),
        (
            Cause::WakeNotReady { at: since, issues: some("NIC not WoL ready: Ethernet") },
            "Ordered to go off at 2026-11-24 10:02 UTC although it may not be woken: NIC not WoL ready: Ethernet",
        ),
        (
            Cause::WakeNotReady { at: since, issues: None },
            "Ordered to go off at 2026-11-24 10:02 UTC although it may not be woken",
        ),
        (Cause::WakeReady, "It can be woken"),
        (
            Cause::OffThoughReserved { at: since, start },
            "Ordered to go off at 2026-11-24 10:02 UTC and not back; the reservation starts at 2026-11-24 11:00 UTC",
        ),
        (
            Cause::OffOnPurpose { at: since, mode: some("shutdown") },
            "Ordered to go off (shutdown) at 2026-11-24 10:02 UTC",
        ),
        (Cause::OffOnPurpose { at: since, mode: None }, "Ordered to go off at 2026-11-24 10:02 UTC"),
        (
            Cause::GivenUp { step: some("prepare"), runs: 5, message: some("no route to host") },
            "Given up after 5 runs; the last step was: prepare (no route to host)",
        ),
        (
            Cause::GivenUp { step: some("power:shutdown"), runs: 2, message: None },
            "Given up after 2 runs; the last step was: shut down",
        ),
        (Cause::GivenUp { step: None, runs: 1, message: None }, "Given up after 1 runs; the last step was: none"),
        (Cause::DoneAfterAll { step: "release".into() }, "Done after all: release"),
        (Cause::DoneAfterAll { step: "unheard of".into() }, "Done after all: unheard of"),
        (Cause::Busy { command: "session guard".into(), since }, "Busy: session guard since 2026-11-24 10:02 UTC"),
        (Cause::Waking { since }, "Being woken since 2026-11-24 10:02 UTC"),
        (Cause::AlertOpen { rule: "clock_skew".into() }, "Open alert: Clock wrong"),
        (Cause::AlertOpen { rule: "unheard_of".into() }, "Open alert: unheard_of"),
        (
            Cause::AcknowledgementOver { by: some("ana") },
            "It still holds, and the time for which ana had taken it is over",
        ),
        (
            Cause::AcknowledgementOver { by: None },
            "It still holds, and the time for which somebody had taken it is over",
        ),
        (Cause::ByHand, "Done by hand"),
        (Cause::ResolvedByHand { by: "ana".into(), note: some("new cable") }, "ana called it over: new cable"),
        (Cause::ResolvedByHand { by: "ana".into(), note: None }, "ana called it over"),
        (Cause::NeverHeard, "Nothing was ever heard of it"),
        (Cause::Late { since }, "The last heartbeat arrived at 2026-11-24 10:02 UTC"),
    ]
}

/// The codes of all variants, as serde itself lists them when a code is unknown.
fn codes_of_all_variants() -> BTreeSet<String> {
    let complaint = serde_json::from_value::<Cause>(serde_json::json!({ "code": "?" })).unwrap_err().to_string();
    let codes: BTreeSet<String> =
        complaint.split('`').skip(1).step_by(2).filter(|code| *code != "?").map(str::to_owned).collect();
    assert!(codes.len() > 20 && codes.contains("never_heard"), "{complaint}");
    codes
}

#[test]
fn every_cause_has_its_sentence_and_values_stay_verbatim() {
    let mut seen = BTreeSet::new();
    for (cause, sentence) in sentences() {
        assert_eq!(text(Language::En, &cause), sentence);
        let spanish = text(Language::Es, &cause);
        assert!(!spanish.contains("cause.") && spanish != sentence, "{spanish}");
        seen.insert(serde_json::to_value(&cause).unwrap()["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, codes_of_all_variants());
}

#[test]
fn both_languages_have_the_same_keys_with_the_same_parameters() {
    let parameters = |template: &str| -> BTreeSet<String> {
        template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
    };
    let shape = |language: Language| -> BTreeMap<(String, String), BTreeSet<String>> {
        language
            .catalogue()
            .iter()
            .flat_map(|(section, entries)| {
                entries.iter().map(move |(key, text)| ((section.clone(), key.clone()), parameters(text)))
            })
            .collect()
    };
    let english = shape(Language::En);
    assert!(english.len() > 80, "the catalogue was not read");
    assert_eq!(english, shape(Language::Es));
    for language in Language::ALL {
        for (section, entries) in language.catalogue() {
            for (key, text) in entries {
                assert!(!text.trim().is_empty(), "{} {section}.{key}", language.tag());
            }
        }
    }
}

#[test]
fn every_cause_rule_word_and_severity_has_an_entry_and_no_entry_is_left_over() {
    // Entries of `cause` that a variant uses besides its own code.
    let variants: BTreeSet<&str> = [
        "issues_unsaid",
        "local_session_unnamed",
        "clock_skew_behind",
        "off_on_purpose_unsaid",
        "wake_not_ready_unsaid",
        "acknowledgement_over_unsaid",
        "resolved_by_hand_unsaid",
        "given_up_unsaid",
        "no_step",
    ]
    .into();
    let sections = Language::En.catalogue();
    let keys = |section: &str| -> BTreeSet<String> { sections[section].keys().cloned().collect() };
    let mut causes = codes_of_all_variants();
    causes.extend(variants.into_iter().map(str::to_owned));
    assert_eq!(keys("cause"), causes);
    assert_eq!(keys("rule"), Rule::ALL.iter().map(|rule| rule.as_str().to_owned()).collect());
    assert_eq!(keys("state"), StationWord::ALL.iter().map(|word| word.as_str().to_owned()).collect());
    assert_eq!(keys("step"), Action::ALL.iter().map(|action| action.as_str().to_owned()).collect());
    assert_eq!(keys("at_risk"), stationkeeper_rules::AtRisk::ALL.iter().map(|risk| risk.as_str().to_owned()).collect());
    let severities = [Severity::Notice, Severity::Warning, Severity::Critical];
    assert_eq!(keys("severity"), severities.iter().map(|severity| severity.as_str().to_owned()).collect());
}

#[test]
fn every_issue_code_of_the_emitter_has_a_label() {
    for code in [
        "lab_user_missing",
        "remoteapp_policy",
        "winrm_not_ready",
        "autostart_missing",
        "autologon_disabled",
        "autologon_user",
        "autologon_password",
        "rdp_lab_user",
        "rdp_extra_members",
        "deny_interactive_unset",
        "lab_user_denied",
        "no_wake_armed",
        "nic_policy",
        "sleep_timeout",
        "hibernate_timeout",
        "fmu_token",
        "fmu_down",
    ] {
        assert!(issue_text(Language::En, code).is_some(), "{code}");
        assert_ne!(issue_text(Language::En, code), issue_text(Language::Es, code), "{code}");
    }
    assert_eq!(issue_text(Language::En, "never_seen"), None);
}

#[test]
fn a_value_with_braces_is_not_read_again() {
    let values = [("a", "{b}"), ("b", "{a}")];
    for (template, filled) in
        [("{a}{b}", "{b}{a}"), ("x {a", "x {a"), ("{unknown}", "{unknown}"), ("}{a}{", "}{b}{"), ("", "")]
    {
        assert_eq!(fill(template, &values), filled, "{template}");
    }
}

#[test]
fn the_language_is_the_first_known_one_that_is_accepted() {
    for (header, language) in [
        ("", Language::En),
        ("es", Language::Es),
        ("es-ES,es;q=0.9,en;q=0.8", Language::Es),
        ("fr-FR, ES-mx;q=0.5, en", Language::Es),
        ("en-GB,es", Language::En),
        ("de,*;q=0.1", Language::En),
        (";;,,-", Language::En),
    ] {
        assert_eq!(Language::accepted(header), language, "{header}");
    }
}
