//! Nothing lost, nothing double, and enough happened: what every test of faults ends with.
//!
//! ```no_run
//! # use stationkeeper_pipeline::memory::MemoryBucket;
//! # use stationkeeper_tests::conservation::{Conservation, accepted_by_memory};
//! # async fn example(objects: &MemoryBucket, url: &str, kills: u64) {
//! Conservation::of(url)
//!     .accepted(accepted_by_memory(objects)) // or `accepted_by_embedded(file)`, or a list of your own
//!     .observed("kills", kills)
//!     .at_least("kills", 100)
//!     .at_least("history", 1_000)
//!     .holds()
//!     .await;
//! # }
//! ```
//!
//! It reads the tables past the store, decompresses the bodies itself, and names every violation, not only the first.

mod accepted;
mod alerts;
mod decisions;
mod history;
mod objects;
mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use stationkeeper_store::ObjectVersion;

pub use accepted::{Accepted, accepted_by_embedded, accepted_by_memory, announced, waiting_in_embedded};

use crate::tables::Tables;

/// So many violations of one kind are shown; the others are counted.
const SHOWN: usize = 12;

/// What a test knows from outside: what was accepted, what waits, what it did.
#[derive(Debug, Clone, Default)]
pub struct Conservation {
    url: String,
    accepted: Vec<Accepted>,
    waiting: BTreeSet<ObjectVersion>,
    observed: BTreeMap<&'static str, u64>,
    enough: Vec<(&'static str, u64)>,
}

/// What was counted: what the test observed, and these of the checker's own: `accepted`, `unanswered`, `waiting`, `stations`,
/// `history`, `variants`, `state_documents` (accepted versions that are neither history nor quarantine), `quarantined`, `events`,
/// `forced_logoffs`, `alerts`, `unresolved`, `transitions`, `messages`.
pub type Counts = BTreeMap<&'static str, u64>;

/// All that is wrong, by kind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Violations {
    of: BTreeMap<&'static str, Vec<String>>,
}

impl Conservation {
    /// Of the database that a store opens by this URL.
    pub fn of(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Adds versions that the bucket accepted. Those below `quarantine/` are our own copies, and are passed over.
    #[must_use]
    pub fn accepted(mut self, versions: impl IntoIterator<Item = Accepted>) -> Self {
        self.accepted.extend(versions.into_iter().filter(|one| !one.object.key.starts_with("quarantine/")));
        self
    }

    /// Adds versions whose delivery is still in the queue.
    #[must_use]
    pub fn waiting(mut self, versions: impl IntoIterator<Item = ObjectVersion>) -> Self {
        self.waiting.extend(versions);
        self
    }

    /// Says how often something happened; twice adds up.
    #[must_use]
    pub fn observed(mut self, what: &'static str, count: u64) -> Self {
        *self.observed.entry(what).or_default() += count;
        self
    }

    /// Demands that something happened at least so often: of what was observed, or of [`Counts`].
    #[must_use]
    pub fn at_least(mut self, what: &'static str, minimum: u64) -> Self {
        self.enough.push((what, minimum));
        self
    }

    /// What was counted.
    ///
    /// # Errors
    /// Everything that is not as it should be.
    ///
    /// # Panics
    /// Where the database cannot be read.
    pub async fn check(&self) -> Result<Counts, Violations> {
        let mut tables = Tables::open(&self.url).await.expect("the database can be opened");
        let found = self.check_in(&mut tables).await;
        tables.close().await.expect("the connection ends in an orderly way");
        found
    }

    /// As [`check`](Self::check), over a connection that is open already: quicker for many small databases.
    ///
    /// # Errors
    /// Everything that is not as it should be.
    ///
    /// # Panics
    /// Where the database cannot be read.
    pub async fn check_in(&self, tables: &mut Tables) -> Result<Counts, Violations> {
        let mut found = Violations::default();
        let mut counts = self.observed.clone();
        let history = history::read(tables).await.expect("history can be read");
        history::check(&history, &self.accepted, &mut found, &mut counts);
        history::check_latest(&history, tables, &mut found).await.expect("states can be read");
        objects::check(&self.accepted, &self.waiting, &history, tables, &mut found, &mut counts)
            .await
            .expect("objects can be read");
        alerts::check(tables, &mut found, &mut counts).await.expect("alerts can be read");
        decisions::check(tables, &mut found, &mut counts).await.expect("decisions can be read");
        references::check(tables, &mut found, &mut counts).await.expect("the other tables can be read");
        for (what, minimum) in &self.enough {
            let count = counts.get(what).copied().unwrap_or_default();
            if count < *minimum {
                found.add("too little happened", format!("{what}: {count}, of {minimum} at least"));
            }
        }
        if found.of.is_empty() { Ok(counts) } else { Err(found) }
    }

    /// As [`check`](Self::check).
    ///
    /// # Panics
    /// With everything that is not as it should be.
    pub async fn holds(&self) -> Counts {
        self.check().await.unwrap_or_else(|violations| panic!("{violations}"))
    }
}

impl Violations {
    pub(crate) fn add(&mut self, kind: &'static str, what: String) {
        self.of.entry(kind).or_default().push(what);
    }

    /// The kinds, in order of their names.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.of.keys().copied().collect()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "conservation is violated:")?;
        for (kind, violations) in &self.of {
            writeln!(f, "  {kind} ({}):", violations.len())?;
            for violation in violations.iter().take(SHOWN) {
                writeln!(f, "    {violation}")?;
            }
            if violations.len() > SHOWN {
                writeln!(f, "    and {} more", violations.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
