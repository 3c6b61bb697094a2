//! Requests of WS-Management, as a remote shell's client sends them ([MS-WSMV]).

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
const WS_MANAGEMENT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
/// The kind of shell that a station has.
pub const COMMAND_SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
/// Deeper is no envelope.
const DEEPEST: usize = 32;
/// The longest that a station waits for output, and what it waits if it is not told.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A new shell.
    Create {
        /// `WINRS_CODEPAGE`.
        code_page: u16,
    },
    /// A command in it.
    Command {
        /// Program and arguments, as one line.
        line: String,
        /// `cmd.exe` reads it first.
        through_shell: bool,
    },
    /// What it has printed meanwhile.
    Receive {
        /// Of which command.
        command: String,
    },
    /// Input for it.
    Send {
        /// For which command.
        command: String,
    },
    /// It is to stop.
    Signal {
        /// Which command.
        command: String,
        /// A signal that ends it; other signals are known and do nothing.
        ends_it: bool,
    },
    /// The shell is to go.
    Delete,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// To be repeated in the answer.
    pub message_id: String,
    /// In which shell.
    pub shell: Option<String>,
    /// How long it may wait for output.
    pub wait: Duration,
    /// The longest answer that it takes, in bytes.
    pub most_bytes: usize,
    /// What it asks.
    pub action: Action,
}

/// Why it is none. The message id, where there is one, is still repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRequest {
    /// No XML, or not of this kind.
    #[error("the request is no envelope of WS-Management")]
    Malformed,
    /// Something that no shell does.
    #[error("the action is not supported: {action}")]
    Action {
        /// Which.
        action: String,
        /// Of the request.
        message_id: String,
    },
    /// Something else than a command shell.
    #[error("the resource is not known: {resource}")]
    Resource {
        /// Which.
        resource: String,
        /// Of the request.
        message_id: String,
    },
}

/// One element: its name with namespace, attributes, and text.
#[derive(Debug, Default)]
struct Element {
    namespace: String,
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    parent: Option<usize>,
}

struct Document(Vec<Element>);

impl Request {
    /// Reads one.
    pub fn parse(body: &[u8]) -> Result<Self, NoRequest> {
        let text = std::str::from_utf8(body).map_err(|_| NoRequest::Malformed)?;
        let document = Document::parse(text).ok_or(NoRequest::Malformed)?;
        let header = |namespace, name| document.text(namespace, name, "Header");
        let action = header(ADDRESSING, "Action").ok_or(NoRequest::Malformed)?;
        let message_id = header(ADDRESSING, "MessageID").unwrap_or_default();
        let resource = header(WS_MANAGEMENT, "ResourceURI").unwrap_or_default();
        if resource != COMMAND_SHELL {
            return Err(NoRequest::Resource { resource, message_id });
        }
        let option = |name: &str| document.named(WS_MANAGEMENT, "Option", name);
        let command = |name| document.attribute(SHELL, name, "CommandId").ok_or(NoRequest::Malformed);
        let asked = match action.strip_prefix(SHELL).or_else(|| action.strip_prefix(TRANSFER)) {
            Some("/Create") => {
                Action::Create { code_page: option("WINRS_CODEPAGE").and_then(|page| page.parse().ok()).unwrap_or(437) }
            }
            Some("/Delete") => Action::Delete,
            Some("/Command") => {
                let program = document.text(SHELL, "Command", "CommandLine").ok_or(NoRequest::Malformed)?;
                let arguments = document.all(SHELL, "Arguments").map(|element| element.text.trim());
                let words = std::iter::once(program.as_str()).chain(arguments).filter(|word| !word.is_empty());
                let skips = option("WINRS_SKIP_CMD_SHELL").is_some_and(|value| value.eq_ignore_ascii_case("true"));
                Action::Command { line: words.collect::<Vec<_>>().join(" "), through_shell: !skips }
            }
            Some("/Receive") => Action::Receive { command: command("DesiredStream")? },
            Some("/Send") => {
                let input = document.all(SHELL, "Stream").next().ok_or(NoRequest::Malformed)?;
                let packed: String = input.text.split_whitespace().collect();
                STANDARD.decode(packed).map_err(|_| NoRequest::Malformed)?;
                Action::Send { command: command("Stream")? }
            }
            Some("/Signal") => {
                let code = document.text(SHELL, "Code", "Signal").unwrap_or_default();
                let signal = code.rsplit('/').next().unwrap_or("");
                let ends_it = matches!(signal, "terminate" | "ctrl_c" | "ctrl_break");
                Action::Signal { command: command("Signal")?, ends_it }
            }
            _ => return Err(NoRequest::Action { action, message_id }),
        };
        Ok(Self {
            shell: document.named(WS_MANAGEMENT, "Selector", "ShellId"),
            wait: header(WS_MANAGEMENT, "OperationTimeout")
                .and_then(|text| duration(&text))
                .map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT)),
            most_bytes: header(WS_MANAGEMENT, "MaxEnvelopeSize").and_then(|text| text.parse().ok()).unwrap_or(153_600),
            action: asked,
            message_id,
        })
    }
}

