//! The operations of S3, on the bucket.

use std::net::IpAddr;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use crate::answer::{self, Spelling, storage};
use crate::bucket::EmbeddedBucket;
use crate::conditions::{ReadConditions, write_condition};
use crate::key::ObjectKey;
use crate::listing::{ListRequest, Listed, Listing, PAGE};
use crate::notification::{Cause, Happening};
use crate::object::{Attributes, Checksums, VersionMeta, WriteCondition};
use crate::reading::Part;
use crate::s3_body;
use crate::writer::{Applied, Change};

/// The address of the client, put into a request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The bucket as s3s calls it. Who may call was decided by [`Gate`](crate::access::Gate).
pub(crate) struct Endpoint(pub(crate) Arc<EmbeddedBucket>);

fn happening<T>(cause: Cause, request: &S3Request<T>) -> Happening {
    Happening {
        cause,
        access_key_id: request.credentials.as_ref().map(|credentials| credentials.access_key.clone()),
        address: request.extensions.get::<Peer>().map(|peer| peer.0.to_string()),
    }
}

/// The gate judged it already; the type is the proof.
fn key(text: &str) -> S3Result<ObjectKey> {
    ObjectKey::parse(text).map_err(|bad| s3_error!(InvalidArgument, "{bad}"))
}

/// Refuses what would be promised and not kept.
fn promises_kept(input: &PutObjectInput) -> S3Result<()> {
    let unkept = [
        ("encryption with a client's key", input.sse_customer_key.is_some() || input.sse_customer_algorithm.is_some()),
        ("encryption with a KMS key", input.ssekms_key_id.is_some()),
        ("object lock", input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some()),
        ("appending", input.write_offset_bytes.is_some()),
        ("tags", input.tagging.is_some()),
    ];
    match unkept.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(s3_error!(NotImplemented, "{what} is not supported here")),
        None => Ok(()),
    }
}

/// `max-keys`: none means a page, more than a page means a page.
fn max_keys(asked: Option<i32>) -> S3Result<usize> {
    match asked.map(usize::try_from) {
        None => Ok(PAGE),
        Some(Ok(asked)) => Ok(asked.min(PAGE)),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "max-keys is negative")),
    }
}

fn spelling(encoding: Option<&EncodingType>) -> S3Result<Spelling> {
    match encoding.map(EncodingType::as_str) {
        None | Some("") => Ok(Spelling { url: false }),
        Some(EncodingType::URL) => Ok(Spelling { url: true }),
        Some(_) => Err(s3_error!(InvalidArgument, "encoding-type is `url` or nothing")),
    }
}

fn count(lines: usize) -> i32 {
    i32::try_from(lines).unwrap_or(i32::MAX)
}

impl Endpoint {
    async fn version(
        &self,
        key: &str,
        version_id: Option<&str>,
        conditions: &ReadConditions,
        range: Option<&Range>,
        body: bool,
    ) -> S3Result<(VersionMeta, bytes::Bytes, Option<std::ops::Range<u64>>)> {
        let mut chosen = None;
        let found = self.0.get_part(key, version_id, |meta| {
            if meta.delete_marker {
                return Part::Nothing(Err(answer::missing(version_id, Some(meta))));
            }
            if let Some(unmet) = conditions.unmet(&meta.etag, meta.last_modified) {
                return Part::Nothing(Err(answer::unmet(unmet, meta)));
            }
            match answer::bytes(range, meta.size) {
                Err(error) => Part::Nothing(Err(error)),
                Ok(bytes) => {
                    chosen = range.is_some().then(|| bytes.clone());
                    if body { Part::Bytes(bytes) } else { Part::Nothing(Ok(())) }
                }
            }
        });
        match found.await.map_err(storage)? {
            None => Err(answer::missing(version_id, None)),
            Some((_, Err(Err(error)))) => Err(error),
            Some((meta, Err(Ok(())))) => Ok((meta, bytes::Bytes::new(), chosen)),
            Some((meta, Ok(bytes))) => Ok((meta, bytes, chosen)),
        }
    }

