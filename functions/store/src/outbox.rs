//! What is owed to receivers and what became of it (`notifications`).
//!
//! A message is claimed by moving its next attempt forward: whoever claimed it has until then, and nobody else takes it meanwhile. The
//! caller's clock counts, as for every other instant here, so that an hour of outage is an argument.

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Message, MessageId};

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement};
use crate::{Store, StoreError};

const KEY: &[&str] = &["id"];

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationState {
    /// It is owed.
    Pending,
    /// Its receiver took it.
    Sent,
    /// It was given up.
    Dead,
}

impl NotificationState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Sent, Self::Dead];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// What is said.
    pub message: Message,
    /// Where it stands.
    pub state: NotificationState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; while somebody tries, when the claim ends.
    pub next_attempt_at: DateTime<Utc>,
    /// Why the last attempt that failed did.
    pub last_error: Option<String>,
    /// When it was sent or given up.
    pub settled_at: Option<DateTime<Utc>>,
}

/// A message that its claimant is to deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedNotification {
    /// Its id.
    pub id: MessageId,
    /// The receiver's name in the settings.
    pub receiver: String,
    /// What is said; an error where the row does not hold a message.
    pub message: Result<Message, String>,
    /// How often it was tried before.
    pub attempts: u32,
    /// Of several people behind the receiver, those who have it already.
    pub reached: Vec<String>,
    /// Until when nobody else takes it; what is settled later may be somebody else's by then.
    pub claimed_until: DateTime<Utc>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The receiver took it.
    Sent,
    /// Not this time.
    Failed {
        /// Why, without a secret.
        error: String,
        /// When it is tried again.
        next_attempt_at: DateTime<Utc>,
        /// Of several people behind the receiver, those who have it by now.
        reached: Vec<String>,
    },
    /// Never.
    Dead {
        /// Why, without a secret.
        error: String,
        /// Of several people behind the receiver, those who have it.
        reached: Vec<String>,
    },
    /// It was not tried; somebody may from then on.
    Released {
        /// From when.
        next_attempt_at: DateTime<Utc>,
    },
}

/// How much is owed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxSize {
    /// Messages that wait.
    pub pending: u64,
    /// When the oldest of them was made.
    pub oldest_pending_at: Option<DateTime<Utc>>,
    /// Messages that were given up.
    pub dead: u64,
}

impl Store {
    /// Receivers to whom something is due. Nothing due: one look into an index.
    pub async fn receivers_due(&self, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let statement = Statement::new("look for notifications that are due", include_str!("sql/receivers_due.sql"))
            .of("notifications", &["receiver"])
            .bind(now);
        self.reader().await?.fetch(statement).await?.iter().map(|row| row.text("receiver")).collect()
    }

