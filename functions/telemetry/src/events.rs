//! `session-guard-events.jsonl`: one forced logoff a line (telemetry.md section 3).

use crate::json::{Source, parse, refuse_before_decoding};
use crate::judge::Judge;
use crate::operations::OperationFields;
use crate::{HostEvent, Limits, Reason, Rejection};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a JSONL file, or a part of it, says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    /// In the order of the lines.
    pub events: Vec<HostEvent>,
    /// Lines that are not taken; the others stand.
    pub rejected_lines: Vec<RejectedLine>,
    /// Bytes before the place where the next read begins. A torn tail is not among them; a complete last line is, even
    /// without its line feed.
    pub consumed: usize,
    /// Line feeds within `consumed`: the next read begins in line `first_line + lines`.
    pub lines: u64,
}

/// A line that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// 1-based line of the file.
    pub line: u64,
    /// The word to decide by.
    pub reason: Reason,
    /// The sentence to show.
    pub detail: String,
}

/// Lines of a file. With `first_line` 1 the bytes are those of the whole file so far, and it is judged as a file first;
/// with another one they are a part that begins in that line, as with [`resume_events`].
///
/// # Errors
/// What makes a whole file unreadable: size, emptiness, compression, UTF-16. A bad line is none of them.
pub fn normalize_events(bytes: &[u8], limits: &Limits, first_line: u64) -> Result<Events, Rejection> {
    if first_line == 1 {
        refuse_before_decoding(bytes, limits)?;
        Source::refuse_utf16(bytes)?;
    }
    resume_events(bytes, limits, first_line)
}

/// What was appended after an earlier read, which ended within line `first_line`, perhaps before its line feed. It may
/// be empty.
///
/// # Errors
/// [`Reason::TooLarge`] alone.
pub fn resume_events(bytes: &[u8], limits: &Limits, first_line: u64) -> Result<Events, Rejection> {
    limits.check_size(bytes.len() as u64)?;
    let mut found = Events::default();
    for ended in bytes.split_inclusive(|byte| *byte == b'\n') {
        let number = first_line + found.lines;
        let line = ended.strip_suffix(b"\n");
        let judged = read_line(line.unwrap_or(ended), number, limits, line.is_none());
        match judged {
            Ok(event) => found.events.extend(event),
            Err(Rejection { reason, detail }) => {
                found.rejected_lines.push(RejectedLine { line: number, reason, detail });
                if reason == Reason::TornTail {
                    break;
                }
            }
        }
        found.consumed += ended.len();
        found.lines += u64::from(line.is_some());
    }
    Ok(found)
}

/// `None`: a blank line. `open`: it may still be written.
fn read_line(line: &[u8], number: u64, limits: &Limits, open: bool) -> Result<Option<HostEvent>, Rejection> {
    // A collector that joins files leaves a BOM at the start of a line.
    let text = line.strip_prefix(BOM).unwrap_or(line);
    if text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
        return Ok(None);
    }
    let judged = read_event(text, number, limits);
    match judged {
        Err(rejection) if open && (rejection.reason == Reason::TruncatedJson || ends_in_a_character(text, limits)) => {
            Err(Rejection::new(Reason::TornTail, rejection.detail))
        }
        judged => judged.map(Some),
    }
}

/// Cut within a character, and nothing wrong before it.
fn ends_in_a_character(text: &[u8], limits: &Limits) -> bool {
    match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => {
            let before = &text[..error.valid_up_to()];
            let judged = Source::of_text(before)
                .and_then(|source| parse::<OperationFields<'_>>(&source, limits.depth()).map(|_| ()));
            before.is_empty() || judged.is_err_and(|rejection| rejection.reason == Reason::TruncatedJson)
        }
        _ => false,
    }
}

