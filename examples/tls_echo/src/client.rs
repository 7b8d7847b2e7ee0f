//! A client of TLS: sends a line, and prints the answer. It trusts the certificates in a file, such as the one that
//! `tls_echo` has written, and expects the name `localhost`.
//!
//! ```text
//! $ cargo run -p netloop-tls-echo --bin tls_client -- 127.0.0.1:7443 target/certificate.pem hello
//! hello
//! ```
//!
//! A failure is told in words, and by the exit code:
//!
//! ```text
//! $ cargo run -p netloop-tls-echo --bin tls_client -- 127.0.0.1:7443 target/old_certificate.pem hello
//! handshake failed: certificate of an issuer that is not trusted (localhost)
//! ```

use std::error::Error;
use std::process::ExitCode;
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
    /// The handshake is done, and the certificate is valid.
    fn on_connect(&mut self, cx: &mut Context<'_, Failure>) {
        writeln!(cx.socket, "{}", self.line);
        // A close_notify, then a FIN.
        cx.socket.end();
    }
    fn on_data(&mut self, _: &mut Context<'_, Failure>, data: &[u8]) {
        self.answer.extend_from_slice(data);
    }
    /// Comes after a close_notify alone: the answer is whole.
    fn on_end(&mut self, _: &mut Context<'_, Failure>) {
        print!("{}", String::from_utf8_lossy(&self.answer));
    }
    fn on_error(&mut self, cx: &mut Context<'_, Failure>, error: &netloop::Error) {
        *cx.shared = Some(error.clone());
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file), Some(line)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: tls_client ADDRESS FILE LINE".into());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
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
    if let Some(error) = failure {
        eprintln!("{error}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
