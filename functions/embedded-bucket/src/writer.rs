//! The one writer of versions. It batches the changes that wait for it into one transaction, so that many small PUTs share an fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::database::micros;
use crate::error::BucketError;
use crate::key::ObjectKey;
use crate::notification::{Happening, Speaker, Subject, notification};
use crate::object::{Attributes, Checksums, Refusal, Stored, WriteCondition};
use crate::options::{BucketOptions, Clock};

/// Changes that share a transaction at most.
const BATCH: usize = 64;

/// Changes that may wait; further ones wait in their request.
const WAITING: usize = 256;

/// A body to be stored.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) key: ObjectKey,
    pub(crate) body: Bytes,
    pub(crate) etag: String,
    pub(crate) checksums: Checksums,
    pub(crate) attributes: Attributes,
    pub(crate) condition: WriteCondition,
    pub(crate) happening: Happening,
}

/// A change of the bucket.
#[derive(Debug)]
pub(crate) enum Change {
    Put(Box<Put>),
    /// Puts a delete marker over the object; nothing to do where there is none.
    Mark {
        key: String,
        condition: WriteCondition,
        happening: Happening,
    },
    /// Removes one version for good.
    Remove {
        key: String,
        version_id: String,
        happening: Happening,
    },
}

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Applied {
    Stored(Stored),
    Refused(Refusal),
    /// The marker that was made or removed, by its version id; none where no marker was concerned.
    Deleted {
        marker: Option<String>,
    },
}

struct Waiting {
    change: Change,
    answer: oneshot::Sender<Result<Applied, BucketError>>,
}

/// Hands changes to the writing task, which ends when the last handle is gone.
#[derive(Debug)]
pub(crate) struct Writer {
    changes: mpsc::Sender<Waiting>,
    failing: Arc<AtomicBool>,
    damage: watch::Receiver<u64>,
}

/// What the writing task needs besides a connection.
struct Desk {
    speaker: Speaker,
    clock: Clock,
    epoch: String,
    /// The last commit failed.
    failing: Arc<AtomicBool>,
    /// How many commits failed because the file is damaged.
    damage: watch::Sender<u64>,
}

impl Writer {
    pub(crate) async fn start(
        writes: SqlitePool,
        options: &BucketOptions,
        arrived: Arc<Notify>,
        tasks: &TaskTracker,
    ) -> Result<Self, BucketError> {
        let epoch = sqlx::query_scalar("select epoch from bucket where id = 1")
            .fetch_one(&writes)
            .await
            .map_err(BucketError::doing("read the epoch"))?;
        let speaker = Speaker { bucket: options.name.clone(), region: options.region.clone() };
        let failing = Arc::new(AtomicBool::new(false));
        let (damage, damage_seen) = watch::channel(0);
        let desk = Desk { speaker, clock: Arc::clone(&options.clock), epoch, failing: Arc::clone(&failing), damage };
        let (changes, receiver) = mpsc::channel(WAITING);
        tasks.spawn(desk.run(writes, receiver, arrived));
        Ok(Self { changes, failing, damage: damage_seen })
    }

    /// The last change could not be committed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// How many changes could not be committed because the file is damaged.
    pub(crate) fn damage(&self) -> watch::Receiver<u64> {
        self.damage.clone()
    }

    /// Something else was committed since.
    pub(crate) fn takes_changes_again(&self) {
        self.failing.store(false, Ordering::Relaxed);
    }

    /// Commits a change. When this returns an error, nothing of it was committed, unless the commit itself failed unheard.
    pub(crate) async fn apply(&self, change: Change) -> Result<Applied, BucketError> {
        let (answer, answered) = oneshot::channel();
        self.changes.send(Waiting { change, answer }).await.map_err(|_| BucketError::Closed)?;
        answered.await.map_err(|_| BucketError::Closed)?
    }
}

