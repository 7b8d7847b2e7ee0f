//! A client of TLS: sends a line, and prints the answer. It trusts the certificate in a file, which `tls_echo` has written.
//!
//! ```text
//! $ cargo run -p netloop-tls-echo --bin tls_client -- 127.0.0.1:7443 certificate.pem hello
//! hello
//! ```

use std::error::Error;
use std::sync::Arc;

use netloop::{ConnectOptions, Context, EventLoop, SocketHandler};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

struct Ask {
    line: String,
    answer: Vec<u8>,
}

/// The state of the program: how the connection has failed, if it has.
type Failure = Option<netloop::Error>;

impl SocketHandler<Failure> for Ask {
    /// The handshake is done, and the certificate is the server's.
    fn on_connect(&mut self, cx: &mut Context<'_, Failure>) {
        cx.socket.end_with(self.line.as_bytes());
    }
    fn on_data(&mut self, _: &mut Context<'_, Failure>, data: &[u8]) {
        self.answer.extend_from_slice(data);
    }
    /// Comes behind a close_notify alone: the answer is whole.
    fn on_end(&mut self, _: &mut Context<'_, Failure>) {
        println!("{}", String::from_utf8_lossy(&self.answer));
    }
    fn on_error(&mut self, cx: &mut Context<'_, Failure>, error: &netloop::Error) {
        *cx.shared = Some(error.clone());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file), Some(line)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("tls_client ADDRESS FILE LINE".into());
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();

    let mut event_loop = EventLoop::new()?;
    let options = ConnectOptions::new().tls(Arc::new(config), "localhost".try_into()?);
    let ask = Ask {
        line,
        answer: Vec::new(),
    };
    event_loop.connect_with(address.as_str(), options, ask)?;
    let mut failure = None;
    event_loop.run(&mut failure)?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
