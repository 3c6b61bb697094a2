//! A page of a station by plain HTTP: Lab Station may say there that it is one.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::networks::CheckedAddress;

/// No status document is longer.
const MAX_BYTES: usize = 4 << 20;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its status.
    pub status: u16,
    /// As it came.
    pub body: Vec<u8>,
}

/// Fetches a page within `limit`, from the address that was checked; it is led nowhere else. `None`: nobody answers there, or not as HTTP does.
pub async fn get_page(address: &CheckedAddress, port: u16, path: &str, limit: Duration) -> Option<Page> {
    tokio::time::timeout(limit, fetch(address, port, path)).await.ok()?
}

async fn fetch(address: &CheckedAddress, port: u16, path: &str) -> Option<Page> {
    let at = address.port(port);
    let stream = TcpStream::connect(at).await.ok()?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    // Moves its bytes, and ends with it.
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        let _ = connection.await;
    });
    let request = Request::get(path)
        .header(HOST, at.to_string())
        .header(USER_AGENT, "stationkeeper")
        .header(ACCEPT, "*/*")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.ok()?.to_bytes().to_vec();
    Some(Page { status, body })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{ManagementNetworks, SystemResolver};

    async fn answering(answer: &'static [u8]) -> Option<Page> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let networks: ManagementNetworks = "127.0.0.0/8".parse().unwrap();
        let address = networks.check("127.0.0.1", &SystemResolver).await.unwrap();
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            assert!(asked[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
            let _ = stream.write_all(answer).await;
        };
        let (page, ()) = tokio::join!(get_page(&address, port, "/health", Duration::from_secs(5)), serving);
        page
    }

    #[tokio::test]
    async fn a_page_comes_whole_or_not_at_all() {
        let page = |status, body: &[u8]| Some(Page { status, body: body.to_vec() });
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..], page(200, b"{}")),
            (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", page(503, b"abc")),
            (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", page(302, b"")),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", None),
            (b"SSH-2.0-OpenSSH\r\n", None),
            (b"", None),
        ] {
            assert_eq!(answering(answer).await, expected, "{}", String::from_utf8_lossy(answer));
        }
    }
}
