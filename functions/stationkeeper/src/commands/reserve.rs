//! `reserve …`: reservations, by whoever has the database.

use std::path::Path;

use chrono::TimeDelta;
use stationkeeper_api::{Language, ReservationRecordView};
use stationkeeper_gateway::{
    AskedReservation, ImportOptions, ListFormat, PutReservationError, import_reservations, import_view,
    put_reservation, read_entries, reservation_view, reservation_views,
};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::{Author, ReservationFilter, Store};
use stationkeeper_telemetry::format_instant;

use crate::cli::{Place, Reserve, ReserveCommand};
use crate::commands::summary::{columns, harmless};
use crate::failure::{Exit, Failure, print_bytes, print_json, print_line};
use crate::place;

/// Runs `reserve …`.
pub async fn run(arguments: &Reserve) -> Result<Option<Exit>, Failure> {
    match &arguments.command {
        None => make(arguments).await,
        Some(ReserveCommand::List { place, host, lab, from, until, limit, json }) => {
            let filter = ReservationFilter {
                host: host.as_deref().map(place::host).transpose()?,
                lab: lab.clone(),
                statuses: Vec::new(),
            };
            let store = place::existing_store(place).await?;
            let now = place::now();
            let window = (from.unwrap_or(now - TimeDelta::days(1)), until.unwrap_or(now + TimeDelta::days(31)));
            let found = store
                .reservations_filtered(&filter, window, None, *limit)
                .await
                .map_err(|error| Failure::because(Exit::Unavailable, "cannot read the reservations", &error))?;
            let views = reservation_views(&store, &found, Language::En, now)
                .await
                .map_err(|error| Failure::because(Exit::Unavailable, "cannot read the reservations", &error))?;
            list(&views, *json)
        }
        Some(ReserveCommand::Import { place, file, dry_run, skip_refused, confirm_local_mode, by, json }) => {
            let options = ImportOptions {
                dry_run: *dry_run,
                skip_refused: *skip_refused,
                confirm_local_mode: confirm_local_mode.clone(),
            };
            import(place, file, &options, by.as_deref(), *json).await
        }
        Some(ReserveCommand::Cancel { place, id, by, json }) => {
            let store = place::existing_store(place).await?;
            let id = ReservationId(id.clone());
            let known = store
                .reservation(&id)
                .await
                .map_err(|error| Failure::because(Exit::Unavailable, "cannot read the reservation", &error))?;
            if known.is_none() {
                let said = format!("there is no reservation {}: `stationkeeper reserve list` lists them", id.0);
                return Err(Failure::new(Exit::NoInput, said));
            }
            let asked = AskedReservation { status: Some(ReservationStatus::Cancelled), ..AskedReservation::default() };
            put(&store, &id, &asked, by.as_deref(), *json, "Cancelled").await
        }
    }
}

async fn make(arguments: &Reserve) -> Result<Option<Exit>, Failure> {
    let Some(id) = arguments.id.clone().map(ReservationId) else {
        return Err(Failure::new(Exit::Rejected, "say an id".to_owned()));
    };
    let asked = AskedReservation {
        host: arguments.host.as_deref().map(place::host).transpose()?,
        lab: arguments.lab.clone(),
        start_at: arguments.from,
        end_at: arguments.until.or_else(|| Some(arguments.from? + arguments.lasts?)),
        status: None,
        who: arguments.who.clone(),
        confirm_local_mode: arguments.confirm_local_mode.clone(),
        expected: None,
    };
    let store = place::existing_store(&arguments.place).await?;
    put(&store, &id, &asked, arguments.by.as_deref(), arguments.json, "Reserved").await
}

async fn import(
    place: &Place,
    file: &Path,
    options: &ImportOptions,
    by: Option<&str>,
    json: bool,
) -> Result<Option<Exit>, Failure> {
    let extension = file.extension().and_then(|one| one.to_str()).unwrap_or_default().to_ascii_lowercase();
    let format = match extension.as_str() {
        "csv" => ListFormat::Csv,
        "json" => ListFormat::Json,
        "ics" => ListFormat::Calendar,
        _ => {
            let said = format!("{}: a list's name ends with .csv, .json or .ics", file.display());
            return Err(Failure::new(Exit::Rejected, said));
        }
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::because(Exit::NoInput, format_args!("cannot read {}", file.display()), &error))?;
    let entries = read_entries(&text, format)
        .map_err(|error| Failure::new(Exit::Rejected, format!("{}: {error}", file.display())))?;
    let store = place::existing_store(place).await?;
    let author = Author::of_command_line(by);
    let report = import_reservations(&store, &entries, options, |_lab| true, &author, place::now())
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot take the reservations", &error))?;
    let view = import_view(&report, options.dry_run);
    if json {
        print_json(&view)?;
    } else {
        let mut rows = vec![["Entry", "Id", "Outcome", "Reason"].map(str::to_owned)];
        rows.extend(view.items.iter().map(|one| {
            let reason = one.reason.as_deref().unwrap_or_default();
            [one.number.to_string(), harmless(&one.id), one.outcome.as_str().to_owned(), harmless(reason)]
        }));
        print_bytes(columns(&rows).as_bytes())?;
        let kept = match (view.applied, options.dry_run) {
            (true, _) => "",
            (false, true) => " (nothing was changed: a dry run)",
            (false, false) => " (nothing was changed)",
        };
        let counts =
            format!("{} new, {} changed, {} same, {} refused", view.new, view.changed, view.same, view.refused);
        print_line(format_args!("{counts}{kept}"))?;
    }
    Ok((view.refused > 0 && !view.applied).then_some(Exit::Rejected))
}

async fn put(
    store: &Store,
    id: &ReservationId,
    asked: &AskedReservation,
    by: Option<&str>,
    json: bool,
    done: &str,
) -> Result<Option<Exit>, Failure> {
    let author = Author::of_command_line(by);
    let put = put_reservation(store, id, asked, &author, place::now()).await.map_err(|error| {
        let exit = match error {
            PutReservationError::Refused(_) => Exit::Rejected,
            PutReservationError::Store(_) | PutReservationError::Ingest(_) => Exit::Unavailable,
        };
        Failure::because(exit, format_args!("cannot take the reservation {}", harmless(&id.0)), &error)
    })?;
    if json {
        print_json(&reservation_view(&put.reservation))?;
    } else {
        let Reservation { host, start_at, end_at, .. } = &put.reservation;
        let span = format!("from {} until {}", format_instant(*start_at), format_instant(*end_at));
        print_line(format_args!("{done}: {} on {host} {span}", harmless(&id.0)))?;
    }
    Ok(None)
}

fn list(reservations: &[ReservationRecordView], json: bool) -> Result<Option<Exit>, Failure> {
    if json {
        for one in reservations {
            print_json(one)?;
        }
        return Ok(None);
    }
    if reservations.is_empty() {
        print_line("No reservations.")?;
        return Ok(None);
    }
    let mut rows = vec![["Id", "Host", "Lab", "Start", "End", "Status", "Who", "At risk"].map(str::to_owned)];
    rows.extend(reservations.iter().map(|one| {
        let risks = one.at_risk.iter().flatten().map(|risk| risk.code.as_str()).collect::<Vec<_>>().join(", ");
        [
            harmless(&one.id),
            one.host.clone(),
            harmless(one.lab.as_deref().unwrap_or_default()),
            format_instant(one.start_at.0),
            format_instant(one.end_at.0),
            one.status.as_str().to_owned(),
            harmless(one.who.as_deref().unwrap_or_default()),
            risks,
        ]
    }));
    print_bytes(columns(&rows).as_bytes())?;
    Ok(None)
}
