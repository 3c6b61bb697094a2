//! At most one a station in ten minutes and four an hour; three at once are one.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_telemetry::HostName;

use super::happening::Happening;

const STATION: TimeDelta = TimeDelta::minutes(10);
const HOUR: TimeDelta = TimeDelta::hours(1);
const HOURLY: usize = 4;
const TOGETHER: usize = 3;

/// What is told now.
#[derive(Debug, PartialEq)]
pub(super) enum Allowed {
    /// Each by itself.
    Each(Vec<Happening>),
    /// All in one.
    Together(Vec<Happening>),
}

/// When what was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    stations: BTreeMap<HostName, DateTime<Utc>>,
    told: Vec<DateTime<Utc>>,
}

impl Limits {
    /// What is left of what happened; one of a station, the first.
    pub fn let_through(&mut self, happened: Vec<Happening>, now: DateTime<Utc>) -> Allowed {
        self.stations.retain(|_, at| now - *at < STATION);
        self.told.retain(|at| now - *at < HOUR);
        let mut kept: Vec<Happening> = Vec::new();
        for one in happened {
            let seen = self.stations.contains_key(one.host()) || kept.iter().any(|other| other.host() == one.host());
            if !seen {
                kept.push(one);
            }
        }
        let left = HOURLY.saturating_sub(self.told.len());
        if left == 0 {
            return Allowed::Each(Vec::new());
        }
        match kept.len() >= TOGETHER || kept.len() > left {
            true => Allowed::Together(kept),
            false => Allowed::Each(kept),
        }
    }

    /// It was told, and was about these.
    pub fn count<'a>(&mut self, hosts: impl IntoIterator<Item = &'a HostName>, now: DateTime<Utc>) {
        self.told.push(now);
        self.stations.extend(hosts.into_iter().map(|host| (host.clone(), now)));
    }
}
