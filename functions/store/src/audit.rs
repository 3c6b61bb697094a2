//! Who changed what (`audit_log`): written in the unit of work of the change itself.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::{Statement, Value};
use crate::tokens::TokenRole;
use crate::{Store, StoreError};

/// Longest name of a person, in characters: what is said beyond it is not kept.
const LONGEST_NAME: usize = 64;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// Took an alert.
    AlertAcknowledge,
    /// Called an alert over.
    AlertResolve,
    /// Set a silence.
    SilenceSet,
    /// Ended a silence.
    SilenceEnd,
    /// Made or moved a reservation.
    ReservationPut,
    /// Cancelled a reservation.
    ReservationCancel,
    /// Took a list of reservations.
    ReservationImport,
    /// Made a token.
    TokenAdd,
    /// Revoked a token.
    TokenRevoke,
    /// Made a pairing code.
    PairingOffer,
    /// Got a token by a pairing code.
    PairingTake,
    /// Ordered a station to wake.
    StationWake,
    /// Ran a command that changes a station.
    StationCommand,
    /// Ordered what a reservation needs before it.
    ReservationStart,
    /// Ordered what is done after a reservation.
    ReservationEnd,
    /// Let a reservation go ahead although something stood in its way.
    ReservationOverride,
    /// Asked for the end of what is done on a station.
    StationStop,
    /// Wanted something done to a station.
    ActionOrder,
    /// Let what a rule proposed go ahead.
    ActionApprove,
    /// Did not want what was proposed or ordered.
    ActionWithdraw,
    /// Asked for a change that has no name of its own here: its detail says which.
    Request,
    /// Put a station into local mode, or took it out.
    StationLocalMode,
    /// Put a station into the catalog.
    HostAdd,
    /// Changed what the catalog says of a station.
    HostChange,
    /// Took a station out of use.
    HostRetire,
    /// Read the files of the catalog again.
    CatalogReload,
    /// Set the login of stations.
    CredentialSet,
    /// Held a station in local mode for a while, or changed for how long.
    HoldSet,
    /// Ended a hold.
    HoldEnd,
    /// Said that they leave a station.
    StationLeaving,
    /// Asked for more time at a station.
    StationMoreTime,
    /// Answered a request.
    RequestAnswer,
    /// Was shown a request, or looked at it.
    RequestReceipt,
}

impl AuditAction {
    /// Every one.
    pub const ALL: [Self; 33] = [
        Self::AlertAcknowledge,
        Self::AlertResolve,
        Self::SilenceSet,
        Self::SilenceEnd,
        Self::ReservationPut,
        Self::ReservationCancel,
        Self::ReservationImport,
        Self::TokenAdd,
        Self::TokenRevoke,
        Self::PairingOffer,
        Self::PairingTake,
        Self::StationWake,
        Self::StationCommand,
        Self::ReservationStart,
        Self::ReservationEnd,
        Self::ReservationOverride,
        Self::StationStop,
        Self::ActionOrder,
        Self::ActionApprove,
        Self::ActionWithdraw,
        Self::Request,
        Self::StationLocalMode,
        Self::HostAdd,
        Self::HostChange,
        Self::HostRetire,
        Self::CatalogReload,
        Self::CredentialSet,
        Self::HoldSet,
        Self::HoldEnd,
        Self::StationLeaving,
        Self::StationMoreTime,
        Self::RequestAnswer,
        Self::RequestReceipt,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlertAcknowledge => "alert.acknowledge",
            Self::AlertResolve => "alert.resolve",
            Self::SilenceSet => "silence.set",
            Self::SilenceEnd => "silence.end",
            Self::ReservationPut => "reservation.put",
            Self::ReservationCancel => "reservation.cancel",
            Self::ReservationImport => "reservation.import",
            Self::TokenAdd => "token.add",
            Self::TokenRevoke => "token.revoke",
            Self::PairingOffer => "pairing.offer",
            Self::PairingTake => "pairing.take",
            Self::StationWake => "station.wake",
            Self::StationCommand => "station.command",
            Self::ReservationStart => "reservation.start",
            Self::ReservationEnd => "reservation.end",
            Self::ReservationOverride => "reservation.override",
            Self::StationStop => "station.stop",
            Self::ActionOrder => "action.order",
            Self::ActionApprove => "action.approve",
            Self::ActionWithdraw => "action.withdraw",
            Self::Request => "request",
            Self::StationLocalMode => "station.local_mode",
            Self::HostAdd => "host.add",
            Self::HostChange => "host.change",
            Self::HostRetire => "host.retire",
            Self::CatalogReload => "catalog.reload",
            Self::CredentialSet => "credential.set",
            Self::HoldSet => "hold.set",
            Self::HoldEnd => "hold.end",
            Self::StationLeaving => "station.leaving",
            Self::StationMoreTime => "station.more_time",
            Self::RequestAnswer => "request.answer",
            Self::RequestReceipt => "request.receipt",
        }
    }

    /// The action of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// It was not allowed, or not possible as asked.
    Refused,
    /// It was begun and did not succeed.
    Failed,
}

