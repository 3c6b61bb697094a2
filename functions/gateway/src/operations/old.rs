//! An operation, and a page of them, in the older service's spelling (gateway.md section 6).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use stationkeeper_rules::orchestrator::{Action, WakeOptions};
use stationkeeper_store::{CatalogEntry, RecordedOperation};

/// What a page holds where nobody says otherwise, and at most.
const LIMIT: (u32, u32) = (100, 500);

/// RFC 3339 with an offset.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, false)
}

/// An operation as its timeline shows it.
pub(crate) fn operation(recorded: &RecordedOperation) -> Value {
    let one = &recorded.operation;
    json!({
        "id": one.id,
        "action": one.action,
        "status": one.status,
        "success": one.success == Some(true),
        "message": message(recorded),
        "payload": payload(recorded),
        "responseCode": one.response_code,
        "durationMs": duration_ms(recorded),
        "createdAt": instant(one.started_at),
        "finishedAt": one.finished_at.map(instant),
        "attempt": one.attempt,
        "actor": one.ordered_by,
        "reservationId": one.reservation_id,
        "host": one.host,
        "labId": one.lab,
    })
}

/// A step as the answer to a start or an end shows it.
pub(crate) fn step(recorded: &RecordedOperation) -> Value {
    let one = &recorded.operation;
    json!({
        "action": one.action,
        "success": one.success == Some(true),
        "status": one.status,
        "message": message(recorded),
        "durationMs": duration_ms(recorded),
        "details": payload(recorded).unwrap_or_else(|| json!({})),
    })
}

/// What the step of a wake shows beside: how it was asked for, and what the catalog said where it was not.
pub(crate) fn tell_wake(step: &mut Value, options: &WakeOptions, entry: &CatalogEntry) {
    if step["action"] != json!(Action::Wake) || !step["details"].is_object() {
        return;
    }
    let details = &mut step["details"];
    details["mac"] = json!(options.mac.as_ref().or(entry.mac.as_ref()));
    details["pingTarget"] = json!(options.ping_target.as_ref().or(entry.address.as_ref()));
    details["attemptsRequested"] = json!(options.attempts);
    details["waitSeconds"] = json!(options.ping_timeout_seconds);
    details["port"] = json!(options.port);
    details["broadcast"] = json!(options.broadcast);
}

/// A command that ended is told by its exit code.
fn message(recorded: &RecordedOperation) -> Option<String> {
    let exit_code = recorded.output.as_ref().and_then(|output| output.exit_code);
    exit_code.map(|code| format!("Exit code {code}")).or_else(|| recorded.operation.message.clone())
}

fn duration_ms(recorded: &RecordedOperation) -> Option<u64> {
    let took = || {
        let one = &recorded.operation;
        u64::try_from((one.finished_at? - one.started_at).num_milliseconds()).ok()
    };
    recorded.output.as_ref().map(|output| output.duration_ms).or_else(took)
}

fn payload(recorded: &RecordedOperation) -> Option<Value> {
    if let Some(output) = &recorded.output {
        return Some(json!({
            "exitCode": output.exit_code,
            "stdout": output.stdout.trim(),
            "stderr": output.stderr.trim(),
            "args": output.arguments,
            "durationMs": output.duration_ms,
        }));
    }
    let operation = &recorded.operation;
    match operation.action {
        Action::Wake => Some(json!({ "attemptsUsed": operation.packets, "attempts_used": operation.packets })),
        Action::Prepare | Action::Release | Action::Power(_) => Some(json!({
            "exitCode": null, "stdout": "", "stderr": "", "args": [], "durationMs": duration_ms(recorded),
        })),
        Action::SchedulerStart | Action::SchedulerEnd => None,
    }
}

/// Which part of a list. Junk counts as the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) limit: u32,
    pub(crate) offset: u32,
}

impl Part {
    pub(crate) fn of(limit: Option<&str>, offset: Option<&str>) -> Self {
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<i64>().ok());
        let clamped = |number: i64, most: u32| u32::try_from(number.clamp(0, most.into())).unwrap_or(most);
        Self {
            limit: number(limit).map_or(LIMIT.0, |number| clamped(number.max(1), LIMIT.1)),
            offset: number(offset).map_or(0, |number| clamped(number, u32::MAX >> 1)),
        }
    }

    /// Where this part stands in the whole.
    pub(crate) fn pagination(self, returned: usize, total: u64) -> Value {
        let next = u64::from(self.offset) + returned as u64;
        json!({
            "limit": self.limit,
            "offset": self.offset,
            "returned": returned,
            "total": total,
            "nextOffset": next,
            "hasMore": next < total,
            "page": self.offset / self.limit + 1,
            "pageSize": self.limit,
        })
    }
}

/// The value of a parameter that may have several names.
pub(crate) fn parameter<'a>(query: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| query.get(*name)?.as_str().map(str::trim).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_counts_as_the_default_and_a_page_has_its_bounds() {
        for (limit, offset, expected) in [
            (None, None, (100, 0)),
            (Some("7"), Some("3"), (7, 3)),
            (Some("many"), Some("-"), (100, 0)),
            (Some("0"), Some("-5"), (1, 0)),
            (Some("-3"), None, (1, 0)),
            (Some("9999"), None, (500, 0)),
            (Some("99999999999999999999"), None, (100, 0)),
        ] {
            let part = Part::of(limit, offset);
            assert_eq!((part.limit, part.offset), expected, "{limit:?} {offset:?}");
        }
    }

    #[test]
    fn a_page_says_where_it_stands() {
        let part = Part { limit: 2, offset: 2 };
        let expected = json!({ "limit": 2, "offset": 2, "returned": 2, "total": 5, "nextOffset": 4, "hasMore": true, "page": 2, "pageSize": 2 });
        assert_eq!(part.pagination(2, 5), expected);
        let last = Part { limit: 2, offset: 4 }.pagination(1, 5);
        assert_eq!((&last["nextOffset"], &last["hasMore"]), (&json!(5), &json!(false)));
    }
}
