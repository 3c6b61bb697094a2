//! The requests of WS-Management, each one text.

use std::time::Duration;

use quick_xml::escape::escape;
use uuid::Uuid;

use super::code_page::CodePage;
use crate::command::CommandLine;

/// What one answer may hold; longer output comes in several. Every Windows takes this size.
pub(crate) const MAX_ENVELOPE_BYTES: usize = 153_600;

const CREATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create";
const DELETE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
/// A shell that nobody uses any more is closed by the station after this.
const IDLE: Duration = Duration::from_secs(180);

/// What is the same in all requests to one station.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    /// The address as the station should see it.
    pub to: String,
    /// How long the station may hold a request back.
    pub operation_timeout: Duration,
}

impl Heading {
    fn envelope(&self, action: &str, shell: Option<&str>, options: &[(&str, String)], body: &str) -> String {
        let selector = shell.map_or_else(String::new, |id| {
            format!(r#"<w:SelectorSet><w:Selector Name="ShellId">{}</w:Selector></w:SelectorSet>"#, escape(id))
        });
        let option = |(name, value): &(&str, String)| {
            format!(r#"<w:Option Name="{name}">{}</w:Option>"#, escape(value.as_str()))
        };
        let options = match options {
            [] => String::new(),
            some => format!("<w:OptionSet>{}</w:OptionSet>", some.iter().map(option).collect::<String>()),
        };
        format!(
            concat!(
                r#"<?xml version="1.0" encoding="utf-8"?>"#,
                r#"<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope""#,
                r#" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing""#,
                r#" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd""#,
                r#" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd""#,
                r#" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell">"#,
                r#"<env:Header><a:To>{to}</a:To><a:ReplyTo><a:Address mustUnderstand="true">"#,
                r#"http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"#,
                r#"<w:MaxEnvelopeSize mustUnderstand="true">{size}</w:MaxEnvelopeSize>"#,
                r#"<a:MessageID>uuid:{id}</a:MessageID>"#,
                r#"<w:Locale mustUnderstand="false" xml:lang="en-US"/><p:DataLocale mustUnderstand="false" xml:lang="en-US"/>"#,
                r#"<w:OperationTimeout>PT{timeout}S</w:OperationTimeout>"#,
                r#"<w:ResourceURI mustUnderstand="true">{shell}/cmd</w:ResourceURI>"#,
                r#"<a:Action mustUnderstand="true">{action}</a:Action>{selector}{options}</env:Header>"#,
                r#"<env:Body>{body}</env:Body></env:Envelope>"#,
            ),
            to = escape(self.to.as_str()),
            size = MAX_ENVELOPE_BYTES,
            id = Uuid::new_v4().to_string().to_uppercase(),
            timeout = self.operation_timeout.as_secs().max(1),
            shell = SHELL,
            action = action,
            selector = selector,
            options = options,
            body = body,
        )
    }

    /// Opens a shell whose console writes in that code page.
    pub fn create(&self, code_page: CodePage) -> String {
        let options = [("WINRS_NOPROFILE", "FALSE".to_owned()), ("WINRS_CODEPAGE", code_page.number().to_string())];
        let idle = IDLE.as_secs();
        let body = format!(
            "<rsp:Shell><rsp:IdleTimeOut>PT{idle}.000S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>\
             <rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        );
        self.envelope(CREATE, None, &options, &body)
    }

    /// Issues a command in a shell.
    pub fn command(&self, shell: &str, line: &CommandLine) -> String {
        let options = [("WINRS_CONSOLEMODE_STDIN", "TRUE".to_owned()), ("WINRS_SKIP_CMD_SHELL", "FALSE".to_owned())];
        let body = format!(
            "<rsp:CommandLine><rsp:Command>{}</rsp:Command><rsp:Arguments>{}</rsp:Arguments></rsp:CommandLine>",
            escape(line.program.as_str()),
            escape(line.arguments.join(" ")),
        );
        self.envelope(&format!("{SHELL}/Command"), Some(shell), &options, &body)
    }

    /// Waits for output, or for the end.
    pub fn receive(&self, shell: &str, command: &str) -> String {
        let body = format!(
            r#"<rsp:Receive><rsp:DesiredStream CommandId="{}">stdout stderr</rsp:DesiredStream></rsp:Receive>"#,
            escape(command)
        );
        self.envelope(&format!("{SHELL}/Receive"), Some(shell), &[], &body)
    }

    /// Ends a command, or releases what the station keeps of one that has ended.
    pub fn terminate(&self, shell: &str, command: &str) -> String {
        let body = format!(
            r#"<rsp:Signal CommandId="{}"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>"#,
            escape(command)
        );
        self.envelope(&format!("{SHELL}/Signal"), Some(shell), &[], &body)
    }

    /// Closes a shell.
    pub fn delete(&self, shell: &str) -> String {
        self.envelope(DELETE, Some(shell), &[], "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::winrm::answer::Element;
    use proptest::prelude::*;

    fn heading() -> Heading {
        Heading { to: "https://lab-ws01:5986/wsman".into(), operation_timeout: Duration::from_secs(20) }
    }

    fn line(program: &str, arguments: &[&str]) -> CommandLine {
        CommandLine { program: program.into(), arguments: arguments.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn every_request_names_what_it_is_for() {
        let heading = heading();
        for (request, action, shell, body) in [
            (heading.create(CodePage::default()), CREATE.to_owned(), None, "Shell"),
            (heading.command("S-1", &line("a", &["b"])), format!("{SHELL}/Command"), Some("S-1"), "CommandLine"),
            (heading.receive("S-1", "C-1"), format!("{SHELL}/Receive"), Some("S-1"), "Receive"),
            (heading.terminate("S-1", "C-1"), format!("{SHELL}/Signal"), Some("S-1"), "Signal"),
            (heading.delete("S-1"), DELETE.to_owned(), Some("S-1"), "Body"),
        ] {
            let read = Element::read(request.as_bytes()).unwrap();
            let text = |name: &str| read.find(name).map(|element| element.text.as_str());
            assert_eq!(text("Action"), Some(action.as_str()));
            assert_eq!(text("Selector"), shell);
            assert_eq!(text("OperationTimeout"), Some("PT20S"));
            assert_eq!(text("MaxEnvelopeSize"), Some("153600"));
            assert_eq!(text("ResourceURI"), Some("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"));
            assert!(text("MessageID").unwrap().starts_with("uuid:"));
            assert!(read.find(body).is_some(), "{body}");
        }
    }

    #[test]
    fn two_requests_have_two_ids() {
        assert_ne!(heading().delete("S-1"), heading().delete("S-1"));
    }

    proptest! {
        #[test]
        fn a_command_arrives_as_it_is(argument in "[ -~]{0,40}|\\PC{0,40}") {
            let request = heading().command("<S>&\"", &line("C:\\x.exe", &[&argument]));
            let read = Element::read(request.as_bytes()).unwrap();
            prop_assert_eq!(&read.find("Arguments").unwrap().text, &argument);
            prop_assert_eq!(&read.find("Selector").unwrap().text, "<S>&\"");
        }
    }
}
