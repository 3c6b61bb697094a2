//! The Lambda binaries with their database named by a secret: it works, a change of the password is survived, certificates are checked.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::database::Database;
use crate::harness::lambda::{Bucket, Function, given_back, sqs};
use crate::harness::secret::{Login, Secrets, TlsDatabase, secret};
use crate::harness::station::{heartbeat, host, newest_key};
use crate::harness::up::data_folder;
use crate::harness::{PATIENCE, now, until};

const INGEST: &str = "stationkeeper-ingest";
const MISSING: &str = "stationkeeper-missing-heartbeat";
// With what a URL may not hold.
const FIRST: &str = "fir:st/p@ss?word#%41";
const SECOND: &str = "sec:ond/p@ss?word#%41";
/// A pool has so many connections, each of which may be a dead one that is found out by a batch that comes back.
const DELIVERIES: usize = 10;

/// A bucket, Secrets Manager, and where logs go.
struct Account {
    bucket: Bucket,
    secrets: Secrets,
    folder: TempDir,
}

impl Account {
    async fn new() -> Self {
        let folder = data_folder();
        Self { bucket: Bucket::serve(TimeDelta::zero()).await, secrets: Secrets::serve(folder.path()), folder }
    }

    async fn start(&self, name: &str, arn: &str, more: &[(&str, &str)]) -> Function {
        let mut variables = self.bucket.variables();
        variables.push(("STATIONKEEPER_DATABASE_SECRET_ARN", arn.to_owned()));
        variables.push(("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.endpoint.clone()));
        let mut variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend_from_slice(more);
        Function::start(name, self.folder.path(), &variables).await
    }

    /// A heartbeat is put; what its queue delivers.
    async fn heartbeat(&self, name: &str) -> Value {
        sqs(&[("m", self.bucket.put(&newest_key(name), heartbeat(name, now())).await)])
    }

    /// A function that does not begin: what it says, in one sentence.
    async fn refuses_to_start(&self, arn: &str, more: &[(&str, &str)]) -> String {
        let mut function = self.start(INGEST, arn, more).await;
        let (status, _) = function.program.ends_within(PATIENCE);
        let said = function.program.log();
        assert!(!status.success() && !function.has_polled(), "it began: {said}");
        assert_eq!(said.trim().lines().count(), 1, "one sentence: {said}");
        said
    }
}

/// Whether one of the next deliveries is taken.
async fn taken(function: &Function, batch: &Value) -> bool {
    for _ in 0..DELIVERIES {
        if given_back(&function.invoke(batch).await).is_empty() {
            return true;
        }
    }
    false
}

fn says_no_password(function: &Function) {
    let log = function.program.log() + &function.lines();
    assert!(log.contains("is taken from the secret again"), "it logged nothing: {log}");
    for part in ["p@ss", "p%40ss", "fir:st", "sec:ond"] {
        assert!(!log.contains(part), "a password in the log: {log}");
    }
}

#[tokio::test]
async fn a_changed_password_is_taken_from_the_secret_by_a_container_that_runs() {
    let (account, database) = (Account::new().await, Database::empty().await);
    let login = Login::to(&database, FIRST).await;
    let arn = account.secrets.put(&login.secret(FIRST));
    let mut ingest = account.start(INGEST, &arn, &[]).await;
    ingest.polls().await;
    let mut check = account.start(MISSING, &arn, &[]).await;
    check.polls().await;
    let first = account.heartbeat("LAB-01").await;
    assert!(given_back(&ingest.invoke(&first).await).is_empty());
    assert_eq!(check.invoke(&json!({})).await.unwrap()["judged"], true);

    // In the middle of a rotation: the database knows the new password, the secret not yet.
    login.change_password(SECOND).await;
    let second = account.heartbeat("LAB-02").await;
    assert!(!taken(&ingest, &second).await, "it came in by a password that is none");
    ingest.logs("the database refuses what the secret says").await;

    account.secrets.put(&login.secret(SECOND));
    assert_eq!(given_back(&ingest.invoke(&second).await), [""; 0], "the next delivery is taken at once");
    ingest.logs("is taken from the secret again").await;
    let store = database.store().await;
    for name in ["LAB-01", "LAB-02"] {
        assert!(store.station(&host(name)).await.unwrap().is_some_and(|station| station.state.latest.is_some()));
    }
    // The other function learns of it by itself; a connection that was cut off costs it a minute.
    let mut judged = false;
    for _ in 0..DELIVERIES {
        judged = judged || check.invoke(&json!({})).await.is_ok_and(|answer| answer["judged"] == true);
    }
    assert!(judged && ingest.program.runs() && check.program.runs(), "{}", check.program.log());
    says_no_password(&ingest);
    says_no_password(&check);
}

#[tokio::test]
async fn what_is_wrong_with_the_secret_is_one_sentence_before_the_first_poll() {
    let (account, database) = (Account::new().await, Database::empty().await);
    let login = Login::to(&database, FIRST).await;
    let unknown = "arn:aws:secretsmanager:us-east-1:123456789012:secret:none-a1b2c3";
    let said = account.refuses_to_start(unknown, &[]).await;
    assert!(said.contains(&format!("cannot read the secret {unknown}: ")), "{said}");

    let rds = "lab.c1.eu-south-2.rds.amazonaws.com";
    for (secret, sentence) in [
        (FIRST.to_owned(), "it is no JSON object"),
        (login.secret(FIRST).replace("username", "user"), "it has no username"),
        (login.secret(SECOND), "cannot open the database MySQL sk_login_"),
        (secret(rds, 3306, "lab", "ann", FIRST), "STATIONKEEPER_DATABASE_CA is not set: "),
    ] {
        let arn = account.secrets.put(&secret);
        let said = account.refuses_to_start(&arn, &[]).await;
        assert!(said.contains(sentence), "{sentence}: {said}");
        assert!(!said.contains("p@ss") && !said.contains("p%40ss"), "no password: {said}");
    }

    let arn = account.secrets.put(&login.secret(FIRST));
    for (variable, value, sentence) in [
        (
            "STATIONKEEPER_DATABASE_URL",
            database.url.as_str(),
            "STATIONKEEPER_DATABASE_URL and STATIONKEEPER_DATABASE_SECRET_ARN are both set: ",
        ),
        (
            "STATIONKEEPER_DATABASE_CA",
            "/nowhere/rds.pem",
            "STATIONKEEPER_DATABASE_CA is /nowhere/rds.pem, which cannot be read: ",
        ),
    ] {
        let said = account.refuses_to_start(&arn, &[(variable, value)]).await;
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
}

#[tokio::test]
async fn with_authorities_the_database_must_show_a_certificate_of_theirs_for_its_name() {
    let account = Account::new().await;
    let database = TlsDatabase::start("lab");
    let port = database.port;
    until("the database listens", PATIENCE, async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok())
        .await;
    let (authority, stranger) = (database.authority(), database.stranger());

    let arn = account.secrets.put(&secret("127.0.0.1", port, "lab", "lab", "lab"));
    let mut function = account.start(INGEST, &arn, &[("STATIONKEEPER_DATABASE_CA", &authority)]).await;
    function.polls().await;
    let batch = account.heartbeat("LAB-01").await;
    assert!(given_back(&function.invoke(&batch).await).is_empty());

    let said = account.refuses_to_start(&arn, &[("STATIONKEEPER_DATABASE_CA", &stranger)]).await;
    assert!(said.contains("cannot open the database MySQL lab@127.0.0.1:") && said.contains("certificate"), "{said}");
    let arn = account.secrets.put(&secret("localhost", port, "lab", "lab", "lab"));
    let said = account.refuses_to_start(&arn, &[("STATIONKEEPER_DATABASE_CA", &authority)]).await;
    assert!(said.contains("cannot open the database MySQL lab@localhost:") && said.contains("certificate"), "{said}");
}

#[tokio::test]
async fn authorities_are_no_good_to_a_database_without_tls() {
    let (account, database) = (Account::new().await, Database::empty().await);
    let login = Login::to(&database, FIRST).await;
    let arn = account.secrets.put(&login.secret(FIRST));
    let authorities = account.folder.path().join("authorities.pem");
    std::fs::write(&authorities, "").unwrap();
    let said = account.refuses_to_start(&arn, &[("STATIONKEEPER_DATABASE_CA", authorities.to_str().unwrap())]).await;
    assert!(said.contains("cannot open the database MySQL sk_login_"), "{said}");
}
