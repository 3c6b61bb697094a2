//! The face of Stationkeeper on the lab's network: the API, a status page, health and metrics.
//!
//! Handlers read the store and hand views of `stationkeeper-api` out; they decide nothing about stations. One endpoint is one
//! file; [`Gateway::router`] is the one list of routes.

mod actions;
mod actor;
mod alerts;
mod assets;
mod at_work;
mod attempts;
mod audit;
mod command;
mod credentials;
mod cursor;
mod edge;
mod error;
mod events;
mod extract;
mod forced_logoffs;
mod gateway;
mod headers;
mod health;
mod heartbeat;
mod hosts;
mod idempotency;
mod labs;
mod live;
mod login;
mod metrics;
mod observe;
mod openapi;
mod operations;
mod orchestrator;
mod origin;
mod quarantine;
mod reach;
mod refusals;
mod repeating;
mod request_id;
mod requests;
mod reservations;
mod router;
mod serve;
mod session;
mod silences;
mod stations;
mod status_page;
mod token;
mod tokens;
mod uploads;
mod vitals;
mod wake;
mod winrm;
mod wol;

pub use alerts::acknowledge::{AcknowledgeError, Acknowledged, Taking, acknowledge};
pub use alerts::resolve::{Resolved, Resolving, resolve};
pub use audit::view as audit_view;
pub use command::{CommandAccess, CommandPolicy, Commander, StoredLogins};
pub use credentials::{ConfiguredKey, CredentialError, CredentialStore, SecretsKey};
pub use edge::{AdminNetworks, InternalToken, SharedToken};
pub use events::{EventOutcome, EventReceiver, TakeEvent};
pub use gateway::{Clock, Gateway, GatewayOptions};
pub use hosts::catalog::{CatalogError, CatalogFiles, CatalogReport};
pub use hosts::discover::DiscoveryOptions;
pub use hosts::document::SetAside;
pub use hosts::rows::{CatalogChange, ChangeHostError};
pub use reach::{ReachError, Reachable, StationReach};
pub use requests::hold::{AskedHold, HoldError, end_hold, set_hold};
pub use reservations::import::apply::{ImportOptions, ImportReport, Imported, Refused, import_reservations};
pub use reservations::import::entries::{Asked, Entry, EntryRefusal, ListFormat, When, read_entries};
pub use reservations::import::import_view;
pub use reservations::{
    AskedReservation, Became, Expected, PutReservation, PutReservationError, ReservationError, put_reservation,
    record_view as reservation_view, risk::reservation_views,
};
pub use serve::{ServeLimits, Tls, TlsError};
pub use silences::{AskedSilence, SetSilenceError, end_silence, set_silence};
pub use stations::history::history_of as station_history;
pub use token::mint_token;
pub use tokens::{GiveAccessError, add_token, grant, offer_pairing, pairing_lasts, revoke_token, token_view};
pub use uploads::{StationUpload, TakeUploads, UploadOutcome};
pub use vitals::{QueueVitals, Vitals};
pub use wake::{WakeOrder, WakeReport, wake_station};