impl Desk {
    async fn run(self, writes: SqlitePool, mut receiver: mpsc::Receiver<Waiting>, arrived: Arc<Notify>) {
        let mut batch = Vec::with_capacity(BATCH);
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            match self.commit(&writes, batch.iter().map(|waiting| &waiting.change)).await {
                Ok(applied) => {
                    arrived.notify_waiters();
                    for (waiting, applied) in batch.drain(..).zip(applied) {
                        answer(waiting, Ok(applied));
                    }
                }
                Err(source) if batch.len() == 1 => {
                    if let Some(waiting) = batch.pop() {
                        answer(waiting, Err(BucketError::doing("commit a change")(source)));
                    }
                }
                // One bad change must not cost the others: each has its own transaction now, and its own answer.
                Err(_) => {
                    for waiting in batch.drain(..) {
                        let applied = self.commit(&writes, std::iter::once(&waiting.change)).await;
                        arrived.notify_waiters();
                        let applied = applied.map_err(BucketError::doing("commit a change"));
                        answer(waiting, applied.and_then(|mut one| one.pop().ok_or(BucketError::Closed)));
                    }
                }
            }
        }
    }

    /// All of the changes in one transaction, or none.
    async fn commit<'c>(
        &self,
        writes: &SqlitePool,
        changes: impl Iterator<Item = &'c Change>,
    ) -> Result<Vec<Applied>, sqlx::Error> {
        let committed = self.transact(writes, changes).await;
        self.failing.store(committed.is_err(), Ordering::Relaxed);
        if committed.as_ref().is_err_and(stationkeeper_sqlite_file::is_damage) {
            self.damage.send_modify(|count| *count += 1);
        }
        committed
    }

    async fn transact<'c>(
        &self,
        writes: &SqlitePool,
        changes: impl Iterator<Item = &'c Change>,
    ) -> Result<Vec<Applied>, sqlx::Error> {
        let mut connection = writes.acquire().await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        let mut applied = Vec::new();
        for change in changes {
            applied.push(self.apply(&mut transaction, change).await?);
        }
        transaction.commit().await?;
        Ok(applied)
    }

    async fn apply(&self, connection: &mut SqliteConnection, change: &Change) -> Result<Applied, sqlx::Error> {
        // Events and `Last-Modified` have milliseconds at most; all three shall say the same.
        let at = (self.clock)().trunc_subsecs(3);
        match change {
            Change::Put(put) => self.put(connection, put, at).await,
            Change::Mark { key, condition, happening } => self.mark(connection, key, condition, happening, at).await,
            Change::Remove { key, version_id, happening } => {
                self.remove(connection, key, version_id, happening, at).await
            }
        }
    }

    async fn put(
        &self,
        connection: &mut SqliteConnection,
        put: &Put,
        at: DateTime<Utc>,
    ) -> Result<Applied, sqlx::Error> {
        let key = put.key.as_str();
        if let Some(refusal) = refusal(&mut *connection, key, &put.condition).await? {
            return Ok(Applied::Refused(refusal));
        }
        let name = self.next_version(&mut *connection).await?;
        let row = Row {
            key,
            name: &name,
            delete_marker: false,
            body: &put.body,
            etag: &put.etag,
            checksums: &put.checksums,
            attributes: &put.attributes,
            at,
        };
        insert(&mut *connection, &row, put.key.makes_events()).await?;
        if put.key.makes_events() {
            let content = Some((put.body.len(), put.etag.as_str()));
            self.enqueue(connection, key, &name, &put.happening, content, at).await?;
        }
        let Name { version_id, sequencer, .. } = name;
        Ok(Applied::Stored(Stored { version_id, sequencer, etag: put.etag.clone(), last_modified: at }))
    }

    async fn mark(
        &self,
        connection: &mut SqliteConnection,
        key: &str,
        condition: &WriteCondition,
        happening: &Happening,
        at: DateTime<Utc>,
    ) -> Result<Applied, sqlx::Error> {
        if let Some(refusal) = refusal(&mut *connection, key, condition).await? {
            return Ok(Applied::Refused(refusal));
        }
        if latest_etag(&mut *connection, key).await?.is_none() {
            return Ok(Applied::Deleted { marker: None });
        }
        let name = self.next_version(&mut *connection).await?;
        let (checksums, attributes) = (Checksums::default(), Attributes::default());
        let row = Row {
            key,
            name: &name,
            delete_marker: true,
            body: &[],
            etag: "",
            checksums: &checksums,
            attributes: &attributes,
            at,
        };
        let makes_events = key.starts_with(crate::key::STATIONS);
        insert(&mut *connection, &row, makes_events).await?;
        if makes_events {
            self.enqueue(connection, key, &name, happening, None, at).await?;
        }
        Ok(Applied::Deleted { marker: Some(name.version_id) })
    }

    async fn remove(
        &self,
        connection: &mut SqliteConnection,
        key: &str,
        version_id: &str,
        happening: &Happening,
        at: DateTime<Utc>,
    ) -> Result<Applied, sqlx::Error> {
        let removed: Option<(bool, bool)> = sqlx::query_as(
            "delete from versions where object_key = ? and version_id = ? returning is_latest, delete_marker",
        )
        .bind(key)
        .bind(version_id)
        .fetch_optional(&mut *connection)
        .await?;
        let Some((was_latest, was_marker)) = removed else { return Ok(Applied::Deleted { marker: None }) };
        if was_latest {
            let heir = "update versions set is_latest = 1 where sequence = (select max(sequence) from versions where object_key = ?)";
            sqlx::query(heir).bind(key).execute(&mut *connection).await?;
        }
        if key.starts_with(crate::key::STATIONS) {
            // The sequence goes on, so that the event has a sequencer of its own; the version it names is the removed one.
            let name = Name { version_id: version_id.to_owned(), ..self.next_version(&mut *connection).await? };
            self.enqueue(connection, key, &name, happening, None, at).await?;
        }
        Ok(Applied::Deleted { marker: was_marker.then(|| version_id.to_owned()) })
    }

    async fn next_version(&self, connection: &mut SqliteConnection) -> Result<Name, sqlx::Error> {
        let sequence: i64 =
            sqlx::query_scalar("update bucket set sequence = sequence + 1 where id = 1 returning sequence")
                .fetch_one(connection)
                .await?;
        Ok(Name {
            sequence,
            version_id: format!("{sequence:016x}{}", self.epoch),
            sequencer: format!("{sequence:016X}"),
        })
    }

    async fn enqueue(
        &self,
        connection: &mut SqliteConnection,
        key: &str,
        name: &Name,
        happening: &Happening,
        content: Option<(usize, &str)>,
        at: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let subject = Subject { key, version_id: &name.version_id, sequencer: &name.sequencer, content, at };
        sqlx::query("insert into queue (version_id, body, visible_at_us, enqueued_at_us) values (?, ?, ?, ?)")
            .bind(&name.version_id)
            .bind(notification(&self.speaker, happening, &subject))
            .bind(micros(at))
            .bind(micros(at))
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// The names of a version.
struct Name {
    sequence: i64,
    version_id: String,
    sequencer: String,
}

struct Row<'r> {
    key: &'r str,
    name: &'r Name,
    delete_marker: bool,
    body: &'r [u8],
    etag: &'r str,
    checksums: &'r Checksums,
    attributes: &'r Attributes,
    at: DateTime<Utc>,
}

