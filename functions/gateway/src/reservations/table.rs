//! Reservations that another system keeps in a table (`lab_reservations`): read at every scan, by one of the gateways of a database, and
//! followed. A row that is none is put aside with its reason; a table that is away is said, and what is known stays.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::chain;
use stationkeeper_rules::reservation_table::{
    Change, ID_LENGTH, KnownReservation, RefusedRow, RowRefusal, TABLE, TableRow, plan_table,
};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus, Settings};
use stationkeeper_store::{
    Author, CatalogHost, HostStatus, LabReservations, MOST_TABLE_ROWS, SourceNews, Store, StoreError,
};
use stationkeeper_telemetry::HostName;
use tokio::time::Instant;

use super::put::{PutReservationError, locked, save};
use crate::Gateway;
use crate::error::ApiError;
use crate::repeating::repeating;

/// Reservations that begin within this time are read.
const AHEAD: TimeDelta = TimeDelta::days(31);
/// Whoever reads the table has it for so long; of one that is gone another takes it over.
const LEASE: Duration = Duration::from_secs(60);
/// What a round may take before the lease must be lengthened; the rest comes with the next.
const ROUND: Duration = Duration::from_secs(40);
/// A server that needs longer is away.
const PATIENCE: Duration = Duration::from_secs(20);
/// More of ours than a window has.
const MOST_KNOWN: u32 = 4 * MOST_TABLE_ROWS;

/// Follows the table until the gateway is told to stop.
pub(crate) async fn run(gateway: Gateway) {
    let Some(table) = gateway.shared().options.reservation_table.clone() else { return };
    let holder = &gateway.shared().orchestrator.holder;
    tracing::info!(database = table.describe(), "reservations are read from the table lab_reservations");
    let wait = gateway.shared().options.scan_every.div_f64(gateway.shared().options.speed.max(1.0));
    loop {
        if let Err(error) = round(&gateway, &table).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the table of reservations cannot be followed; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = gateway.closing() => break,
        }
    }
    // Whoever comes next need not wait for the lease to end.
    if let Err(error) = gateway.store().lease_source(TABLE, holder, Duration::ZERO).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the lease of the table of reservations ends by itself"
        );
    }
    table.close().await;
}

