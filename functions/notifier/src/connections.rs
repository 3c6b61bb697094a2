//! By what receivers are reached: addresses and secrets, which are in no settings row and in no log.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use stationkeeper_pipeline::deliver::NotifyError;
use url::Url;

const SMTP_URL: &str = "STATIONKEEPER_SMTP_URL";
const SMTP_FROM: &str = "STATIONKEEPER_SMTP_FROM";
const ALIVE_URL: &str = "STATIONKEEPER_ALIVE_URL";
const CA: &str = "STATIONKEEPER_NOTIFY_CA";
const CONNECTION: &str = "STATIONKEEPER_CONNECTION_";

/// Something that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) login: Option<(String, Secret)>,
    pub(crate) from: lettre::message::Mailbox,
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS, or nothing is sent.
    StartTls,
    /// None: only to this computer itself.
    Loopback,
}

/// A webhook: its address is a secret too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(crate) url: Secret,
    pub(crate) secret: Option<Secret>,
}

/// The connections of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    pub(crate) mail: Option<MailServer>,
    pub(crate) alive: Option<Secret>,
    pub(crate) authorities: Option<Vec<u8>>,
    webhooks: BTreeMap<String, Webhook>,
}

/// What is wrong with the connections. Names variables, never what they hold.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionsError {
    /// A variable is not what it should be.
    #[error("{name} is of no use: {problem}")]
    Variable {
        /// Which.
        name: String,
        /// What is wrong with it, and what to write.
        problem: &'static str,
    },
    /// The file of authorities cannot be read.
    #[error("{CA} is {path}, which cannot be read")]
    Authorities {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No HTTP client can be made.
    #[error("cannot make an HTTP client: {reason}")]
    Client {
        /// Why.
        reason: String,
    },
}

impl Connections {
    /// Names of variables that a file or a secret with connections may hold.
    pub fn is_connection(name: &str) -> bool {
        name.starts_with(CONNECTION) || [SMTP_URL, SMTP_FROM, ALIVE_URL, CA].contains(&name)
    }

    /// From variables, of the environment or of a file or secret with the same names; of two the later counts. Those that are none of
    /// ours are passed over.
    pub fn of_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConnectionsError> {
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(name, value)| Self::is_connection(name) && !value.is_empty()).collect();
        let wrong = |name: &str, problem| ConnectionsError::Variable { name: name.to_owned(), problem };
        let mut connections = Self::default();
        if let Some(url) = variables.get(SMTP_URL) {
            let from = variables.get(SMTP_FROM).ok_or_else(|| {
                wrong(SMTP_FROM, "it is not set; give the address that mails come from, `Lab <lab@example.org>`")
            })?;
            let from = from.parse().map_err(|_| wrong(SMTP_FROM, "it is no address; write `Lab <lab@example.org>`"))?;
            connections.mail = Some(mail_server(url, from).map_err(|problem| wrong(SMTP_URL, problem))?);
        }
        if let Some(url) = variables.get(ALIVE_URL) {
            http_url(url).map_err(|problem| wrong(ALIVE_URL, problem))?;
            connections.alive = Some(Secret(url.clone()));
        }
        if let Some(path) = variables.get(CA) {
            let read = std::fs::read(path);
            let read = read.map_err(|source| ConnectionsError::Authorities { path: path.clone(), source })?;
            connections.authorities = Some(read);
        }
        for (name, url) in &variables {
            let Some(of) = name.strip_prefix(CONNECTION).and_then(|rest| rest.strip_suffix("_URL")) else { continue };
            http_url(url).map_err(|problem| wrong(name, problem))?;
            let secret = variables.get(&format!("{CONNECTION}{of}_SECRET")).cloned().map(Secret);
            connections.webhooks.insert(of.to_owned(), Webhook { url: Secret(url.clone()), secret });
        }
        Ok(connections)
    }

    /// The webhook of this name: `ops-chat` is `STATIONKEEPER_CONNECTION_OPS_CHAT_URL`.
    pub(crate) fn webhook(&self, name: &str) -> Result<&Webhook, NotifyError> {
        let key: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        // It may be given with the next start: until the message is dead, it is waited for.
        self.webhooks
            .get(&key)
            .ok_or_else(|| NotifyError::passing(format!("there is no connection {name}: set {CONNECTION}{key}_URL")))
    }
}