/// Whoever asked may have gone; the change stands all the same.
fn answer(waiting: Waiting, applied: Result<Applied, BucketError>) {
    if waiting.answer.send(applied).is_err() {
        tracing::debug!("the client of a change was gone before its answer");
    }
}

async fn insert(connection: &mut SqliteConnection, row: &Row<'_>, makes_events: bool) -> Result<(), sqlx::Error> {
    sqlx::query("update versions set is_latest = 0 where object_key = ? and is_latest = 1")
        .bind(row.key)
        .execute(&mut *connection)
        .await?;
    let sql = "insert into versions (sequence, object_key, version_id, is_latest, delete_marker, size, etag, checksums, attributes,
            last_modified_us, ingested_at_us, body) values (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(row.name.sequence)
        .bind(row.key)
        .bind(&row.name.version_id)
        .bind(row.delete_marker)
        .bind(i64::try_from(row.body.len()).map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
        .bind(row.etag)
        .bind(json(row.checksums)?)
        .bind(json(row.attributes)?)
        .bind(micros(row.at))
        // Where no event will come, nothing has to be waited for.
        .bind((!makes_events).then(|| micros(row.at)))
        .bind(row.body)
        .execute(connection)
        .await?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// The ETag of the object; none where there is no object, or a delete marker over it.
async fn latest_etag(connection: &mut SqliteConnection, key: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("select etag from versions where object_key = ? and is_latest = 1 and delete_marker = 0")
        .bind(key)
        .fetch_optional(connection)
        .await
}

async fn refusal(
    connection: &mut SqliteConnection,
    key: &str,
    condition: &WriteCondition,
) -> Result<Option<Refusal>, sqlx::Error> {
    if *condition == WriteCondition::Always {
        return Ok(None);
    }
    let latest = latest_etag(connection, key).await?;
    Ok(match (condition, latest) {
        (WriteCondition::Always, _) | (WriteCondition::Absent, None) => None,
        (WriteCondition::Absent, Some(_)) => Some(Refusal::Present),
        (WriteCondition::Etag(_), None) => Some(Refusal::Missing),
        (WriteCondition::Etag(asked), Some(latest)) => (*asked != latest).then_some(Refusal::OtherEtag),
    })
}
