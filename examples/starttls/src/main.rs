//! A sink for mail (SMTP submission) whose connections become TLS in mid-stream. Mail without TLS is refused.
//!
//! Bytes behind the STARTTLS command came without TLS, and may be an attacker's. `start_tls` takes them, and refuses.
//!
//! ```text
//! $ cargo run -p netloop-starttls -- 127.0.0.1:7025
//! listening on 127.0.0.1:7025
//! 127.0.0.1:51022 has sent 15 bytes over TLSv1_3
//! ```
//!
//! ```text
//! $ swaks --server 127.0.0.1:7025 --tls --to ada@example.org
//! ```

mod session;

use std::error::Error;
use std::sync::Arc;

use netloop::EventLoop;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use session::Session;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("starttls ADDRESS")?;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())?;
    let config = Arc::new(config);

    let mut event_loop: EventLoop = EventLoop::new()?;
    let server = event_loop.listen(address.as_str(), move |_, _| {
        Session::new(Arc::clone(&config))
    })?;
    if let Some(address) = event_loop.server(server).address() {
        println!("listening on {address}");
    }
    event_loop.run(&mut ())?;
    Ok(())
}
