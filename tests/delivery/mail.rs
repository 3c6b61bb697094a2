//! Mail, over every way to a server and with everything that a server may say.

use std::time::Duration;

use chrono::TimeDelta;
use stationkeeper_notifier::Channels;
use stationkeeper_pipeline::deliver::deliver;
use stationkeeper_store::NotificationState;
use stationkeeper_tests::database::Kind;
use stationkeeper_tests::mail_server::{MailServer, Tls};
use tokio::time::Instant;

use crate::webhook::Listener;
use crate::world::{World, by_mail, channels, message};

const LATER: TimeDelta = TimeDelta::minutes(1);
const FROM: (&str, &str) = ("STATIONKEEPER_SMTP_FROM", "Stations <stations@example.org>");

fn over(url: String, more: &[(&str, String)]) -> Channels {
    let mut variables = vec![("STATIONKEEPER_SMTP_URL", url), (FROM.0, FROM.1.to_owned())];
    variables.extend_from_slice(more);
    channels(&variables)
}

fn trusting(server: &MailServer, url: String) -> Channels {
    over(url, &[("STATIONKEEPER_NOTIFY_CA", server.authority().display().to_string())])
}

#[tokio::test]
async fn a_mail_arrives_whole_over_every_way_to_a_server() {
    for (tls, password) in
        [(Tls::None, None), (Tls::StartTls, None), (Tls::StartTls, Some("s3cret")), (Tls::Implicit, None)]
    {
        let server = MailServer::serve(tls, password);
        let world = World::new(Kind::Sqlite, [("ops", by_mail(&["ann@example.org", "ben@example.org"]))]).await;
        let owed = message("ops", 1);
        world.owe(std::slice::from_ref(&owed)).await;
        world.deliver(&trusting(&server, server.url())).await;
        let row = world.row().await;
        assert_eq!((row.state, row.attempts), (NotificationState::Sent, 1), "{tls:?}: {:?}", row.last_error);
        let mails = server.mails();
        let [mail] = mails.as_slice() else { panic!("{tls:?}: {mails:?}") };
        assert_eq!(mail.to, ["ann@example.org", "ben@example.org"], "{tls:?}");
        for (header, value) in [
            ("From", "Stations <stations@example.org>"),
            ("Message-ID", &format!("<{}@example.org>", owed.id)),
            ("Idempotency-Key", &owed.id.0),
            ("Auto-Submitted", "auto-generated"),
            ("Subject", "[Stationkeeper] LAB-01: Heartbeat missing"),
        ] {
            assert_eq!(mail.header(header), Some(value), "{tls:?}: {}", mail.text);
        }
        assert!(mail.text.contains("&#60;b&#62;nobody&#60;/b&#62;"), "HTML is escaped: {}", mail.text);
    }
}

#[tokio::test]
async fn nothing_is_sent_over_a_way_that_is_not_safe() {
    let (stranger, plain) = (MailServer::serve(Tls::StartTls, None), MailServer::serve(Tls::None, None));
    let (implicit, guarded) =
        (MailServer::serve(Tls::Implicit, None), MailServer::serve(Tls::StartTls, Some("s3cret")));
    for (shows, channels, said) in [
        ("a certificate that nobody known signed", over(stranger.url(), &[]), "certificate"),
        ("the same from the first byte", over(implicit.url(), &[]), "certificate"),
        (
            "a server without TLS",
            over(plain.url().replace("127.0.0.1", "localhost").replace("?tls=none", ""), &[]),
            "STARTTLS is not supported",
        ),
        ("a wrong password", trusting(&guarded, guarded.url_of(Some("wr0ng"))), "535"),
    ] {
        let world = World::new(Kind::Sqlite, [("ops", by_mail(&["ann@example.org"]))]).await;
        world.owe(&[message("ops", 1)]).await;
        world.deliver(&channels).await;
        let row = world.row().await;
        let error = row.last_error.unwrap_or_default();
        assert_eq!(row.state, NotificationState::Pending, "{shows}: it may be set right: {error}");
        assert!(error.to_lowercase().contains(&said.to_lowercase()), "{shows}: {error}");
        assert!(!error.contains("wr0ng") && !error.contains("s3cret"), "{shows}: no password: {error}");
    }
    for server in [stranger, plain, implicit, guarded] {
        assert!(server.mails().is_empty());
    }
}

