//! What happens together in a laboratory is told together.

use chrono::{DateTime, Utc};

use crate::NotificationSettings;

/// When a group of news is told: once none came for the wait, and never later than the longest wait after its first. `owed`: when
/// each came to be owed.
pub fn due_at(owed: impl IntoIterator<Item = DateTime<Utc>>, settings: &NotificationSettings) -> Option<DateTime<Utc>> {
    let (first, last) = owed.into_iter().fold(None, |span: Option<(DateTime<Utc>, DateTime<Utc>)>, at| {
        Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))))
    })?;
    Some((last + settings.group_wait()).min(first + settings.group_wait_most()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instant;

    #[test]
    fn a_group_waits_until_nothing_new_came_but_not_for_ever() {
        for (shows, owed, due) in [
            ("one alone", &["10:00:00"][..], "10:01:30"),
            ("the last prolongs it", &["10:00:00", "10:01:00"], "10:02:30"),
            ("in any order", &["10:01:00", "10:00:00"], "10:02:30"),
            ("up to five minutes", &["10:00:00", "10:04:59"], "10:05:00"),
        ] {
            let owed = owed.iter().map(|at| instant(at));
            assert_eq!(due_at(owed, &NotificationSettings::default()), Some(instant(due)), "{shows}");
        }
        assert_eq!(due_at([], &NotificationSettings::default()), None);
    }
}
