//! Clients of every kind, over plain sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Connects from another address of loopback, and takes little at a time.
pub async fn connect_from(from: [u8; 4], to: SocketAddr, receives: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    if let Some(bytes) = receives {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect(to).await
}

/// Everything until the other end closes; it must do so in time. What was sent before a reset counts.
pub async fn rest(stream: &mut (impl AsyncRead + Unpin), within: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    let all = async {
        while let Ok(count) = stream.read(&mut piece).await
            && count > 0
        {
            bytes.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(within, all).await.expect("the other end closes");
    bytes
}

/// A request as it goes over the wire; with a token unless that is empty.
pub fn head(method: &str, path: &str, token: &str, more: &str) -> String {
    let token = if token.is_empty() { String::new() } else { format!("X-Lab-Manager-Token: {token}\r\n") };
    format!("{method} {path} HTTP/1.1\r\nHost: lab\r\n{token}{more}\r\n")
}

/// Sends `text` a byte a second until the other end does not take it any more, or for so many seconds.
pub async fn trickle(stream: &mut TcpStream, text: &str, seconds: usize) {
    for byte in text.bytes().take(seconds) {
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
