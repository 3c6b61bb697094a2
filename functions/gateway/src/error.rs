//! Every answer that is not a success: a status, a stable word, a sentence. The request id is added on the way out.

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stationkeeper_pipeline::actions::ActionRefused;
use stationkeeper_rules::LifeError;
use stationkeeper_rules::notify::SilenceError;
use stationkeeper_rules::orchestrator::ActionError;
use stationkeeper_rules::requests::{HoldRefused, MoreTimeRefused, RequestError};
use stationkeeper_station_link::winrm::WinRmError;
use stationkeeper_store::{StoreError, TokenRole};
use stationkeeper_telemetry::HostName;

use crate::credentials::CredentialError;
use crate::hosts::catalog::CatalogError;
use crate::reach::ReachError;
use crate::requests::hold::HoldError;
use crate::reservations::ReservationError;

/// The word of what callers are told nothing of; the log says more.
const INTERNAL: &str = "INTERNAL_ERROR";
/// Why a station did not do what was asked of it, in a word.
const STATION_ERROR: HeaderName = HeaderName::from_static("x-station-error");

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No token, or none that is valid. The text is the older service's.
    #[error("Unauthorized")]
    Unauthenticated,
    /// Nobody can be let in: there is no token yet, and no secret of a proxy. The text is the older service's.
    #[error("Ops internal authentication is not configured")]
    NotConfigured,
    /// A valid token that may not do this.
    #[error("this needs the role {needed}, and the token has the role {has}", needed = .needed.as_str(), has = .has.as_str())]
    Forbidden { needed: TokenRole, has: TokenRole },
    /// A valid token that may do this for other labs only.
    #[error("the token is for other laboratories")]
    OtherLab,
    /// A page elsewhere tried to act in the person's name.
    #[error("a request from another site is refused")]
    ForeignOrigin,
    /// Not from where administrators come. 401 means the token, this the network.
    #[error(
        "blocked by the network policy: the page and the API are for loopback and the networks of ADMIN_ALLOWED_CIDRS"
    )]
    NetworkPolicy,
    /// Something in the request.
    #[error("{0}")]
    BadRequest(String),
    /// Query strings end up in logs.
    #[error("a token in the query string is refused: send it as `Authorization: Bearer` or `X-Lab-Manager-Token`")]
    TokenInQuery,
    /// The text is the older service's.
    #[error("host '{0}' not found")]
    UnknownStation(String),
    /// No alert of that id.
    #[error("alert '{0}' not found")]
    UnknownAlert(String),
    /// No silence of that id.
    #[error("silence '{0}' not found")]
    UnknownSilence(String),
    /// No reservation of that id. The text is the older service's.
    #[error("Reservation not found")]
    UnknownReservation,
    /// No operation of that id.
    #[error("operation '{0}' not found")]
    UnknownOperation(String),
    /// No action of that id.
    #[error("action '{0}' not found")]
    UnknownAction(String),
    /// The action cannot move so.
    #[error("{0}")]
    Action(ActionError),
    /// Somebody else acts on the station.
    #[error("something else is done on {host} now{}: try again", .reservation_id.as_ref().map(|id| format!(" (for reservation {id})")).unwrap_or_default())]
    StationBusy { host: HostName, reservation_id: Option<String> },
    /// The reservation cannot be taken as asked.
    #[error(transparent)]
    Reservation(ReservationError),
    /// The station is not held as asked.
    #[error(transparent)]
    Hold(HoldError),
    /// There is nothing to decide about more time.
    #[error(transparent)]
    MoreTime(MoreTimeRefused),
    /// The request does not move so.
    #[error(transparent)]
    Request(RequestError),
    /// No request of that id.
    #[error("request '{0}' not found")]
    UnknownRequest(String),
    /// No token of that id.
    #[error("token '{0}' not found")]
    UnknownToken(String),
    /// The token of the person who asks.
    #[error("this is your own token: let somebody else revoke it, or make another one first")]
    OwnToken,
    /// The code is of no use.
    #[error("the pairing code is not valid: it works once, within ten minutes of being made")]
    PairingCode,
    /// The code was good once.
    #[error("the pairing code is too old: it works within ten minutes of being made; ask for a new one")]
    PairingCodeExpired,
    /// The silence cannot be set.
    #[error(transparent)]
    Silence(SilenceError),
    /// No such path.
    #[error("nothing is at this address")]
    UnknownAddress,
    /// Another method.
    #[error("this address does not take this method")]
    MethodNotAllowed,
    /// Over 1 MiB.
    #[error("the body is larger than 1 MiB")]
    BodyTooLarge,
    /// The body did not come within its time.
    #[error("the body did not come in time: send it again")]
    BodyTooSlow,
    /// The token has its share of streams, or all places are taken.
    #[error("too many streams are open: end one, or try again later")]
    TooManyStreams,
    /// Guessing is slowed down.
    #[error("too many attempts: try again in {seconds} s")]
    TooManyAttempts { seconds: u64 },
    /// A program gone wild.
    #[error("too many changes by this token: go on in {seconds} s")]
    TooManyChanges { seconds: u64 },
    /// The alert cannot move so.
    #[error(transparent)]
    Life(LifeError),
    /// No networks were named.
    #[error(transparent)]
    NoNetworks(ReachError),
    /// Nobody logs in to stations.
    #[error("nobody logs in to the station: store its login, or name one for all by WINRM_USER and WINRM_PASSWORD")]
    NoLogin,
    /// No station of that name. The text is the older service's.
    #[error("host '{0}' not found in config")]
    NotInConfig(String),
    /// Between here and a station's command.
    #[error(transparent)]
    Station(WinRmError),
    /// The caller's `Idempotency-Key` was sent with another request.
    #[error("the Idempotency-Key was used for another request: each request has a key of its own")]
    KeyOfOtherRequest,
    /// The same request is being carried out.
    #[error("the request with this Idempotency-Key is being carried out: ask again in {seconds} s")]
    InFlight { seconds: u64 },
    /// The same request was carried out, and what was answered held a secret.
    #[error(
        "the request with this Idempotency-Key was carried out, and its answer held a secret that is kept nowhere: take back what it made, and ask with another key"
    )]
    AnswerNotKept,
    /// The flag of local mode is not as it was to be.
    #[error("local mode of {host} could not be set: the station's PowerShell exits with {exit_code}")]
    LocalModeNotSet { host: HostName, exit_code: i32 },
    /// A station of this name is in use. The text is the older service's.
    #[error("host {0} already exists")]
    HostExists(String),
    /// A file of the catalog. The text is the older service's; the log says more.
    #[error("Hosts configuration reload failed")]
    Catalog(#[source] CatalogError),
    /// Logins of stations cannot be kept. The log says why, but for a key that nobody named.
    #[error("{}", match .0 { CredentialError::NoKey => .0.to_string(), _ => "Internal server error".to_owned() })]
    Credentials(#[source] CredentialError),
    /// What a station said is neither in the bucket nor in the database, or nobody knows.
    #[error("what the station said could not be kept: try again")]
    NotKept,
    /// A station that is in the catalog and has never been heard.
    #[error("no heartbeat of this station has come yet")]
    NoHeartbeat,
    /// It was told to stop while the request waited for something.
    #[error("the gateway is stopping: try again")]
    Closing,
    /// It did not end in time.
    #[error("the request took too long: try again")]
    TooSlow,
    /// The database is away or busy; it may pass.
    #[error("the database does not answer: try again")]
    DatabaseAway(#[source] StoreError),
    /// A bucket's event whose rows could not be written: its sender shall repeat it.
    #[error("the database does not answer: send the event again")]
    EventNotWritten,
    /// A bucket's event whose object could not be read: likewise.
    #[error("the object could not be taken: send the event again")]
    EventNotTaken,
    /// Anything else. The text never says what; the log does.
    #[error("Internal server error")]
    Internal(#[source] InternalError),
}

/// What the log is told of an unexpected failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InternalError {
    /// Of the store.
    #[error(transparent)]
    Store(StoreError),
    /// Of what hangs on a reservation.
    #[error(transparent)]
    Ingest(stationkeeper_pipeline::IngestError),
    /// Of the page.
    #[error("cannot render the page")]
    Page(#[source] askama::Error),
    /// Of the operating system.
    #[error("cannot get random bytes")]
    Random(#[source] getrandom::Error),
}

/// Left in the response for `request_id` to write out.
#[derive(Debug, Clone)]
pub(crate) struct ErrorParts {
    pub text: String,
    pub code: Cow<'static, str>,
}

impl ApiError {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        self.verdict().1
    }

    /// The text for whoever asked. What a station or a system said stays within, as the older service keeps it.
    pub fn said(&self) -> String {
        match self.code() {
            INTERNAL => "Internal server error".to_owned(),
            _ => self.to_string(),
        }
    }

    /// Why a station did not do what was asked of it, in a word: the text does not tell.
    fn station_error(&self) -> Option<&'static str> {
        match self {
            Self::Station(error) if self.code() == INTERNAL => Some(error.code()),
            Self::NoLogin => Some("no_login"),
            Self::LocalModeNotSet { .. } => Some("local_mode_not_set"),
            _ => None,
        }
    }

    /// Status and word. No wildcard arm: a new error must choose.
    fn verdict(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::NotConfigured => (StatusCode::SERVICE_UNAVAILABLE, "not_configured"),
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::OtherLab => (StatusCode::FORBIDDEN, "other_lab"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::NetworkPolicy => (StatusCode::FORBIDDEN, "network_policy"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::TokenInQuery => (StatusCode::BAD_REQUEST, "token_in_query"),
            Self::UnknownStation(_) => (StatusCode::NOT_FOUND, "unknown_station"),
            Self::UnknownAlert(_) => (StatusCode::NOT_FOUND, "unknown_alert"),
            Self::UnknownSilence(_) => (StatusCode::NOT_FOUND, "unknown_silence"),
            Self::UnknownReservation => (StatusCode::NOT_FOUND, "unknown_reservation"),
            Self::UnknownOperation(_) => (StatusCode::NOT_FOUND, "unknown_operation"),
            Self::UnknownAction(_) => (StatusCode::NOT_FOUND, "unknown_action"),
            Self::Action(_) => (StatusCode::CONFLICT, "action_not_possible"),
            Self::StationBusy { .. } => (StatusCode::CONFLICT, "station_busy"),
            Self::Reservation(error) => match error {
                ReservationError::LocalMode { .. } => (StatusCode::CONFLICT, "local_mode_active"),
                ReservationError::FromTable { .. } => (StatusCode::CONFLICT, "from_table"),
                ReservationError::Changed => (StatusCode::PRECONDITION_FAILED, "changed_meanwhile"),
                ReservationError::UnknownStation(_) | ReservationError::NoSuchStation(_) => {
                    (StatusCode::NOT_FOUND, "unknown_station")
                }
                ReservationError::NoStationOf(_)
                | ReservationError::Id
                | ReservationError::NoPlace
                | ReservationError::NoTime
                | ReservationError::EndsBeforeItBegins
                | ReservationError::NoReason => (StatusCode::BAD_REQUEST, "bad_request"),
            },
            Self::Hold(error) => match error {
                HoldError::Refused(HoldRefused::BlocksReservation { .. }) => {
                    (StatusCode::CONFLICT, "blocks_reservation")
                }
                HoldError::Refused(
                    HoldRefused::NoReason | HoldRefused::EndsBeforeItBegins | HoldRefused::TooLong { .. },
                ) => (StatusCode::BAD_REQUEST, "bad_request"),
                HoldError::OfAnother { .. } => (StatusCode::FORBIDDEN, "held_by_another"),
                HoldError::NotHeld(_) => (StatusCode::NOT_FOUND, "not_held"),
                HoldError::UnknownStation(_) => (StatusCode::NOT_FOUND, "unknown_station"),
                HoldError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
            },
            Self::MoreTime(MoreTimeRefused::Running(_)) => (StatusCode::CONFLICT, "reservation_running"),
            Self::MoreTime(MoreTimeRefused::TooLate(_)) => (StatusCode::CONFLICT, "too_late"),
            Self::Request(RequestError::Answered(_)) => (StatusCode::CONFLICT, "request_answered"),
            Self::Request(RequestError::Expired) => (StatusCode::CONFLICT, "request_expired"),
            Self::UnknownRequest(_) => (StatusCode::NOT_FOUND, "unknown_request"),
            Self::UnknownToken(_) => (StatusCode::NOT_FOUND, "unknown_token"),
            Self::OwnToken => (StatusCode::CONFLICT, "own_token"),
            Self::PairingCode => (StatusCode::UNAUTHORIZED, "pairing_code"),
            Self::PairingCodeExpired => (StatusCode::UNAUTHORIZED, "pairing_code_expired"),
            Self::Silence(SilenceError::NothingOpen) => (StatusCode::CONFLICT, "nothing_open"),
            Self::Silence(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::UnknownAddress => (StatusCode::NOT_FOUND, "unknown_address"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::TooManyChanges { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_changes"),
            Self::TooManyStreams => (StatusCode::TOO_MANY_REQUESTS, "too_many_streams"),
            Self::TooManyAttempts { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
            Self::Life(LifeError::Resolved) => (StatusCode::CONFLICT, "alert_resolved"),
            Self::Life(LifeError::NoteTooLong) => (StatusCode::BAD_REQUEST, "note_too_long"),
            Self::Life(LifeError::EndsBeforeItBegins) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::NoNetworks(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_networks"),
            Self::NoLogin => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
            Self::NotInConfig(_) => (StatusCode::NOT_FOUND, "unknown_station"),
            Self::Station(error) => match error {
                WinRmError::Command(_) => (StatusCode::BAD_REQUEST, error.code()),
                WinRmError::Timeout { .. }
                | WinRmError::TimedOut { .. }
                | WinRmError::Unreachable { .. }
                | WinRmError::Unauthorized { .. }
                | WinRmError::Certificate { .. }
                | WinRmError::NotWinRm { .. }
                | WinRmError::Fault { .. }
                | WinRmError::OutcomeUnknown { .. }
                | WinRmError::TooMuchOutput { .. }
                | WinRmError::File { .. }
                | WinRmError::Local { .. } => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
            },
            Self::KeyOfOtherRequest => (StatusCode::UNPROCESSABLE_ENTITY, "key_of_other_request"),
            Self::InFlight { .. } => (StatusCode::CONFLICT, "request_in_flight"),
            Self::AnswerNotKept => (StatusCode::CONFLICT, "answer_not_kept"),
            Self::LocalModeNotSet { .. } => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
            Self::HostExists(_) => (StatusCode::CONFLICT, "host_exists"),
            Self::Catalog(_) => (StatusCode::INTERNAL_SERVER_ERROR, "catalog_unreadable"),
            Self::Credentials(CredentialError::NoKey) => (StatusCode::SERVICE_UNAVAILABLE, "no_secrets_key"),
            Self::Credentials(_) => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
            Self::NotKept => (StatusCode::SERVICE_UNAVAILABLE, "not_kept"),
            Self::NoHeartbeat => (StatusCode::NOT_FOUND, "no_heartbeat"),
            Self::Closing => (StatusCode::SERVICE_UNAVAILABLE, "closing"),
            Self::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, "too_slow"),
            Self::EventNotWritten => (StatusCode::SERVICE_UNAVAILABLE, "database_away"),
            Self::EventNotTaken => (StatusCode::SERVICE_UNAVAILABLE, "object_not_taken"),
            Self::DatabaseAway(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_away"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::DatabaseAway(error) } else { Self::Internal(InternalError::Store(error)) }
    }
}

impl From<stationkeeper_pipeline::IngestError> for ApiError {
    fn from(error: stationkeeper_pipeline::IngestError) -> Self {
        match error {
            stationkeeper_pipeline::IngestError::Store(error) => error.into(),
            error => Self::Internal(InternalError::Ingest(error)),
        }
    }
}

impl From<ActionRefused> for ApiError {
    fn from(refused: ActionRefused) -> Self {
        match refused {
            ActionRefused::Unknown(id) => Self::UnknownAction(id.0),
            ActionRefused::Life(error) => Self::Action(error),
        }
    }
}

impl From<askama::Error> for ApiError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(InternalError::Page(error))
    }
}

impl From<getrandom::Error> for ApiError {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(InternalError::Random(error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            // Logged here and nowhere else.
            Self::Internal(source) => {
                tracing::error!(error = source as &dyn std::error::Error, "could not answer a request");
            }
            Self::DatabaseAway(source) => {
                tracing::warn!(error = source as &dyn std::error::Error, "the database does not answer a request");
            }
            Self::Station(source) => {
                tracing::warn!(error = source as &dyn std::error::Error, "a station did not do what was asked of it");
            }
            Self::NoLogin | Self::LocalModeNotSet { .. } => tracing::warn!("{self}"),
            Self::Credentials(source) => {
                tracing::error!(error = source as &dyn std::error::Error, "a login of stations was not kept");
            }
            Self::Catalog(source) => {
                tracing::error!(error = source as &dyn std::error::Error, "the catalog is as it was before");
            }
            _ => {}
        }
        let (status, code) = self.verdict();
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if let Self::TooManyAttempts { seconds } | Self::TooManyChanges { seconds } | Self::InFlight { seconds } = &self
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        if matches!(self, Self::TooManyStreams) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        if matches!(self, Self::EventNotWritten | Self::EventNotTaken) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if let Some(word) = self.station_error() {
            headers.insert(STATION_ERROR, HeaderValue::from_static(word));
        }
        if matches!(self, Self::Unauthenticated) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stationkeeper\""));
        }
        response.extensions_mut().insert(ErrorParts { text: self.said(), code: code.into() });
        response
    }
}