fn read_event(text: &[u8], line: u64, limits: &Limits) -> Result<HostEvent, Rejection> {
    let source = Source::of_text(text)?;
    let fields: OperationFields<'_> = parse(&source, limits.depth())?;
    let mut judge = Judge::default();
    let timestamp = judge.required_instant(("", "timestamp"), fields.timestamp);
    let logoff = fields.forced_logoff("", &mut judge);
    let Some(timestamp) = timestamp else {
        return Err(judge.into_rejection());
    };
    judge.verdict(HostEvent {
        timestamp,
        user: logoff.user,
        session_id: logoff.session_id,
        grace: logoff.grace,
        force: logoff.force,
        message: logoff.message,
        source: logoff.source,
        line,
        state: logoff.state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "{\"timestamp\":\"2026-11-24T08:54:10Z\",\"user\":\"ñ\"}";

    fn read(text: &str, first_line: u64) -> Events {
        normalize_events(text.as_bytes(), &Limits::default(), first_line).expect("no whole-file fault")
    }

    fn lines(events: &Events) -> Vec<u64> {
        events.events.iter().map(|event| event.line).collect()
    }

    fn rejected(events: &Events) -> Vec<(u64, Reason)> {
        events.rejected_lines.iter().map(|line| (line.line, line.reason)).collect()
    }

    #[test]
    fn lines_are_counted_and_judged_alone() {
        let text = format!("\u{feff}{LINE}\r\n\r\n \t\n\u{feff}{LINE}\n{{\"user\":1}}\n{{\"a\":\n[]\n{LINE}");
        let events = read(&text, 1);
        assert_eq!(lines(&events), [1, 4, 8]);
        let expected = [(5, Reason::MissingField), (6, Reason::TruncatedJson), (7, Reason::NotAnObject)];
        assert_eq!(rejected(&events), expected);
        assert_eq!((events.consumed, events.lines), (text.len(), 7));
    }

    #[test]
    fn bytes_that_are_no_text_cost_their_line_only() {
        let bytes = [LINE.as_bytes(), b"\n{\"user\":\"\xFF\"}\n{\0}\n", LINE.as_bytes()].concat();
        let events = normalize_events(&bytes, &Limits::default(), 1).expect("a file");
        assert_eq!(lines(&events), [1, 4]);
        assert_eq!(rejected(&events), [(2, Reason::InvalidUtf8), (3, Reason::NulByte)]);
    }

    #[test]
    fn a_torn_tail_waits_for_the_rest() {
        let text = format!("{LINE}\n{{\"user\":\"");
        let torn = read(&text, 1);
        assert_eq!((lines(&torn), rejected(&torn)), (vec![1], vec![(2, Reason::TornTail)]));
        assert_eq!((torn.consumed, torn.lines), (LINE.len() + 1, 1));
        // Cut within the two bytes of a character.
        let bytes = [text.as_bytes(), b"\xC3"].concat();
        let torn = normalize_events(&bytes, &Limits::default(), 1).expect("a file");
        assert_eq!((rejected(&torn), torn.consumed), (vec![(2, Reason::TornTail)], LINE.len() + 1));
        // A tail that no byte can mend is rejected at once.
        let broken = read(&format!("{LINE}\n{{]"), 1);
        assert_eq!((rejected(&broken), broken.consumed), (vec![(2, Reason::MalformedJson)], LINE.len() + 3));
    }

    #[test]
    fn a_read_after_a_complete_line_without_its_end_goes_on_in_that_line() {
        let first = read(LINE, 1);
        assert_eq!((lines(&first), first.consumed, first.lines), (vec![1], LINE.len(), 0));
        let rest = resume_events(format!("\n{LINE}\n").as_bytes(), &Limits::default(), 1).expect("a part");
        assert_eq!((lines(&rest), rest.lines), (vec![2], 2));
        assert_eq!(resume_events(b"", &Limits::default(), 1), Ok(Events::default()));
    }

    #[test]
    fn a_file_is_judged_as_a_file_first() {
        for (bytes, reason) in [
            (&b""[..], Reason::EmptyFile),
            (b"\xEF\xBB\xBF\r\n\r\n", Reason::EmptyFile),
            (b"\0\0\0", Reason::AllZeroBytes),
            (b"\x1F\x8B", Reason::Compressed),
            (b"\xFF\xFE{\0", Reason::Utf16Json),
        ] {
            let rejection = normalize_events(bytes, &Limits::default(), 1).expect_err("no file");
            assert_eq!(rejection.reason, reason, "{bytes:?}");
        }
        let limits = Limits { max_bytes: 3, ..Limits::default() };
        let rejection = resume_events(b"{}\n\n", &limits, 9).expect_err("too large");
        assert_eq!(rejection.reason, Reason::TooLarge);
    }
}
