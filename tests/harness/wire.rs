//! A wire that can be cut, between the client and its gateway. It counts what is asked for, and may take no streams.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const NO_STREAMS: &str = r#"{"error":"no place is left","code":"too_many_streams","requestId":"r"}"#;

/// See the module.
pub struct Wire {
    /// Where it begins, such as `http://127.0.0.1:4711`.
    pub address: String,
    asked: Arc<Mutex<Vec<String>>>,
    cut: Arc<Mutex<CancellationToken>>,
    /// Streams of events are refused.
    pub takes_no_streams: Arc<AtomicBool>,
    tasks: TaskTracker,
}

impl Wire {
    /// To `gateway`, such as `http://127.0.0.1:8080`.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn to(gateway: &str) -> Self {
        let target = gateway.strip_prefix("http://").expect("plain HTTP").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it listens"));
        let (asked, cut) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(CancellationToken::new())));
        let (takes_no_streams, tasks) = (Arc::new(AtomicBool::new(false)), TaskTracker::new());
        let wire = Self { address, asked, cut, takes_no_streams, tasks };
        let (asked, cut, streamless) =
            (Arc::clone(&wire.asked), Arc::clone(&wire.cut), Arc::clone(&wire.takes_no_streams));
        let tasks = wire.tasks.clone();
        wire.tasks.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let broken = cut.lock().expect("nobody panicked").clone();
                if broken.is_cancelled() {
                    continue;
                }
                let (target, asked, streamless) = (target.clone(), Arc::clone(&asked), Arc::clone(&streamless));
                tasks.spawn(async move {
                    tokio::select! {
                        () = broken.cancelled() => {}
                        () = carry(client, &target, &asked, &streamless) => {}
                    }
                });
            }
        });
        wire
    }

    /// All connections break, and new ones are not carried.
    ///
    /// # Panics
    /// Never; so it is with all below.
    pub fn cut(&self) {
        self.cut.lock().expect("nobody panicked").cancel();
    }

    /// New connections are carried again.
    pub fn mend(&self) {
        *self.cut.lock().expect("nobody panicked") = CancellationToken::new();
    }

    /// The first lines of what was asked for that contain `part`, with `Last-Event-ID` where it was sent.
    pub fn asked(&self, part: &str) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").iter().filter(|line| line.contains(part)).cloned().collect()
    }
}

async fn carry(mut client: TcpStream, target: &str, asked: &Mutex<Vec<String>>, streamless: &AtomicBool) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let text = String::from_utf8_lossy(&up[..count]).into_owned();
                let first = text.lines().next().unwrap_or_default().to_owned();
                let last = text.lines().find(|line| line.to_ascii_lowercase().starts_with("last-event-id:"));
                asked.lock().expect("nobody panicked").push(format!("{first} {}", last.unwrap_or_default()));
                if first.contains("/api/v1/events") && streamless.load(Ordering::SeqCst) {
                    let head = "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nConnection: close";
                    let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{NO_STREAMS}", NO_STREAMS.len());
                    let _ = client.write_all(answer.as_bytes()).await;
                    return;
                }
                if server.write_all(&up[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
