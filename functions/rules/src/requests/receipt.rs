//! What was asked for, with what became of it: shown, seen, answered.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use crate::ReservationId;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// To hold a station in local mode.
    Hold,
    /// Nothing: whoever sits there says that they leave.
    Leaving,
    /// To stay at a station for longer.
    MoreTime,
}

impl RequestKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Hold, Self::Leaving, Self::MoreTime];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Leaving => "leaving",
            Self::MoreTime => "more_time",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// An operator answers it.
    Asked,
    /// It is as it was asked for.
    Granted,
    /// It is not.
    Refused,
    /// Nobody answered in time.
    Expired,
    /// It was granted, and is over.
    Ended,
}

impl RequestState {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Asked, Self::Granted, Self::Refused, Self::Expired, Self::Ended];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Derived from what is asked for, never counted: asked for again, it is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id of what somebody asks for there. `cause` tells it from what they ask for at another time: 32 hex digits.
    pub fn derive(kind: RequestKind, host: &HostName, by: &str, cause: &str) -> Self {
        let text = format!("{}\n{}\n{by}\n{cause}", kind.as_str(), host.as_str());
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a request does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It has its answer.
    #[error("the request is {} already", .0.as_str())]
    Answered(RequestState),
    /// It is too late.
    #[error("the request has expired: nobody answered in time")]
    Expired,
}

/// A request, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructorRequest {
    /// See [`RequestId::derive`].
    pub id: RequestId,
    /// What.
    pub kind: RequestKind,
    /// At this station.
    pub host: HostName,
    /// With regard to this reservation, if to one.
    pub reservation_id: Option<ReservationId>,
    /// Who.
    pub asked_by: String,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// Why, if they said.
    pub reason: Option<String>,
    /// How many, of more time.
    pub minutes: Option<u32>,
    /// The end of what is asked for.
    pub until: Option<DateTime<Utc>>,
    /// Where it stands.
    pub state: RequestState,
    /// When no answer helps any more.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was on somebody's screen.
    pub shown_at: Option<DateTime<Utc>>,
    /// When somebody looked at it.
    pub seen_at: Option<DateTime<Utc>>,
    /// When it was answered.
    pub answered_at: Option<DateTime<Utc>>,
    /// By whom; none: by the rules, at once.
    pub answered_by: Option<String>,
    /// What they write with it.
    pub note: Option<String>,
}

impl InstructorRequest {
    /// It was on a screen. The first time counts.
    #[must_use]
    pub fn shown(self, now: DateTime<Utc>) -> Self {
        Self { shown_at: self.shown_at.or(Some(now)), ..self }
    }

    /// Somebody looked at it, so that it was shown as well. The first time counts.
    #[must_use]
    pub fn seen(self, now: DateTime<Utc>) -> Self {
        Self { seen_at: self.seen_at.or(Some(now)), ..self.shown(now) }
    }

    /// Somebody answers it.
    ///
    /// # Errors
    /// It has its answer, or it is too late.
    pub fn answered(
        self,
        granted: bool,
        by: &str,
        note: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Self, RequestError> {
        match self.state {
            RequestState::Asked if self.expires_at.is_some_and(|at| at <= now) => Err(RequestError::Expired),
            RequestState::Expired => Err(RequestError::Expired),
            RequestState::Asked => Ok(Self {
                state: if granted { RequestState::Granted } else { RequestState::Refused },
                answered_at: Some(now),
                answered_by: Some(by.to_owned()),
                note,
                ..self.seen(now)
            }),
            state => Err(RequestError::Answered(state)),
        }
    }

    /// What time alone does to it. None: nothing.
    #[must_use]
    pub fn lapse(&self, now: DateTime<Utc>) -> Option<Self> {
        let late = self.state == RequestState::Asked && self.expires_at.is_some_and(|at| at <= now);
        late.then(|| Self { state: RequestState::Expired, ..self.clone() })
    }

    /// What was granted is over.
    #[must_use]
    pub fn ended(self) -> Self {
        let state = if self.state == RequestState::Granted { RequestState::Ended } else { self.state };
        Self { state, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, instant};

    fn asked() -> InstructorRequest {
        InstructorRequest {
            id: RequestId::derive(RequestKind::MoreTime, &host(), "ana", "A 1"),
            kind: RequestKind::MoreTime,
            host: host(),
            reservation_id: Some(ReservationId("A".to_owned())),
            asked_by: "ana".to_owned(),
            asked_at: instant("11:50:00"),
            reason: None,
            minutes: Some(10),
            until: Some(instant("12:00:00")),
            state: RequestState::Asked,
            expires_at: Some(instant("11:55:00")),
            shown_at: None,
            seen_at: None,
            answered_at: None,
            answered_by: None,
            note: None,
        }
    }

    #[test]
    fn a_request_is_answered_once_and_in_time() {
        let answer = |request: InstructorRequest, granted, now| {
            request.answered(granted, "eva", None, instant(now)).map(|request| request.state)
        };
        let granted = asked().answered(true, "eva", Some("go on".to_owned()), instant("11:51:00")).expect("in time");
        assert_eq!((granted.answered_by.as_deref(), granted.seen_at), (Some("eva"), Some(instant("11:51:00"))));
        for (shows, request, granted, now, expected) in [
            ("yes", asked(), true, "11:54:59", Ok(RequestState::Granted)),
            ("no", asked(), false, "11:54:59", Ok(RequestState::Refused)),
            ("too late", asked(), true, "11:55:00", Err(RequestError::Expired)),
            (
                "expired",
                asked().lapse(instant("11:55:00")).expect("expired"),
                true,
                "11:56:00",
                Err(RequestError::Expired),
            ),
            ("again", granted.clone(), false, "11:52:00", Err(RequestError::Answered(RequestState::Granted))),
        ] {
            assert_eq!(answer(request, granted, now), expected, "{shows}");
        }
        assert_eq!(asked().lapse(instant("11:54:59")), None);
        assert_eq!(granted.lapse(instant("12:00:00")), None);
        assert_eq!(granted.ended().state, RequestState::Ended);
        assert_eq!(asked().ended().state, RequestState::Asked);
    }

    #[test]
    fn the_first_time_that_it_was_shown_and_seen_counts() {
        let seen = asked().shown(instant("11:50:01")).seen(instant("11:50:09")).shown(instant("11:51:00"));
        assert_eq!((seen.shown_at, seen.seen_at), (Some(instant("11:50:01")), Some(instant("11:50:09"))));
        assert_eq!(asked().seen(instant("11:50:09")).shown_at, Some(instant("11:50:09")));
    }

    #[test]
    fn the_same_wish_has_the_same_id() {
        let id = |kind, by, cause| RequestId::derive(kind, &host(), by, cause);
        let first = id(RequestKind::Hold, "ana", "1");
        assert_eq!(first, id(RequestKind::Hold, "ana", "1"));
        for other in
            [id(RequestKind::Leaving, "ana", "1"), id(RequestKind::Hold, "eva", "1"), id(RequestKind::Hold, "ana", "2")]
        {
            assert_ne!(first, other);
        }
    }
}
