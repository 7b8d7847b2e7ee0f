//! An echo over TLS. The handler is the one of a plain echo: TLS is one more line of the options.
//!
//! The certificate is made on the spot, and written to a file for clients to trust. Talk to the server with `tls_client`
//! beside this file, or with `openssl s_client`:
//!
//! ```text
//! $ cargo run -p netloop-tls-echo -- 127.0.0.1:7443 certificate.pem
//! listening on 127.0.0.1:7443
//! 127.0.0.1:40814 speaks TLSv1_3
//! ```
//!
//! ```text
//! $ cargo run -p netloop-tls-echo --bin tls_client -- 127.0.0.1:7443 certificate.pem hello
//! hello
//! ```

use std::error::Error;
use std::sync::Arc;

use netloop::{
    Accepted, Context, EventLoop, FailedHandshake, ListenOptions, LoopContext, ServerHandler,
    ServerId, SocketHandler,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

struct Echo;

impl SocketHandler for Echo {
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        let version = cx.socket.tls().and_then(|tls| tls.version());
        if let (Some(peer), Some(version)) = (cx.socket.peer_address(), version) {
            println!("{peer} speaks {version:?}");
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        cx.socket.write(data).ignore();
    }
}

/// The server is told of a connection when its handshake is done, or has failed.
struct Front;

impl ServerHandler for Front {
    fn on_listening(&mut self, cx: &mut LoopContext<'_>, server: ServerId) {
        if let Some(address) = cx.sockets.server(server).address() {
            println!("listening on {address}");
        }
    }
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler>> {
        Some(Echo.boxed())
    }
    fn on_handshake_failed(&mut self, _: &mut LoopContext<'_>, failed: &FailedHandshake) {
        eprintln!("{}", failed.error);
    }
    fn on_error(&mut self, _: &mut LoopContext<'_>, error: &netloop::Error) {
        eprintln!("{error:#}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("tls_echo ADDRESS FILE".into());
    };
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(file, cert.pem())?;
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())?;

    let mut event_loop: EventLoop = EventLoop::new()?;
    let options = ListenOptions::new().tls(Arc::new(config));
    event_loop.serve(address.as_str(), options, Front)?;
    event_loop.run(&mut ())?;
    Ok(())
}
