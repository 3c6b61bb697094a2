//! What a station answers. Any bytes give a value or an error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Deeper, or with more elements, than any answer of WS-Management.
const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 20_000;

/// An element by its local name: prefixes are each station's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub name: String,
    attributes: Vec<(String, String)>,
    pub text: String,
    children: Vec<Element>,
}

/// Why bytes are no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("its answer is no XML")]
    NoXml,
    #[error("its answer is nested too deeply or has too many parts")]
    TooComplex,
    #[error("its answer has no {0}")]
    Missing(&'static str),
    #[error("its output is no base64")]
    Output,
}

impl Element {
    /// The root of a document.
    pub fn read(bytes: &[u8]) -> Result<Self, AnswerError> {
        let text = std::str::from_utf8(bytes).map_err(|_| AnswerError::NoXml)?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let mut open: Vec<Element> = vec![Element::default()];
        let mut count = 0;
        loop {
            match reader.read_event().map_err(|_| AnswerError::NoXml)? {
                Event::Start(start) => {
                    count += 1;
                    if open.len() > MAX_DEPTH || count > MAX_ELEMENTS {
                        return Err(AnswerError::TooComplex);
                    }
                    open.push(Self::begun(&start)?);
                }
                Event::Empty(start) => {
                    count += 1;
                    if count > MAX_ELEMENTS {
                        return Err(AnswerError::TooComplex);
                    }
                    let element = Self::begun(&start)?;
                    open.last_mut().ok_or(AnswerError::NoXml)?.children.push(element);
                }
                Event::End(_) => {
                    let ended = open.pop().ok_or(AnswerError::NoXml)?;
                    open.last_mut().ok_or(AnswerError::NoXml)?.children.push(ended);
                }
                Event::Text(text) => {
                    let text = text.xml10_content().map_err(|_| AnswerError::NoXml)?;
                    open.last_mut().ok_or(AnswerError::NoXml)?.text.push_str(&text);
                }
                Event::CData(text) => {
                    let text = text.xml10_content().map_err(|_| AnswerError::NoXml)?;
                    open.last_mut().ok_or(AnswerError::NoXml)?.text.push_str(&text);
                }
                Event::GeneralRef(reference) => {
                    let text = &mut open.last_mut().ok_or(AnswerError::NoXml)?.text;
                    match reference.resolve_char_ref().map_err(|_| AnswerError::NoXml)? {
                        Some(c) => text.push(c),
                        None => {
                            let name = reference.decode().map_err(|_| AnswerError::NoXml)?;
                            text.push_str(resolve_predefined_entity(&name).ok_or(AnswerError::NoXml)?);
                        }
                    }
                }
                // Entities of its own could grow without end.
                Event::DocType(_) => return Err(AnswerError::NoXml),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match (open.pop(), open.is_empty()) {
            (Some(mut document), true) if document.children.len() == 1 => {
                document.children.pop().ok_or(AnswerError::NoXml)
            }
            _ => Err(AnswerError::NoXml),
        }
    }

    fn begun(start: &BytesStart<'_>) -> Result<Self, AnswerError> {
        let local = |name: &[u8]| std::str::from_utf8(name).map(ToOwned::to_owned).map_err(|_| AnswerError::NoXml);
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| AnswerError::NoXml)?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| AnswerError::NoXml)?;
            attributes.push((local(attribute.key.local_name().as_ref())?, value.into_owned()));
        }
        Ok(Self { name: local(start.local_name().as_ref())?, attributes, ..Self::default() })
    }

    /// The first of that name, itself included, in the order of the document.
    pub fn find(&self, name: &str) -> Option<&Self> {
        self.all().find(|element| element.name == name)
    }

    /// Itself and all below it, in the order of the document.
    fn all(&self) -> impl Iterator<Item = &Self> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let next = waiting.pop()?;
            waiting.extend(next.children.iter().rev());
            Some(next)
        })
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// WS-Management's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Windows' number.
    pub code: Option<u32>,
    /// Words that decide: `TimedOut`, `InvalidSelectors`, …
    pub subcode: String,
    /// Words to read.
    pub reason: String,
}

/// `ERROR_WSMAN_OPERATION_TIMEDOUT`.
const OPERATION_TIMED_OUT: u32 = 2_150_858_793;

