//! How connections are served: what a client may take, so that one which is slow, hostile or gone wild hurts no other.
//!
//! Heads, bodies, TLS handshakes and answers have a time each ([`ServeLimits`]), connections and streams have places ([`places`]). What is
//! no stream ends by itself, so whoever waits for a place gets one.

pub(crate) mod body;
pub(crate) mod places;
mod socket;
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use tokio::net::{TcpListener, TcpStream};
use tower::Service;

use crate::Gateway;
use places::{Place, Places};
use socket::Sockets;
pub use tls::{Tls, TlsError};

/// Longest head of a request, and most of an answer that is held back for its connection, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// What a client may take of what is there for all.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// The time for the head of a request, and for the next one to begin on the same connection. Default: 30 s.
    pub head: Duration,
    /// The time for the body of a request. Default: 10 s.
    pub body: Duration,
    /// The time for a TLS handshake. Default: 10 s.
    pub handshake: Duration,
    /// How long an answer waits for a client that takes nothing of it. Default: 30 s.
    pub unread: Duration,
    /// How much of an answer the system keeps for a client that reads slowly, in bytes. Default: 256 KiB.
    pub unread_bytes: usize,
    /// How long requests may go on that run when the gateway is told to stop. Default: 20 s.
    pub grace: Duration,
    /// Connections at once; who comes then waits until one ends, and whoever comes after them, too. Default: 4096.
    pub connections: usize,
    /// Connections of one address at once; who comes then is dropped. Default: half of all.
    pub connections_of_one: usize,
    /// Streams at once. Default: half of all connections, so that other requests have room.
    pub streams: usize,
    /// Streams of one token at once. Default: 640, and at most three quarters of all streams.
    pub streams_of_one: usize,
}

impl ServeLimits {
    /// The defaults, for so many connections.
    pub fn of_connections(connections: usize) -> Self {
        let connections = connections.max(4);
        let streams = connections / 2;
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            unread: Duration::from_secs(30),
            unread_bytes: 256 << 10,
            grace: Duration::from_secs(20),
            connections,
            connections_of_one: connections / 2,
            streams,
            streams_of_one: 640.min(streams * 3 / 4),
        }
    }
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self::of_connections(4096)
    }
}

/// Serves until `shutdown`, then lets running requests end within [`ServeLimits::grace`].
pub(crate) async fn serve(
    gateway: &Gateway,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let options = &gateway.shared().options;
    let sockets = Sockets::of(&options.limits);
    let server = Server::<SocketAddr>::from_listener(listener);
    match &options.tls {
        None => run(gateway, server.acceptor(sockets), shutdown).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls.config()).handshake_timeout(options.limits.handshake);
            run(gateway, server.acceptor(acceptor.acceptor(sockets)), shutdown).await
        }
    }
}

async fn run<A>(gateway: &Gateway, server: Server<SocketAddr, A>, shutdown: impl Future<Output = ()>) -> io::Result<()>
where
    A: Accept<TcpStream, Connection> + Clone + Send + Sync + 'static,
    A::Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    A::Service: axum_server::service::SendService<Request<hyper::body::Incoming>> + Send,
    A::Future: Send,
{
    let limits = &gateway.shared().options.limits;
    let handle = Handle::new();
    let mut server = server.handle(handle.clone()).http1_only();
    server.http_builder().http1().header_read_timeout(limits.head).max_buf_size(HEAD_BYTES);
    let server = server.accept_error_handler(|peer, error| match peer {
        Some(peer) => tracing::debug!(%peer, error = error as &dyn std::error::Error, "a connection was dropped"),
        None => tracing::warn!(error = error as &dyn std::error::Error, "could not accept a connection"),
    });
    let places = Arc::new(Places::new(limits.connections, limits.connections_of_one));
    let router = gateway.router();
    let connect = tower::service_fn(move |peer: SocketAddr| {
        let (places, router, gateway) = (Arc::clone(&places), router.clone(), gateway.clone());
        async move {
            let place = tokio::select! {
                place = places.take(peer.ip()) => place,
                () = gateway.closing() => None,
            };
            let place = place.ok_or_else(|| io::Error::other("its address has too many connections"))?;
            Ok::<_, io::Error>(Connection { router, peer, _place: Arc::new(place) })
        }
    });
    let mut serving = pin!(server.serve(connect));
    tokio::select! {
        ended = &mut serving => return ended,
        () = shutdown => handle.graceful_shutdown(Some(limits.grace)),
    }
    serving.await
}

/// One connection: what answers its requests, and its place among all.
#[derive(Clone)]
struct Connection {
    router: Router,
    peer: SocketAddr,
    _place: Arc<Place>,
}

impl<B> Service<Request<B>> for Connection
where
    Router: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.router.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.router.call(request)
    }
}
