//! Server-sent events, as they come in pieces.

/// Longer than this, a line or an event is none of ours.
const MOST: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// Its kind; `message` where none was given.
    pub kind: String,
    /// What it says.
    pub data: String,
    /// The id that was given last, with it or before.
    pub id: Option<String>,
}

/// Makes events of pieces. Comments and unknown fields are left out.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    after_cr: bool,
    kind: String,
    data: Vec<String>,
    size: usize,
    id: Option<String>,
}

/// What comes is no stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {MOST} bytes")]
pub struct TooLong;

impl SseParser {
    /// Takes a piece; the events that it ends, in order.
    ///
    /// # Errors
    /// A line or an event that is too long.
    pub fn take(&mut self, piece: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        for &byte in piece {
            let was_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if was_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.size > MOST {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_of_line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
            self.size = 0;
            if data.is_empty() {
                return None;
            }
            let kind = if kind.is_empty() { "message".to_owned() } else { kind };
            return Some(SseEvent { kind, data: data.join("\n"), id: self.id.clone() });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.kind = value.to_owned(),
            "data" => {
                self.size += value.len() + 1;
                self.data.push(value.to_owned());
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &str, pieces: usize) -> Vec<String> {
        let mut parser = SseParser::default();
        let mut told = Vec::new();
        for piece in stream.as_bytes().chunks(pieces) {
            told.extend(parser.take(piece).unwrap());
        }
        told.into_iter().map(|one| format!("{} {:?} {}", one.kind, one.id, one.data)).collect()
    }

    #[test]
    fn events_are_the_same_in_whatever_pieces_they_come() {
        for (stream, told) in [
            ("event: hello\nid: a-1\nretry: 2000\ndata: {}\n\n", vec![r#"hello Some("a-1") {}"#]),
            (": keep-alive\n\ndata: x\n\n", vec!["message None x"]),
            (
                "id:7\r\ndata:a\r\ndata: b\r\n\r\nevent: tick\r\ndata: c\r\n\r\n",
                vec!["message Some(\"7\") a\nb", "tick Some(\"7\") c"],
            ),
            ("event: nothing\n\ndata: unfinished", vec![]),
            ("data: ñ\r\rdata\n\n", vec!["message None ñ", "message None "]),
        ] {
            for pieces in 1..=stream.len() {
                assert_eq!(events(stream, pieces), told, "{stream:?} in pieces of {pieces}");
            }
        }
    }

    #[test]
    fn what_never_ends_is_no_stream() {
        let mut parser = SseParser::default();
        assert_eq!(parser.take(&vec![b'x'; MOST + 1]), Err(TooLong));
        let mut parser = SseParser::default();
        let lines = format!("data: {}\n", "x".repeat(1000)).repeat(1100);
        assert_eq!(parser.take(lines.as_bytes()), Err(TooLong));
    }
}
