//! Mail by SMTP.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message as Mail};
use stationkeeper_pipeline::chain;
use stationkeeper_pipeline::deliver::{NotifyError, Outgoing};
use stationkeeper_rules::{Message, Refusal};

use crate::connections::{Connections, MailServer, Security};
use crate::{LIMIT, Wording};

/// Alerts that a mail refers to, so that a mail program shows news of one alert together.
const MOST_REFERENCES: usize = 10;

/// Sends one mail to those who do not have it yet. An address that the server refuses keeps it from nobody else.
pub(crate) async fn send(
    connections: &Connections,
    to: &[String],
    outgoing: &Outgoing<'_>,
    wording: &Wording,
) -> Result<(), NotifyError> {
    let server = connections.mail.as_ref().ok_or_else(|| {
        NotifyError::passing("there is no mail server: set STATIONKEEPER_SMTP_URL and STATIONKEEPER_SMTP_FROM")
    })?;
    let mut refused = Vec::new();
    let mut mailboxes = Vec::new();
    for address in to {
        match address.parse::<Mailbox>() {
            Ok(mailbox) => mailboxes.push(mailbox),
            Err(_) => refused.push(Refused { who: address.clone(), why: "it is no address".to_owned(), passes: false }),
        }
    }
    let recipients: Vec<Address> = mailboxes
        .iter()
        .map(|mailbox| mailbox.email.clone())
        .filter(|address| !outgoing.reached.iter().any(|reached| reached == address.as_ref() as &str))
        .collect();
    let mut reached = Vec::new();
    if !recipients.is_empty() {
        let mail = compose(&server.from, mailboxes, outgoing.message, wording)?.formatted();
        let exchange = exchange(server, connections.authorities.as_deref(), &recipients, &mail);
        let said = tokio::time::timeout(LIMIT, exchange)
            .await
            .map_err(|_elapsed| NotifyError::passing(format!("the mail server: no end after {} s", LIMIT.as_secs())))?
            .map_err(|error| {
                let reason = format!("the mail server: {}", chain(&error));
                if passes(&error) { NotifyError::passing(reason) } else { NotifyError::permanent(reason) }
            })?;
        reached = recipients
            .iter()
            .map(ToString::to_string)
            .filter(|address| !said.iter().any(|refused| refused.who == *address))
            .collect();
        refused.extend(said);
    }
    if refused.is_empty() {
        return Ok(());
    }
    let passes = refused.iter().any(|one| one.passes);
    let each: Vec<_> = refused.iter().map(|one| format!("{}: {}", one.who, one.why)).collect();
    Err(NotifyError {
        reason: format!("not taken for {}", each.join("; ")),
        refusal: if passes { Refusal::Passing } else { Refusal::Permanent },
        reached,
    })
}

/// An address that got nothing.
struct Refused {
    who: String,
    why: String,
    passes: bool,
}

/// Who may send is the server's and its operator's matter: a password may be right again soon.
fn passes(error: &Error) -> bool {
    match error.status().map(u16::from) {
        Some(530 | 534 | 535 | 538) => true,
        Some(500..=599) => false,
        _ => true,
    }
}

/// One mail to all whom the server takes. Those whom it does not.
async fn exchange(
    server: &MailServer,
    authorities: Option<&[u8]>,
    recipients: &[Address],
    mail: &[u8],
) -> Result<Vec<Refused>, Error> {
    let mut connection = connect(server, authorities).await?;
    let done = transfer(&mut connection, server, recipients, mail).await;
    // What was taken is taken, however it says goodbye.
    match done {
        Ok(_) => drop(connection.quit().await),
        Err(_) => connection.abort().await,
    }
    done
}

async fn transfer(
    connection: &mut AsyncSmtpConnection,
    server: &MailServer,
    recipients: &[Address],
    mail: &[u8],
) -> Result<Vec<Refused>, Error> {
    connection.command(MailFrom::new(Some(server.from.email.clone()), vec![])).await?;
    let mut refused = Vec::new();
    for recipient in recipients {
        match connection.command(Rcpt::new(recipient.clone(), vec![])).await {
            Ok(_) => {}
            Err(error) if error.status().is_some() => {
                refused.push(Refused { who: recipient.to_string(), why: chain(&error), passes: passes(&error) });
            }
            Err(error) => return Err(error),
        }
    }
    if refused.len() < recipients.len() {
        connection.command(Data).await?;
        connection.message(mail).await?;
    }
    Ok(refused)
}

