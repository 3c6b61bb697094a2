//! A station's listener: there while its PC is on, gone with it, and every connection with it.

use std::io;
use std::net::TcpListener as BlockingListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use super::login::Login;
use super::service::{Peer, answer};
use super::{Station, Stations, locked};

/// Connections of one station at once; more are closed at once.
const MOST_CONNECTIONS: usize = 64;
/// For TLS, and for the head of a request.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(120);
/// A port that somebody else took meanwhile is tried again after so long.
const AGAIN: Duration = Duration::from_millis(500);

/// Answers for one station until told to stop.
pub(super) async fn serve(stations: &Stations, place: usize, stop: &CancellationToken) {
    let station = &stations.0.stations[place];
    let mut on = station.on.subscribe();
    loop {
        if !*on.borrow_and_update() {
            drop(locked(&station.first).take());
            locked(&station.shells).clear();
            tokio::select! {
                () = stop.cancelled() => return,
                changed = on.changed() => if changed.is_err() { return },
            }
            continue;
        }
        match listener(station) {
            Ok(listener) => {
                let mut connections = JoinSet::new();
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        changed = on.changed() => if changed.is_err() || !*on.borrow_and_update() { break },
                        accepted = listener.accept() => {
                            while connections.try_join_next().is_some() {}
                            if let Ok((stream, _)) = accepted && connections.len() < MOST_CONNECTIONS {
                                connections.spawn(connection(stations.clone(), place, stream));
                            }
                        }
                    }
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "{} cannot listen on {}; it tries again", station.host, station.address);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    }
}

fn listener(station: &Station) -> io::Result<TcpListener> {
    let kept = locked(&station.first).take();
    let bound = match kept {
        Some(listener) => listener,
        None => {
            let listener = BlockingListener::bind(station.address)?;
            listener.set_nonblocking(true)?;
            listener
        }
    };
    TcpListener::from_std(bound)
}

async fn connection(stations: Stations, place: usize, stream: TcpStream) {
    let station = &stations.0.stations[place];
    if station.fault() == Some(Fault::NeverAnswers) {
        let _held = stream;
        return std::future::pending().await;
    }
    let acceptor = TlsAcceptor::from(station.tls.clone());
    let Ok(Ok(mut stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    if station.fault() == Some(Fault::Garbage) {
        // Whether the client reads it is its own affair; unread, its request would make an abort of the end.
        let _ = stream.read(&mut [0; 16 << 10]).await;
        let _ = stream.write_all(b"\x16\x03\0\xff no protocol at all\r\n\r\n").await;
        let _ = stream.shutdown().await;
        return;
    }
    let login = Arc::new(Mutex::new(Login::default()));
    let service = service_fn(|request| {
        let peer = Peer { stations: stations.clone(), place, login: login.clone() };
        async move { answer(&peer, request).await }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // An error is the client's, or a fault that a test asked for.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
