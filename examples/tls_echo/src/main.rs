//! An echo over TLS. The handler is the one of a plain echo; the options have one more line.
//!
//! The certificate is made on the spot, and written to a file for clients to trust. Talk to the server with `tls_client`
//! beside this file, or with `openssl s_client`:
//!
//! ```text
//! $ cargo run -p netloop-tls-echo -- 127.0.0.1:7443 target/certificate.pem
//! listening on 127.0.0.1:7443
//! 127.0.0.1:40814 speaks TLSv1_3, TLS13_AES_256_GCM_SHA384
//! 127.0.0.1:40816: handshake failed: the peer refuses: unknown CA (alert 48)
//! ```
//!
//! ```text
//! $ cargo run -p netloop-tls-echo --bin tls_client -- 127.0.0.1:7443 target/certificate.pem hello
//! hello
//! $ openssl s_client -connect localhost:7443 -CAfile target/certificate.pem -verify_return_error -quiet
//! $ openssl s_client -connect localhost:7443 -verify_return_error        # does not trust the certificate
//! ```

use std::error::Error;
use std::sync::Arc;

use netloop::{
    Accepted, Context, EventLoop, FailedHandshake, Flow, Limits, ListenOptions, LoopContext,
    ServerHandler, ServerId, SocketHandler,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

struct Echo;

/// The handler of `examples/echo.rs`, to the letter.
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

/// The server is told of a connection when its handshake is done, or has failed. A closure in its place would do, too.
struct Front;

impl ServerHandler for Front {
    fn on_listening(&mut self, cx: &mut LoopContext<'_>, server: ServerId) {
        if let Some(address) = cx.sockets.server(server).address() {
            println!("listening on {address}");
        }
    }
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler>> {
        let peer = accepted.peer_address?;
        let socket = cx.sockets.socket(accepted.id);
        let tls = socket.tls()?;
        let (version, suite) = (tls.version()?, tls.cipher_suite()?.suite());
        println!("{peer} speaks {version:?}, {suite:?}");
        Some(Echo.boxed())
    }
    fn on_handshake_failed(&mut self, _: &mut LoopContext<'_>, failed: &FailedHandshake) {
        if let Some(peer) = failed.peer_address {
            println!("{peer}: {}", failed.error);
        }
    }
    fn on_error(&mut self, _: &mut LoopContext<'_>, error: &netloop::Error) {
        eprintln!("{error:#}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tls_echo ADDRESS FILE".into());
    };
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(file, cert.pem())?;
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())?;
    // Scanners ask for it. No cipher of rustls is weak, so the client's order would do.
    config.ignore_client_order = true;

    let mut event_loop: EventLoop = EventLoop::new()?;
    let options = ListenOptions::new()
        .limits(Limits::internet())
        .tls(Arc::new(config));
    event_loop.serve(address.as_str(), options, Front)?;
    event_loop.run(&mut ())?;
    Ok(())
}
