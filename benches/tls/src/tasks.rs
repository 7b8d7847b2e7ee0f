//! The echo on tokio-rustls: one thread, one task a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const BUFFER_BYTES: usize = 128 << 10;

pub(crate) fn serve(config: Arc<ServerConfig>, announce: impl FnOnce(SocketAddr)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let acceptor = TlsAcceptor::from(config);
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a server");
        announce(listener.local_addr().expect("it is bound"));
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(acceptor.clone(), stream));
            }
        }
    });
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
