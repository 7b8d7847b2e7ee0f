//! A server that takes mail in and drops it: SMTP submission (RFC 5321) that begins in the clear, and goes on over TLS
//! after STARTTLS (RFC 3207). Without TLS it takes no mail.
//!
//! The certificate is made on the spot, and written to a file for clients to trust.
//!
//! ```text
//! $ cargo run -p netloop-starttls -- 127.0.0.1:7587 target/certificate.pem
//! listening on 127.0.0.1:7587
//! 127.0.0.1:50712 speaks TLSv1_3
//! 127.0.0.1:50712 has sent 290 bytes from ada@example.org to bob@example.org
//! 127.0.0.1:50712 is gone: Graceful
//! ```
//!
//! ```text
//! $ swaks --server localhost:7587 --tls --tls-verify --tls-ca-path target/certificate.pem \
//!     --from ada@example.org --to bob@example.org
//! $ openssl s_client -starttls smtp -connect localhost:7587 -CAfile target/certificate.pem -quiet -crlf
//! ```
//!
//! Read [`conversation`] first: SMTP as a machine without a socket. Then [`session`], the handler that joins it with one, and
//! starts TLS in mid-stream.
//!
//! A client may be slow or false. Lines and messages have a longest length, and commands, messages and handshakes a
//! longest time, which no byte extends. A line ends with CR LF and not with less, or a message could hide another one
//! ("SMTP smuggling").

mod conversation;
mod envelope;
mod lines;
mod options;
mod session;

use std::error::Error;
use std::sync::Arc;

use netloop::{EventLoop, Limits, ListenOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use options::Options;
use session::{Session, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(&options.file, cert.pem())?;
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())?;
    let settings = Settings {
        tls: Arc::new(config),
        time: options.time,
        message_bytes: options.message_bytes,
    };

    let mut event_loop: EventLoop = EventLoop::new()?;
    // The time for each command is the session's own, so that a client is told of it.
    let limits = Limits::internet()
        .first_byte_timeout(None)
        .idle_timeout(None);
    let server = event_loop.listen_with(
        options.address.as_str(),
        ListenOptions::new().limits(limits),
        move |_, accepted| Session::new(settings.clone(), accepted.peer_address),
    )?;
    if let Some(address) = event_loop.server(server).address() {
        println!("listening on {address}");
    }
    event_loop.run(&mut ())?;
    Ok(())
}
