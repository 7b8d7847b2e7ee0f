//! An echo over QUIC: quinn-proto, the protocol without I/O, on one UDP socket of the loop.
//!
//! ```text
//! $ cargo run -p netloop-quic -- 127.0.0.1:7443 target/quic.der          # writes its certificate
//! DatagramSocket { id: 0v1, local: 127.0.0.1:7443, peer: None, queued: 0 }
//! 127.0.0.1:40814: closed by peer: done (code 0)
//! ```
//!
//! ```text
//! $ cargo run -p netloop-quic -- 127.0.0.1:7443 target/quic.der hello    # in another terminal
//! hello
//! ```
//!
//! `endpoint.rs` joins quinn-proto and the socket: datagrams, deadlines, backpressure. `session.rs` is the application.

mod endpoint;
mod session;

use std::sync::Arc;

use netloop::{DatagramOptions, EventLoop};
use quinn_proto::{ClientConfig, Endpoint, ServerConfig};
use rustls::{RootCertStore, pki_types::PrivatePkcs8KeyDer};

use endpoint::Quic;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut event_loop = EventLoop::new()?;
    let (quic, address) = match &arguments[..] {
        [address, file] => {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
            std::fs::write(file, made.cert.der())?;
            let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
            let config = ServerConfig::with_single_cert(vec![made.cert.into()], key.into())?;
            let endpoint = Endpoint::new(Arc::default(), Some(Arc::new(config)), true, None);
            (Quic::new(endpoint), address.as_str())
        }
        [server, file, line] => {
            let mut roots = RootCertStore::empty();
            roots.add(std::fs::read(file)?.into())?;
            let config = ClientConfig::with_root_certificates(Arc::new(roots))?;
            let mut endpoint = Endpoint::new(Arc::default(), None, true, None);
            let now = event_loop.now();
            let (handle, connection) =
                endpoint.connect(now, config, server.parse()?, "localhost")?;
            let mut quic = Quic::new(endpoint);
            quic.begin(handle, connection, line.clone().into());
            (quic, "0.0.0.0:0")
        }
        _ => return Err("usage: quic ADDRESS FILE [LINE]".into()),
    };
    // A batch leaves in one system call. Batches also forbid fragments, so quinn-proto may look for longer datagrams.
    event_loop.bind_udp(address, DatagramOptions::new().in_batches(true), quic)?;
    let mut outcome = Ok(());
    event_loop.run(&mut outcome)?;
    Ok(outcome?)
}
