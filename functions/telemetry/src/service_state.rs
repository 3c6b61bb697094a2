//! `service-state.ini` (telemetry.md section 4).

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::json::{Scalar, refuse_before_decoding};
use crate::judge::Judge;
use crate::operations::OperationFields;
use crate::{Limits, Reason, Rejection, ServiceState};

/// Characters of a section beyond these are not read, as the emitter does.
const MAX_SECTION: usize = 65_535;

/// A `service-state.ini` as the emitter writes it (UTF-16LE with a BOM), or as a collector or an older file has it
/// (UTF-8, else Windows-1252). Of a key that appears twice the first counts; sections and keys have no letter case.
///
/// # Errors
/// By size, emptiness, compression or encoding; `nul_byte`; `wrong_type` or `bad_timestamp` of an operation.
pub fn normalize_service_state(bytes: &[u8], limits: &Limits) -> Result<ServiceState, Rejection> {
    refuse_before_decoding(bytes, limits)?;
    let text = decode(bytes)?;
    if text.trim().is_empty() {
        return Err(Rejection::new(Reason::EmptyFile, "nothing but blanks"));
    }
    if text.contains('\0') {
        return Err(Rejection::new(Reason::NulByte, "a NUL"));
    }
    let sections = Sections::parse(&text);
    let mut judge = Judge::default();
    let state = ServiceState {
        last_prepare: sections.prepare.map(|fields| fields.session_operation("prepare-session", &mut judge)),
        last_release: sections.release.map(|fields| fields.session_operation("release-session", &mut judge)),
        last_forced_logoff: sections.forced_logoff.map(|fields| fields.forced_logoff("forced-logoff", &mut judge)),
        last_power_action: sections.power_action.map(|fields| fields.power_action("power-action", &mut judge)),
        // Nothing is decided by it: a value of the wrong type is an unknown one.
        last_safeguard_reboot: sections
            .safeguard_reboot
            .map(|fields| fields.safeguard_reboot("", &mut Judge::default())),
    };
    judge.verdict(state)
}

/// A BOM decides; without one, text that is UTF-8 by chance is hardly ever something else.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Rejection> {
    if let Some(utf16) = bytes.strip_prefix(b"\xFF\xFE") {
        return Ok(UTF_16LE.decode_without_bom_handling(utf16).0);
    }
    if let Some(utf16) = bytes.strip_prefix(b"\xFE\xFF") {
        return Ok(UTF_16BE.decode_without_bom_handling(utf16).0);
    }
    if let Some(utf8) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return std::str::from_utf8(utf8).map(Cow::Borrowed).map_err(|error| {
            Rejection::new(Reason::InvalidUtf8, format!("not UTF-8 after byte {}", error.valid_up_to() + 3))
        });
    }
    Ok(std::str::from_utf8(bytes).map_or_else(|_| WINDOWS_1252.decode_without_bom_handling(bytes).0, Cow::Borrowed))
}

/// The sections that are known, each with the keys that are known.
#[derive(Default)]
struct Sections<'a> {
    prepare: Option<OperationFields<'a>>,
    release: Option<OperationFields<'a>>,
    safeguard_reboot: Option<OperationFields<'a>>,
    forced_logoff: Option<OperationFields<'a>>,
    power_action: Option<OperationFields<'a>>,
}

impl<'a> Sections<'a> {
    fn parse(text: &'a str) -> Self {
        let mut sections = Self::default();
        let (mut name, mut room) = ("", 0);
        for line in text.split(['\r', '\n']) {
            if let Some(header) = header(line) {
                (name, room) = (header, MAX_SECTION);
                sections.of(name).map(Option::get_or_insert_default);
                continue;
            }
            // A line end counts as well, and only once when it is two characters.
            let cut = line.char_indices().nth(room).map_or(line, |(end, _)| &line[..end]);
            let ended = usize::from(!line.is_empty());
            room = room.saturating_sub(line.chars().count() + ended);
            if let (Some(Some(fields)), Some((key, value))) = (sections.of(name), cut.split_once('=')) {
                set(fields, key.trim(), value.trim());
            }
        }
        sections
    }

    fn of(&mut self, name: &str) -> Option<&mut Option<OperationFields<'a>>> {
        Some(match name.to_ascii_lowercase().as_str() {
            "prepare-session" => &mut self.prepare,
            "release-session" => &mut self.release,
            "safeguard-reboot" => &mut self.safeguard_reboot,
            "forced-logoff" => &mut self.forced_logoff,
            "power-action" => &mut self.power_action,
            _ => return None,
        })
    }
}

