//! Reservations as they come and move.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::{Reservation, ReservationSettings, links};
use stationkeeper_store::Transaction;
use stationkeeper_telemetry::HostName;

use crate::IngestError;
use crate::commit::reservations_of;

/// Takes a reservation, new or moved, in a unit of work of the caller's: its stations are locked, what lies in its windows, old and
/// new, is linked anew, and its stations are due at once. What it was before.
///
/// # Errors
/// The store failed: the unit of work is of no use any more.
pub async fn put_reservation(
    transaction: &mut Transaction,
    windows: &ReservationSettings,
    reservation: &Reservation,
    now: DateTime<Utc>,
) -> Result<Option<Reservation>, IngestError> {
    let seconds = |number: u32| TimeDelta::seconds(i64::from(number));
    let leads = [seconds(windows.start_lead_seconds), seconds(windows.forced_logoff_lead_seconds)];
    let before = leads[0].max(leads[1]);
    let after = seconds(windows.end_delay_seconds);
    let former = transaction.reservations().by_id(std::slice::from_ref(&reservation.id)).await?;
    let mut spans: Vec<(HostName, DateTime<Utc>, DateTime<Utc>)> = Vec::new();
    for one in former.iter().chain([reservation]) {
        spans.push((one.host.clone(), one.start_at - before, one.end_at + after));
    }
    let hosts: Vec<_> = spans.iter().map(|(host, _, _)| host.clone()).collect();
    transaction.states().ensure(&hosts, now).await?;
    let mut states = transaction.states().lock(&hosts).await?;
    transaction.reservations().save(std::slice::from_ref(reservation)).await?;
    let oldest = spans.iter().map(|(_, from, _)| *from).min().unwrap_or(reservation.start_at);
    let booked = reservations_of(transaction, &hosts, oldest - before).await?;
    for (host, from, to) in &spans {
        let none = Vec::new();
        let booked = booked.get(host).unwrap_or(&none);
        // Between two boundaries every heartbeat belongs to the same reservation: one statement a piece.
        for (from, to) in pieces(*from, *to, booked, leads, after) {
            let middle = from + (to - from) / 2;
            let heartbeat = links::of_heartbeat(middle, booked, windows);
            transaction.heartbeats().relink(host, from, to, heartbeat).await?;
            let logoff = links::of_forced_logoff(middle, booked, windows);
            transaction.forced_logoffs().relink(host, from, to, logoff).await?;
        }
    }
    // What time alone changes about this station may come sooner now: it is due at once.
    for state in &mut states {
        state.check_at = Some(now);
    }
    transaction.states().save(&states).await?;
    Ok(former.into_iter().next())
}

/// [from, to] cut at every instant where the reservation that a heartbeat or a logoff belongs to can change. A piece ends a
/// microsecond before the next begins.
fn pieces(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    booked: &[Reservation],
    leads: [TimeDelta; 2],
    after: TimeDelta,
) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let tick = TimeDelta::microseconds(1);
    let mut cuts = vec![from, to + tick];
    for one in booked {
        let [heartbeat, logoff] = leads.map(|lead| one.start_at - lead);
        for cut in [heartbeat, logoff, one.start_at, one.start_at + tick, one.end_at, one.end_at + after + tick] {
            if from < cut && cut <= to {
                cuts.push(cut);
            }
        }
    }
    cuts.sort();
    cuts.dedup();
    cuts.windows(2).map(|pair| (pair[0], pair[1] - tick)).collect()
}
