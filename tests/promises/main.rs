//! What the handlers promise (DESIGN.md section 4), sentence by sentence, over the parts themselves: the real ingest and check over a
//! bucket in memory, a real database and a clock that stands where it is put.
//!
//! Each sentence has a number, in `sentences.md`. A test that shows one carries `// Promise N.M` above it; a sentence that nothing
//! shows yet stands in `still_to_come.md` with its reason. `sentences.rs` checks that none is forgotten.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../end_to_end/harness/database.rs"]
mod database;
mod lab;
mod sentences;

mod at_least_once;
mod bounded;
mod cost;
mod off;
mod one_bad_object;
mod one_transaction;
mod own_prefix;
mod time;
mod two_at_once;
mod unreadable;

/// A variable that tests/run sets.
#[expect(clippy::disallowed_methods, reason = "where tests read their surroundings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
