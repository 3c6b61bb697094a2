//! What somebody missed who was here before.

use chrono::TimeDelta;
use stationkeeper_store::{Store, StoreError, Update};

/// Sequences are given before a commit: rows that appear after others with greater ones do so within this.
const OVERLAP: TimeDelta = TimeDelta::seconds(10);
/// Rows of that time that are looked at again.
const LOOKED_AT_AGAIN: u64 = 500;
/// More than that is not replayed: fetching everything is cheaper.
const MOST: u32 = 5_000;

/// What to tell first.
pub(super) enum Resumed {
    /// They come for the first time, or have missed nothing.
    Nothing,
    /// What they missed is not known any more.
    Reset,
    /// These.
    Missed(Vec<Update>),
}

pub(super) async fn resume(store: &Store, epoch: &str, last: Option<&str>) -> Result<Resumed, StoreError> {
    let Some(last) = last.filter(|last| !last.is_empty()) else { return Ok(Resumed::Nothing) };
    let sequence = last.rsplit_once('-').filter(|(of, _)| *of == epoch).and_then(|(_, sequence)| sequence.parse().ok());
    let Some(sequence): Option<u64> = sequence else { return Ok(Resumed::Reset) };
    let newest = store.last_update().await?;
    // All that was there may have been forgotten since, which takes an hour: then nothing happened in it.
    if newest == sequence || newest == 0 {
        return Ok(Resumed::Nothing);
    }
    // They have seen what is not there any more: an older copy of the database was put in its place.
    if newest < sequence {
        return Ok(Resumed::Reset);
    }
    let from = sequence.saturating_sub(LOOKED_AT_AGAIN);
    let updates = store.updates_after(from, MOST).await?;
    let seen = updates.iter().find(|update| update.sequence == sequence);
    // Kept for an hour: if what they saw last is gone, so may be what came after it.
    let Some(seen) = seen else {
        let first_of_all = sequence == 0 && updates.first().is_some_and(|first| first.sequence == 1);
        return Ok(if first_of_all { Resumed::Missed(updates) } else { Resumed::Reset });
    };
    if updates.len() as u64 >= u64::from(MOST) {
        return Ok(Resumed::Reset);
    }
    let again_from = seen.update.at - OVERLAP;
    let missed = updates
        .into_iter()
        .filter(|update| update.sequence > sequence || (update.update.at >= again_from && update.sequence < sequence));
    Ok(Resumed::Missed(missed.collect()))
}
