//! A list of reservations is taken: all of it or nothing, in one unit of work, or looked at without changing anything.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, Utc};
use serde_json::json;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus, Settings};
use stationkeeper_store::{AuditAction, AuditEntry, Author, CatalogHost, HostStatus, Store, Transaction};
use stationkeeper_telemetry::HostName;

use super::super::put::{AskedReservation, Became, PutReservationError, ReservationError, put_within, refuse_id};
use super::entries::{Asked, Entry, EntryRefusal, When};
use crate::error::ApiError;
use crate::repeating::repeating;

/// What a database can hold, with what lies around a reservation.
const YEARS: RangeInclusive<i32> = 1971..=9998;

/// How a list is taken.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Only looked at.
    pub dry_run: bool,
    /// The others are taken where some are refused.
    pub skip_refused: bool,
    /// Why reservations are taken although their station is in local mode.
    pub confirm_local_mode: Option<String>,
}

/// Why an entry is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The stable word.
    pub code: &'static str,
    /// In a sentence.
    pub text: String,
}

/// What became of an entry, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its place in the list.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// What it is now to what it was.
    pub outcome: Result<Became, Refused>,
}

/// What became of a list, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// What is new or changed is written.
    pub applied: bool,
    /// In the order of the list.
    pub entries: Vec<Imported>,
}

impl ImportReport {
    /// How many came to this.
    pub fn count(&self, is_so: impl Fn(&Result<Became, Refused>) -> bool) -> usize {
        self.entries.iter().filter(|entry| is_so(&entry.outcome)).count()
    }

    /// How many were refused.
    pub fn refused(&self) -> usize {
        self.count(Result::is_err)
    }
}

/// Takes a list of reservations. `may`: whether whoever asks may reserve in this laboratory.
///
/// # Errors
/// The store failed: nothing of it is written.
pub async fn import_reservations(
    store: &Store,
    entries: &[Entry],
    options: &ImportOptions,
    may: impl Fn(Option<&str>) -> bool,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<ImportReport, PutReservationError> {
    repeating!(once(store, entries, options, &may, author, now))
}

async fn once(
    store: &Store,
    entries: &[Entry],
    options: &ImportOptions,
    may: &impl Fn(Option<&str>) -> bool,
    author: &Author,
    now: DateTime<Utc>,
) -> Result<ImportReport, PutReservationError> {
    let (settings, catalog) = (store.settings().await?, store.catalog().await?);
    let ids: Vec<_> = entries.iter().map(|entry| ReservationId(entry.id.clone())).collect();
    let taken: Vec<_> = ids.iter().filter(|id| refuse_id(id).is_ok()).cloned().collect();
    let known = store.reservations_of_ids(&taken).await?;
    let known: HashMap<_, _> = known.into_iter().map(|one| (one.id.clone(), one)).collect();
    let mut work = store.begin().await?;
    // All stations at once and in their order, as whoever judges several does.
    let places = entries.iter().filter_map(|entry| placed(entry.asked.as_ref().ok()?, &catalog).ok()?);
    let hosts: BTreeSet<HostName> =
        places.map(|(host, _)| host).chain(known.values().map(|one| one.host.clone())).collect();
    let hosts: Vec<_> = hosts.into_iter().collect();
    work.states().ensure(&hosts, now).await?;
    work.states().lock(&hosts).await?;
    let mut seen = HashSet::new();
    let mut report = ImportReport { applied: false, entries: Vec::with_capacity(entries.len()) };
    for (entry, id) in entries.iter().zip(ids) {
        let outcome = match &entry.asked {
            Err(refusal) => Err(of_entry(refusal)),
            Ok(_) if !seen.insert(id.clone()) => Err(of_entry(&EntryRefusal::Repeated)),
            Ok(asked) => {
                let known = known.get(&id);
                let importing = Importing { settings: &settings, catalog: &catalog, options, author, now };
                match importing.one(&mut work, &id, asked, known, may).await {
                    Ok(became) => Ok(became),
                    Err(Failed::Refused(refused)) => Err(refused),
                    Err(Failed::Store(error)) => return Err(*error),
                }
            }
        };
        report.entries.push(Imported { number: entry.number, id: entry.id.clone(), outcome });
    }
    let is_wanted = !options.dry_run && (report.refused() == 0 || options.skip_refused);
    if !is_wanted {
        return Ok(report);
    }
    let [new, changed] = [Became::New, Became::Changed].map(|became| report.count(|outcome| *outcome == Ok(became)));
    let counts = json!({ "new": new, "changed": changed, "refused": report.refused() });
    let target = format!("{} entries", entries.len());
    let entry = AuditEntry::done(author, AuditAction::ReservationImport, target, now).with(counts);
    work.audit().append(&[entry]).await?;
    work.commit().await?;
    tracing::info!(new, changed, refused = report.refused(), "a list of reservations was taken");
    Ok(ImportReport { applied: true, ..report })
}

enum Failed {
    Refused(Refused),
    Store(Box<PutReservationError>),
}

impl From<ReservationError> for Failed {
    fn from(error: ReservationError) -> Self {
        let text = error.to_string();
        Self::Refused(Refused { code: ApiError::Reservation(error).code(), text })
    }
}

struct Importing<'a> {
    settings: &'a Settings,
    catalog: &'a [CatalogHost],
    options: &'a ImportOptions,
    author: &'a Author,
    now: DateTime<Utc>,
}

