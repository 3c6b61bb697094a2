//! Digests of bodies, as S3 writes them.

use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};

use crate::object::Checksums;

/// An ETag: MD5 in hex.
pub(crate) fn md5_hex(body: &[u8]) -> String {
    hex::encode(Md5::digest(body))
}

/// `Content-MD5`: MD5 in base64.
pub(crate) fn md5_base64(body: &[u8]) -> String {
    base64(&Md5::digest(body))
}

/// The checksum S3 computes when the client sent none.
pub(crate) fn crc64nvme(body: &[u8]) -> String {
    base64(&Crc64Nvme::checksum(body))
}

/// Computes the checksums that `claimed` names, whatever it says they are.
pub(crate) fn recompute(claimed: &Checksums, body: &[u8]) -> Checksums {
    let mut hasher = ChecksumHasher {
        crc32: claimed.crc32.is_some().then(Crc32::new),
        crc32c: claimed.crc32c.is_some().then(Crc32c::new),
        sha1: claimed.sha1.is_some().then(Sha1::new),
        sha256: claimed.sha256.is_some().then(Sha256::new),
        crc64nvme: claimed.crc64nvme.is_some().then(Crc64Nvme::new),
    };
    hasher.update(body);
    let computed = hasher.finalize();
    Checksums {
        crc32: computed.checksum_crc32,
        crc32c: computed.checksum_crc32c,
        crc64nvme: computed.checksum_crc64nvme,
        sha1: computed.checksum_sha1,
        sha256: computed.checksum_sha256,
    }
}

/// RFC 4648 section 4, padded.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            text.push(if place > chunk.len() { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn known_digests() {
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5_base64(b""), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(crc64nvme(b"123456789"), "rosUhgp5mIg="); // check value ae8b14860a799888
        let claimed = Checksums { crc32: Some("wrong".to_owned()), ..Checksums::default() };
        assert_eq!(
            recompute(&claimed, b"123456789"),
            Checksums { crc32: Some("y/Q5Jg==".to_owned()), ..Checksums::default() }
        );
    }
}
