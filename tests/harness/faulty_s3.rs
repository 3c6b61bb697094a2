//! Something between a client and an S3 server that breaks what it is told to break, and keeps a record of what was asked.
//!
//! It works on bytes of HTTP/1.1, one request a connection: only so can a connection be reset, or end within a body. A request goes on as
//! it came, with its `Host`, so that its signature holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::exchange::{Answer, Question, read_answer, read_question};

/// What a client gets instead of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status with S3's word for it, and nothing else happens.
    Refused(u16, &'static str),
    /// The connection is reset once the request was read.
    Reset,
    /// The answer's head, half of its body, and the end of the connection.
    HalfBody,
    /// Half of the body, with the length of that half.
    ShortBody,
    /// The body has another byte; ETag and checksums are as they were.
    OtherByte,
    /// The same from a server that sends no checksums: the ETag alone tells.
    OtherByteWithoutChecksums,
    /// The ETag of another body, and no checksums.
    OtherEtag,
    /// The head, and then a byte of the body each time this has passed.
    Trickle(Duration),
}

/// One request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When its head was read.
    pub at: Instant,
    /// Such as `GET`.
    pub method: String,
    /// Path and version: an object as S3 knows it.
    pub object: String,
    /// What was done to it.
    pub fault: Option<Fault>,
}

/// What is to be broken.
#[derive(Debug)]
struct Rule {
    /// The path has this in it.
    path: String,
    fault: Fault,
    /// So many times for each object; none: until healed.
    times: Option<usize>,
}

#[derive(Debug, Default)]
struct Script {
    rules: Vec<Rule>,
    asked: Vec<Asked>,
}

impl Script {
    fn fault(&mut self, question: &Question) -> Option<Fault> {
        let object = question.object();
        let broken = |asked: &&Asked| asked.object == object && asked.fault.is_some();
        let before = self.asked.iter().filter(broken).count();
        let rule = self.rules.iter().find(|rule| question.target.contains(&rule.path));
        let fault = rule.filter(|rule| rule.times.is_none_or(|times| before < times)).map(|rule| rule.fault);
        self.asked.push(Asked { at: Instant::now(), method: question.method.clone(), object, fault });
        fault
    }
}

/// The proxy. It ends when this is dropped.
#[derive(Debug)]
pub struct FaultyS3 {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    _serving: JoinSet<()>,
}

impl FaultyS3 {
    /// One in front of the server at this address.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let script = Arc::new(Mutex::new(Script::default()));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, server, script.clone()));
        Self { address, script, _serving: serving }
    }

    /// Where clients reach it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks what has `path` in its path, so many times for each object or until it is healed. The first rule that fits holds.
    pub fn breaks(&self, path: &str, fault: Fault, times: Option<usize>) {
        self.script().rules.push(Rule { path: path.to_owned(), fault, times });
    }

    /// From here on all is well.
    pub fn heals(&self) {
        self.script().rules.clear();
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.script().asked.clone()
    }

    /// Tries of objects that have `path` in their path.
    pub fn tries(&self, path: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.object.contains(path)).collect()
    }

    /// No object was asked for within a second of a failed try. Returns how many tries failed.
    ///
    /// # Panics
    /// Where one was.
    pub fn assert_a_second_between_tries(&self) -> usize {
        let asked = self.asked();
        for (place, failed) in asked.iter().enumerate().filter(|(_, asked)| asked.fault.is_some()) {
            let again = asked[place + 1..]
                .iter()
                .find(|later| (&later.method, &later.object) == (&failed.method, &failed.object));
            if let Some(again) = again {
                let gap = again.at - failed.at;
                assert!(gap >= Duration::from_secs(1), "{} was asked for again after {gap:?}", failed.object);
            }
        }
        asked.iter().filter(|asked| asked.fault.is_some()).count()
    }

    /// No object was asked for twice within a second, whatever the reason. Returns how often one was asked for again.
    ///
    /// # Panics
    /// Where one was.
    pub fn assert_a_second_between_reads(&self) -> usize {
        let mut last: BTreeMap<(String, String), Instant> = BTreeMap::new();
        let mut again = 0;
        for asked in self.asked() {
            let before = last.insert((asked.method, asked.object.clone()), asked.at);
            if let Some(gap) = before.map(|before| asked.at - before) {
                assert!(gap >= Duration::from_secs(1), "{} was asked for again after {gap:?}", asked.object);
                again += 1;
            }
        }
        again
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, script: Arc<Mutex<Script>>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        let script = script.clone();
        // What a client or the server breaks off is theirs: the record stands all the same.
        connections.spawn(async move {
            let _ = relay(client, server, &script).await;
        });
    }
}

async fn relay(mut client: TcpStream, server: SocketAddr, script: &Mutex<Script>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let Some(question) = read_question(&mut client).await? else { return Ok(()) };
    let fault = script.lock().unwrap_or_else(PoisonError::into_inner).fault(&question);
    match fault {
        Some(Fault::Refused(status, code)) => return client.write_all(&refusal(&question, status, code)).await,
        Some(Fault::Reset) => return client.set_zero_linger(),
        _ => {}
    }
    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(&question.bytes()).await?;
    let answer = read_answer(&mut upstream, &question.method).await?;
    let Answer { mut head, mut body } = answer;
    head.set("connection", "close");
    let checksums = [
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
    ];
    let without_checksums =
        matches!(fault, Some(Fault::ShortBody | Fault::OtherByteWithoutChecksums | Fault::OtherEtag));
    for name in checksums.into_iter().filter(|_| without_checksums) {
        head.remove(name);
    }
    match fault {
        Some(Fault::ShortBody) => {
            body.truncate(body.len() / 2);
            head.set("content-length", &body.len().to_string());
        }
        Some(Fault::OtherByte | Fault::OtherByteWithoutChecksums) => {
            // Within the text of a heartbeat, a digit for a digit: it reads as well as before.
            if let Some(digit) = body.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
                *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
            }
        }
        Some(Fault::OtherEtag) => head.set("etag", "\"9e107d9d372bb6826bd81d3542a419d6\""),
        _ => {}
    }
    client.write_all(&head.bytes()).await?;
    match fault {
        Some(Fault::HalfBody) => client.write_all(&body[..body.len() / 2]).await,
        Some(Fault::Trickle(pause)) => {
            for byte in body {
                client.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        _ => client.write_all(&body).await,
    }?;
    client.shutdown().await?;
    // Until the client has closed: an early end would be a reset, which may overtake the answer.
    let _ = tokio::time::timeout(Duration::from_secs(1), client.read_to_end(&mut Vec::new())).await;
    Ok(())
}

fn refusal(question: &Question, status: u16, code: &str) -> Vec<u8> {
    let body = match question.method.as_str() {
        "HEAD" => String::new(),
        _ => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>told to</Message></Error>"
        ),
    };
    let length = body.len();
    format!("HTTP/1.1 {status} {code}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}
