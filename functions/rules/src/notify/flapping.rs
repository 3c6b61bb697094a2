//! An alert that opens and ends again and again is told once, until it rests.

use chrono::{DateTime, Utc};

use crate::NotificationSettings;

/// How restless an alert's kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restless {
    /// Openings within the window.
    pub openings: u32,
    /// When it rests if it does not open again.
    pub until: DateTime<Utc>,
}

/// Whether it flaps: more openings within the window than the settings allow begin it, and it goes on until no more than half as many
/// are left, so that what stands on the limit is not told over and over. `openings`: when alerts of one rule, station and reservation
/// opened, the oldest first. `is_told`: the receiver was told that it flaps.
pub fn restless(
    openings: &[DateTime<Utc>],
    is_told: bool,
    settings: &NotificationSettings,
    now: DateTime<Utc>,
) -> Option<Restless> {
    let window = settings.flapping_window();
    let within: Vec<_> = openings.iter().copied().filter(|at| *at <= now && now - *at < window).collect();
    let half = (settings.flapping_openings / 2) as usize;
    let flaps = within.len() > settings.flapping_openings as usize || (is_told && within.len() > half);
    let last_to_leave = within.iter().rev().nth(half)?;
    flaps.then_some(Restless {
        openings: u32::try_from(within.len()).unwrap_or(u32::MAX),
        until: *last_to_leave + window,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instant;

    #[test]
    fn more_than_four_openings_in_thirty_minutes_flap_until_half_as_many_are_left() {
        let openings = ["10:00:00", "10:05:00", "10:10:00", "10:15:00", "10:20:00", "10:25:00"].map(instant);
        for (shows, count, is_told, now, until) in [
            ("four are not more than four", 4, false, "10:15:00", None),
            ("five are", 5, false, "10:20:00", Some("10:40:00")),
            ("the first leaves after thirty minutes", 5, false, "10:30:00", None),
            ("who was told hears no more of it yet", 5, true, "10:30:00", Some("10:40:00")),
            ("it rests when half as many are left", 5, true, "10:40:00", None),
            ("six", 6, false, "10:29:59", Some("10:45:00")),
            ("none at all", 0, true, "10:00:00", None),
        ] {
            let found = restless(&openings[..count], is_told, &NotificationSettings::default(), instant(now));
            assert_eq!(found.map(|found| found.until), until.map(instant), "{shows}");
        }
    }
}
