//! What stands in the database about the stations of a batch: three tables, one round trip.

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Alert, Reservation};
use stationkeeper_telemetry::HostName;

use crate::statement::{MOST_ITEMS, Statement, Value, filled, usual_length};
use crate::{StoreError, StoredHeartbeat, Transaction, alerts, heartbeats, reservations};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// Which of the heartbeats that were asked for are there.
    pub heartbeats: Vec<StoredHeartbeat>,
    /// Unresolved alerts of the stations, by host and opening.
    pub alerts: Vec<Alert>,
    /// Reservations of the stations that touch the time that was asked for, cancelled ones included, by host and start.
    pub reservations: Vec<Reservation>,
}

impl Transaction {
    /// Reads it: which heartbeats of these hosts and timestamps are there; of these stations, unresolved alerts and the
    /// reservations that touch [from, to]. Lock the stations' states first, in a statement before this one: what this reads is
    /// what stood when it began.
    pub async fn standing(
        &mut self,
        keys: &[(HostName, DateTime<Utc>)],
        hosts: &[HostName],
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Standing, StoreError> {
        let mut found = Standing::default();
        if keys.is_empty() || hosts.is_empty() {
            found.heartbeats = self.heartbeats().existing(keys).await?;
            found.alerts = self.alerts().unresolved_of(hosts).await?;
            found.reservations = self.reservations().of_hosts(hosts, from, to).await?;
            return Ok(found);
        }
        let pieces = keys.len().max(hosts.len()).div_ceil(MOST_ITEMS);
        let (most_keys, most_hosts) = (keys.len().div_ceil(pieces), hosts.len().div_ceil(pieces));
        let mut hosts = hosts.chunks(most_hosts);
        for keys in keys.chunks(most_keys) {
            // Fewer pieces of hosts than of keys: a piece without hosts finds heartbeats only.
            let Some(hosts) = hosts.next() else {
                found.heartbeats.extend(self.heartbeats().existing(keys).await?);
                continue;
            };
            self.read_standing(keys, hosts, (from, to), &mut found).await?;
        }
        for hosts in hosts {
            found.alerts.extend(self.alerts().unresolved_of(hosts).await?);
            found.reservations.extend(self.reservations().of_hosts(hosts, from, to).await?);
        }
        found.alerts.sort_by(|one, other| {
            (&one.key.host, one.opened_at, &one.id.0).cmp(&(&other.key.host, other.opened_at, &other.id.0))
        });
        found.reservations.sort_by(|one, other| {
            (&one.host, one.start_at, &one.id.0).cmp(&(&other.host, other.start_at, &other.id.0))
        });
        Ok(found)
    }

    async fn read_standing(
        &mut self,
        keys: &[(HostName, DateTime<Utc>)],
        hosts: &[HostName],
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        found: &mut Standing,
    ) -> Result<(), StoreError> {
        let length = usual_length(keys.len().max(hosts.len()));
        let statement = Statement::new("read what stands about stations", include_str!("sql/standing.sql"))
            .times(length)
            .bind_all::<Value>(filled(keys, length).flat_map(|(host, at)| [host.into(), (*at).into()]))
            .bind_all(filled(hosts, length))
            .bind_all(filled(hosts, length))
            .bind(from)
            .bind(to);
        for row in self.link.fetch(statement).await? {
            match row.text("kind")?.as_str() {
                "heartbeat" => found.heartbeats.push(heartbeats::stored(&row.of(heartbeats::TABLE, heartbeats::KEY))?),
                "alert" => found.alerts.push(alerts::alert(&row.of("alerts", &["id"]))?),
                _ => found.reservations.push(reservations::reservation(&row.of("reservations", &["id"]))?),
            }
        }
        Ok(())
    }
}
