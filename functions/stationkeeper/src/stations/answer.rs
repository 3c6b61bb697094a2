//! Answers of WS-Management.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;
use stationkeeper_simulator::Stream;

use super::envelope::COMMAND_SHELL;

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";

/// What a command has printed since it was asked last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// In the code page of the shell.
    pub pieces: Vec<(Stream, Vec<u8>)>,
    /// The exit code, once all is said.
    pub exit_code: Option<i32>,
}

/// What went wrong, in the words of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SoapFault {
    /// Nothing was printed for as long as the client wanted to wait.
    TimedOut,
    /// No shell has this id.
    UnknownShell(String),
    /// No command of the shell has this id.
    UnknownCommand(String),
    /// So many shells are open already.
    TooManyShells(usize),
    /// So many commands run in the shell already.
    TooManyCommands(usize),
    /// See [`NoRequest`](super::envelope::NoRequest).
    NoRequest(super::envelope::NoRequest),
}

impl SoapFault {
    /// Whose mistake it is, which one, Windows' number for it.
    fn words(&self) -> (&'static str, &'static str, u32, String) {
        use super::envelope::NoRequest;
        match self {
            Self::TimedOut => (
                "Receiver",
                "w:TimedOut",
                2_150_858_793,
                "The WS-Management service cannot complete the operation within the time specified in OperationTimeout."
                    .to_owned(),
            ),
            Self::UnknownShell(id) => (
                "Sender",
                "w:InvalidSelectors",
                2_150_858_843,
                format!("The request for the Windows Remote Shell with ShellId {id} failed because the shell was not found on the server."),
            ),
            Self::UnknownCommand(id) => {
                ("Sender", "w:InvalidParameter", 87, format!("The shell has no command with the id {id}."))
            }
            Self::TooManyShells(most) => (
                "Receiver",
                "w:QuotaLimit",
                2_150_859_174,
                format!("This user is allowed a maximum number of {most} concurrent shells, which has been exceeded."),
            ),
            Self::TooManyCommands(most) => (
                "Receiver",
                "w:QuotaLimit",
                2_150_859_174,
                format!("A shell is allowed a maximum number of {most} commands, which has been exceeded."),
            ),
            Self::NoRequest(why) => {
                let subcode = match why {
                    NoRequest::Malformed => "w:SchemaValidationError",
                    NoRequest::Action { .. } => "a:ActionNotSupported",
                    NoRequest::Resource { .. } => "a:DestinationUnreachable",
                };
                ("Sender", subcode, 2_150_858_817, why.to_string())
            }
        }
    }

    /// The envelope, in reply to a message.
    pub fn envelope(&self, relates_to: &str) -> String {
        let (code, subcode, number, reason) = self.words();
        let body = format!(
            "<s:Fault><s:Code><s:Value>s:{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
             <s:Reason><s:Text xml:lang=\"en-US\">{reason}</s:Text></s:Reason>\
             <s:Detail><f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"{number}\" Machine=\"localhost\">\
             <f:Message>{reason}</f:Message></f:WSManFault></s:Detail></s:Fault>",
            reason = escape(&reason),
        );
        envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", relates_to, &body)
    }
}

/// A new shell.
pub fn created(relates_to: &str, shell: &str) -> String {
    let body = format!(
        "<x:ResourceCreated><a:Address>{ANONYMOUS}</a:Address><a:ReferenceParameters><w:ResourceURI>{COMMAND_SHELL}</w:ResourceURI>\
         <w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>\
         <rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId><rsp:ResourceUri>{COMMAND_SHELL}</rsp:ResourceUri>\
         <rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
    );
    envelope(&format!("{TRANSFER}/CreateResponse"), relates_to, &body)
}

/// A new command.
pub fn commanded(relates_to: &str, command: &str) -> String {
    let body = format!("<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>");
    envelope(&format!("{SHELL}/CommandResponse"), relates_to, &body)
}

/// What it has printed.
pub fn received(relates_to: &str, command: &str, output: &Output) -> String {
    let mut body = String::from("<rsp:ReceiveResponse>");
    for (stream, bytes) in &output.pieces {
        let packed = STANDARD.encode(bytes);
        // Writing to a text does not fail.
        let _ = write!(body, "<rsp:Stream Name=\"{}\" CommandId=\"{command}\">{packed}</rsp:Stream>", name(*stream));
    }
    match output.exit_code {
        Some(code) => {
            for stream in [Stream::Stdout, Stream::Stderr] {
                let _ = write!(body, "<rsp:Stream Name=\"{}\" CommandId=\"{command}\" End=\"true\"/>", name(stream));
            }
            let _ = write!(
                body,
                "<rsp:CommandState CommandId=\"{command}\" State=\"{SHELL}/CommandState/Done\"><rsp:ExitCode>{code}</rsp:ExitCode></rsp:CommandState>"
            );
        }
        None => {
            let _ = write!(body, "<rsp:CommandState CommandId=\"{command}\" State=\"{SHELL}/CommandState/Running\"/>");
        }
    }
    body.push_str("</rsp:ReceiveResponse>");
    envelope(&format!("{SHELL}/ReceiveResponse"), relates_to, &body)
}

/// Input was taken.
pub fn sent(relates_to: &str) -> String {
    envelope(&format!("{SHELL}/SendResponse"), relates_to, "<rsp:SendResponse/>")
}

/// A signal was taken.
pub fn signalled(relates_to: &str) -> String {
    envelope(&format!("{SHELL}/SignalResponse"), relates_to, "<rsp:SignalResponse/>")
}

/// The shell is gone.
pub fn deleted(relates_to: &str) -> String {
    envelope(&format!("{TRANSFER}/DeleteResponse"), relates_to, "")
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

fn envelope(action: &str, relates_to: &str, body: &str) -> String {
    let (message_id, relates_to) = (uuid::Uuid::new_v4(), escape(relates_to));
    format!(
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:x=\"{TRANSFER}\" xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\" \
         xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\"><s:Header><a:Action>{action}</a:Action>\
         <a:MessageID>uuid:{message_id}</a:MessageID><a:To>{ANONYMOUS}</a:To><a:RelatesTo>{relates_to}</a:RelatesTo></s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}
