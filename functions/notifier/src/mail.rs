//! Mail by SMTP.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor};
use stationkeeper_pipeline::chain;
use stationkeeper_pipeline::deliver::NotifyError;
use stationkeeper_rules::Message;

use crate::connections::{Connections, MailServer, Security};
use crate::{LIMIT, Wording};

/// Alerts that a mail refers to, so that a mail program shows news of one alert together.
const MOST_REFERENCES: usize = 10;

pub(crate) async fn send(
    connections: &Connections,
    to: &[String],
    message: &Message,
    wording: &Wording,
) -> Result<(), NotifyError> {
    let server = connections.mail.as_ref().ok_or_else(|| {
        NotifyError::passing("there is no mail server: set STATIONKEEPER_SMTP_URL and STATIONKEEPER_SMTP_FROM")
    })?;
    let mail = compose(&server.from, to, message, wording)?;
    let transport = transport(server, connections.authorities.as_deref())?;
    transport.send(mail).await.map(drop).map_err(|error| {
        let code = error.status().map(u16::from);
        let reason = format!("the mail server: {}", chain(&error));
        match code {
            // Who may send is the server's and its operator's matter: a password may be right again soon.
            Some(530 | 534 | 535 | 538) => NotifyError::passing(reason),
            Some(500..=599) => NotifyError::permanent(reason),
            _ => NotifyError::passing(reason),
        }
    })
}

fn transport(
    server: &MailServer,
    authorities: Option<&[u8]>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotifyError> {
    let parameters = || -> Result<TlsParameters, lettre::transport::smtp::Error> {
        let mut builder = TlsParameters::builder(server.host.clone());
        if let Some(pem) = authorities {
            builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
        }
        builder.build()
    };
    let cannot = |error: lettre::transport::smtp::Error| {
        NotifyError::passing(format!("cannot use TLS with the mail server: {}", chain(&error)))
    };
    let tls = match server.security {
        Security::Implicit => Tls::Wrapper(parameters().map_err(cannot)?),
        Security::StartTls => Tls::Required(parameters().map_err(cannot)?),
        Security::Loopback => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(LIMIT));
    if let Some((user, password)) = &server.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

/// The same mail with every attempt: a program that keeps one mail for each Message-ID shows it once.
fn compose(from: &Mailbox, to: &[String], message: &Message, wording: &Wording) -> Result<Mail, NotifyError> {
    let wrong = |what: String| NotifyError::permanent(what);
    let to: Mailboxes = to
        .iter()
        .map(|address| address.parse::<Mailbox>().map_err(|_| wrong(format!("{address:?} is no address"))))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .collect();
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
        let mail = compose(&from, &["ops@example.org".to_owned()], message, &wording).unwrap();
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