impl AuditOutcome {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The outcome of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Failed].into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name of a token, or who is said to be at the command line.
    pub name: String,
    /// What the token may do; none: the command line, or the system itself.
    pub role: Option<TokenRole>,
    /// Of the request that asked for it.
    pub request_id: Option<String>,
}

impl Author {
    /// Whoever has the database may do everything.
    pub fn of_command_line(name: Option<&str>) -> Self {
        let name = name.unwrap_or("command line").chars().take(LONGEST_NAME).collect();
        Self { name, role: None, request_id: None }
    }
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Derived from the rest: written again, it is the same row.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub author: Author,
    /// What.
    pub action: AuditAction,
    /// On what: an id.
    pub target: String,
    /// The station that it is about, if it is about one.
    pub host: Option<HostName>,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// What the action needs to be understood. No secret.
    pub detail: Option<serde_json::Value>,
}

impl AuditEntry {
    /// Something that is done, together with its row.
    pub fn done(author: &Author, action: AuditAction, target: impl Into<String>, at: DateTime<Utc>) -> Self {
        let target = target.into();
        let request = author.request_id.as_deref().unwrap_or_default();
        let id = derive(&[&at.to_rfc3339(), &author.name, request, action.as_str(), &target]);
        Self { id, at, author: author.clone(), action, target, host: None, outcome: AuditOutcome::Done, detail: None }
    }

    /// About this station.
    #[must_use]
    pub fn of(mut self, host: Option<&HostName>) -> Self {
        self.host = host.cloned();
        self
    }

    /// With what is needed to understand it.
    #[must_use]
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.id = derive(&[&self.id, &detail.to_string()]);
        self.detail = Some(detail);
        self
    }

    /// With another outcome.
    #[must_use]
    pub fn came_to(mut self, outcome: AuditOutcome) -> Self {
        self.id = derive(&[&self.id, outcome.as_str()]);
        self.outcome = outcome;
        self
    }
}

fn derive(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..16])
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this person.
    pub actor: Option<String>,
    /// Of this kind.
    pub action: Option<AuditAction>,
    /// On this.
    pub target: Option<String>,
    /// About this station.
    pub host: Option<HostName>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCursor {
    /// Of its last entry.
    pub at: DateTime<Utc>,
    /// Of its last entry.
    pub id: String,
}

/// The audit log in a unit of work.
pub struct Audit<'t>(pub(crate) &'t mut Link);

impl Audit<'_> {
    /// Appends. The same entry again changes nothing.
    pub async fn append(&mut self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let rows = entries
            .iter()
            .map(|entry| {
                vec![
                    (&entry.id).into(),
                    entry.at.into(),
                    (&entry.author.name).into(),
                    entry.author.role.map(TokenRole::as_str).into(),
                    entry.action.as_str().into(),
                    (&entry.target).into(),
                    entry.host.as_ref().into(),
                    entry.outcome.as_str().into(),
                    entry.detail.as_ref().map(ToString::to_string).into(),
                    entry.author.request_id.as_ref().into(),
                ]
            })
            .collect();
        self.0.write_rows("write to the audit log", include_str!("sql/insert_audit.sql"), rows).await
    }
}

impl Store {
    /// [`Audit::append`] of one entry, by itself: for what leaves the process.
    pub async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut link = self.writer().await?;
        Audit(&mut link).append(std::slice::from_ref(entry)).await?;
        link.commit().await
    }

    /// The audit log, the newest first, after `after`.
    pub async fn audit_log(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditCursor>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut statement =
            Statement::new("read the audit log", include_str!("sql/audit_log.sql")).of("audit_log", &["id"]);
        let conditions: [(&'static str, Option<Value>); 4] = [
            ("actor = ?", filter.actor.as_ref().map(Into::into)),
            ("action = ?", filter.action.map(|action| action.as_str().into())),
            ("target = ?", filter.target.as_ref().map(Into::into)),
            ("host = ?", filter.host.as_ref().map(Into::into)),
        ];
        for (condition, value) in conditions {
            if let Some(value) = value {
                statement = statement.filter(condition, [value]);
            }
        }
        if let Some(after) = after {
            let at: Value = after.at.into();
            statement = statement.filter("at <= ? and (at < ? or id < ?)", [at.clone(), at, (&after.id).into()]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(entry).collect()
    }
}

fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.text("id")?,
        at: row.instant("at")?,
        author: Author {
            name: row.text("actor")?,
            role: row.optional_parsed("role", TokenRole::parse)?,
            request_id: row.optional_text("request_id")?,
        },
        action: row.parsed("action", AuditAction::parse)?,
        target: row.text("target")?,
        host: row.optional_host("host")?,
        outcome: row.parsed("outcome", AuditOutcome::parse)?,
        detail: row.optional_json("detail")?,
    })
}
