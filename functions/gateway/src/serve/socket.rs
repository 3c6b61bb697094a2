//! What is asked of the system for each connection.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum_server::accept::Accept;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

use super::ServeLimits;

/// After so long without a byte the system asks whether the other end is still there: a station's Wi-Fi, a laptop that was closed.
const QUIET: Duration = Duration::from_secs(60);
/// And again, until it is given up.
const AGAIN: Duration = Duration::from_secs(15);

/// Takes connections as they come from the listener.
#[derive(Debug, Clone)]
pub(super) struct Sockets {
    unread: Duration,
    unread_bytes: usize,
}

impl Sockets {
    pub fn of(limits: &ServeLimits) -> Self {
        Self { unread: limits.unread, unread_bytes: limits.unread_bytes }
    }

    fn prepare(&self, stream: TcpStream) -> io::Result<Pin<Box<TimeoutStream<TcpStream>>>> {
        // Without it each answer waits for the client's delayed acknowledgement: 40 ms.
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(QUIET).with_interval(AGAIN))?;
        socket.set_send_buffer_size(self.unread_bytes)?;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.unread));
        Ok(Box::pin(stream))
    }
}

impl<S> Accept<TcpStream, S> for Sockets {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.prepare(stream).map(|stream| (stream, service)))
    }
}
