//! The `Date` of an answer: what time it is at the bucket.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use chrono::{DateTime, Utc};

/// Keeps the `Date` of the last answer to a request that it goes along with.
#[derive(Debug, Clone, Default)]
pub(crate) struct DateOfAnswer(Arc<Mutex<Option<DateTime<Utc>>>>);

impl DateOfAnswer {
    /// What was kept; none: no answer, or one without a date.
    pub(crate) fn read(&self) -> Option<DateTime<Utc>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for DateOfAnswer {
    fn name(&self) -> &'static str {
        "DateOfAnswer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").and_then(parse);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// `Fri, 27 Nov 2026 05:23:30 GMT`.
fn parse(date: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(date).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_is_an_instant_and_anything_else_is_none() {
        assert_eq!(parse("Fri, 27 Nov 2026 05:23:30 GMT"), "2026-11-27T05:23:30Z".parse().ok());
        assert_eq!(parse("2026-11-27T05:23:30Z"), None);
        assert_eq!(parse(""), None);
    }
}
