//! The peers: how each is started, with the certificate and the key in its environment, and the servers of this program.

use std::error::Error;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use netloop::{Context, EventLoop, Flow, ListenOptions, SocketHandler};
use netloop_benches::build::this_program;
use netloop_tls::provider;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::by_hand;

/// The peer that all others are compared with.
pub(crate) const BASE: &str = "by hand";

pub(crate) const PEERS: [&str; 4] = ["netloop", BASE, "tokio-rustls", "node"];

/// The variables of the environment with the certificate and the key, as PEM.
pub(crate) const CERTIFICATE: &str = "NETLOOP_CERTIFICATE";
pub(crate) const KEY: &str = "NETLOOP_KEY";

/// The read buffer of the loop by hand and of a task.
pub(crate) const BUFFER_BYTES: usize = 128 << 10;

/// Returns the command that starts `peer`, behind the words `under`, or why the peer is missing on this machine.
pub(crate) fn command(peer: &str, under: &[String]) -> Result<Command, String> {
    let mut words = under.to_vec();
    if peer == "node" {
        let version = Command::new("node").arg("--version").output();
        version.map_err(|error| format!("`node --version` does not run: {error}"))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tls.mjs");
        words.extend([peer.to_owned(), script.to_string_lossy().into_owned()]);
    } else {
        let program = this_program()?.to_string_lossy().into_owned();
        words.extend([program, "serve".to_owned(), peer.to_owned()]);
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Ok(command)
}

/// Serves as the peer `kind`, for ever.
pub(crate) fn serve(kind: &str) -> Result<(), Box<dyn Error>> {
    let certificate = CertificateDer::from_pem_slice(std::env::var(CERTIFICATE)?.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(std::env::var(KEY)?.as_bytes())?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    match kind {
        "netloop" => serve_with_netloop(Arc::new(config)),
        BASE => Ok(by_hand::serve(&Arc::new(config))?),
        "tokio-rustls" => Ok(serve_with_tokio(Arc::new(config))?),
        other => Err(format!("no peer has the name {other}").into()),
    }
}

struct Echo;

impl SocketHandler for Echo {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        cx.socket.resume();
    }
}

fn serve_with_netloop(config: Arc<ServerConfig>) -> Result<(), Box<dyn Error>> {
    let mut event_loop: EventLoop = EventLoop::new()?;
    let options = ListenOptions::new().tls(config);
    let server = event_loop.listen_with("127.0.0.1:0", options, |_, _| Echo)?;
    let address = event_loop.server(server).address();
    println!("listening {}", address.ok_or("it does not listen")?);
    event_loop.run(&mut ())?;
    Ok(())
}

/// One thread, and a task for each connection.
fn serve_with_tokio(config: Arc<ServerConfig>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let acceptor = TlsAcceptor::from(config);
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening {}", listener.local_addr()?);
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(acceptor.clone(), stream));
            }
        }
    })
}

async fn echo(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    // The limit of rustls would cut a long echo into several writes.
    stream.get_mut().1.set_buffer_limit(None);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..length]).await?;
        stream.flush().await?;
    }
}