#[tokio::test]
async fn what_a_server_says_decides_whether_it_is_asked_again() {
    let server = MailServer::serve(Tls::None, None);
    let mail = over(server.url(), &[]);
    let world = World::new(Kind::Sqlite, [("ops", by_mail(&["ann@example.org"]))]).await;
    world.owe(&[message("ops", 1)]).await;
    server.behave("later");
    world.deliver(&mail).await;
    let row = world.row().await;
    assert_eq!((row.state, row.attempts), (NotificationState::Pending, 1));
    assert!(row.last_error.unwrap().contains("451"));
    world.deliver(&mail).await;
    assert_eq!(world.row().await.attempts, 1, "not before its time");
    server.behave("take");
    world.deliver_after(LATER, &mail).await;
    assert_eq!((world.row().await.state, server.mails().len()), (NotificationState::Sent, 1));

    let world = World::new(Kind::Sqlite, [("ops", by_mail(&["ann@example.org"]))]).await;
    world.owe(&[message("ops", 2)]).await;
    server.behave("never");
    world.deliver(&mail).await;
    let row = world.row().await;
    assert_eq!((row.state, row.attempts), (NotificationState::Dead, 1));
    assert!(row.last_error.unwrap().contains("550"));
    server.behave("take");
    world.deliver_after(LATER, &mail).await;
    assert_eq!(server.mails().len(), 1, "given up is given up, until somebody says otherwise");
    world.store.send_notifications_again(None, crate::world::start()).await.unwrap();
    world.deliver(&mail).await;
    assert_eq!((world.row().await.state, server.mails().len()), (NotificationState::Sent, 2));
}

#[tokio::test]
async fn a_server_that_never_answers_holds_up_its_own_mail_alone() {
    let server = MailServer::serve(Tls::None, None);
    server.behave("hang");
    let listener = Listener::serve(vec![]).await;
    let world = World::new(Kind::Sqlite, [("ops", by_mail(&["ann@example.org"])), ("desk", Listener::channel())]).await;
    world.owe(&[message("ops", 1)]).await;
    let channels = over(server.url(), &listener.variables());

    let delivering = async {
        let deadline = Some(Instant::now() + Duration::from_secs(8));
        deliver(&world.store, &world.settings, &channels, &world.clock, deadline).await.unwrap()
    };
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.owe(&[message("desk", 1)]).await;
        let begun = Instant::now();
        while listener.requests().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the other receiver has it by now");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (report, ()) = tokio::join!(delivering, meanwhile);
    assert_eq!((report.sent, report.failed), (1, 1));
    let rows = world.store.notifications(Some(NotificationState::Pending), 9).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].last_error.as_ref().unwrap().contains("not over after"), "{rows:?}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_server_that_takes_a_mail_and_dies_gets_it_once_more_as_the_same_mail() {
    let server = MailServer::serve(Tls::None, None);
    let mail = over(server.url(), &[]);
    let world = World::new(Kind::Sqlite, [("ops", by_mail(&["ann@example.org"]))]).await;
    world.owe(&[message("ops", 1)]).await;
    server.behave("die");
    world.deliver(&mail).await;
    assert_eq!((world.row().await.state, server.mails().len()), (NotificationState::Pending, 1));
    server.behave("take");
    for _ in 0..3 {
        world.deliver_after(LATER, &mail).await;
    }
    assert_eq!(world.row().await.state, NotificationState::Sent);
    let mails = server.mails();
    assert_eq!(mails.len(), 2, "one more, and no other");
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert_eq!(mails[0].header("Date"), mails[1].header("Date"));
}

#[tokio::test]
async fn an_address_that_is_refused_keeps_a_mail_from_nobody_else() {
    let server = MailServer::serve(Tls::None, None);
    let mail = over(server.url(), &[]);
    let to = ["ann@example.org", "nobody@example.org", "later@example.org"];
    let world = World::new(Kind::Sqlite, [("ops", by_mail(&to))]).await;
    world.owe(&[message("ops", 1)]).await;
    let reached = || server.mails().into_iter().flat_map(|mail| mail.to).collect::<Vec<_>>();

    world.deliver(&mail).await;
    let row = world.row().await;
    let error = row.last_error.unwrap();
    assert_eq!((row.state, reached()), (NotificationState::Pending, vec!["ann@example.org".to_owned()]), "{error}");
    assert!(error.contains("nobody@example.org") && error.contains("later@example.org"), "{error}");

    world.deliver_after(LATER, &mail).await;
    let row = world.row().await;
    let error = row.last_error.unwrap();
    assert_eq!(row.state, NotificationState::Dead, "only what never passes is left: {error}");
    assert_eq!(reached(), ["ann@example.org", "later@example.org"], "nobody has it twice");
    assert!(error.contains("nobody@example.org") && !error.contains("later@example.org"), "{error}");

    // By command it is tried again with whom it did not reach, and with nobody else.
    world.store.send_notifications_again(None, crate::world::start()).await.unwrap();
    world.deliver(&mail).await;
    assert_eq!((world.row().await.state, reached().len()), (NotificationState::Dead, 2));
}
