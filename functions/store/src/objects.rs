//! Objects of the bucket: those seen (`ingested_objects`) and those put aside (`quarantined_objects`).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::error::Inconsistency;
use crate::key::{KEY_BYTES, OBJECT_KEY_BYTES, bounded};
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value, padded, pieces};
use crate::{Store, StoreError, Transaction};

/// How much of a quarantined object stands in its row.
const FIRST_BYTES: usize = 256;

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectVersion {
    /// The decoded key.
    pub key: String,
    /// `versionId`, or whatever stands for it (ETag and time of the PUT); empty where the bucket has none.
    pub version: String,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IngestOutcome {
    /// It is in the tables.
    Ingested,
    /// It was there already.
    Duplicate,
    /// It was put aside.
    Quarantined,
    /// Not one of ours.
    Ignored,
}

/// An object that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedObject {
    /// Which.
    pub object: ObjectVersion,
    /// Below whose prefix it lay.
    pub host: Option<HostName>,
    /// A reason of the closed list (telemetry.md section 6).
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// Its first bytes (more than 256 are cut off here).
    pub first_bytes: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// When it was put.
    pub arrived_at: DateTime<Utc>,
    /// When it was put aside.
    pub quarantined_at: DateTime<Utc>,
    /// Where it lies now; none: it was too large to be copied, and lies where it was.
    pub quarantine_key: Option<String>,
}

/// Objects in a unit of work.
pub struct Objects<'t>(pub(crate) &'t mut Link);

impl Objects<'_> {
    /// Which of these are done with.
    pub async fn known(
        &mut self,
        objects: &[ObjectVersion],
    ) -> Result<Vec<(ObjectVersion, IngestOutcome)>, StoreError> {
        known(self.0, objects).await
    }

    /// These are done with. One that already was stays as it is.
    pub async fn mark(
        &mut self,
        objects: &[(ObjectVersion, IngestOutcome)],
        ingested_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        for rows in marks(objects, ingested_at) {
            self.0.execute(mark(rows)).await?;
        }
        Ok(())
    }

    /// Records what was put aside. One that already was stays as it is.
    pub async fn quarantine(&mut self, objects: &[QuarantinedObject]) -> Result<(), StoreError> {
        let rows = objects
            .iter()
            .map(|one| {
                vec![
                    bounded(&one.object.key, OBJECT_KEY_BYTES).into(),
                    bounded(&one.object.version, KEY_BYTES).into(),
                    one.host.as_ref().into(),
                    (&one.reason).into(),
                    (&one.detail).into(),
                    one.first_bytes.get(..FIRST_BYTES).unwrap_or(&one.first_bytes).into(),
                    one.size.into(),
                    one.arrived_at.into(),
                    one.quarantined_at.into(),
                    one.quarantine_key.as_ref().into(),
                ]
            })
            .collect();
        self.0.write_rows("record quarantined objects", include_str!("sql/quarantine_objects.sql"), rows).await
    }
}

fn marks(objects: &[(ObjectVersion, IngestOutcome)], ingested_at: DateTime<Utc>) -> Vec<Vec<Vec<Value>>> {
    let day = ingested_at.format("%Y-%m-%d").to_string();
    pieces(
        objects
            .iter()
            .map(|(object, outcome)| vec![hash(object).into(), outcome.number().into(), (&day).into()])
            .collect(),
    )
}

fn mark(rows: Vec<Vec<Value>>) -> Statement {
    Statement::new("mark objects as ingested", include_str!("sql/mark_objects.sql")).rows(rows)
}

impl Transaction {
    /// [`commit`](Self::commit), with these objects [marked](Objects::mark): on MySQL in one round trip.
    pub async fn commit_marking(
        mut self,
        objects: &[(ObjectVersion, IngestOutcome)],
        ingested_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut marks = marks(objects, ingested_at);
        let Some(last) = marks.pop() else { return self.commit().await };
        for rows in marks {
            self.link.execute(mark(rows)).await?;
        }
        self.link.commit_after(mark(last)).await
    }
}

impl Store {
    /// Which of these are done with.
    pub async fn known_objects(
        &self,
        objects: &[ObjectVersion],
    ) -> Result<Vec<(ObjectVersion, IngestOutcome)>, StoreError> {
        known(&mut self.reader().await?, objects).await
    }

