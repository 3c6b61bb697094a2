//! Raw heartbeats, byte-exact: zstd with a dictionary, or plain JSON for people who query it in SQL.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use stationkeeper_rules::RawFormat;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::DecoderDictionary;
use zstd::zstd_safe::CParameter;

use crate::error::Inconsistency;
use crate::row::Row;
use crate::statement::{Statement, Value};
use crate::{Store, StoreError};

/// The dictionary that every store starts with, trained on simulated heartbeats.
const SHIPPED: &[u8] = include_bytes!("../dictionaries/heartbeat-1.zstd-dictionary");
/// Higher levels gain next to nothing once there is a dictionary.
const LEVEL: i32 = 1;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Trains a dictionary of at most `size` bytes on samples (whole raw heartbeats; a few hundred do).
pub fn train_dictionary(samples: &[Vec<u8>], size: usize) -> Result<Vec<u8>, StoreError> {
    zstd::dict::from_samples(samples, size)
        .map_err(|source| StoreError::Zstd { doing: "train a dictionary (are there too few samples?)", source })
}

/// How `raw` and `raw_json` are to be read; the number is what the column `raw_format` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// `raw` is zstd, with the dictionary `raw_dictionary` if that is not null.
    Zstd = 1,
    /// `raw_json` is the body.
    Json = 2,
    /// `raw_json` is the body without the byte order mark it began with, which no JSON function of a database takes.
    JsonAfterBom = 3,
}

/// The values of `raw_format, raw_dictionary, raw, raw_json, raw_length`.
pub(crate) type EncodedRaw = [Value; 5];

/// Dictionaries that are held ready.
#[derive(Default)]
pub(crate) struct Codec {
    loaded: AtomicBool,
    dictionaries: RwLock<Dictionaries>,
}

#[derive(Default)]
struct Dictionaries {
    newest: Option<Arc<Dictionary>>,
    by_id: HashMap<u32, Arc<Dictionary>>,
}

struct Dictionary {
    id: u32,
    bytes: Vec<u8>,
    decoder: DecoderDictionary<'static>,
    /// Compressors that have loaded it and are free: making one, and clearing its tables, costs more than a batch.
    compressors: Mutex<Vec<Compressor<'static>>>,
}

