//! A simulated laboratory, cut into the ticks of the overdue check.

use std::iter::Peekable;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_simulator::{Document, Emissions, Lab, Upload};
use stationkeeper_telemetry::{HostName, ObjectKey, ObjectKind};

/// How often `up` checks.
pub const TICK: TimeDelta = TimeDelta::seconds(5);

/// What was put in five seconds; the check follows.
pub struct Tick {
    /// The end of them.
    pub now: DateTime<Utc>,
    /// In order.
    pub uploads: Vec<Upload>,
}

/// Ticks up to the end of a lab.
pub struct Ticks {
    emissions: Peekable<Emissions>,
    now: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Ticks {
    pub fn of(lab: &Lab) -> Self {
        Self { emissions: lab.emissions().peekable(), now: lab.plan().start, end: lab.end() }
    }
}

impl Iterator for Ticks {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        if self.now >= self.end {
            return None;
        }
        self.now += TICK;
        let mut uploads = Vec::new();
        while let Some(emission) = self.emissions.next_if(|emission| emission.upload.at <= self.now) {
            uploads.push(emission.upload);
        }
        Some(Tick { now: self.now, uploads })
    }
}

/// All reservations of a lab.
pub fn reservations(lab: &Lab) -> Vec<Reservation> {
    lab.reservations()
        .into_iter()
        .map(|one| Reservation {
            id: ReservationId(one.id),
            lab: None,
            host: HostName::parse(&one.host).unwrap(),
            start_at: one.start_utc,
            end_at: one.end_utc,
            status: ReservationStatus::Confirmed,
            who: None,
        })
        .collect()
}

pub fn kind(document: Document) -> ObjectKind {
    match document {
        Document::Heartbeat => ObjectKind::Heartbeat,
        Document::Status => ObjectKind::Status,
        Document::Events => ObjectKind::Events,
        Document::ServiceState => ObjectKind::ServiceState,
    }
}

/// The key that a document is put under.
pub fn key(upload: &Upload) -> String {
    ObjectKey::latest(&upload.host, kind(upload.document)).into_string()
}
