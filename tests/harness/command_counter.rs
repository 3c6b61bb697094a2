//! Something between a client and a MySQL server that counts the commands which go by, each a round trip.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How often each command went by, by its name of the protocol.
pub type Commands = BTreeMap<&'static str, u64>;

/// The counter. It ends when this is dropped.
#[derive(Debug)]
pub struct CommandCounter {
    address: SocketAddr,
    counted: Arc<Mutex<Commands>>,
    _connections: JoinSet<()>,
}

impl CommandCounter {
    /// Before the server of a `mysql://` URL, without TLS.
    ///
    /// # Panics
    /// Where nothing can listen on loopback.
    pub async fn before(url: &str) -> Self {
        let server = authority(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let counted = Arc::new(Mutex::new(Commands::new()));
        let mut connections = JoinSet::new();
        let seen = Arc::clone(&counted);
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                open.spawn(relay(client, server, Arc::clone(&seen)));
            }
        });
        Self { address, counted, _connections: connections }
    }

    /// The same database, through the counter.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replacen(authority(url), &self.address.to_string(), 1)
    }

    /// What went by since the last call.
    pub fn take(&self) -> Commands {
        std::mem::take(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn authority(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let authority = after.split('/').next().unwrap_or(after);
    authority.rsplit('@').next().unwrap_or(authority)
}

async fn relay(client: TcpStream, server: TcpStream, counted: Arc<Mutex<Commands>>) {
    for stream in [&client, &server] {
        // What is sent is sent at once, as without this in between.
        let _ = stream.set_nodelay(true);
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = async {
        while let Some((number, body)) = packet(&mut from_client).await {
            // A command begins the numbering of packets anew; what else a client sends answers the server's greeting.
            if number == 0
                && let Some(code) = body.first()
            {
                *counted.lock().unwrap_or_else(PoisonError::into_inner).entry(name(*code)).or_default() += 1;
            }
            let length = u32::try_from(body.len()).unwrap_or_default().to_le_bytes();
            let head = [length[0], length[1], length[2], number];
            if to_server.write_all(&[&head[..], &body].concat()).await.is_err() {
                break;
            }
        }
    };
    let answering = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        () = asking => {}
        _ = answering => {}
    }
}

/// The next packet's number and body; none: the connection ended.
async fn packet(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.ok()?;
    let mut body = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    stream.read_exact(&mut body).await.ok()?;
    Some((head[3], body))
}

/// By MySQL's documentation of its protocol, those that a client here may send.
fn name(code: u8) -> &'static str {
    match code {
        0x01 => "COM_QUIT",
        0x03 => "COM_QUERY",
        0x0e => "COM_PING",
        0x16 => "COM_STMT_PREPARE",
        0x17 => "COM_STMT_EXECUTE",
        0x19 => "COM_STMT_CLOSE",
        _ => "another",
    }
}