async fn connect(server: &MailServer, authorities: Option<&[u8]>) -> Result<AsyncSmtpConnection, Error> {
    let tls = || -> Result<TlsParameters, Error> {
        let mut builder = TlsParameters::builder(server.host.clone());
        if let Some(pem) = authorities {
            builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
        }
        builder.build()
    };
    let implicit = match server.security {
        Security::Implicit => Some(tls()?),
        Security::StartTls | Security::Loopback => None,
    };
    let name = ClientId::default();
    let to = (server.host.trim_matches(['[', ']']), server.port);
    let mut connection = AsyncSmtpConnection::connect_tokio1(to, Some(LIMIT), &name, implicit, None).await?;
    if server.security == Security::StartTls {
        connection.starttls(tls()?, &name).await?;
    }
    if let Some((user, password)) = &server.login {
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
    }
    Ok(connection)
}

/// The same mail with every attempt: a program that keeps one mail for each Message-ID shows it once.
fn compose(from: &Mailbox, to: Vec<Mailbox>, message: &Message, wording: &Wording) -> Result<Mail, NotifyError> {
    let wrong = |what: String| NotifyError::permanent(what);
    let to: Mailboxes = to.into_iter().collect();
    let domain = from.email.domain();
    let references: Vec<_> = message
        .news
        .iter()
        .take(MOST_REFERENCES)
        .map(|news| format!("<alert.{}@{domain}>", token(&news.problem.alert_id.0)))
        .collect();
    let mut builder = Mail::builder()
        .from(from.clone())
        .subject(&wording.subject)
        .date(message.made_at.into())
        .message_id(Some(format!("<{}@{domain}>", token(&message.id.0))));
    builder = builder.mailbox(lettre::message::header::To::from(to));
    let mut mail = builder
        .multipart(MultiPart::alternative_plain_html(wording.plain(), wording.html()))
        .map_err(|error| wrong(format!("no mail can be made of it: {}", chain(&error))))?;
    let mut headers = vec![
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("X-Stationkeeper-Notification", token(&message.id.0)),
        ("Idempotency-Key", token(&message.id.0)),
    ];
    if !references.is_empty() {
        headers.push(("References", references.join(" ")));
    }
    for (name, value) in headers {
        let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| wrong(chain(&error)))?;
        mail.headers_mut().insert_raw(HeaderValue::new(name, value));
    }
    Ok(mail)
}

/// What stands in a message id: of an id that is not ours only what may.
fn token(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(128).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wording::testing::{message, said_by_a_station};

    fn composed(message: &Message) -> String {
        let wording = Wording::new(message, stationkeeper_rules::Language::Es, Some("https://lab.example.org"));
        let from = "Lab <lab@example.org>".parse().unwrap();
        let mail = compose(&from, vec!["ops@example.org".parse().unwrap()], message, &wording).unwrap();
        String::from_utf8(mail.formatted()).unwrap()
    }

    #[test]
    fn the_same_message_is_the_same_mail_but_for_the_boundary() {
        let message = message("LAB-01", "x");
        let without_boundary = |mail: String| {
            let boundary = mail.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
            mail.replace(&boundary, "B")
        };
        let (first, second) = (without_boundary(composed(&message)), without_boundary(composed(&message)));
        assert_eq!(first, second);
        for header in [
            format!("Message-ID: <{}@example.org>\r\n", message.id).as_str(),
            format!("Idempotency-Key: {}\r\n", message.id).as_str(),
            "Auto-Submitted: auto-generated\r\n",
            "To: ops@example.org\r\n",
        ] {
            assert!(first.contains(header), "{header} in {first}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_station_says_the_head_of_its_mail_has_the_same_headers(said in said_by_a_station()) {
            let names = |mail: &str| -> Vec<String> {
                let head = mail.split("\r\n\r\n").next().unwrap_or_default();
                head.split("\r\n")
                    .filter(|line| !line.starts_with([' ', '\t']))
                    .map(|line| line.split(':').next().unwrap_or_default().to_owned())
                    .collect()
            };
            let mail = composed(&message("LAB-01", &said));
            prop_assert_eq!(names(&mail), names(&composed(&message("LAB-01", "x"))));
            prop_assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "no lone line end");
        }
    }
}