impl Dictionary {
    fn compressor(&self) -> std::io::Result<Compressor<'static>> {
        match self.free().pop() {
            Some(compressor) => Ok(compressor),
            None => prepared(Compressor::with_dictionary(LEVEL, &self.bytes)?),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Compressor<'static>>> {
        self.compressors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Length and dictionary stand in columns of their own: six bytes a row.
fn prepared(mut compressor: Compressor<'static>) -> std::io::Result<Compressor<'static>> {
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    compressor.set_parameter(CParameter::ContentSizeFlag(false))?;
    compressor.set_parameter(CParameter::ChecksumFlag(false))?;
    Ok(compressor)
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

impl Codec {
    /// Encodes a batch of bodies. A body that is not UTF-8 cannot be kept as text, and is compressed whatever the format.
    pub(crate) fn encode<'a>(
        &self,
        raws: impl Iterator<Item = &'a [u8]>,
        format: RawFormat,
    ) -> Result<Vec<EncodedRaw>, StoreError> {
        let failed = |source| StoreError::Zstd { doing: "compress a heartbeat", source };
        let dictionary = self.read(|dictionaries| dictionaries.newest.clone());
        let mut compressor = match &dictionary {
            Some(dictionary) => dictionary.compressor(),
            None => Compressor::new(LEVEL).and_then(prepared),
        }
        .map_err(failed)?;
        let encoded = raws.map(|raw| {
            let length = Value::from(u64::try_from(raw.len()).unwrap_or(u64::MAX));
            if format == RawFormat::Json {
                let (encoding, body) = match raw.strip_prefix(BOM) {
                    Some(rest) => (Encoding::JsonAfterBom, rest),
                    None => (Encoding::Json, raw),
                };
                if let Ok(text) = std::str::from_utf8(body) {
                    return Ok([(encoding as i64).into(), Value::Null, Value::Null, text.into(), length]);
                }
            }
            let compressed = compressor.compress(raw).map_err(failed)?;
            let id = dictionary.as_ref().map(|dictionary| dictionary.id);
            Ok([(Encoding::Zstd as i64).into(), id.into(), compressed.into(), Value::Null, length])
        });
        let encoded = encoded.collect::<Result<_, StoreError>>()?;
        if let Some(dictionary) = &dictionary {
            dictionary.free().push(compressor);
        }
        Ok(encoded)
    }

    fn read<T>(&self, read: impl FnOnce(&Dictionaries) -> T) -> T {
        // A panic while holding it cannot leave it half written: values are only ever added.
        read(&self.dictionaries.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, id: u32, bytes: &[u8], newest: bool) -> Result<Arc<Dictionary>, StoreError> {
        let failed = |source| StoreError::Zstd { doing: "prepare a dictionary", source };
        let dictionary = Arc::new(Dictionary {
            id,
            bytes: bytes.to_vec(),
            decoder: DecoderDictionary::try_copy(bytes).map_err(failed)?,
            compressors: Mutex::default(),
        });
        let mut dictionaries = self.dictionaries.write().unwrap_or_else(PoisonError::into_inner);
        dictionaries.by_id.insert(id, Arc::clone(&dictionary));
        if newest {
            dictionaries.newest = Some(Arc::clone(&dictionary));
        }
        Ok(dictionary)
    }
}

/// The id of a dictionary: the first 31 bits of its SHA-256.
fn dictionary_id(sha256: &[u8; 32]) -> u32 {
    u32::from_be_bytes([sha256[0], sha256[1], sha256[2], sha256[3]]) >> 1
}

impl Store {
    /// Adds a dictionary (or finds it there): new heartbeats are compressed with the newest. Its id is derived from its SHA-256.
    pub async fn add_dictionary(&self, bytes: &[u8]) -> Result<u32, StoreError> {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let id = dictionary_id(&sha256);
        let now = self.now().await?;
        let mut link = self.writer().await?;
        let row: Vec<Value> = vec![id.into(), bytes.into(), sha256.into(), now.into()];
        link.write_rows(
            "add a dictionary",
            "insert into raw_dictionaries (id, bytes, sha256, created_at) values {rows} {keep id}",
            vec![row],
        )
        .await?;
        let stored = link
            .fetch_optional(
                Statement::new("read a dictionary", "select id, sha256 from raw_dictionaries where id = ?")
                    .of("raw_dictionaries", &["id"])
                    .bind(id),
            )
            .await?;
        if stored.map(|row| row.sha256("sha256")).transpose()? != Some(sha256) {
            return Err(StoreError::DictionaryTaken { id });
        }
        link.commit().await?;
        self.load_newest_dictionary().await?;
        Ok(id)
    }

    pub(crate) async fn add_shipped_dictionary(&self) -> Result<(), StoreError> {
        self.add_dictionary(SHIPPED).await.map(|_| ())
    }

    /// Before the first unit of work.
    pub(crate) async fn load_dictionaries_once(&self) -> Result<(), StoreError> {
        if !self.codec.loaded.load(Ordering::Acquire) {
            self.load_newest_dictionary().await?;
        }
        Ok(())
    }

    async fn load_newest_dictionary(&self) -> Result<(), StoreError> {
        let row = self
            .reader()
            .await?
            .fetch_optional(
                Statement::new(
                    "read the newest dictionary (was the database migrated?)",
                    "select id, bytes from raw_dictionaries order by created_at desc, id desc limit 1",
                )
                .of("raw_dictionaries", &["id"]),
            )
            .await?;
        if let Some(row) = row {
            self.codec.add(row.small("id")?, &row.blob("bytes")?, true)?;
        }
        self.codec.loaded.store(true, Ordering::Release);
        Ok(())
    }

    async fn dictionary(&self, id: u32) -> Result<Option<Arc<Dictionary>>, StoreError> {
        if let Some(dictionary) = self.codec.read(|dictionaries| dictionaries.by_id.get(&id).cloned()) {
            return Ok(Some(dictionary));
        }
        let statement = Statement::new("read a dictionary", "select id, bytes from raw_dictionaries where id = ?")
            .of("raw_dictionaries", &["id"])
            .bind(id);
        let row = self.reader().await?.fetch_optional(statement).await?;
        row.map(|row| self.codec.add(id, &row.blob("bytes")?, false)).transpose()
    }

    /// The body of a row with `raw_format, raw_dictionary, raw, raw_json, raw_length, sha256`, checked against its SHA-256.
    pub(crate) async fn decode_raw(&self, row: &Row) -> Result<Vec<u8>, StoreError> {
        let bytes = match row.integer("raw_format")? {
            1 => {
                let dictionary = match row.optional_small("raw_dictionary")? {
                    None => None,
                    Some(id) => Some(
                        self.dictionary(id)
                            .await?
                            .ok_or_else(|| row.inconsistent("raw_dictionary", Inconsistency::Dictionary(id)))?,
                    ),
                };
                let compressed = row.blob("raw")?;
                let length = usize::try_from(row.unsigned("raw_length")?).unwrap_or(usize::MAX);
                decompress(&compressed, length, dictionary.as_deref())
                    .map_err(|error| row.inconsistent("raw", Inconsistency::Zstd(error)))?
            }
            2 => row.text("raw_json")?.into_bytes(),
            3 => [BOM, row.text("raw_json")?.as_bytes()].concat(),
            other => return Err(row.inconsistent("raw_format", Inconsistency::Range(other))),
        };
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != row.sha256("sha256")? {
            return Err(row.inconsistent("sha256", Inconsistency::Sha256));
        }
        Ok(bytes)
    }
}

fn decompress(compressed: &[u8], length: usize, dictionary: Option<&Dictionary>) -> std::io::Result<Vec<u8>> {
    let mut decompressor = match dictionary {
        Some(dictionary) => Decompressor::with_prepared_dictionary(&dictionary.decoder)?,
        None => Decompressor::new()?,
    };
    decompressor.decompress(compressed, length)
}
