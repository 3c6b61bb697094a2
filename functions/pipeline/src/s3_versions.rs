//! The list of all that an S3 server holds. A server that keeps no versions, or cannot list them, lists what is there.

use aws_sdk_s3::error::SdkError;

use crate::bucket::{BucketError, ListVersions, ListedVersion, ObjectAddress, VersionMarker, VersionPage};
use crate::s3::{S3Bucket, end_of_second, failed, unsigned};

/// Sorts behind every key of a folder.
const LAST: char = char::MAX;
/// The version of an object that was put while the bucket kept none.
const NO_VERSION: &str = "null";
/// What a server says that does not know a call.
const NOT_IMPLEMENTED: [u16; 2] = [501, 405];

impl ListVersions for S3Bucket {
    async fn folders(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, BucketError> {
        let asking = self
            .client()
            .list_objects_v2()
            .bucket(self.name())
            .prefix(prefix)
            .delimiter("/")
            .set_start_after(after.map(|after| format!("{after}{LAST}")))
            .max_keys(1_000)
            .send();
        let action = || format!("list the folders of {prefix}");
        let listing = async { asking.await.map_err(|error| failed(action(), prefix, &error)) };
        let answer = self.ask(&address(prefix), action, listing).await?;
        // Some servers take `start-after` for keys alone.
        let is_behind = |folder: &String| after.is_none_or(|after| folder.as_str() > after);
        Ok(answer
            .common_prefixes()
            .iter()
            .filter_map(|one| one.prefix().map(str::to_owned))
            .filter(is_behind)
            .collect())
    }

    async fn versions_below(&self, prefix: &str, after: Option<&VersionMarker>) -> Result<VersionPage, BucketError> {
        let asking = self
            .client()
            .list_object_versions()
            .bucket(self.name())
            .prefix(prefix)
            .set_key_marker(after.map(|after| after.key.clone()))
            .set_version_id_marker(after.and_then(|after| after.version_id.clone()))
            .max_keys(1_000)
            .send();
        let action = || format!("list the versions of {prefix}");
        let listing = async {
            match asking.await {
                Ok(answer) => Ok(Some(answer)),
                Err(error) if is_unknown(&error) => Ok(None),
                Err(error) => Err(failed(action(), prefix, &error)),
            }
        };
        let Some(answer) = self.ask(&address(prefix), action, listing).await? else {
            return self.newest_below(prefix, after).await;
        };
        let versions = answer
            .versions()
            .iter()
            .filter_map(|one| {
                Some(ListedVersion {
                    key: one.key()?.to_owned(),
                    version_id: one.version_id().filter(|id| *id != NO_VERSION && !id.is_empty()).map(str::to_owned),
                    size: unsigned(one.size()),
                    last_modified: end_of_second(one.last_modified()),
                })
            })
            .collect();
        let next = answer.next_key_marker().filter(|_| answer.is_truncated() == Some(true)).map(|key| VersionMarker {
            key: key.to_owned(),
            version_id: answer.next_version_id_marker().map(str::to_owned),
        });
        Ok(VersionPage { versions, next })
    }
}

impl S3Bucket {
    async fn newest_below(&self, prefix: &str, after: Option<&VersionMarker>) -> Result<VersionPage, BucketError> {
        use crate::bucket::Bucket;

        let listed = self.list(prefix, after.map(|after| after.key.as_str())).await?;
        let next = listed
            .last()
            .filter(|_| listed.len() >= 1_000)
            .map(|last| VersionMarker { key: last.key.clone(), version_id: None });
        let of = |one: crate::bucket::Listed| ListedVersion {
            key: one.key,
            version_id: None,
            size: one.size,
            last_modified: one.last_modified,
        };
        Ok(VersionPage { versions: listed.into_iter().map(of).collect(), next })
    }
}

fn is_unknown<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|response| NOT_IMPLEMENTED.contains(&response.status().as_u16()))
}

fn address(prefix: &str) -> ObjectAddress {
    ObjectAddress { key: prefix.to_owned(), version_id: None }
}