/// Reads and follows it once. What is wrong with the table is written down; an error is of our own database.
async fn round(gateway: &Gateway, table: &LabReservations) -> Result<(), ApiError> {
    let (store, holder) = (gateway.store(), gateway.shared().orchestrator.holder.as_str());
    if !store.lease_source(TABLE, holder, LEASE).await? {
        return Ok(());
    }
    let began = Instant::now();
    let (now, settings) = (gateway.now(), store.settings().await?);
    let window = (now - TimeDelta::seconds(i64::from(settings.orchestrator.lookback_seconds)), now + AHEAD);
    let ours = store.reservations_from(TABLE, window, MOST_KNOWN).await?;
    let missing = |rows: &[TableRow]| {
        let there: HashSet<&str> = rows.iter().filter_map(|row| row.id.as_deref()).map(str::trim).collect();
        ours.iter().map(|one| one.id.clone()).filter(|id| !there.contains(id.0.as_str())).collect()
    };
    let read = match tokio::time::timeout(PATIENCE, table.read(window, missing)).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => return failed(gateway, &chain(&error)).await,
        Err(_elapsed) => return failed(gateway, &format!("no answer within {} s", PATIENCE.as_secs())).await,
    };
    let known = known(store, ours, &read.rows).await?;
    let catalog = store.catalog().await?;
    let (listing, stands) = (listing(&catalog), places(&known));
    let place = |id: &ReservationId, lab: &str| place(&listing, stands.get(id).copied(), lab);
    let plan = plan_table(&read, &known, place, now);
    let (mut refused, mut taken, changes) = (plan.refused, 0_usize, plan.changes.len());
    for change in &plan.changes {
        if began.elapsed() > ROUND || gateway.is_closing() {
            break;
        }
        match take(store, &settings, change, gateway.now()).await {
            Ok(_) => taken += 1,
            Err(error) if !error.is_transient() => {
                let id = change.reservation().id.0.clone();
                tracing::error!(reservation.id = id, error = chain(&error), "a row of the table is not kept");
                refused.push(RefusedRow { id, reason: RowRefusal::NotKept });
                taken += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if changes > 0 {
        tracing::info!(
            changes,
            rows = read.rows.len(),
            refused = refused.len(),
            "the table of reservations was followed"
        );
        gateway.shared().orchestrator.at_work.poke();
    }
    let problem = match (read.is_whole, taken == changes) {
        (false, _) => Some(format!(
            "more than {MOST_TABLE_ROWS} reservations lie within {} days: not all were read",
            AHEAD.num_days()
        )),
        (true, false) => Some(format!("{} changes wait for the next look", changes - taken)),
        (true, true) => None,
    };
    let news = SourceNews::Read { rows: read.rows.len(), refused: &refused, problem: problem.as_deref() };
    Ok(store.save_source(TABLE, holder, news, now).await?)
}

async fn failed(gateway: &Gateway, problem: &str) -> Result<(), ApiError> {
    tracing::warn!(problem, "the table of reservations cannot be read; trying again");
    let holder = &gateway.shared().orchestrator.holder;
    Ok(gateway.store().save_source(TABLE, holder, SourceNews::Failed(problem), gateway.now()).await?)
}

/// Ours of the window, and those that the rows name.
async fn known(store: &Store, ours: Vec<Reservation>, rows: &[TableRow]) -> Result<Vec<KnownReservation>, StoreError> {
    let there: HashSet<ReservationId> = ours.iter().map(|one| one.id.clone()).collect();
    let named: HashSet<ReservationId> = rows
        .iter()
        .filter_map(|row| row.id.as_deref())
        .map(|id| ReservationId(id.trim().to_owned()))
        .filter(|id| id.0.chars().count() <= ID_LENGTH && !there.contains(id))
        .collect();
    let named: Vec<_> = named.into_iter().collect();
    let from_table: HashSet<_> =
        store.sources_of(&named).await?.into_iter().filter(|(_, source)| source == TABLE).map(|(id, _)| id).collect();
    let others = store.reservations_of_ids(&named).await?.into_iter();
    let mut known: Vec<_> =
        ours.into_iter().map(|reservation| KnownReservation { reservation, from_table: true }).collect();
    known.extend(others.map(|reservation| {
        let from_table = from_table.contains(&reservation.id);
        KnownReservation { reservation, from_table }
    }));
    Ok(known)
}

/// Stations in use by laboratory, which counts in any letter case, each in the order of the catalog.
fn listing(catalog: &[CatalogHost]) -> HashMap<String, Vec<&HostName>> {
    let mut listing: HashMap<String, Vec<&HostName>> = HashMap::new();
    for host in catalog.iter().filter(|host| host.entry.status != HostStatus::Retired) {
        for lab in &host.access.labs {
            listing.entry(lab.to_lowercase()).or_default().push(&host.entry.host);
        }
    }
    listing
}

/// Where reservations are.
fn places(known: &[KnownReservation]) -> HashMap<&ReservationId, &HostName> {
    known.iter().map(|one| (&one.reservation.id, &one.reservation.host)).collect()
}

/// The first station that lists the laboratory; a reservation stays where it is as long as its station does.
fn place(listing: &HashMap<String, Vec<&HostName>>, stands: Option<&HostName>, lab: &str) -> Option<HostName> {
    let hosts = listing.get(&lab.trim().to_lowercase())?;
    let stays = stands.filter(|stands| hosts.contains(stands));
    stays.or_else(|| hosts.first().copied()).cloned()
}

/// Follows one row. False: it is so already, or is not the table's any more.
async fn take(
    store: &Store,
    settings: &Settings,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<bool, PutReservationError> {
    repeating!(once(store, settings, change, now))
}

async fn once(
    store: &Store,
    settings: &Settings,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<bool, PutReservationError> {
    let id = &change.reservation().id;
    let mut work = store.begin().await?;
    let becomes = |known: Option<&Reservation>| {
        Ok(match change {
            Change::Put(reservation) => reservation.clone(),
            Change::Cancel(reservation) => {
                Reservation { status: ReservationStatus::Cancelled, ..known.unwrap_or(reservation).clone() }
            }
        })
    };
    let (known, reservation) = locked(&mut work, id, now, becomes).await?;
    let from_table = work.reservations().source(id).await?.as_deref() == Some(TABLE);
    let is_so = from_table && known.as_ref() == Some(&reservation);
    if is_so || (matches!(change, Change::Cancel(_)) && !from_table) {
        return Ok(false);
    }
    let author = Author { name: TABLE.to_owned(), role: None, request_id: None };
    save(&mut work, settings, known.as_ref(), &reservation, None, &author, now).await?;
    work.reservations().set_source(id, TABLE).await?;
    work.commit().await?;
    tracing::info!(reservation.id = %id.0, reservation.status = reservation.status.as_str(), "a reservation follows its table");
    Ok(true)
}
