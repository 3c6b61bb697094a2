//! Whether a write-ahead log still holds every commit that was written to it.
//!
//! SQLite ends its reading of a log at the first frame whose checksum is wrong and takes the rest for what a kill left behind, so
//! a log that was torn from outside costs commits without a word. Two witnesses tell the difference: the index beside the log
//! (`-shm`), which says how many frames were committed, and frames of the same generation after the break.
//! Formats: <https://sqlite.org/fileformat2.html#walformat>, <https://sqlite.org/walformat.html>.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use crate::FileError;
use crate::aside::beside;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The parts of the index that matter here: two copies of its header, then how many frames were moved into the file.
const INDEX: usize = 100;

/// Commits that a log no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLoss {
    /// Frames (pages) up to the last commit that can be read.
    pub readable: u32,
    /// Frames that were committed, as far as the witnesses know.
    pub written: u32,
}

/// What the header of a log says.
struct Header {
    big_endian: bool,
    page: usize,
    salts: [u8; 8],
    sums: (u32, u32),
}

/// The index's last word: how many frames of which generation were committed, and how many of them are in the file already.
struct Witness {
    salts: [u8; 8],
    committed: u32,
    moved: u32,
}

/// Looks at the log of the database at `path`. None: nothing of it is missing, or there is no witness.
///
/// # Errors
/// The log is there and cannot be read.
pub fn inspect_log(path: &Path) -> Result<Option<LogLoss>, FileError> {
    let log = beside(path, "-wal");
    let witness = witness(&beside(path, "-shm"));
    let file = match File::open(&log) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(FileError::file("read", &log)(error)),
    };
    let (header, readable, later) = match file {
        Some(file) => walk(BufReader::with_capacity(1 << 16, file)).map_err(FileError::file("read", &log))?,
        None => (None, 0, 0),
    };
    let written = match (&witness, &header) {
        (Some(witness), Some(header)) if witness.salts == header.salts => witness.committed.max(later),
        // No header that can be read: what was moved into the file before is not missing.
        (Some(witness), None) if witness.committed > witness.moved => witness.committed,
        _ => later,
    };
    Ok((written > readable).then_some(LogLoss { readable, written }))
}

/// The header, the frames up to the last readable commit, and the place of the last frame of the same generation behind a broken one.
fn walk(mut log: impl Read) -> std::io::Result<(Option<Header>, u32, u32)> {
    let mut bytes = [0; HEADER];
    if !fill(&mut log, &mut bytes)? {
        return Ok((None, 0, 0));
    }
    let Some(header) = header(&bytes) else { return Ok((None, 0, 0)) };
    let mut frame = vec![0; FRAME_HEADER + header.page];
    let (mut place, mut readable, mut later) = (0, 0, 0);
    let mut sums = Some(header.sums);
    while fill(&mut log, &mut frame)? {
        place += 1;
        if frame[8..16] != header.salts {
            // An older generation's rest, unless what follows is of this one.
            sums = None;
            continue;
        }
        let Some(so_far) = sums else {
            later = place;
            continue;
        };
        let sum = checksum(header.big_endian, &frame[..8], so_far);
        let sum = checksum(header.big_endian, &frame[FRAME_HEADER..], sum);
        // A broken frame alone proves nothing: its head is written before its page, and a kill comes between the two.
        sums = (sum == (number(&frame[16..20]), number(&frame[20..24]))).then_some(sum);
        if sums.is_some() && number(&frame[4..8]) > 0 {
            readable = place;
        }
    }
    // Whole frames after the last commit were never committed: nobody misses them.
    Ok((Some(header), readable, later.max(readable)))
}

/// None: this is no header of a log, or not one as SQLite wrote it.
fn header(bytes: &[u8; HEADER]) -> Option<Header> {
    let big_endian = match number(&bytes[..4]) {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => return None,
    };
    let page = usize::try_from(number(&bytes[8..12])).ok().filter(|page| (512..=65_536).contains(page))?;
    let sums = checksum(big_endian, &bytes[..24], (0, 0));
    let salts = bytes[16..24].try_into().ok()?;
    (sums == (number(&bytes[24..28]), number(&bytes[28..32]))).then_some(Header { big_endian, page, salts, sums })
}

/// None: there is no index, or its writer was interrupted in it.
fn witness(index: &Path) -> Option<Witness> {
    let mut bytes = [0; INDEX];
    File::open(index).ok()?.read_exact(&mut bytes).ok()?;
    let native = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let is_whole = bytes[..48] == bytes[48..96] && bytes[12] == 1;
    let witness = Witness { salts: bytes[32..40].try_into().ok()?, committed: native(16)?, moved: native(96)? };
    is_whole.then_some(witness)
}

/// Fills `bytes`, or says that the file ended before.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Four bytes, the greatest first; what is no four bytes is no number of a log, and reads as 0.
fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}

/// SQLite's running checksum over pairs of 32-bit words.
fn checksum(big_endian: bool, bytes: &[u8], (mut one, mut two): (u32, u32)) -> (u32, u32) {
    let word = |bytes: &[u8]| if big_endian { number(bytes) } else { number(bytes).swap_bytes() };
    for pair in bytes.chunks_exact(8) {
        one = one.wrapping_add(word(&pair[..4])).wrapping_add(two);
        two = two.wrapping_add(word(&pair[4..])).wrapping_add(one);
    }
    (one, two)
}
