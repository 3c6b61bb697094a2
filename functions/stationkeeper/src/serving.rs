//! How a gateway is served: by which certificate, and for how many at once.

use std::time::Duration;

use stationkeeper_gateway::{ServeLimits, Tls};
use tokio_util::sync::CancellationToken;

use crate::cli::Encryption;
use crate::failure::{Exit, Failure, chain};

/// How often is looked whether a certificate was renewed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// So many files are asked for, sockets among them.
#[cfg(target_os = "linux")]
const FILES: u64 = 16_384;
/// What every system grants.
#[cfg(not(target_os = "linux"))]
const GRANTED: usize = 1_024;

/// By which connections are encrypted; none: by nothing.
pub fn tls(encryption: &Encryption) -> Result<Option<Tls>, Failure> {
    let lacks = |has: &str, lacks: &str, variable: &str| {
        let said = format!("{has} is named and {lacks} is not: name it by {lacks} or {variable}, or leave both out");
        Failure::new(Exit::Configuration, said)
    };
    match (&encryption.tls_cert, &encryption.tls_key) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(lacks("--tls-cert", "--tls-key", "STATIONKEEPER_TLS_KEY")),
        (None, Some(_)) => Err(lacks("--tls-key", "--tls-cert", "STATIONKEEPER_TLS_CERT")),
        (Some(certificate), Some(key)) => Tls::read(certificate.clone(), key.clone())
            .map(Some)
            .map_err(|error| Failure::because(Exit::Configuration, "cannot serve HTTPS", &error)),
    }
}

/// Takes up what is renewed, until told to stop: at SIGHUP, and by itself.
pub fn renew(tls: Tls, stop: CancellationToken) -> impl Future<Output = ()> + Send {
    // From now on, and not from when it is polled first: what is not listened to ends the process.
    let asked = Asked::listen();
    look(tls, asked, stop)
}

async fn look(tls: Tls, mut asked: Asked, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = asked.again() => {}
        }
        let looked = tls.clone();
        match tokio::task::spawn_blocking(move || looked.refresh()).await {
            Ok(Ok(true)) => tracing::info!("the certificate was renewed"),
            Ok(Ok(false)) => {}
            // Half of a pair may be there: the other comes with the next look.
            Ok(Err(error)) => tracing::warn!(error = chain(&error), "the certificate is as it was before"),
            Err(error) => tracing::error!(error = chain(&error), "the certificate was not looked at"),
        }
    }
}

/// SIGHUP, where there is such a thing.
struct Asked(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Asked {
    #[cfg(unix)]
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::hangup()).ok())
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self()
    }

    async fn again(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

/// As many connections as this process may have beside its databases and whom it asks: half of the files that it may open.
pub fn limits() -> ServeLimits {
    let most = ServeLimits::default().connections;
    ServeLimits::of_connections(most.min(open_files() / 2))
}

/// Asks for room and says how much there is.
#[cfg(target_os = "linux")]
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let has = getrlimit(Resource::Nofile);
    let wanted = has.maximum.unwrap_or(FILES).min(FILES);
    let now = has.current.unwrap_or(FILES);
    let room = if now >= wanted {
        now
    } else {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: has.maximum }) {
            Ok(()) => wanted,
            Err(error) => {
                tracing::debug!(error = %error, "there is no room for more open files");
                now
            }
        }
    };
    usize::try_from(room).unwrap_or(usize::MAX)
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> usize {
    GRANTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_streams_beside_other_requests() {
        let limits = limits();
        assert!(limits.streams * 2 <= limits.connections && limits.streams_of_one < limits.streams, "{limits:?}");
        assert!(limits.connections * 2 <= open_files() || limits.connections == 4, "{limits:?}");
    }
}
