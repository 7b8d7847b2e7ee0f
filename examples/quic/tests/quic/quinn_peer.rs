//! The peer that others wrote: quinn, over tokio.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use quinn::{ClientConfig, ConnectionError, Endpoint, ServerConfig, VarInt};
use rustls::RootCertStore;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::process::{File, PATIENCE, ask, serve};

/// Runs a test in a runtime of tokio, and ends it if it lasts too long.
fn within_patience(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, test).await })
        .unwrap();
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Connects to `server`, has streams of these lengths echoed one after the other, and closes the connection.
async fn echo(server: SocketAddr, certificate: &Path, lengths: &[u32]) {
    let mut roots = RootCertStore::empty();
    roots
        .add(std::fs::read(certificate).unwrap().into())
        .unwrap();
    let config = ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    let mut endpoint = Endpoint::client(any_port()).unwrap();
    endpoint.set_default_client_config(config);
    let connecting = endpoint.connect(server, "localhost").unwrap();
    let connection = connecting.await.unwrap();
    for &length in lengths {
        let sent: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[1]).collect();
        let (mut sender, mut receiver) = connection.open_bi().await.unwrap();
        let sending = tokio::spawn({
            let sent = sent.clone();
            async move {
                sender.write_all(&sent).await.unwrap();
                sender.finish().unwrap();
            }
        });
        let received = receiver.read_to_end(sent.len()).await.unwrap();
        assert!(received == sent, "{} of {length}", received.len());
        sending.await.unwrap();
    }
    connection.close(VarInt::from_u32(0), b"done");
    endpoint.wait_idle().await;
}

#[test]
fn a_client_of_quinn_is_echoed_and_closes_in_peace() {
    let certificate = File::new();
    let (server, address) = serve("127.0.0.1:0", &certificate.0);
    // The last is longer than any window.
    within_patience(echo(address, &certificate.0, &[0, 1, 5_000_000]));
    let end = server.line();
    assert!(end.ends_with(": closed by peer: done (code 0)"), "{end}");
}

// A client drops datagrams from another address than the one it has asked.
#[cfg(target_os = "linux")]
#[test]
fn a_server_at_all_addresses_answers_from_the_asked_one() {
    let certificate = File::new();
    let (_server, address) = serve("0.0.0.0:0", &certificate.0);
    let address = SocketAddr::from(([127, 77, 0, 2], address.port()));
    within_patience(echo(address, &certificate.0, &[100_000]));
}

#[test]
fn our_client_is_answered_by_a_server_of_quinn() {
    let certificate = File::new();
    within_patience(async {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate.0, made.cert.der()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::with_single_cert(vec![made.cert.into()], key.into()).unwrap();
        let endpoint = Endpoint::server(config, any_port()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let file = certificate.0.clone();
        let line = "a line of several datagrams ".repeat(1_000);
        let asking = tokio::task::spawn_blocking({
            let line = line.clone();
            move || ask(address, &file, &line)
        });
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (mut sender, mut receiver) = connection.accept_bi().await.unwrap();
        let asked = receiver.read_to_end(1_000_000).await.unwrap();
        assert!(asked == line.as_bytes(), "{} bytes", asked.len());
        sender.write_all(b"an answer").await.unwrap();
        sender.finish().unwrap();
        match connection.closed().await {
            ConnectionError::ApplicationClosed(close) => {
                assert_eq!(close.error_code, VarInt::from_u32(0));
                assert_eq!(&close.reason[..], b"done");
            }
            other => panic!("{other}"),
        }
        assert_eq!(asking.await.unwrap(), ("an answer".to_owned(), true));
    });
}
