//! Whether a PC is on.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::course::Down;

/// What a PC is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Nothing; a magic packet starts it.
    Off,
    /// Nothing, with its memory on disk; a magic packet starts it, and sessions are still there.
    Hibernated,
    /// It goes down; until then no packet starts it.
    GoingDown {
        /// When it is off.
        until: DateTime<Utc>,
    },
    /// It starts.
    Booting {
        /// When its services answer.
        until: DateTime<Utc>,
    },
    /// Its services answer.
    On,
}

/// One time that a PC was told to go down, or fell down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    /// Its services stop.
    pub from: DateTime<Utc>,
    /// It is off.
    pub off_at: DateTime<Utc>,
    pub hibernated: bool,
    /// It starts again, and its services answer; none: nobody started it.
    pub starts: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Outage {
    pub fn begin(at: DateTime<Utc>, down: Down, random: &mut ChaCha8Rng) -> Self {
        let off_at = at + TimeDelta::seconds(random.random_range(5..=15));
        let mut outage = Self { from: at, off_at, hibernated: down == Down::Hibernate, starts: None };
        if down == Down::Reboot {
            outage.start(off_at, random);
        }
        outage
    }

    /// Out of current at once, and so without a way down.
    pub fn abrupt(at: DateTime<Utc>) -> Self {
        Self { from: at, off_at: at, hibernated: false, starts: None }
    }

    pub fn start(&mut self, at: DateTime<Utc>, random: &mut ChaCha8Rng) {
        let seconds = if self.hibernated { 15..=30 } else { 40..=90 };
        self.starts = Some((at, at + TimeDelta::seconds(random.random_range(seconds))));
    }

    /// First instant after it.
    pub fn until(&self) -> Option<DateTime<Utc>> {
        self.starts.map(|(_, up_at)| up_at)
    }

    fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.until().is_none_or(|until| at < until)
    }

    fn power(&self, at: DateTime<Utc>) -> Power {
        match self.starts {
            _ if at < self.off_at => Power::GoingDown { until: self.off_at },
            Some((starts_at, until)) if starts_at <= at => Power::Booting { until },
            _ if self.hibernated => Power::Hibernated,
            _ => Power::Off,
        }
    }
}

/// The outages that nothing in the script foresaw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outages(Vec<Outage>);

impl Outages {
    pub fn push(&mut self, outage: Outage) {
        self.0.retain(|old| old.until().is_none_or(|until| outage.from < until));
        self.0.push(outage);
    }

    pub fn at(&self, at: DateTime<Utc>) -> Option<&Outage> {
        self.0.iter().find(|outage| outage.holds(at))
    }

    /// What the PC is doing, as far as these say.
    pub fn power(&self, at: DateTime<Utc>) -> Option<Power> {
        self.at(at).map(|outage| outage.power(at))
    }

    /// Starts a PC that is off; whether it was.
    pub fn start(&mut self, at: DateTime<Utc>, random: &mut ChaCha8Rng) -> Option<DateTime<Utc>> {
        let outage = self.0.iter_mut().find(|outage| outage.holds(at))?;
        if !matches!(outage.power(at), Power::Off | Power::Hibernated) {
            return None;
        }
        outage.start(at, random);
        outage.until()
    }

    /// When the next of them passes on.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let instants = self.0.iter().flat_map(|outage| [Some(outage.from), Some(outage.off_at), outage.until()]);
        instants.flatten().filter(|instant| at < *instant).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_795_000_000 + seconds)
    }

    #[test]
    fn a_pc_goes_down_in_seconds_and_comes_back_in_a_minute() {
        for seed in 0..50 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            for (down, off, boot) in
                [(Down::Shutdown, Power::Off, 40..=90), (Down::Hibernate, Power::Hibernated, 15..=30)]
            {
                let mut outages = Outages::default();
                assert_eq!(outages.power(at(0)), None);
                outages.push(Outage::begin(at(0), down, &mut random));
                let Some(Power::GoingDown { until }) = outages.power(at(0)) else { panic!("{down:?}") };
                assert!((at(5)..=at(15)).contains(&until));
                assert_eq!(outages.start(at(1), &mut random), None, "no packet starts a PC that goes down");
                assert_eq!(outages.power(until), Some(off));
                assert_eq!(outages.power(at(86_400)), Some(off), "nobody starts it");
                let up_at = outages.start(at(86_400), &mut random).unwrap();
                assert!(boot.contains(&(up_at - at(86_400)).num_seconds()));
                assert_eq!(outages.power(at(86_401)), Some(Power::Booting { until: up_at }));
                assert_eq!(outages.start(at(86_402), &mut random), None, "a second packet changes nothing");
                assert_eq!(outages.power(up_at), None, "on");
            }
            let reboot = Outage::begin(at(0), Down::Reboot, &mut random);
            let length = (reboot.until().unwrap() - at(0)).num_seconds();
            assert!((45..=105).contains(&length), "it comes back by itself: {length}");
        }
    }
}
