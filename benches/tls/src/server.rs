//! A server in a process of its own: it prints its port and the certificate that it is to be trusted by.

use std::io::Write;
use std::net::SocketAddr;

use netloop_tls::Authority;

use crate::{by_hand, loops};

/// Serves as `kind` says, for ever.
pub(crate) fn serve(kind: &str) {
    let authority = Authority::new();
    let config = std::sync::Arc::new(authority.identity(&["localhost"]).server());
    let announce = |address: SocketAddr| {
        println!("{}", address.port());
        print!("{}", authority.pem());
        println!("END OF THE CERTIFICATE");
        std::io::stdout()
            .flush()
            .expect("the measuring process reads it");
    };
    match kind {
        "netloop" => loops::serve(config, announce),
        _ => by_hand::serve(config, announce),
    }
}
