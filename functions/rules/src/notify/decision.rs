//! What is owed, who heard what, and what was decided about it and why.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::SilenceId;
use crate::{AlertId, AlertState, Cause, MessageId, MessageKind, Rule};

/// Names a transition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Of which alert.
    pub alert_id: AlertId,
    /// When it became true.
    pub at: DateTime<Utc>,
    /// To where.
    pub to: AlertState,
}

/// A transition of which news are owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Owed {
    /// Which.
    pub step: Step,
    /// Why it happened.
    pub cause: Cause,
    /// When it came to be owed: when it was written, which may be long after it became true.
    pub owed_at: DateTime<Utc>,
}

/// What a receiver was told of an alert that it has heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heard {
    /// That it opened.
    Opened,
    /// That it opens and ends again and again.
    Flapping,
}

impl Heard {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Flapping => "flapping",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Opened, Self::Flapping].into_iter().find(|heard| heard.as_str() == name)
    }
}

/// Who heard of an alert hears of its end, and nobody else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearing {
    /// The opening that was heard.
    pub step: Step,
    /// By whom.
    pub receiver: String,
    /// As what.
    pub heard: Heard,
    /// When it is told again if nobody takes it; none: never.
    pub remind_at: Option<DateTime<Utc>>,
    /// When the receiver heard that it is over, or nothing was left to hear.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Telling {
    /// It waits.
    Held,
    /// It is in a message.
    Told,
    /// It never will be.
    Untold,
}

impl Telling {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Told => "told",
            Self::Untold => "untold",
        }
    }
}

/// Why it was decided so: a code with parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Because {
    /// Held: what happens together in its laboratory is told together.
    Together {
        /// From when on it could have been told.
        since: DateTime<Utc>,
        /// When it is told, if nothing more happens.
        due_at: DateTime<Utc>,
    },
    /// Held: somebody took it.
    Acknowledged {
        /// Who.
        by: Option<String>,
        /// Until when; none: until it is over.
        until: Option<DateTime<Utc>>,
    },
    /// Held: a silence mutes it.
    Silenced {
        /// Which.
        silence: SilenceId,
        /// Until when; none: until what it mutes is over.
        until: Option<DateTime<Utc>>,
    },
    /// Held: another alert says why this one is there.
    Inhibited {
        /// Which.
        alert_id: AlertId,
        /// Of which rule.
        rule: Rule,
    },
    /// Held: it is not critical, and the receiver has quiet hours.
    QuietHours {
        /// Their end.
        until: DateTime<Utc>,
    },
    /// Held: it may open again at once.
    Restless {
        /// When it rests.
        until: DateTime<Utc>,
    },
    /// Told.
    Message {
        /// By which.
        id: MessageId,
        /// Of which kind.
        kind: MessageKind,
    },
    /// Untold: no route leads it to anybody.
    NoRoute,
    /// Untold: it was over before it could be told.
    OverBefore,
    /// Untold: the end of what the receiver never heard of.
    NeverHeard,
    /// Untold: it opened again, which is told instead.
    OpenedAgain,
    /// Untold: it is part of a flapping that is told as such.
    Flapping {
        /// Openings within the time that counts.
        openings: u32,
    },
    /// Untold: the settings know the receiver no more.
    ReceiverGone,
}

impl Because {
    /// What was decided.
    pub const fn telling(&self) -> Telling {
        match self {
            Self::Together { .. }
            | Self::Acknowledged { .. }
            | Self::Silenced { .. }
            | Self::Inhibited { .. }
            | Self::QuietHours { .. }
            | Self::Restless { .. } => Telling::Held,
            Self::Message { .. } => Telling::Told,
            Self::NoRoute
            | Self::OverBefore
            | Self::NeverHeard
            | Self::OpenedAgain
            | Self::Flapping { .. }
            | Self::ReceiverGone => Telling::Untold,
        }
    }

    /// Whether it says the same but for instants that move with the clock: such is not decided anew.
    pub fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Silenced { silence: one, .. }, Self::Silenced { silence: other, .. }) => one == other,
            (Self::Inhibited { alert_id: one, .. }, Self::Inhibited { alert_id: other, .. }) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// A decision: new, or another than the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// About which transition.
    pub step: Step,
    /// About whom; none: about everybody.
    pub receiver: Option<String>,
    /// What, and why.
    pub because: Because,
    /// When.
    pub decided_at: DateTime<Utc>,
}