impl Fault {
    pub fn read(answer: &Element) -> Option<Self> {
        let fault = answer.find("Fault")?;
        let subcode = fault.find("Subcode").and_then(|subcode| subcode.find("Value"));
        let subcode = subcode.map_or("", |value| value.text.trim());
        let detailed = fault.find("WSManFault");
        let words = detailed.and_then(|detailed| detailed.find("Message")).or(fault.find("Text"));
        let words: String = words.map_or(String::new(), |words| words.all().map(|part| part.text.as_str()).collect());
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let subcode = subcode.rsplit(':').next().unwrap_or_default().to_owned();
        let said = if words.is_empty() { subcode.clone() } else { words };
        Some(Self {
            code: detailed.and_then(|detailed| detailed.attribute("Code")).and_then(|code| code.trim().parse().ok()),
            reason: said.chars().filter(|c| !c.is_control()).take(400).collect(),
            subcode,
        })
    }

    /// Whether it only says that nothing has happened yet.
    pub fn is_timed_out(&self) -> bool {
        self.subcode == "TimedOut" || self.code == Some(OPERATION_TIMED_OUT)
    }
}

/// Which shell was opened.
pub(crate) fn shell_id(answer: &Element) -> Result<String, AnswerError> {
    let selector = answer.all().find(|one| one.name == "Selector" && one.attribute("Name") == Some("ShellId"));
    identifier(selector.or(answer.find("ShellId")), "shell id")
}

/// Which command was issued.
pub(crate) fn command_id(answer: &Element) -> Result<String, AnswerError> {
    identifier(answer.find("CommandId"), "command id")
}

fn identifier(element: Option<&Element>, what: &'static str) -> Result<String, AnswerError> {
    let id = element.map(|element| element.text.trim()).unwrap_or_default();
    if id.is_empty() || id.len() > 128 { Err(AnswerError::Missing(what)) } else { Ok(id.to_owned()) }
}

/// A piece of a command's output, and its end where it has ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub ended: Option<Ended>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    /// Somebody ended it.
    WithoutExitCode,
}

impl Received {
    pub fn read(answer: &Element) -> Result<Self, AnswerError> {
        let response = answer.find("ReceiveResponse").ok_or(AnswerError::Missing("output"))?;
        let mut received = Self::default();
        for stream in response.all().filter(|one| one.name == "Stream") {
            let text: String = stream.text.split_whitespace().collect();
            let bytes = STANDARD.decode(text).map_err(|_| AnswerError::Output)?;
            match stream.attribute("Name") {
                Some("stderr") => received.stderr.extend(bytes),
                _ => received.stdout.extend(bytes),
            }
        }
        let state = response.find("CommandState");
        let done = state.filter(|state| state.attribute("State").is_some_and(|word| word.ends_with("/Done")));
        received.ended = done.map(|done| match done.find("ExitCode").and_then(|code| exit_code(&code.text)) {
            Some(code) => Ended::Exited(code),
            None => Ended::WithoutExitCode,
        });
        Ok(received)
    }
}

