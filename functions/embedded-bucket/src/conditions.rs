//! Conditions on reads and writes (RFC 9110 section 13), as values.

use chrono::{DateTime, SubsecRound, Utc};
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use crate::answer::timestamp;
use crate::object::WriteCondition;

/// Conditions of a read, or of the source of a copy.
#[derive(Debug, Default)]
pub(crate) struct ReadConditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// Why an object is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not the object that the client means.
    Failed,
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    condition.as_etag().is_none_or(|asked| asked.value() == etag)
}

impl ReadConditions {
    /// In the order of RFC 9110 section 13.2.2: an ETag counts more than a date.
    pub(crate) fn unmet(&self, etag: &str, last_modified: DateTime<Utc>) -> Option<Unmet> {
        // Headers know whole seconds.
        let modified = timestamp(last_modified.trunc_subsecs(0));
        let holds = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        if !holds {
            return Some(Unmet::Failed);
        }
        let same = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => matches(condition, etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        same.then_some(Unmet::NotModified)
    }
}

/// The condition of a PUT or DELETE, as far as S3 has it.
pub(crate) fn write_condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<WriteCondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(WriteCondition::Always),
        (None, Some(ETagCondition::Any)) => Ok(WriteCondition::Absent),
        (Some(ETagCondition::ETag(etag)), None) => Ok(WriteCondition::Etag(etag.value().to_owned())),
        (None, Some(ETagCondition::ETag(_))) => Err(s3_error!(NotImplemented, "If-None-Match of a PUT takes `*` only")),
        (Some(ETagCondition::Any), None) => Err(s3_error!(NotImplemented, "If-Match of a PUT takes an ETag, not `*`")),
        (Some(_), Some(_)) => Err(s3_error!(InvalidRequest, "If-Match and If-None-Match exclude each other")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_conditioned_as_http_says() {
        let at = |second: u32| DateTime::from_timestamp(1_700_000_000 + i64::from(second), 417_000_000).unwrap();
        let etag = |text: &str| Some(text.parse::<ETagCondition>().unwrap());
        let whole = |second| Some(timestamp(at(second).trunc_subsecs(0)));
        let none = ReadConditions::default;
        for (shows, conditions, unmet) in [
            ("no condition", none(), None),
            ("the ETag it is", ReadConditions { if_match: etag("\"e\""), ..none() }, None),
            ("any ETag", ReadConditions { if_match: etag("*"), ..none() }, None),
            ("another ETag", ReadConditions { if_match: etag("\"f\""), ..none() }, Some(Unmet::Failed)),
            ("known already", ReadConditions { if_none_match: etag("\"e\""), ..none() }, Some(Unmet::NotModified)),
            ("not known yet", ReadConditions { if_none_match: etag("\"f\""), ..none() }, None),
            (
                "known since that second",
                ReadConditions { if_modified_since: whole(10), ..none() },
                Some(Unmet::NotModified),
            ),
            ("newer than that", ReadConditions { if_modified_since: whole(9), ..none() }, None),
            ("changed after", ReadConditions { if_unmodified_since: whole(9), ..none() }, Some(Unmet::Failed)),
            ("not changed after", ReadConditions { if_unmodified_since: whole(10), ..none() }, None),
            (
                "the ETag counts more than the date",
                ReadConditions { if_none_match: etag("\"f\""), if_modified_since: whole(10), ..none() },
                None,
            ),
        ] {
            assert_eq!(conditions.unmet("e", at(10)), unmet, "{shows}");
        }
    }

    #[test]
    fn writes_take_the_conditions_of_s3_only() {
        let parse = |text: &str| text.parse::<ETagCondition>().unwrap();
        let (any, etag) = (parse("*"), parse("\"e\""));
        assert_eq!(write_condition(None, None).unwrap(), WriteCondition::Always);
        assert_eq!(write_condition(None, Some(&any)).unwrap(), WriteCondition::Absent);
        assert_eq!(write_condition(Some(&etag), None).unwrap(), WriteCondition::Etag("e".to_owned()));
        for (if_match, if_none_match) in [(None, Some(&etag)), (Some(&any), None), (Some(&etag), Some(&any))] {
            assert!(write_condition(if_match, if_none_match).is_err());
        }
    }
}