/// The name in the brackets of a line that begins a section.
fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split_once(']').map(|(name, _)| name.trim())
}

/// The first one counts: a line break within a value forges keys.
fn set<'a>(fields: &mut OperationFields<'a>, key: &str, value: &'a str) {
    const KEYS: [&str; 17] = [
        "timestamp",
        "success",
        "durationMs",
        "user",
        "sessionId",
        "state",
        "message",
        "source",
        "grace",
        "force",
        "mode",
        "delay",
        "reason",
        "wakeReady",
        "wakeIssues",
        "rebooted",
        "issues",
    ];
    let known = KEYS.into_iter().find(|known| known.eq_ignore_ascii_case(key));
    if let Some(field @ Scalar::Missing) = known.and_then(|known| fields.field(known)) {
        *field = Scalar::Text(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logoff(text: &str) -> Result<Option<crate::ForcedLogoff>, Reason> {
        normalize_service_state(text.as_bytes(), &Limits::default())
            .map(|state| state.last_forced_logoff)
            .map_err(|rejection| rejection.reason)
    }

    #[test]
    fn the_first_key_counts_whatever_its_letter_case() {
        let found = logoff("[forced-logoff]\r\n user = a \r\nUSER=b\r\n[Forced-Logoff]\nuser=c\nSessionID=7\n");
        let found = found.expect("an INI").expect("a section");
        assert_eq!((found.user.as_deref(), found.session_id), (Some("a"), Some(7)));
    }

    #[test]
    fn values_are_judged_as_in_a_heartbeat() {
        for (text, expected) in [
            ("[other]\nuser=a", Ok(false)),
            ("user=a", Ok(false)),
            ("[forced-logoff]", Ok(true)),
            ("[forced-logoff]\nnoise\n;user=x\ngrace=", Ok(true)),
            ("[forced-logoff]\ngrace=soon", Err(Reason::WrongType)),
            ("[forced-logoff]\nsuccess=maybe", Err(Reason::WrongType)),
            ("[forced-logoff]\ntimestamp=today", Err(Reason::BadTimestamp)),
            ("[forced-logoff]\ntimestamp=1999-01-01T00:00:00Z", Ok(true)),
            (" \r\n", Err(Reason::EmptyFile)),
            ("[forced-logoff]\nuser=\0", Err(Reason::NulByte)),
        ] {
            assert_eq!(logoff(text).map(|found| found.is_some()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_section_is_cut_where_the_emitter_cuts_it() {
        let long = |length: usize| format!("[forced-logoff]\r\nmessage={}\r\nuser=a\r\n", "ñ".repeat(length));
        for (length, message, user) in [
            (65_520, 65_520, Some("a")),
            (65_521, 65_521, None),
            (65_527, 65_527, None),
            (65_528, 65_527, None),
            (70_000, 65_527, None),
        ] {
            let found = logoff(&long(length)).expect("an INI").expect("a section");
            let kept = found.message.map(|message| message.chars().count());
            assert_eq!((kept, found.user.as_deref()), (Some(message), user), "{length}");
        }
    }

    #[test]
    fn encodings_are_told_by_bom_and_content() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let text = "[forced-logoff]\r\nuser=Muñoz\r\n";
        let ansi = text.replace('ñ', "\u{1}").bytes().map(|byte| if byte == 1 { 0xF1 } else { byte }).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
            [b"\xFF\xFE", utf16(text).as_slice()].concat(),
            ansi,
        ] {
            let state = normalize_service_state(&bytes, &Limits::default()).expect("an INI");
            assert_eq!(state.last_forced_logoff.and_then(|logoff| logoff.user).as_deref(), Some("Muñoz"), "{bytes:?}");
        }
        for (bytes, reason) in [
            (utf16(text), Reason::NulByte),
            (b"\xFF\xFE".to_vec(), Reason::EmptyFile),
            (b"\xFF\xFE \0\r\0".to_vec(), Reason::EmptyFile),
            (b"\xEF\xBB\xBF[a]\xFF".to_vec(), Reason::InvalidUtf8),
            (b"\0\0".to_vec(), Reason::AllZeroBytes),
            (b"\x1F\x8B\x08".to_vec(), Reason::Compressed),
        ] {
            let rejection = normalize_service_state(&bytes, &Limits::default()).expect_err("no INI");
            assert_eq!(rejection.reason, reason, "{bytes:?}");
        }
    }
}
