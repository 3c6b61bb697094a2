//! `GET /api/v1/reservations`: of a window, with filters `host`, `lab` and `status`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use stationkeeper_api::{Page, ReservationRecordView};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::{ReservationCursor, ReservationFilter};
use utoipa::IntoParams;

use super::risk::reservation_views;
use crate::Gateway;
use crate::actor::Actor;
use crate::cursor::{self, InstantAndId};
use crate::error::ApiError;
use crate::extract::{Query, Reader};
use crate::openapi::AcceptLanguage;
use crate::stations::list::host;

/// A list without a window shows what began or ended since, and what comes until.
const DEFAULT_WINDOW: (TimeDelta, TimeDelta) = (TimeDelta::days(1), TimeDelta::days(31));

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Of this station.
    host: Option<String>,
    /// Of this laboratory.
    lab: Option<String>,
    /// In this state, or in one of several, parted by commas.
    status: Option<String>,
    /// That end after this instant; otherwise a day ago.
    from: Option<DateTime<Utc>>,
    /// That start before this instant; otherwise in 31 days.
    to: Option<DateTime<Utc>>,
    /// How many at most: 1 to 500, otherwise 100.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// `next` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Reservations of a window.
#[utoipa::path(
    get, path = "/v1/reservations", operation_id = "list_reservations", tag = "reservations",
    params(Parameters, AcceptLanguage),
    responses((status = OK, description = "By start", body = Page<ReservationRecordView>)),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _actor: Actor,
    Reader(language): Reader,
    Query(asked): Query<Parameters>,
) -> Result<Json<Page<ReservationRecordView>>, ApiError> {
    let limit = cursor::limit(asked.limit.as_deref())?;
    let after = InstantAndId::decode(asked.cursor.as_deref())?
        .map(|(at, id)| ReservationCursor { start_at: at, id: ReservationId(id) });
    let filter = ReservationFilter {
        host: asked.host.as_deref().map(host).transpose()?,
        lab: asked.lab,
        statuses: asked.status.as_deref().map(statuses).transpose()?.unwrap_or_default(),
    };
    let now = gateway.now();
    let window = (asked.from.unwrap_or(now - DEFAULT_WINDOW.0), asked.to.unwrap_or(now + DEFAULT_WINDOW.1));
    let found = gateway.store().reservations_filtered(&filter, window, after.as_ref(), limit + 1).await?;
    let key = |one: &Reservation| InstantAndId::of(one.start_at, &one.id.0);
    let Page { items, next } = cursor::page(found, limit, key, Reservation::clone);
    Ok(Json(Page { items: reservation_views(gateway.store(), &items, language, now).await?, next }))
}

fn statuses(text: &str) -> Result<Vec<ReservationStatus>, ApiError> {
    text.split(',')
        .map(|word| {
            ReservationStatus::parse(word).ok_or_else(|| {
                ApiError::BadRequest("status is one of confirmed, active, completed, cancelled".to_owned())
            })
        })
        .collect()
}