/// Windows writes an exit code with its sign or without.
fn exit_code(text: &str) -> Option<i32> {
    let text = text.trim();
    text.parse::<i32>().ok().or_else(|| text.parse::<u32>().ok().map(u32::cast_signed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn soap(body: &str) -> String {
        format!(
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>{body}</s:Body></s:Envelope>"#
        )
    }

    fn read(body: &str) -> Element {
        Element::read(soap(body).as_bytes()).unwrap()
    }

    #[test]
    fn a_shell_has_an_id() {
        let created = r#"<x:ResourceCreated><a:ReferenceParameters><w:SelectorSet><w:Selector Name="ShellId">11-AA</w:Selector>
            </w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"#;
        for (body, id) in [
            (created, Ok("11-AA".to_owned())),
            ("<rsp:Shell><rsp:ShellId> 22-BB </rsp:ShellId></rsp:Shell>", Ok("22-BB".to_owned())),
            (r#"<w:Selector Name="Other">x</w:Selector>"#, Err(AnswerError::Missing("shell id"))),
            ("<rsp:ShellId/>", Err(AnswerError::Missing("shell id"))),
        ] {
            assert_eq!(shell_id(&read(body)), id, "{body}");
        }
        assert_eq!(
            command_id(&read("<rsp:CommandResponse><rsp:CommandId>C&amp;1</rsp:CommandId></rsp:CommandResponse>")),
            Ok("C&1".into())
        );
    }

    #[test]
    fn output_comes_in_pieces() {
        let done = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done";
        let running = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Running";
        for (inner, stdout, stderr, ended) in [
            (
                r#"<rsp:Stream Name="stdout" CommandId="1">aGVs</rsp:Stream><rsp:Stream Name="stderr">IQ==</rsp:Stream>
                   <rsp:Stream Name="stdout">bG8=</rsp:Stream>"#
                    .to_owned(),
                "hello",
                "!",
                None,
            ),
            (format!(r#"<rsp:CommandState State="{running}"/>"#), "", "", None),
            (
                format!(
                    r#"<rsp:Stream Name="stdout" End="true"/><rsp:CommandState State="{done}"><rsp:ExitCode>3</rsp:ExitCode></rsp:CommandState>"#
                ),
                "",
                "",
                Some(Ended::Exited(3)),
            ),
            (
                format!(
                    r#"<rsp:CommandState State="{done}"><rsp:ExitCode>3221225786</rsp:ExitCode></rsp:CommandState>"#
                ),
                "",
                "",
                Some(Ended::Exited(-1_073_741_510)),
            ),
            (format!(r#"<rsp:CommandState State="{done}"/>"#), "", "", Some(Ended::WithoutExitCode)),
        ] {
            let received =
                Received::read(&read(&format!("<rsp:ReceiveResponse>{inner}</rsp:ReceiveResponse>"))).unwrap();
            let expected = Received { stdout: stdout.into(), stderr: stderr.into(), ended };
            assert_eq!(received, expected, "{inner}");
        }
        let broken =
            read(r#"<rsp:ReceiveResponse><rsp:Stream Name="stdout">no base64!</rsp:Stream></rsp:ReceiveResponse>"#);
        assert_eq!(Received::read(&broken), Err(AnswerError::Output));
        assert_eq!(Received::read(&read("")), Err(AnswerError::Missing("output")));
    }

    #[test]
    fn a_fault_says_what_it_means() {
        let fault = |subcode: &str, code: &str| {
            let detail = format!(
                r#"<f:WSManFault Code="{code}" Machine="LAB-WS01"><f:Message>The WS-Management service cannot
                complete the operation. </f:Message></f:WSManFault>"#
            );
            let body = format!(
                r#"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>
                <s:Reason><s:Text xml:lang="en-US">other words</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>"#
            );
            Fault::read(&read(&body)).unwrap()
        };
        let timed_out = fault("w:TimedOut", "2150858793");
        assert!(timed_out.is_timed_out());
        assert_eq!(timed_out.reason, "The WS-Management service cannot complete the operation.");
        assert!(fault("w:TimedOut", "").is_timed_out() && fault("w:InternalError", "2150858793").is_timed_out());
        let other = fault("w:InvalidSelectors", "2150858843");
        assert_eq!((other.is_timed_out(), other.code), (false, Some(2_150_858_843)));
        assert_eq!(Fault::read(&read("<rsp:Shell/>")), None);
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS + 1));
        for (bytes, error) in [
            (&b""[..], AnswerError::NoXml),
            (b"hello", AnswerError::NoXml),
            (b"<html><p></html>", AnswerError::NoXml),
            (b"<a>", AnswerError::NoXml),
            (b"<a/><b/>", AnswerError::NoXml),
            (b"<a>&unknown;</a>", AnswerError::NoXml),
            (b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", AnswerError::NoXml),
            (b"<a>\xff</a>", AnswerError::NoXml),
            (deep.as_bytes(), AnswerError::TooComplex),
            (many.as_bytes(), AnswerError::TooComplex),
        ] {
            assert_eq!(Element::read(bytes), Err(error), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Element::read(&bytes);
        }

        #[test]
        fn any_body_is_read_or_refused(body in "(<[/a-zA-Z:!?\\[&; \"=]{0,20}>|[ -~]{0,10}|&#?[a-z0-9]{0,5};){0,12}") {
            if let Ok(answer) = Element::read(soap(&body).as_bytes()) {
                let _ = (shell_id(&answer), command_id(&answer), Received::read(&answer), Fault::read(&answer));
            }
        }
    }
}