    async fn delete(
        &self,
        key: String,
        version_id: Option<String>,
        condition: WriteCondition,
        happening: Happening,
    ) -> S3Result<DeleteObjectOutput> {
        let removed = version_id.clone();
        let change = match version_id {
            None => {
                Change::Mark { key, condition, happening: Happening { cause: Cause::DeleteMarkerCreated, ..happening } }
            }
            Some(version_id) => Change::Remove { key, version_id, happening },
        };
        match self.0.writer.apply(change).await.map_err(storage)? {
            Applied::Refused(refusal) => Err(answer::refused(refusal)),
            Applied::Deleted { marker } => Ok(DeleteObjectOutput {
                delete_marker: marker.is_some().then_some(true),
                version_id: removed.or(marker),
                ..DeleteObjectOutput::default()
            }),
            Applied::Stored(_) => Err(s3_error!(InternalError)),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Endpoint {
    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let limit = self.0.options.max_object_bytes;
        let happening = happening(Cause::Put, &request);
        let key = key(&request.input.key)?;
        promises_kept(&request.input)?;
        let condition = write_condition(request.input.if_match.as_ref(), request.input.if_none_match.as_ref())?;
        let announced = s3_body::announced(&request.input, &request.headers, limit)?;
        let attributes = Attributes {
            content_type: request.input.content_type.take(),
            content_encoding: answer::stored_encoding(request.input.content_encoding.take()),
            content_language: request.input.content_language.take(),
            content_disposition: request.input.content_disposition.take(),
            cache_control: request.input.cache_control.take(),
            metadata: answer::stored_metadata(request.input.metadata.take())?,
        };
        let _room = s3_body::make_room(&self.0.room, announced.unwrap_or(limit)).await?;
        let body = s3_body::read(request.input.body.take(), announced, limit).await?;
        let checksums = s3_body::verify(&request.input, &request.headers, request.trailing_headers.as_ref(), &body)?;
        let put = self.0.commit_put(key, body, checksums.clone(), attributes, condition, happening);
        let stored = put.await.map_err(storage)?.map_err(answer::refused)?;
        Ok(S3Response::new(PutObjectOutput {
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            checksum_type: Some(answer::full_object()),
            e_tag: Some(answer::etag(&stored.etag)),
            version_id: Some(stored.version_id),
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let version_id = input.version_id.as_deref();
        let (meta, body, range) = self.version(&input.key, version_id, &conditions, input.range.as_ref(), true).await?;
        let head =
            answer::head(meta, range, input.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED));
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: head.accept_ranges,
            body: Some(StreamingBlob::from(Body::from(body))),
            cache_control: head.cache_control,
            checksum_crc32: head.checksum_crc32,
            checksum_crc32c: head.checksum_crc32c,
            checksum_crc64nvme: head.checksum_crc64nvme,
            checksum_sha1: head.checksum_sha1,
            checksum_sha256: head.checksum_sha256,
            checksum_type: head.checksum_type,
            content_disposition: head.content_disposition,
            content_encoding: head.content_encoding,
            content_language: head.content_language,
            content_length: head.content_length,
            content_range: head.content_range,
            content_type: head.content_type,
            e_tag: head.e_tag,
            last_modified: head.last_modified,
            metadata: head.metadata,
            version_id: head.version_id,
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let (meta, _, range) =
            self.version(&input.key, input.version_id.as_deref(), &conditions, input.range.as_ref(), false).await?;
        let checksums = input.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
        Ok(S3Response::new(answer::head(meta, range, checksums)))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let happening = happening(Cause::Copy, &request);
        let input = request.input;
        let key = key(&input.key)?;
        let CopySource::Bucket { bucket, key: source, version_id } = input.copy_source else {
            return Err(s3_error!(InvalidArgument, "x-amz-copy-source names this bucket and a key"));
        };
        if *bucket != *self.0.name() {
            return Err(s3_error!(NoSuchBucket, "the only bucket here is {}", self.0.name()));
        }
        let replaces =
            input.metadata_directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if *source == *key.as_str() && version_id.is_none() && !replaces {
            return Err(s3_error!(InvalidRequest, "a copy onto itself changes nothing: give metadata to replace"));
        }
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let _room = s3_body::make_room(&self.0.room, self.0.options.max_object_bytes).await?;
        let copied = self.version(&source, version_id.as_deref(), &conditions, None, true).await;
        // For a copy both kinds of unmet conditions are 412.
        let (meta, body, _) = copied.map_err(|error| match error.code() {
            s3s::S3ErrorCode::NotModified => s3_error!(PreconditionFailed),
            _ => error,
        })?;
        let attributes = if replaces {
            Attributes {
                content_type: input.content_type,
                content_encoding: answer::stored_encoding(input.content_encoding),
                content_language: input.content_language,
                content_disposition: input.content_disposition,
                cache_control: input.cache_control,
                metadata: answer::stored_metadata(input.metadata)?,
            }
        } else {
            meta.attributes
        };
        let Checksums { crc32, crc32c, crc64nvme, sha1, sha256 } = meta.checksums.clone();
        let put = self.0.commit_put(key, body, meta.checksums, attributes, WriteCondition::Always, happening);
        let stored = put.await.map_err(storage)?.map_err(answer::refused)?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                checksum_crc32: crc32,
                checksum_crc32c: crc32c,
                checksum_crc64nvme: crc64nvme,
                checksum_sha1: sha1,
                checksum_sha256: sha256,
                checksum_type: Some(answer::full_object()),
                e_tag: Some(answer::etag(&stored.etag)),
                last_modified: Some(answer::timestamp(stored.last_modified)),
            }),
            copy_source_version_id: Some(meta.version_id),
            version_id: Some(stored.version_id),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let happening = happening(Cause::Delete, &request);
        let input = request.input;
        let condition = write_condition(input.if_match.as_ref(), None)?;
        if input.version_id.is_some() && condition != WriteCondition::Always {
            return Err(s3_error!(NotImplemented, "If-Match goes with the newest version only"));
        }
        Ok(S3Response::new(self.delete(input.key, input.version_id, condition, happening).await?))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let happening = happening(Cause::Delete, &request);
        let Delete { objects, quiet } = request.input.delete;
        if objects.len() > PAGE {
            return Err(s3_error!(MalformedXML, "at most {PAGE} objects are deleted in one request"));
        }
        let mut output = DeleteObjectsOutput::default();
        for ObjectIdentifier { key, version_id, e_tag, .. } in objects {
            let condition = e_tag.map_or(WriteCondition::Always, |etag| WriteCondition::Etag(etag.into_value()));
            match self.delete(key.clone(), version_id.clone(), condition, happening.clone()).await {
                Ok(_) if quiet == Some(true) => {}
                Ok(deleted) => output.deleted.get_or_insert_default().push(DeletedObject {
                    delete_marker: deleted.delete_marker,
                    delete_marker_version_id: deleted.delete_marker.and(deleted.version_id),
                    key: Some(key),
                    version_id,
                }),
                Err(error) => output.errors.get_or_insert_default().push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(key),
                    message: error.message().map(str::to_owned),
                    version_id,
                }),
            }
        }
        Ok(S3Response::new(output))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let spelling = spelling(input.encoding_type.as_ref())?;
        let max_keys = max_keys(input.max_keys)?;
        let asked = ListRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            start_after: input.start_after.clone().unwrap_or_default(),
            continuation: input.continuation_token.clone(),
            max_keys,
        };
        let listing = self.0.list(&asked).await.map_err(storage)?;
        let (objects, prefixes) = answer::listed(&listing, spelling);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(spelling.of(&asked.prefix)),
            max_keys: Some(count(max_keys)),
            key_count: Some(count(listing.lines.len())),
            continuation_token: input.continuation_token,
            is_truncated: Some(listing.next.is_some()),
            next_continuation_token: listing.next,
            contents: Some(objects),
            common_prefixes: Some(prefixes),
            delimiter: spelling.some(input.delimiter.as_ref()),
            encoding_type: input.encoding_type,
            start_after: spelling.some(input.start_after.as_ref()),
            request_charged: None,
        }))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let spelling = spelling(input.encoding_type.as_ref())?;
        let max_keys = max_keys(input.max_keys)?;
        let asked = ListRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            start_after: input.marker.clone().unwrap_or_default(),
            continuation: None,
            max_keys,
        };
        let listing: Listing = self.0.list(&asked).await.map_err(storage)?;
        let last = listing.next.as_ref().and(listing.lines.last()).map(|line| match line {
            Listed::Object(meta) => spelling.of(&meta.key),
            // Nothing below the folded prefix sorts after this, so that the next page begins behind it.
            Listed::Prefix(prefix) => spelling.of(&format!("{prefix}\u{10ffff}")),
        });
        let (objects, prefixes) = answer::listed(&listing, spelling);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(spelling.of(&asked.prefix)),
            marker: Some(spelling.of(&asked.start_after)),
            max_keys: Some(count(max_keys)),
            is_truncated: Some(listing.next.is_some()),
            contents: Some(objects),
            common_prefixes: Some(prefixes),
            delimiter: spelling.some(input.delimiter.as_ref()),
            next_marker: last,
            encoding_type: input.encoding_type,
            request_charged: None,
        }))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(s3_error!(NotImplemented, "versions are listed without a delimiter"));
        }
        let spelling = spelling(input.encoding_type.as_ref())?;
        let max_keys = max_keys(input.max_keys)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let marker = (input.key_marker.as_deref().unwrap_or_default(), input.version_id_marker.as_deref());
        let mut versions = self.0.list_versions(&prefix, marker, max_keys + 1).await.map_err(storage)?;
        let is_truncated = max_keys > 0 && versions.len() > max_keys;
        versions.truncate(max_keys);
        let last = versions.last().filter(|_| is_truncated);
        let mut output = ListObjectVersionsOutput {
            encoding_type: input.encoding_type,
            is_truncated: Some(is_truncated),
            key_marker: Some(spelling.of(marker.0)),
            max_keys: Some(count(max_keys)),
            name: Some(input.bucket),
            next_key_marker: last.map(|meta| spelling.of(&meta.key)),
            next_version_id_marker: last.map(|meta| meta.version_id.clone()),
            prefix: Some(spelling.of(&prefix)),
            version_id_marker: input.version_id_marker.clone(),
            ..ListObjectVersionsOutput::default()
        };
        for meta in versions {
            let (key, last_modified) = (Some(spelling.of(&meta.key)), Some(answer::timestamp(meta.last_modified)));
            let (is_latest, version_id) = (Some(meta.is_latest), Some(meta.version_id));
            if meta.delete_marker {
                let marker = DeleteMarkerEntry { is_latest, key, last_modified, owner: None, version_id };
                output.delete_markers.get_or_insert_default().push(marker);
            } else {
                output.versions.get_or_insert_default().push(ObjectVersion {
                    e_tag: Some(answer::etag(&meta.etag)),
                    is_latest,
                    key,
                    last_modified,
                    size: Some(meta.size.cast_signed()),
                    storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
                    version_id,
                    ..ObjectVersion::default()
                });
            }
        }
        Ok(S3Response::new(output))
    }

    async fn head_bucket(&self, _request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        let bucket_region = Some(self.0.options.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
    }

    async fn get_bucket_location(
        &self,
        _request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        // S3's oldest region has no name here.
        let region = Some(self.0.options.region.clone()).filter(|region| region != "us-east-1");
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint: region.map(BucketLocationConstraint::from) }))
    }

    async fn get_bucket_versioning(
        &self,
        _request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status = Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
    }

    async fn list_buckets(&self, _request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let bucket = Bucket {
            bucket_region: Some(self.0.options.region.clone()),
            creation_date: None,
            name: Some(self.0.name().to_owned()),
        };
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(vec![bucket]), ..ListBucketsOutput::default() }))
    }
}
