//! Requests and answers of HTTP/1.1 as bytes, for whoever stands in between.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head that is read.
const HEAD_BYTES: usize = 64 << 10;

/// A first line and headers, in the order and spelling in which they came.
#[derive(Debug, Clone)]
pub struct Head {
    first: String,
    headers: Vec<(String, String)>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Question {
    /// Such as `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    head: Head,
    body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status and headers.
    pub head: Head,
    /// As it is on the wire.
    pub body: Vec<u8>,
}

impl Head {
    fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        Self { first, headers: lines.filter_map(header).collect() }
    }

    /// A header's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Takes a header out.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Gives a header this value alone.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// As it goes on the wire, with the empty line.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

impl Question {
    /// Path and version: the same object is the same text, whatever else is asked of it.
    pub fn object(&self) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        match query.split('&').find(|part| part.starts_with("versionId=")) {
            Some(version) => format!("{path}?{version}"),
            None => path.to_owned(),
        }
    }

    /// As it goes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.bytes(), self.body.clone()].concat()
    }
}

/// Reads a request; none where the connection ended before it.
pub async fn read_question(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Question>> {
    let Some((head, mut body)) = read_head(stream).await? else { return Ok(None) };
    let mut words = head.first.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    read_body(stream, &head, &mut body).await?;
    Ok(Some(Question { method, target, head, body }))
}

/// Reads an answer to a request of this method.
pub async fn read_answer(stream: &mut (impl AsyncRead + Unpin), method: &str) -> std::io::Result<Answer> {
    let (head, mut body) = read_head(stream).await?.ok_or(ErrorKind::UnexpectedEof)?;
    if method != "HEAD" {
        read_body(stream, &head, &mut body).await?;
    }
    Ok(Answer { head, body })
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<(Head, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((Head::parse(&String::from_utf8_lossy(&bytes[..end])), rest)));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        if bytes.len() > HEAD_BYTES {
            return Err(Error::new(ErrorKind::InvalidData, "a head without end"));
        }
    }
}

/// By its length, or chunk by chunk (left as they are).
async fn read_body(stream: &mut (impl AsyncRead + Unpin), head: &Head, body: &mut Vec<u8>) -> std::io::Result<()> {
    let chunked = head.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = head.get("content-length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    while if chunked { !body.ends_with(b"0\r\n\r\n") } else { body.len() < length } {
        if stream.read_buf(body).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