impl Document {
    fn parse(text: &str) -> Option<Self> {
        let mut reader = NsReader::from_str(text);
        let (mut elements, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
        loop {
            let (namespace, event) = reader.read_resolved_event().ok()?;
            match event {
                Event::Start(ref start) | Event::Empty(ref start) => {
                    let namespace = match namespace {
                        ResolveResult::Bound(namespace) => String::from_utf8_lossy(namespace.0).into_owned(),
                        ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
                    };
                    let element = Element { namespace, parent: open.last().copied(), ..element(start)? };
                    elements.push(element);
                    if matches!(event, Event::Start(_)) {
                        open.push(elements.len() - 1);
                    }
                    if open.len() > DEEPEST {
                        return None;
                    }
                }
                Event::End(_) => drop(open.pop()),
                Event::Text(text) => {
                    let place = open.last().copied();
                    if let Some(place) = place {
                        elements[place].text.push_str(&text.xml10_content().ok()?);
                    }
                }
                Event::CData(text) => {
                    let place = open.last().copied()?;
                    elements[place].text.push_str(&text.decode().ok()?);
                }
                Event::GeneralRef(reference) => {
                    let place = open.last().copied()?;
                    let character = match reference.resolve_char_ref().ok()? {
                        Some(character) => character,
                        None => match reference.decode().ok()?.as_ref() {
                            "amp" => '&',
                            "lt" => '<',
                            "gt" => '>',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return None,
                        },
                    };
                    elements[place].text.push(character);
                }
                // A document type is where entities would be declared.
                Event::DocType(_) => return None,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        let root = elements.first()?;
        (root.name == "Envelope" && root.namespace == SOAP).then_some(Self(elements))
    }

    fn all<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.0.iter().filter(move |element| element.name == name && element.namespace == namespace)
    }

    fn text(&self, namespace: &str, name: &str, parent: &str) -> Option<String> {
        let below = |element: &&Element| {
            element.parent.and_then(|place| self.0.get(place)).is_some_and(|one| one.name == parent)
        };
        self.all(namespace, name).find(below).map(|element| element.text.trim().to_owned())
    }

    /// The text of the element whose attribute `Name` is that.
    fn named(&self, namespace: &str, name: &str, wanted: &str) -> Option<String> {
        let is = |element: &&Element| element.attributes.get("Name").is_some_and(|value| value == wanted);
        self.all(namespace, name).find(is).map(|element| element.text.trim().to_owned())
    }

    fn attribute(&self, namespace: &str, name: &str, attribute: &str) -> Option<String> {
        self.all(namespace, name).find_map(|element| element.attributes.get(attribute).cloned())
    }
}

fn element(start: &BytesStart<'_>) -> Option<Element> {
    let mut element =
        Element { name: std::str::from_utf8(start.local_name().as_ref()).ok()?.to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let key = std::str::from_utf8(attribute.key.local_name().as_ref()).ok()?.to_owned();
        let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).ok()?.into_owned();
        element.attributes.insert(key, value);
    }
    Some(element)
}

/// `PT20S`, `PT60.000S`, `PT1M30S`.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text.trim().strip_prefix("PT")?;
    for (unit, length) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
        if let Some((number, behind)) = rest.split_once(unit) {
            seconds += number.parse::<f64>().ok()? * length;
            rest = behind;
        }
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(action: &str, header: &str, body: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><env:Envelope xmlns:env=\"{SOAP}\" xmlns:a=\"{ADDRESSING}\" xmlns:w=\"{WS_MANAGEMENT}\" xmlns:rsp=\"{SHELL}\">\
             <env:Header><a:Action env:mustUnderstand=\"true\">{action}</a:Action><a:MessageID>uuid:7</a:MessageID>\
             <w:ResourceURI>{COMMAND_SHELL}</w:ResourceURI>{header}</env:Header><env:Body>{body}</env:Body></env:Envelope>"
        )
    }

    fn parsed(action: &str, header: &str, body: &str) -> Result<Request, NoRequest> {
        Request::parse(envelope(action, header, body).as_bytes())
    }

    #[test]
    fn each_request_of_a_shell_is_read() {
        let selector = "<w:SelectorSet><w:Selector Name=\"ShellId\">S1</w:Selector></w:SelectorSet>";
        let option = |name: &str, value: &str| {
            format!("<w:OptionSet><w:Option Name=\"{name}\">{value}</w:Option></w:OptionSet>")
        };
        let command = || "C1".to_owned();
        let line = |line: &str, through_shell| Action::Command { line: line.to_owned(), through_shell };
        for (action, header, body, expected) in [
            (
                format!("{TRANSFER}/Create"),
                option("WINRS_CODEPAGE", "850"),
                "<rsp:Shell/>",
                Action::Create { code_page: 850 },
            ),
            (format!("{TRANSFER}/Create"), String::new(), "<rsp:Shell/>", Action::Create { code_page: 437 }),
            (format!("{TRANSFER}/Delete"), String::new(), "", Action::Delete),
            (
                format!("{SHELL}/Command"),
                option("WINRS_SKIP_CMD_SHELL", "FALSE"),
                "<rsp:CommandLine><rsp:Command>a &amp; b</rsp:Command><rsp:Arguments>&quot;c d&#x22;</rsp:Arguments><rsp:Arguments>ñ</rsp:Arguments></rsp:CommandLine>",
                line("a & b \"c d\" ñ", true),
            ),
            (
                format!("{SHELL}/Command"),
                option("WINRS_SKIP_CMD_SHELL", "TRUE"),
                "<rsp:CommandLine><rsp:Command><![CDATA[a < b]]></rsp:Command></rsp:CommandLine>",
                line("a < b", false),
            ),
            (
                format!("{SHELL}/Receive"),
                String::new(),
                "<rsp:Receive><rsp:DesiredStream CommandId=\"C1\">stdout stderr</rsp:DesiredStream></rsp:Receive>",
                Action::Receive { command: command() },
            ),
            (
                format!("{SHELL}/Send"),
                String::new(),
                "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"C1\">YQ==</rsp:Stream></rsp:Send>",
                Action::Send { command: command() },
            ),
            (
                format!("{SHELL}/Signal"),
                String::new(),
                "<rsp:Signal CommandId=\"C1\"><rsp:Code>http://x/signal/terminate</rsp:Code></rsp:Signal>",
                Action::Signal { command: command(), ends_it: true },
            ),
        ] {
            let request = parsed(&action, &format!("{selector}{header}"), body).unwrap();
            assert_eq!(request.action, expected, "{action}");
            assert_eq!((request.message_id.as_str(), request.shell.as_deref()), ("uuid:7", Some("S1")));
        }
    }

    #[test]
    fn how_long_and_how_much_is_the_clients_to_say() {
        for (text, seconds) in
            [("PT20S", 20), ("PT60.000S", 60), ("PT1M", 60), ("PT0.5S", 0), ("PT3H", 60), ("20", 60), ("PT-1S", 60)]
        {
            let header =
                format!("<w:OperationTimeout>{text}</w:OperationTimeout><w:MaxEnvelopeSize>5000</w:MaxEnvelopeSize>");
            let request = parsed(&format!("{TRANSFER}/Delete"), &header, "").unwrap();
            assert_eq!((request.wait.as_secs(), request.most_bytes), (seconds, 5000), "{text}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let other = parsed("http://x/Enumerate", "", "");
        assert!(matches!(other, Err(NoRequest::Action { message_id, .. }) if message_id == "uuid:7"));
        let resource = envelope(&format!("{TRANSFER}/Create"), "", "").replace(COMMAND_SHELL, "http://x/service");
        assert!(matches!(Request::parse(resource.as_bytes()), Err(NoRequest::Resource { .. })));
        let whole = envelope(
            &format!("{SHELL}/Command"),
            "",
            "<rsp:CommandLine><rsp:Command>a</rsp:Command></rsp:CommandLine>",
        );
        for end in 0..whole.len() {
            let _either = Request::parse(&whole.as_bytes()[..end]);
        }
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        let bomb = whole.replace("<?xml version=\"1.0\"?>", "<!DOCTYPE x [<!ENTITY a \"b\">]>");
        for bad in [
            "",
            "{}",
            "<a/>",
            &deep,
            &bomb,
            &whole.replace("a</rsp", "&a;</rsp"),
            &whole.replace("<rsp:Command>", "<rsp:C>"),
        ] {
            assert_eq!(Request::parse(bad.as_bytes()), Err(NoRequest::Malformed), "{bad}");
        }
    }
}
