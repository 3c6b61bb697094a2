//! A bucket in memory, with versions and the time of each PUT: replay, the demo's first day, benchmarks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::bucket::{
    Bucket, BucketError, Fetched, ListVersions, Listed, ListedVersion, ObjectAddress, ObjectHead, VersionMarker,
    VersionPage,
};

#[derive(Debug, Clone)]
struct Version {
    id: u64,
    at: DateTime<Utc>,
    body: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryBucket {
    objects: Mutex<Objects>,
}

#[derive(Debug, Default)]
struct Objects {
    versions: BTreeMap<String, Vec<Version>>,
    next: u64,
}

impl MemoryBucket {
    /// An empty bucket whose versions are numbered behind `version`: one process after another then never names two objects alike.
    pub fn numbered_after(version: u64) -> Self {
        Self { objects: Mutex::new(Objects { next: version, ..Objects::default() }) }
    }

    /// Puts an object at `at` and returns what the bucket would announce: one S3 notification.
    pub fn put(&self, key: &str, body: Bytes, at: DateTime<Utc>) -> String {
        let size = body.len();
        let mut objects = self.lock();
        objects.next += 1;
        let id = objects.next;
        objects.versions.entry(key.to_owned()).or_default().push(Version { id, at, body });
        serde_json::json!({ "Records": [{
            "eventName": "ObjectCreated:Put",
            "eventTime": at.to_rfc3339_opts(SecondsFormat::Micros, true),
            "s3": { "object": {
                "key": form_encoded(key), "size": size, "versionId": id.to_string(), "sequencer": format!("{id:016X}"),
            } },
        }] })
        .to_string()
    }

    /// All versions that it holds: key, version and body, in the order of keys and PUTs.
    pub fn versions(&self) -> Vec<(ObjectAddress, Bytes)> {
        let objects = self.lock();
        let of_key = |(key, versions): (&String, &Vec<Version>)| {
            let address = |id: u64| ObjectAddress { key: key.clone(), version_id: Some(id.to_string()) };
            versions.iter().map(|version| (address(version.id), version.body.clone())).collect::<Vec<_>>()
        };
        objects.versions.iter().flat_map(of_key).collect()
    }

    /// Forgets all versions but the newest of each key.
    pub fn forget_history(&self) {
        for versions in self.lock().versions.values_mut() {
            let keep = versions.len().saturating_sub(1);
            versions.drain(..keep);
        }
    }

    /// Forgets all objects whose keys begin with `prefix`.
    pub fn forget_below(&self, prefix: &str) {
        self.lock().versions.retain(|key, _| !key.starts_with(prefix));
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, address: &ObjectAddress) -> Result<Version, BucketError> {
        let objects = self.lock();
        let versions = objects.versions.get(&address.key).map_or(&[][..], Vec::as_slice);
        let found = match &address.version_id {
            None => versions.last(),
            // Ids only grow.
            Some(id) => id
                .parse()
                .ok()
                .and_then(|id: u64| versions.binary_search_by_key(&id, |version| version.id).ok())
                .map(|place| &versions[place]),
        };
        found.cloned().ok_or_else(|| BucketError::NotFound { key: address.key.clone() })
    }
}

fn head_of(version: &Version) -> ObjectHead {
    ObjectHead {
        size: version.body.len() as u64,
        version_id: Some(version.id.to_string()),
        etag: Some(format!("{:x}", version.id)),
        last_modified: Some(version.at),
    }
}

/// A key as an S3 notification writes it: a form value.
fn form_encoded(key: &str) -> String {
    key.bytes().fold(String::with_capacity(key.len()), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => text.push(char::from(byte)),
            b' ' => text.push('+'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

impl Bucket for MemoryBucket {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        let version = self.find(address)?;
        let size = version.body.len() as u64;
        let rest = size.saturating_sub(offset);
        if rest > limit {
            return Err(BucketError::TooLarge { key: address.key.clone(), size, limit });
        }
        let from = usize::try_from(offset.min(size)).unwrap_or(version.body.len());
        Ok(Fetched { head: head_of(&version), body: version.body.slice(from..) })
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        self.find(&ObjectAddress { key: key.to_owned(), version_id: None }).map(|version| head_of(&version))
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        let objects = self.lock();
        Ok(objects
            .versions
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, _)| start_after.is_none_or(|after| key.as_str() > after))
            .filter_map(|(key, versions)| {
                let newest = versions.last()?;
                Some(Listed { key: key.clone(), size: newest.body.len() as u64, last_modified: Some(newest.at) })
            })
            .take(1_000)
            .collect())
    }

    async fn copy(&self, from: &ObjectAddress, to_key: &str) -> Result<(), BucketError> {
        let version = self.find(from)?;
        self.put(to_key, version.body, version.at);
        Ok(())
    }
}

impl ListVersions for MemoryBucket {
    async fn folders(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, BucketError> {
        let objects = self.lock();
        let mut folders: Vec<String> = objects
            .versions
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, _)| Some(format!("{prefix}{}/", key.strip_prefix(prefix)?.split_once('/')?.0)))
            .filter(|folder| after.is_none_or(|after| folder.as_str() > after))
            .collect();
        folders.dedup();
        folders.truncate(1_000);
        Ok(folders)
    }

    async fn versions_below(&self, prefix: &str, after: Option<&VersionMarker>) -> Result<VersionPage, BucketError> {
        let objects = self.lock();
        let is_behind = |key: &str, id: u64| {
            after.is_none_or(|after| {
                let version = after.version_id.as_deref().and_then(|version| version.parse::<u64>().ok());
                key > after.key.as_str() || (key == after.key && version.is_some_and(|version| id < version))
            })
        };
        let mut versions: Vec<_> = objects
            .versions
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .flat_map(|(key, versions)| versions.iter().rev().map(move |version| (key, version)))
            .filter(|(key, version)| is_behind(key, version.id))
            .take(1_001)
            .map(|(key, version)| ListedVersion {
                key: key.clone(),
                version_id: Some(version.id.to_string()),
                size: version.body.len() as u64,
                last_modified: Some(version.at),
            })
            .collect();
        let more = versions.len() > 1_000;
        versions.truncate(1_000);
        let marker =
            |last: &ListedVersion| VersionMarker { key: last.key.clone(), version_id: last.version_id.clone() };
        Ok(VersionPage { next: versions.last().filter(|_| more).map(marker), versions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_forgotten_is_gone_and_the_rest_stays() {
        let bucket = MemoryBucket::numbered_after(7);
        for (key, body) in [("quarantine/a", "1"), ("stations/a", "2"), ("stations/a", "3"), ("stations/b", "4")] {
            bucket.put(key, Bytes::from(body), DateTime::UNIX_EPOCH);
        }
        let held = async |key: &str, id: Option<&str>| {
            let address = ObjectAddress { key: key.to_owned(), version_id: id.map(str::to_owned) };
            bucket.get(&address, 0, 9).await.ok().map(|fetched| fetched.body)
        };
        assert_eq!(held("stations/a", Some("9")).await.as_deref(), Some(&b"2"[..]), "a version by its number");
        assert_eq!(held("stations/a", Some("x")).await, None);
        bucket.forget_history();
        assert_eq!(held("stations/a", Some("9")).await, None);
        assert_eq!(held("stations/a", None).await.as_deref(), Some(&b"3"[..]));
        bucket.forget_below("quarantine/");
        assert_eq!(held("quarantine/a", None).await, None);
        assert_eq!(held("stations/b", None).await.as_deref(), Some(&b"4"[..]));
    }
}