    /// Claims at most `limit` messages to a receiver that are due, the longest due first, until `claimed_until`.
    pub async fn claim_notifications(
        &self,
        receiver: &str,
        now: DateTime<Utc>,
        claimed_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedNotification>, StoreError> {
        let claimed_until = crate::instant::stored(claimed_until)?;
        let mut link = self.writer().await?;
        let due = Statement::new("read notifications that are due", include_str!("sql/due_notifications.sql"))
            .of("notifications", KEY)
            .bind(receiver)
            .bind(now)
            .bind(limit.min(MOST_ITEMS as u32));
        let mut claimed = Vec::new();
        for row in link.fetch(due).await? {
            claimed.push(ClaimedNotification {
                id: MessageId(row.text("id")?),
                receiver: row.text("receiver")?,
                reached: row.optional_json("reached")?.unwrap_or_default(),
                // One row that cannot be read is given up by its claimant; it does not hold up the others.
                message: row.json("content").map_err(|error| error.to_string()),
                attempts: row.small("attempts")?,
                claimed_until,
            });
        }
        if claimed.is_empty() {
            return Ok(claimed);
        }
        let claim = Statement::new("claim notifications", include_str!("sql/claim_notifications.sql"))
            .times(claimed.len())
            .bind(claimed_until)
            .bind_all(claimed.iter().map(|one| &one.id.0));
        link.execute(claim).await?;
        link.commit().await?;
        Ok(claimed)
    }

    /// Says how an attempt ended. Whether it was still the claimant's to say: what was sent is sent, whoever says so; anything else is
    /// said by whoever holds the claim alone.
    pub async fn settle_notification(
        &self,
        claimed: &ClaimedNotification,
        settlement: &Settlement,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "settle a notification";
        let pending = NotificationState::Pending.as_str();
        let known = &claimed.reached;
        let (state, attempts, error, settled_at, next, reached) = match settlement {
            Settlement::Sent => (NotificationState::Sent.as_str(), 1u32, None, Some(now), now, known),
            Settlement::Failed { error, next_attempt_at, reached } => {
                (pending, 1, Some(error.as_str()), None, *next_attempt_at, reached)
            }
            Settlement::Dead { error, reached } => {
                (NotificationState::Dead.as_str(), 1, Some(error.as_str()), Some(now), now, reached)
            }
            Settlement::Released { next_attempt_at } => (pending, 0, None, None, *next_attempt_at, known),
        };
        let reached = match reached.as_slice() {
            [] => None,
            some => Some(serde_json::to_string(some).map_err(StoreError::json(DOING))?),
        };
        let mut statement = Statement::new(DOING, include_str!("sql/settle_notification.sql"))
            .bind(state)
            .bind(attempts)
            .bind(error)
            .bind(settled_at)
            .bind(next)
            .bind(reached)
            .bind(&claimed.id.0);
        if *settlement != Settlement::Sent {
            statement = statement.filter("next_attempt_at = ?", [claimed.claimed_until]);
        }
        let mut link = self.writer().await?;
        let held = link.execute(statement).await?;
        link.commit().await?;
        Ok(held > 0)
    }

    /// Messages, the newest first.
    pub async fn notifications(
        &self,
        state: Option<NotificationState>,
        limit: u32,
    ) -> Result<Vec<Notification>, StoreError> {
        let mut statement =
            Statement::new("read notifications", include_str!("sql/notifications.sql")).of("notifications", KEY);
        if let Some(state) = state {
            statement = statement.filter("state = ?", [state.as_str()]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(notification).collect()
    }

    /// Dead messages are owed again, from now on: one, or all of them. How many.
    pub async fn send_notifications_again(
        &self,
        only: Option<&MessageId>,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut statement =
            Statement::new("send notifications again", include_str!("sql/send_notifications_again.sql")).bind(now);
        if let Some(id) = only {
            statement = statement.filter("id = ?", [&id.0]);
        }
        let mut link = self.writer().await?;
        let held = link.execute(statement).await?;
        link.commit().await?;
        Ok(held)
    }

    /// How much is owed. Costs nothing for what was sent.
    pub async fn outbox_size(&self) -> Result<OutboxSize, StoreError> {
        let statement = Statement::new(
            "count notifications",
            "select state, count(*) as messages, min(made_at) as oldest from notifications \
             where state in ('pending', 'dead') group by state",
        )
        .of("notifications", &["state"]);
        let mut size = OutboxSize::default();
        for row in self.reader().await?.fetch(statement).await? {
            match row.parsed("state", NotificationState::parse)? {
                NotificationState::Pending => {
                    size.pending = row.unsigned("messages")?;
                    size.oldest_pending_at = row.optional_instant("oldest")?;
                }
                NotificationState::Dead => size.dead = row.unsigned("messages")?,
                NotificationState::Sent => {}
            }
        }
        Ok(size)
    }

    /// Owes these, in a unit of work of its own. One that is there already stays as it is.
    pub async fn owe_notifications(&self, messages: &[Message]) -> Result<(), StoreError> {
        let mut link = self.writer().await?;
        Notifications(&mut link).owe(messages).await?;
        link.commit().await
    }
}

/// Messages in a unit of work.
pub struct Notifications<'t>(pub(crate) &'t mut Link);

impl Notifications<'_> {
    /// Owes these. One that is there already stays as it is.
    pub async fn owe(&mut self, messages: &[Message]) -> Result<(), StoreError> {
        const DOING: &str = "insert notifications";
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages {
            let content = serde_json::to_string(message).map_err(StoreError::json(DOING))?;
            rows.push(vec![
                (&message.id.0).into(),
                (&message.receiver).into(),
                message.lab.as_ref().into(),
                message.kind.as_str().into(),
                content.into(),
                NotificationState::Pending.as_str().into(),
                message.made_at.into(),
                message.made_at.into(),
            ]);
        }
        self.0.write_rows(DOING, include_str!("sql/insert_notifications.sql"), rows).await
    }
}

fn notification(row: &Row) -> Result<Notification, StoreError> {
    Ok(Notification {
        message: row.json("content")?,
        state: row.parsed("state", NotificationState::parse)?,
        attempts: row.small("attempts")?,
        next_attempt_at: row.instant("next_attempt_at")?,
        last_error: row.optional_text("last_error")?,
        settled_at: row.optional_instant("settled_at")?,
    })
}
