//! A copy of the access keys beside the bucket's file: stations must not be locked out because a page of the file is damaged.

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

use crate::database::micros;
use crate::error::{BucketError, Fault};

/// A row of `credentials`.
#[derive(Serialize, Deserialize, sqlx::FromRow)]
struct Key {
    access_key_id: String,
    secret: String,
    host: String,
    root: bool,
}

/// Writes the copy anew where it is no longer the same, readable by the owner alone.
pub(crate) async fn save(path: &Path, reads: &SqlitePool) -> Result<(), BucketError> {
    let keys: Vec<Key> =
        sqlx::query_as("select access_key_id, secret, host, root from credentials order by made_at_us, access_key_id")
            .fetch_all(reads)
            .await
            .map_err(BucketError::doing("read the access keys"))?;
    let text = serde_json::to_vec(&keys).unwrap_or_default();
    let (place, new) = (beside(path, ".keys"), beside(path, ".keys.new"));
    if std::fs::read(&place).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    let mut writing = std::fs::OpenOptions::new();
    writing.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut writing, 0o600);
    let written = writing.open(&new).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&new, &place))
        .map_err(|source| BucketError::Unwritable { path: place, source: Fault::File(source) })
}

/// Puts those of the copy back that the file lost. A copy that cannot be read has none.
pub(crate) async fn restore(path: &Path, writes: &SqlitePool, now: DateTime<Utc>) -> Result<(), BucketError> {
    let keys: Vec<Key> = std::fs::read(beside(path, ".keys"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    for key in keys {
        sqlx::query(
            "insert into credentials (access_key_id, secret, host, root, made_at_us) values (?, ?, ?, ?, ?)
            on conflict (access_key_id) do nothing",
        )
        .bind(&key.access_key_id)
        .bind(&key.secret)
        .bind(&key.host)
        .bind(key.root)
        .bind(micros(now))
        .execute(writes)
        .await
        .map_err(BucketError::doing("store an access key"))?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
