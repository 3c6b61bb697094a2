//! What a station is: name, role, hardware, and the cycles in which its script runs.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stationkeeper_telemetry::HostName;

use crate::hardware::Adapter;
use crate::role::{Profile, Role};
use crate::script::{Cycle, Script, script};
use crate::station_view::{INTEL, StationView};

/// Runs up to this long are one cycle.
const ONE_CYCLE: TimeDelta = TimeDelta::minutes(90);

/// What a station is, apart from what happens to it.
#[derive(Debug, Clone)]
pub(crate) struct Station {
    pub host: HostName,
    pub role: Role,
    /// Station time − true time.
    pub clock_offset: TimeDelta,
    /// Of the FMU executor, where one is installed.
    pub fmu_pid: Option<i64>,
    seed: u64,
    index: u64,
    adapters: Vec<Adapter>,
    armed: Vec<String>,
    pub lab_start: DateTime<Utc>,
    first_cycle: DateTime<Utc>,
    cycle_length: TimeDelta,
    alone: bool,
}

impl Station {
    /// The randomness of its service loop.
    pub fn randomness(&self) -> ChaCha8Rng {
        stream(self.seed, self.index, 1)
    }

    /// The randomness of commands, which changes nothing of the script's.
    pub fn command_randomness(&self) -> ChaCha8Rng {
        stream(self.seed, self.index, u64::from(u32::MAX))
    }

    /// Draws what is fixed about a station. Streams of one key: another station changes nothing here.
    pub fn new(
        host: HostName,
        role: Role,
        seed: u64,
        index: u64,
        start: DateTime<Utc>,
        length: Option<TimeDelta>,
    ) -> Self {
        let mut random = stream(seed, index, 0);
        let mac = |last: u8, [a, b, c]: [u8; 3]| format!("A4-BB-6D-{a:02X}-{b:02X}-{:02X}", c.wrapping_add(last));
        let tail: [u8; 3] = [random.random(), random.random(), random.random_range(0..250)];
        let mut adapters = vec![Adapter::new("Ethernet", INTEL, &mac(0, tail))];
        if random.random_bool(0.4) {
            adapters.push(Adapter::new("Ethernet 2", "Realtek PCIe GbE Family Controller", &mac(1, tail)));
        }
        if random.random_bool(0.2) {
            let mangled = "Conexi\u{fffd}n de \u{fffd}rea local";
            adapters.push(Adapter::new(mangled, "Broadcom NetXtreme Gigabit", &mac(2, tail)));
        }
        let armed = match random.random_range(0..5) {
            0 => vec![],
            1 | 2 => vec![INTEL.to_owned()],
            _ => vec![INTEL.to_owned(), "HID Keyboard Device".to_owned()],
        };
        let fmu_pid = random.random_bool(0.3).then(|| random.random_range(2000..14000));
        let ahead = TimeDelta::seconds(random.random_range(300..540));
        let own_length = TimeDelta::minutes(random.random_range(60..=90));
        let shift = TimeDelta::seconds(random.random_range(0..own_length.num_seconds()));
        let one = length.filter(|length| *length <= ONE_CYCLE);
        Self {
            clock_offset: if role == Role::ClockAhead { ahead } else { TimeDelta::zero() },
            host,
            role,
            fmu_pid,
            seed,
            index,
            adapters,
            armed,
            lab_start: start,
            first_cycle: if one.is_some() { start } else { start - shift },
            cycle_length: one.unwrap_or(own_length),
            alone: one.is_some(),
        }
    }

    /// The n-th cycle.
    pub fn cycle(&self, index: u64) -> Cycle {
        let offset = self.cycle_length * i32::try_from(index).unwrap_or(i32::MAX);
        Cycle { index, start: self.first_cycle + offset, length: self.cycle_length }
    }

    /// What happens in it.
    pub fn script(&self, cycle: &Cycle) -> Script {
        let mut random = stream(self.seed, self.index, 2 + cycle.index);
        script(self.role, cycle, self.alone, self.fmu_pid.is_some(), &mut random)
    }

    /// All cycles that begin before `end`, with their scripts.
    pub fn scripts_until(&self, end: DateTime<Utc>) -> impl Iterator<Item = (Cycle, Script)> {
        (0..).map(|index| self.cycle(index)).take_while(move |cycle| cycle.start < end).map(|cycle| {
            let script = self.script(&cycle);
            (cycle, script)
        })
    }

    /// Its PC when all is well.
    pub fn view(&self) -> StationView {
        let mut view = StationView::ready(self.host.as_str(), self.lab_start);
        view.profile = self.role.profile();
        view.adapters = self.adapters.clone();
        view.armed = self.armed.clone();
        view.spanish = self.role == Role::SpanishWindows;
        view.lab_user_since =
            (view.profile == Profile::Server).then(|| local_time(self.lab_start - TimeDelta::minutes(5)));
        view
    }
}

/// Independent randomness for one purpose of one station.
fn stream(seed: u64, index: u64, purpose: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(((index + 1) << 32) | purpose);
    random
}

/// As the session list shows it: the lab's clocks are an hour ahead of UTC.
pub(crate) fn local_time(at: DateTime<Utc>) -> String {
    let (pm, hour) = (at + TimeDelta::hours(1)).hour12();
    let half = if pm { "PM" } else { "AM" };
    format!("{} {hour}:{:02} {half}", (at + TimeDelta::hours(1)).format("%-m/%-d/%Y"), at.minute())
}
