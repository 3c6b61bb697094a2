//! The listener: connections, and what no client may do to the others.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, s3_error};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::Gate;
use crate::body::RequestBody;
use crate::bucket::EmbeddedBucket;
use crate::s3::{Endpoint, Peer};

/// Heads of requests, and lines of listings to delete, in bytes.
const HEAD_BYTES: usize = 64 << 10;
const XML_BYTES: usize = 2 << 20;

/// After a failed accept (too many open files, mostly).
const BREATHER: Duration = Duration::from_millis(100);

impl EmbeddedBucket {
    /// Serves S3 on a listener until `shutdown`, then lets requests in flight end within [`ServeLimits::grace`](crate::ServeLimits::grace).
    /// HTTP/1.1 without TLS, path-style addresses (`http://ADDRESS/BUCKET/KEY`).
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) {
        let limits = self.options.limits.clone();
        let service = endpoint(&self);
        let open = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES);
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                // Never closed, so a permit always comes.
                let permit = Arc::clone(&open).acquire_owned().await.ok();
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = shutdown.cancelled() => break,
                next = next => next,
            };
            while connections.try_join_next().is_some() {}
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the bucket could not accept a connection"
                    );
                    tokio::time::sleep(BREATHER).await;
                    continue;
                }
            };
            // Without it each answer waits for the client's delayed acknowledgement: 40 ms.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(error = &error as &dyn std::error::Error, "TCP_NODELAY could not be set");
            }
            let client = Client { bucket: Arc::clone(&self), peer, service: service.clone() };
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), client));
            connections.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection to the bucket ended early");
                }
                drop(permit);
            });
        }
        drop(listener);
        if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests to the bucket were cut off: they went on after the shutdown");
        }
        connections.shutdown().await;
    }

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        service: S3Service,
    ) -> Response<Body> {
        // s3s would read a form whole before it asks who sends it.
        let form = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
            kind.as_bytes().get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
        });
        let refused = (form && request.method() == Method::POST)
            .then(|| s3_error!(NotImplemented, "uploads by form are not supported: send it in a PUT"));
        let waits = request.headers().contains_key(header::EXPECT);
        let empty = request.body().is_end_stream();
        // Signatures of chunks come on top: 87 bytes each, of chunks that hold 8 KiB or more.
        let room = self.options.max_object_bytes.max(XML_BYTES) / 16 * 17 + HEAD_BYTES;
        request.extensions_mut().insert(Peer(peer.ip()));
        let time = self.options.limits.body;
        let request = request.map(|incoming| RequestBody::new(incoming, room, time, waits, self.tasks.clone()));
        let answered = match refused {
            Some(error) => error.to_http_response().ok(),
            None => service.call(request.map(Body::http_body)).await.ok(),
        };
        let mut answer = answered.unwrap_or_else(|| {
            let mut failed = Response::new(Body::empty());
            *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            failed
        });
        // botocore takes a final answer that came in place of `100 Continue` for the answer to the next request of that connection too.
        if waits && (empty || !answer.status().is_success()) {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

/// One connection.
struct Client {
    bucket: Arc<EmbeddedBucket>,
    peer: SocketAddr,
    service: S3Service,
}

impl Service<Request<Incoming>> for Client {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (bucket, peer, service) = (Arc::clone(&self.bucket), self.peer, self.service.clone());
        Box::pin(async move { Ok(bucket.answer(request, peer, service).await) })
    }
}

fn endpoint(bucket: &Arc<EmbeddedBucket>) -> S3Service {
    let mut config = S3Config::default();
    config.xml_max_body_size = XML_BYTES;
    config.post_object_max_file_size = 0;
    config.form_max_fields_size = HEAD_BYTES;
    config.form_max_field_size = HEAD_BYTES;
    let mut builder = S3ServiceBuilder::new(Endpoint(Arc::clone(bucket)));
    builder.set_auth(Gate(Arc::clone(bucket)));
    builder.set_access(Gate(Arc::clone(bucket)));
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.build()
}
