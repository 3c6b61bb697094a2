//! How a heartbeat gets broken on its way, and the reason for which it is then rejected (telemetry.md section 6).

/// A way to break a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// Cut in the middle.
    Truncated,
    /// Encoded as UTF-16 with its mark.
    Utf16,
    /// Names another station.
    ForeignHost,
    /// A key twice.
    DuplicateKey,
    /// A NUL inside a text.
    RawNul,
    /// Preallocated and never written.
    AllZero,
    /// Over 5 MiB.
    TooLarge,
    /// Nothing in it.
    Empty,
    /// A byte that is no UTF-8.
    BadUtf8,
    /// Nested too deep.
    TooDeep,
    /// A number that no double holds.
    Overflow,
    /// Half of a surrogate pair, escaped.
    LoneSurrogate,
    /// A schema of the future.
    FutureSchema,
    /// The page of a captive portal.
    HtmlPage,
    /// Compressed by an eager uploader.
    Gzip,
    /// No `timestamp`.
    NoTimestamp,
}

impl Breakage {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Truncated,
        Self::Utf16,
        Self::ForeignHost,
        Self::DuplicateKey,
        Self::RawNul,
        Self::TooLarge,
        Self::AllZero,
        Self::Empty,
        Self::BadUtf8,
        Self::TooDeep,
        Self::Overflow,
        Self::LoneSurrogate,
        Self::FutureSchema,
        Self::HtmlPage,
        Self::Gzip,
        Self::NoTimestamp,
    ];

    /// The stable name of the reason.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Truncated => "truncated_json",
            Self::Utf16 => "utf16_json",
            Self::ForeignHost => "host_mismatch",
            Self::DuplicateKey => "duplicate_key",
            Self::RawNul => "nul_byte",
            Self::AllZero => "all_zero_bytes",
            Self::TooLarge => "too_large",
            Self::Empty => "empty_file",
            Self::BadUtf8 => "invalid_utf8",
            Self::TooDeep => "too_deep",
            Self::Overflow => "non_finite_number",
            Self::LoneSurrogate => "lone_surrogate",
            Self::FutureSchema => "unsupported_schema",
            Self::HtmlPage => "malformed_json",
            Self::Gzip => "compressed",
            Self::NoTimestamp => "missing_field",
        }
    }

    /// Breaks a heartbeat of that host.
    pub fn apply(self, bytes: &[u8], host: &str) -> Vec<u8> {
        match self {
            Self::Truncated => bytes[..bytes.len() / 2].to_vec(),
            Self::Utf16 => {
                let text = String::from_utf8_lossy(bytes);
                text.encode_utf16().flat_map(u16::to_le_bytes).collect()
            }
            Self::ForeignHost => replaced(bytes, &format!("\"host\":\"{host}\""), "\"host\":\"FOREIGN-PC\""),
            Self::DuplicateKey => replaced(bytes, "\"version\":", "\"version\":\"3.1.0\",\"version\":"),
            Self::RawNul => replaced(bytes, "Balanced", "Bal\0anced"),
            Self::AllZero => vec![0; bytes.len()],
            Self::TooLarge => [bytes, &b" ".repeat(5 * 1024 * 1024)].concat(),
            Self::Empty => Vec::new(),
            Self::BadUtf8 => {
                let mut broken = bytes.to_vec();
                if let Some(at) = find(bytes, b"Balanced") {
                    broken[at] = 0xf1;
                }
                broken
            }
            Self::TooDeep => {
                let nested = format!("\"extra\":{}{},\"host\":", "[".repeat(200), "]".repeat(200));
                replaced(bytes, "\"host\":", &nested)
            }
            Self::Overflow => replaced(bytes, "\"port\":8091", "\"port\":1e400"),
            Self::LoneSurrogate => replaced(bytes, "\"activePlan\":\"", "\"activePlan\":\"\\ud800"),
            Self::FutureSchema => replaced(bytes, "\"schemaVersion\":\"1.", "\"schemaVersion\":\"2."),
            Self::HtmlPage => b"<!DOCTYPE html><title>Log on to the network</title>".to_vec(),
            Self::Gzip => [&b"\x1f\x8b\x08\x00"[..], bytes].concat(),
            Self::NoTimestamp => replaced(bytes, "},\"timestamp\":", "},\"time\":"),
        }
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// Every occurrence replaced.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + to.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, from.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
