//! What holds for any bytes.

use std::fs;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;
use stationkeeper_telemetry::{
    Events, HostName, Limits, Reason, decode_event, decode_message, format_instant, normalize_events,
    normalize_heartbeat, normalize_service_state, normalize_status, parse_instant, resume_events,
};

fn golden() -> Vec<Vec<u8>> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../tests/corpus"].iter().collect();
    let mut files = Vec::new();
    for part in ["golden", "hostile", "bucket-events"] {
        for entry in fs::read_dir(folder.join(part)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if !path.to_string_lossy().ends_with(".reason") {
                files.push(fs::read(path).expect("a file"));
            }
        }
    }
    assert!(files.len() > 150, "the corpus is there");
    files.retain(|file| file.len() < 20_000);
    files
}

/// All five decoders; what they answer does not matter here.
fn decode_all(bytes: &[u8]) {
    let (limits, now) = (Limits::default(), parse_instant("2026-11-24T12:00:00Z").expect("an instant"));
    let host = HostName::parse("LAB-WS01").expect("a host");
    let heartbeat = normalize_heartbeat(bytes, Some(&host), now, &limits);
    if let Ok(snapshot) = &heartbeat {
        let text = serde_json::to_string(snapshot).expect("a snapshot is JSON");
        assert_eq!(serde_json::from_str::<stationkeeper_telemetry::Snapshot>(&text).expect("reads back"), *snapshot);
        serde_json::to_string(&snapshot.normalized()).expect("a view is JSON");
    }
    let _status = normalize_status(bytes, &host, now, &limits);
    let _state = normalize_service_state(bytes, &limits);
    let _events = normalize_events(bytes, &limits, 1);
    let _decoded = decode_event(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _decoded = decode_message(text);
        let _instant = parse_instant(text);
        let _host = HostName::parse(text);
    }
}

/// Lines of every sort, each with its end; none is such that a cut within it could be read as a whole line.
fn line() -> impl Strategy<Value = &'static str> {
    select(vec![
        "{\"grace\":45.5,\"timestamp\":\"2026-11-24T08:54:10Z\",\"user\":\"Мuñoz🦀\"}\n",
        "{\"message\":\"a\u{1b}b\",\"sessionId\":\"1\",\"timestamp\":\"2026-11-24T08:54:10Z\"}\r\n",
        "\u{feff}{\"timestamp\":\"2026-11-24T08:54:10Z\"}\n",
        "{\"timestamp\":\"today\"}\n",
        "{\"force\":{},\"timestamp\":\"2026-11-24T08:54:10Z\"}\n",
        "\n",
        " \t\r\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn no_json_like_text_makes_a_decoder_panic(parts in vec(select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\u0000", "0", "-", "1e400", ".", "e+",
        "true", "null", "NaN", "-Infinity", "\u{1b}", "\u{0}", " ", "\n", "\u{feff}", "ñ", "\"host\"", "\"status\"",
        "\"timestamp\"", "\"wake\"", "\"nicPower\"", "\"summary\"", "\"Records\"", "\"s3\"", "\"body\"", "=", "[forced-logoff]",
    ]), 0..60)) {
        decode_all(parts.concat().as_bytes());
    }

    #[test]
    fn no_change_of_a_file_makes_a_decoder_panic(
        file in select(golden()),
        flips in vec((any::<Index>(), any::<u8>()), 0..6),
        cut in any::<Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = file;
        for (at, byte) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        decode_all(&bytes);
    }

    /// Whatever the parser takes must be JSON in the eyes of another one, and the other way round.
    #[test]
    fn a_document_is_json_exactly_if_it_gets_past_the_reasons_of_grammar(
        file in select(golden()),
        at in any::<Index>(),
        inserted in select(vec!["", "{", "}", "\"", ",", "\\", "1", "e", "nul", "[]", "\u{e9}", "\u{7}"]),
    ) {
        let Ok(text) = String::from_utf8(file) else { return Ok(()) };
        let text = text.trim_start_matches('\u{feff}');
        let at = (at.index(text.len() + 1)..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let changed = format!("{}{inserted}{}", &text[..at], &text[at..]);
        let now = parse_instant("2026-11-24T12:00:00Z").expect("an instant");
        let rejected = normalize_heartbeat(changed.as_bytes(), None, now, &Limits::default()).err();
        let reason = rejected.map(|rejection| rejection.reason);
        let strict = serde_json::from_str::<Value>(&changed);
        if strict.is_ok() {
            let grammar = matches!(reason, Some(Reason::TruncatedJson | Reason::MalformedJson | Reason::LoneSurrogate));
            prop_assert!(!grammar, "{reason:?} for {changed}");
        } else if !changed.contains(|c: char| c < ' ') {
            prop_assert!(reason.is_some_and(|reason| reason < Reason::NotAnObject), "{reason:?} for {changed}");
        }
    }

    #[test]
    fn a_file_read_in_parts_says_what_it_says_as_a_whole(
        lines in vec(line(), 1..8),
        ended in any::<bool>(),
        cuts in vec(any::<Index>(), 0..5),
    ) {
        let mut text = lines.concat().into_bytes();
        if !ended {
            text.truncate(text.trim_ascii_end().len());
        }
        let limits = Limits::default();
        let whole = resume_events(&text, &limits, 1).expect("small");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(text.len() + 1)).chain([text.len()]).collect();
        cuts.sort_unstable();
        let (mut begin, mut parts) = (0, Events::default());
        for end in cuts {
            let part = resume_events(&text[begin..end], &limits, 1 + parts.lines).expect("small");
            let torn = part.rejected_lines.iter().filter(|line| line.reason == Reason::TornTail).count();
            prop_assert_eq!(torn == 0, part.consumed == end - begin);
            begin += part.consumed;
            parts.events.extend(part.events);
            parts.rejected_lines.extend(part.rejected_lines.into_iter().filter(|line| line.reason != Reason::TornTail));
            parts.lines += part.lines;
            parts.consumed += part.consumed;
        }
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn instants_survive_a_round_trip(micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999) {
        let instant = chrono::DateTime::from_timestamp_micros(micros).expect("in the calendar");
        prop_assert_eq!(parse_instant(&format_instant(instant)), Ok(instant));
    }

    #[test]
    fn a_host_stays_the_same_host(text in "\\PC{1,16}") {
        if let Ok(host) = HostName::parse(&text) {
            prop_assert_eq!(HostName::parse(host.as_str()), Ok(host.clone()));
        }
    }
}
