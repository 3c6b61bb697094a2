//! What is kept and how: SQLite for a laptop, MySQL 8 or MariaDB 10.6+ for more. No rule is in here.
//!
//! Reads are methods of [`Store`]. A unit of work is a [`Transaction`]: it hands out one repository per aggregate
//! (`tx.states()`, `tx.heartbeats()`, `tx.alerts()`, …), and dropped without [`Transaction::commit`] nothing of it happened.
//! Whatever takes a slice is one round trip per kind of statement (chunked far above the usual batch).
//!
//! Instants are kept in microseconds; finer digits are cut off. Order of locks: stations by host name.

#[cfg(not(any(feature = "sqlite", feature = "mysql")))]
compile_error!("stationkeeper-store needs the feature `sqlite`, `mysql` or both");

mod actions;
mod alerts;
mod audit;
mod brief;
mod catalog;
mod database;
mod decisions;
mod error;
#[cfg(feature = "faults")]
pub mod faults;
mod forced_logoffs;
mod health;
mod hearings;
mod heartbeats;
mod history;
mod holds;
mod host_events;
mod idempotency;
mod instant;
mod key;
#[cfg(feature = "mysql")]
mod lab_reservations;
mod leases;
mod migrate;
#[cfg(feature = "mysql")]
mod mysql_connections;
mod objects;
mod open;
mod operations;
mod outbox;
mod overdue;
mod owed;
mod prune;
mod raw;
mod readable;
#[cfg(feature = "record")]
pub mod record;
mod requests;
mod reservation_sources;
mod reservations;
mod row;
mod runs;
mod settings;
mod silences;
mod standing;
mod statement;
mod stations;
mod tokens;
mod transaction;
mod updates;

pub use actions::{ActionCursor, ActionFilter, Actions, RecordedAction};
pub use alerts::{AlertCursor, AlertFilter, AlertWithTransitions, Alerts, MovedAlerts};
pub use audit::{Audit, AuditAction, AuditCursor, AuditEntry, AuditFilter, AuditOutcome, Author};
pub use brief::BriefStation;
pub use catalog::{CatalogHost, CatalogSource, HostAccess};
pub use decisions::Decisions;
pub use error::{Inconsistency, StoreError};
pub use forced_logoffs::{
    ForcedLogoffCursor, ForcedLogoffFilter, ForcedLogoffKey, ForcedLogoffRecord, ForcedLogoffSighting, ForcedLogoffs,
};
pub use health::TableSize;
pub use hearings::Hearings;
pub use heartbeats::{Heartbeats, NewHeartbeat, StoredHeartbeat, StoredVariant};
pub use history::{HeartbeatRow, RawHeartbeat};
pub use host_events::{EventCursor, HostEventRecord, HostEvents};
pub use idempotency::{ClaimTimes, KeyClaim, KeyedRequest};
#[cfg(feature = "mysql")]
pub use lab_reservations::{LabReservations, MOST_ROWS as MOST_TABLE_ROWS};
pub use leases::{Leases, StationLease};
pub use migrate::AppliedMigration;
pub use objects::{IngestOutcome, ObjectVersion, Objects, QuarantinedObject};
pub use open::{Store, StoreOptions, Synchronous};
pub use operations::{CommandOutput, OperationCursor, OperationFilter, Operations, RecordedOperation};
pub use outbox::{ClaimedNotification, Notification, NotificationState, Notifications, OutboxSize, Settlement};
pub use overdue::{OverdueCheck, OverdueCheckRow};
pub use owed::{OwedNews, PlannerRow};
pub use prune::Pruned;
pub use raw::train_dictionary;
pub use readable::{Readable, Unreadable};
pub use requests::{InstructorRequests, RequestCursor, RequestFilter};
pub use reservation_sources::{ReservationSource, SourceNews};
pub use reservations::{ReservationCursor, ReservationFilter, Reservations};
pub use runs::StateRuns;
pub use silences::{SilenceCursor, Silences};
pub use standing::Standing;
pub use stations::{CatalogEntry, HostStatus, States, Station, StationFilter};
pub use tokens::{ApiToken, Labs, NewApiToken, PairingCode, TokenGrant, TokenRole, Tokens};
pub use transaction::Transaction;
pub use updates::{NewUpdate, Update, Updates};
