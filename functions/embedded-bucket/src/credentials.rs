//! Access keys in the file, with a copy in memory that every request looks into.

use std::sync::PoisonError;

use stationkeeper_telemetry::HostName;

use crate::bucket::EmbeddedBucket;
use crate::credential::{Credential, Scope, SecretAccessKey};
use crate::database::micros;
use crate::error::BucketError;

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
        let scope = Scope::Station(host.clone());
        let find =
            "select access_key_id, secret from credentials where host = ? order by made_at_us, access_key_id limit 1";
        let found = sqlx::query_as::<_, (String, String)>(find)
            .bind(scope.host())
            .fetch_optional(&self.writes)
            .await
            .map_err(BucketError::doing("read the access key of a station"))?;
        if let Some((access_key_id, secret)) = found {
            return Ok(Credential { access_key_id, secret: SecretAccessKey::new(secret), scope });
        }
        let made = Credential::generate(scope)?;
        self.store_credential(made.clone(), false).await?;
        Ok(made)
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
        let mut known = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.remove(access_key_id).is_some())
    }

    /// The credential of an access key, if it is in use.
    pub(crate) fn credential(&self, access_key_id: &str) -> Option<Credential> {
        self.credentials.read().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }

    async fn store_credential(&self, credential: Credential, root: bool) -> Result<(), BucketError> {
        let sql = "insert into credentials (access_key_id, secret, host, root, made_at_us) values (?, ?, ?, ?, ?)
            on conflict (access_key_id) do update set secret = excluded.secret, host = excluded.host, root = excluded.root";
        sqlx::query(sql)
            .bind(&credential.access_key_id)
            .bind(credential.secret.expose())
            .bind(credential.scope.host())
            .bind(root)
            .bind(micros(self.now()))
            .execute(&self.writes)
            .await
            .map_err(BucketError::doing("store an access key"))?;
        let mut known = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(credential.access_key_id.clone(), credential);
        Ok(())
    }
}