impl Importing<'_> {
    async fn one(
        &self,
        work: &mut Transaction,
        id: &ReservationId,
        asked: &Asked,
        known: Option<&Reservation>,
        may: &impl Fn(Option<&str>) -> bool,
    ) -> Result<Became, Failed> {
        refuse_id(id)?;
        if known.is_none() && asked.status == Some(ReservationStatus::Cancelled) {
            return Ok(Became::Same);
        }
        let place = placed(asked, self.catalog)?;
        let lab = place.as_ref().and_then(|(_, lab)| lab.as_deref());
        let labs = [(place.is_some(), lab), (known.is_some(), known.and_then(|one| one.lab.as_deref()))];
        if labs.iter().any(|(counts, lab)| *counts && !may(*lab)) {
            return Err(Failed::Refused(Refused { code: "other_lab", text: ApiError::OtherLab.to_string() }));
        }
        let lab = lab.or_else(|| known.and_then(|one| one.lab.as_deref()));
        let at = |when: Option<When>| {
            let Some(when) = when else { return Ok(None) };
            let (at, said) = match when {
                When::At(at) => (Some(at), at.to_string()),
                When::Local(local) => (self.settings.time_zone(lab).utc_of(local), local.to_string()),
            };
            let refused = || Failed::Refused(of_entry(&EntryRefusal::Times(said)));
            at.filter(|at| YEARS.contains(&at.year())).map(Some).ok_or_else(refused)
        };
        let asked = AskedReservation {
            host: None,
            lab: None,
            start_at: at(asked.start)?,
            end_at: at(asked.end)?,
            status: asked.status,
            who: asked.who.clone(),
            confirm_local_mode: self.options.confirm_local_mode.clone(),
            expected: None,
        };
        match put_within(work, self.settings, id, &asked, place, self.author, self.now).await {
            Ok(done) => Ok(done.became),
            Err(PutReservationError::Refused(error)) => Err(error.into()),
            Err(error) => Err(Failed::Store(Box::new(error))),
        }
    }
}

fn of_entry(refusal: &EntryRefusal) -> Refused {
    Refused { code: refusal.as_str(), text: refusal.to_string() }
}

/// The station that an entry means, and its lab; none: it says nothing of it.
fn placed(asked: &Asked, catalog: &[CatalogHost]) -> Result<Option<(HostName, Option<String>)>, ReservationError> {
    let of_name = |name: &str| {
        let name = HostName::parse(name.trim()).ok()?;
        catalog.iter().find(|host| host.entry.host == name)
    };
    let of_lab = |lab: &str| {
        let found = catalog.iter().find(|host| host.entry.status != HostStatus::Retired && host.lists(lab));
        let found = found.ok_or_else(|| ReservationError::NoStationOf(lab.to_owned()))?;
        Ok(Some((found.entry.host.clone(), Some(lab.to_owned()))))
    };
    match (&asked.host, &asked.lab, &asked.place) {
        (Some(name), lab, _) => {
            let found = of_name(name).ok_or_else(|| ReservationError::NoSuchStation(name.clone()))?;
            Ok(Some((found.entry.host.clone(), lab.clone().or_else(|| found.entry.lab.clone()))))
        }
        (None, Some(lab), _) => of_lab(lab),
        (None, None, Some(place)) => match of_name(place) {
            Some(found) => Ok(Some((found.entry.host.clone(), found.entry.lab.clone()))),
            None => of_lab(place),
        },
        (None, None, None) => Ok(None),
    }
}