    /// Forgets that these were seen: when they are announced again, they are compared with history itself.
    pub async fn forget_objects(&self, objects: &[ObjectVersion]) -> Result<(), StoreError> {
        let mut link = self.writer().await?;
        for objects in objects.chunks(MOST_ITEMS) {
            let statement = Statement::new("forget that objects were seen", include_str!("sql/forget_objects.sql"))
                .times(objects.len())
                .bind_all(objects.iter().map(hash));
            link.execute(statement).await?;
        }
        link.commit().await
    }

    /// What was put aside (of one station, or all), newest first; `before` is `quarantined_at` and object of the last page's last.
    pub async fn quarantined(
        &self,
        host: Option<&HostName>,
        before: Option<(DateTime<Utc>, &ObjectVersion)>,
        limit: u32,
    ) -> Result<Vec<QuarantinedObject>, StoreError> {
        let mut statement = Statement::new("read what is in quarantine", include_str!("sql/quarantined.sql"))
            .of("quarantined_objects", &["object_key", "object_version"]);
        if let Some(host) = host {
            statement = statement.filter("host = ?", [host]);
        }
        if let Some((at, object)) = before {
            statement = statement.filter::<Value>(
                "(quarantined_at < ? or (quarantined_at = ? and (object_key > ? or (object_key = ? and object_version > ?))))",
                [
                    at.into(),
                    at.into(),
                    (&object.key).into(),
                    (&object.key).into(),
                    (&object.version).into(),
                ],
            );
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(quarantined).collect()
    }

    /// How many were put aside for which reason.
    pub async fn quarantined_by_reason(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let statement = Statement::new(
            "count what is in quarantine",
            "select reason, count(*) as objects from quarantined_objects group by reason order by reason",
        )
        .of("quarantined_objects", &["reason"]);
        let rows = self.reader().await?.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.text("reason")?, row.unsigned("objects")?))).collect()
    }
}

async fn known(link: &mut Link, objects: &[ObjectVersion]) -> Result<Vec<(ObjectVersion, IngestOutcome)>, StoreError> {
    let by_hash: HashMap<[u8; 16], &ObjectVersion> = objects.iter().map(|object| (hash(object), object)).collect();
    let hashes: Vec<[u8; 16]> = by_hash.keys().copied().collect();
    let mut found = Vec::new();
    for hashes in hashes.chunks(MOST_ITEMS) {
        let statement = Statement::new("read which objects were ingested", include_str!("sql/known_objects.sql"))
            .of("ingested_objects", &[])
            .times(padded(hashes).count())
            .bind_all(padded(hashes).copied());
        for row in link.fetch(statement).await? {
            let number = row.integer("outcome")?;
            let outcome = IngestOutcome::of_number(number)
                .ok_or_else(|| row.inconsistent("outcome", Inconsistency::Range(number)))?;
            let hash = row.blob("object_hash")?;
            if let Some(object) = <[u8; 16]>::try_from(hash).ok().and_then(|hash| by_hash.get(&hash)) {
                found.push(((*object).clone(), outcome));
            }
        }
    }
    Ok(found)
}

/// Half a SHA-256 of key and version: two objects of a bucket do not meet in 128 bits by chance.
fn hash(object: &ObjectVersion) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(object.key.as_bytes());
    digest.update([0]); // in no key
    digest.update(object.version.as_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    std::array::from_fn(|index| digest[index])
}

impl IngestOutcome {
    const fn number(self) -> i64 {
        match self {
            Self::Ingested => 1,
            Self::Duplicate => 2,
            Self::Quarantined => 3,
            Self::Ignored => 4,
        }
    }

    fn of_number(number: i64) -> Option<Self> {
        [Self::Ingested, Self::Duplicate, Self::Quarantined, Self::Ignored]
            .into_iter()
            .find(|outcome| outcome.number() == number)
    }
}

fn quarantined(row: &Row) -> Result<QuarantinedObject, StoreError> {
    Ok(QuarantinedObject {
        object: ObjectVersion { key: row.text("object_key")?, version: row.text("object_version")? },
        host: row.optional_host("host")?,
        reason: row.text("reason")?,
        detail: row.text("detail")?,
        first_bytes: row.blob("first_bytes")?,
        size: row.unsigned("size_bytes")?,
        arrived_at: row.instant("arrived_at")?,
        quarantined_at: row.instant("quarantined_at")?,
        quarantine_key: row.optional_text("quarantine_key")?,
    })
}
