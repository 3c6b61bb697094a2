//! No sentence is forgotten: each is shown by a test, or stands in `still_to_come.md`; none is both.

use std::collections::BTreeSet;

const SOURCES: [&str; 11] = [
    include_str!("at_least_once.rs"),
    include_str!("bounded.rs"),
    include_str!("cost.rs"),
    include_str!("one_bad_object.rs"),
    include_str!("one_transaction.rs"),
    include_str!("own_prefix.rs"),
    include_str!("time.rs"),
    include_str!("two_at_once.rs"),
    // Shown where the faults are.
    include_str!("../delivery/crashes.rs"),
    include_str!("../delivery/webhook.rs"),
    include_str!("../faults/nth_call.rs"),
];

fn listed(text: &str) -> BTreeSet<String> {
    let numbers =
        text.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(':')).map(|(number, _)| number.to_owned());
    let all: Vec<_> = numbers.collect();
    let set: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(set.len(), all.len(), "a number stands twice");
    set
}

/// Numbers of `// Promise N.M, N.M` comments that have a test below them.
fn shown(source: &str) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    let lines: Vec<_> = source.lines().collect();
    for (place, line) in lines.iter().enumerate() {
        let Some(numbers) = line.strip_prefix("// Promise ") else { continue };
        let next = lines[place + 1..].iter().find(|line| !line.starts_with("//")).copied().unwrap_or_default();
        assert!(next.starts_with("#[test]") || next.starts_with("#[tokio::test]"), "no test below `{line}`");
        shown.extend(numbers.split(',').map(|number| number.trim().to_owned()));
    }
    shown
}

#[test]
fn every_sentence_is_shown_or_still_to_come() {
    let sentences = listed(include_str!("sentences.md"));
    let to_come = listed(include_str!("still_to_come.md"));
    let shown: BTreeSet<_> = SOURCES.iter().flat_map(|source| shown(source)).collect();
    assert!(sentences.len() > 30);
    let unknown: Vec<_> = shown.union(&to_come).filter(|number| !sentences.contains(*number)).collect();
    assert!(unknown.is_empty(), "no such sentences: {unknown:?}");
    let both: Vec<_> = shown.intersection(&to_come).collect();
    assert!(both.is_empty(), "shown, so no longer to come: {both:?}");
    let forgotten: Vec<_> =
        sentences.iter().filter(|number| !shown.contains(*number) && !to_come.contains(*number)).collect();
    assert!(forgotten.is_empty(), "neither shown nor to come: {forgotten:?}");
}
