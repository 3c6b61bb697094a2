//! Access keys in the file, with a copy in memory that every request looks into.

use std::path::Path;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use sqlx::SqlitePool;
use stationkeeper_telemetry::HostName;

use crate::bucket::EmbeddedBucket;
use crate::credential::{Credential, Scope, SecretAccessKey};
use crate::database::{self, micros};
use crate::error::BucketError;
use crate::keys;
use crate::options::BucketOptions;

impl EmbeddedBucket {
    /// Adds a credential, or replaces the one with its access key.
    ///
    /// # Errors
    /// The file could not be written; the old one stays valid.
    pub async fn add_credential(&self, credential: Credential) -> Result<(), BucketError> {
        self.store_credential(credential, false).await
    }

    /// The credential that reaches everything, made at the first open, or anew after it was revoked.
    ///
    /// # Errors
    /// The file could not be read or written.
    pub async fn root_credential(&self) -> Result<Credential, BucketError> {
        let found =
            sqlx::query_as::<_, (String, String)>("select access_key_id, secret from credentials where root = 1")
                .fetch_optional(&self.writes)
                .await
                .map_err(BucketError::doing("read the root access key"))?;
        if let Some((access_key_id, secret)) = found {
            return Ok(Credential { access_key_id, secret: SecretAccessKey::new(secret), scope: Scope::All });
        }
        let made = Credential::generate(Scope::All)?;
        self.store_credential(made.clone(), true).await?;
        Ok(made)
    }

    /// The credential of a station; made when it has none.
    ///
    /// # Errors
    /// The file could not be read or written.
    pub async fn credential_for_station(&self, host: &HostName) -> Result<Credential, BucketError> {
        let credential = of_station(&self.writes, host, self.now()).await?;
        self.save_keys().await?;
        let mut known = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(credential.access_key_id.clone(), credential.clone());
        Ok(credential)
    }

    /// [`credential_for_station`](Self::credential_for_station) for a bucket that another process has: that one admits the key
    /// from its next request on. The file must be a bucket already.
    ///
    /// # Errors
    /// The file could not be read or written.
    pub async fn credential_for_station_beside(
        path: &Path,
        options: BucketOptions,
        host: &HostName,
    ) -> Result<Credential, BucketError> {
        let pools = database::open(path, &options).await?;
        let credential = of_station(&pools.writes, host, (options.clock)()).await;
        keys::save(path, &pools.reads).await?;
        pools.reads.close().await;
        pools.writes.close().await;
        credential
    }

    /// Takes an access key out of use at once. `false`: there was none of that name.
    ///
    /// # Errors
    /// The file could not be written; the key stays valid.
    pub async fn revoke(&self, access_key_id: &str) -> Result<bool, BucketError> {
        sqlx::query("delete from credentials where access_key_id = ?")
            .bind(access_key_id)
            .execute(&self.writes)
            .await
            .map_err(BucketError::doing("revoke an access key"))?;
        self.save_keys().await?;
        let mut known = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.remove(access_key_id).is_some())
    }

    /// The credential of an access key, if it is in use. What another process added is looked up in the file, and not remembered:
    /// a key that is revoked meanwhile must not come back.
    pub(crate) async fn credential(&self, access_key_id: &str) -> Result<Option<Credential>, BucketError> {
        let known = self.credentials.read().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned();
        match known {
            Some(credential) => Ok(Some(credential)),
            None => database::load_credential(&self.reads, access_key_id).await,
        }
    }

    /// Only of a file that has such a copy.
    async fn save_keys(&self) -> Result<(), BucketError> {
        match &self.owned {
            Some(path) => keys::save(path, &self.reads).await,
            None => Ok(()),
        }
    }

    async fn store_credential(&self, credential: Credential, root: bool) -> Result<(), BucketError> {
        insert(&self.writes, &credential, root, self.now()).await?;
        self.save_keys().await?;
        let mut known = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(credential.access_key_id.clone(), credential);
        Ok(())
    }
}

/// The oldest credential of a station; made when it has none.
async fn of_station(writes: &SqlitePool, host: &HostName, now: DateTime<Utc>) -> Result<Credential, BucketError> {
    let scope = Scope::Station(host.clone());
    if let Some(found) = oldest(writes, &scope).await? {
        return Ok(found);
    }
    let made = Credential::generate(scope)?;
    insert(writes, &made, false, now).await?;
    // Another process may have made one at the same time: both are valid, and everybody is told the same.
    Ok(oldest(writes, &made.scope).await?.unwrap_or(made))
}

async fn oldest(writes: &SqlitePool, scope: &Scope) -> Result<Option<Credential>, BucketError> {
    let find =
        "select access_key_id, secret from credentials where host = ? order by made_at_us, access_key_id limit 1";
    let found = sqlx::query_as::<_, (String, String)>(find)
        .bind(scope.host())
        .fetch_optional(writes)
        .await
        .map_err(BucketError::doing("read the access key of a station"))?;
    Ok(found.map(|(access_key_id, secret)| Credential {
        access_key_id,
        secret: SecretAccessKey::new(secret),
        scope: scope.clone(),
    }))
}

async fn insert(
    writes: &SqlitePool,
    credential: &Credential,
    root: bool,
    now: DateTime<Utc>,
) -> Result<(), BucketError> {
    let sql = "insert into credentials (access_key_id, secret, host, root, made_at_us) values (?, ?, ?, ?, ?)
        on conflict (access_key_id) do update set secret = excluded.secret, host = excluded.host, root = excluded.root";
    sqlx::query(sql)
        .bind(&credential.access_key_id)
        .bind(credential.secret.expose())
        .bind(credential.scope.host())
        .bind(root)
        .bind(micros(now))
        .execute(writes)
        .await
        .map_err(BucketError::doing("store an access key"))?;
    Ok(())
}
