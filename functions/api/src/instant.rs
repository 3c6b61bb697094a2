//! How an instant looks on the wire.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stationkeeper_telemetry::WrittenInstant;

/// RFC 3339 in UTC with `Z`: whole seconds, or a fraction of at most 6 digits without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(example = "2026-11-24T08:54:10Z"))]
pub struct Instant(pub DateTime<Utc>);

impl From<DateTime<Utc>> for Instant {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WrittenInstant::new(self.0).as_str())
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(WrittenInstant::new(self.0).as_str())
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_has_no_trailing_zeros_and_at_most_six_digits() {
        for (written, wire) in [
            ("2026-11-24T08:54:10Z", "2026-11-24T08:54:10Z"),
            ("2026-11-24T09:54:10+01:00", "2026-11-24T08:54:10Z"),
            ("2026-11-24T08:54:10.500Z", "2026-11-24T08:54:10.5Z"),
            ("2026-11-24T08:54:10.000001Z", "2026-11-24T08:54:10.000001Z"),
            ("2026-11-24T08:54:10.0000019Z", "2026-11-24T08:54:10.000001Z"),
            ("2026-11-24T08:54:10.0000001Z", "2026-11-24T08:54:10Z"),
        ] {
            let at: DateTime<Utc> = written.parse().unwrap();
            assert_eq!(Instant(at).to_string(), wire, "{written}");
            assert_eq!(serde_json::to_string(&Instant(at)).unwrap(), format!("\"{wire}\""), "{written}");
        }
    }
}