fn http_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is no URL; write https://HOST/PATH")?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("it is plain HTTP to another computer; write https://HOST/PATH"),
        _ => Err("it is no URL of HTTP; write https://HOST/PATH"),
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn mail_server(text: &str, from: lettre::message::Mailbox) -> Result<MailServer, &'static str> {
    const FORM: &str = "write smtp://USER:PASSWORD@HOST (STARTTLS) or smtps://USER:PASSWORD@HOST (TLS from the start)";
    let url = Url::parse(text).map_err(|_| FORM)?;
    let is_plain = match url.query_pairs().collect::<Vec<_>>().as_slice() {
        [] => false,
        [(key, value)] if key == "tls" && value == "required" => false,
        [(key, value)] if key == "tls" && value == "none" => true,
        _ => return Err("it has a parameter other than tls=required or tls=none"),
    };
    let security = match (url.scheme(), is_plain) {
        ("smtps", false) => Security::Implicit,
        ("smtp", false) => Security::StartTls,
        ("smtp", true) if is_loopback(&url) => Security::Loopback,
        ("smtp", true) => return Err("it goes to another computer without TLS; leave tls=none out"),
        _ => return Err(FORM),
    };
    let host = url.host_str().ok_or(FORM)?.to_owned();
    let port = url.port().unwrap_or(match security {
        Security::Implicit => 465,
        Security::StartTls => 587,
        Security::Loopback => 25,
    });
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| FORM);
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        (user, Some(password)) => Some((decoded(user)?, Secret(decoded(password)?))),
        (_, None) => return Err("it has a user and no password"),
    };
    Ok(MailServer { host, port, security, login, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Connections, ConnectionsError> {
        Connections::of_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_mail_server_is_said_by_a_url_and_protected_unless_it_is_this_computer() {
        let from = (SMTP_FROM, "Lab <lab@example.org>");
        for (url, expected) in [
            ("smtp://ann:p%40ss@mail.example.org", Some(("mail.example.org", 587, Security::StartTls))),
            ("smtps://ann:pass@mail.example.org", Some(("mail.example.org", 465, Security::Implicit))),
            ("smtp://mail.example.org:2525?tls=required", Some(("mail.example.org", 2525, Security::StartTls))),
            ("smtp://127.0.0.1:2525?tls=none", Some(("127.0.0.1", 2525, Security::Loopback))),
            ("smtp://mail.example.org?tls=none", None),
            ("smtps://127.0.0.1?tls=none", None),
            ("smtp://ann@mail.example.org", None),
            ("smtp://mail.example.org?verify=no", None),
            ("http://mail.example.org", None),
            ("mail.example.org:25", None),
        ] {
            let found = of(&[(SMTP_URL, url), from]);
            match (&found, expected) {
                (Ok(connections), Some(expected)) => {
                    let mail = connections.mail.as_ref().unwrap();
                    assert_eq!((mail.host.as_str(), mail.port, mail.security), expected, "{url}");
                    let shown = format!("{connections:?}");
                    assert!(!shown.contains("p@ss") && !shown.contains("\"pass\""), "{shown}");
                }
                (Err(error), None) => assert!(!error.to_string().contains("pass@"), "{error}"),
                _ => panic!("{url}: {found:?}"),
            }
        }
        assert!(of(&[(SMTP_URL, "smtp://mail.example.org")]).unwrap_err().to_string().contains(SMTP_FROM));
    }

    #[test]
    fn a_connection_is_found_by_its_name_and_never_shown() {
        let url = "https://hooks.example.org/T0/B0/s3cret";
        let connections = of(&[
            ("STATIONKEEPER_CONNECTION_OPS_CHAT_URL", url),
            ("STATIONKEEPER_CONNECTION_OPS_CHAT_SECRET", "k3y"),
            ("HOME", "/"),
        ])
        .unwrap();
        let webhook = connections.webhook("ops-chat").unwrap();
        assert_eq!((webhook.url.expose(), webhook.secret.as_ref().unwrap().expose()), (url, "k3y"));
        let shown = format!("{connections:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("k3y"), "{shown}");
        let missing = connections.webhook("other").unwrap_err();
        assert!(missing.reason.contains("STATIONKEEPER_CONNECTION_OTHER_URL"), "{missing}");
        for wrong in ["http://hooks.example.org/x", "ftp://x", "nothing"] {
            let error = of(&[("STATIONKEEPER_CONNECTION_A_URL", wrong)]).unwrap_err().to_string();
            assert!(error.starts_with("STATIONKEEPER_CONNECTION_A_URL is of no use"), "{error}");
        }
    }
}
