//! Programs that know SMTP.

use std::process::{Command, Output};

use crate::peer::{Peer, SecurePeer};
use crate::sink::{Sink, report_skipped};

/// Runs swaks. `None` if it is not installed.
fn swaks(sink: &Sink, arguments: &[&str]) -> Option<Output> {
    let (_, port) = sink.address.rsplit_once(':').unwrap();
    let found = Command::new("swaks").arg("--version").output();
    if found.is_err() {
        report_skipped("swaks");
        return None;
    }
    let output = Command::new("timeout")
        .args(["120", "swaks", "--server", "localhost", "--port", port])
        .args([
            "--helo",
            "me",
            "--from",
            "a@example.org",
            "--to",
            "b@example.org",
        ])
        .args(arguments)
        .output();
    Some(output.unwrap())
}

#[test]
fn swaks_verifies_the_certificate_and_delivers_a_mail() {
    let sink = Sink::start(&[]);
    let file = sink.certificate.to_str().unwrap();
    for version in ["tlsv1_2", "tlsv1_3"] {
        let arguments = ["--tls", "--tls-verify", "--tls-ca-path", file];
        let body = ["--tls-protocol", version, "--body", ".\n..\nthe end"];
        let Some(output) = swaks(&sink, &[&arguments[..], &body].concat()) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let spoken = format!(" speaks {}", version.replace("tlsv", "TLSv"));
        sink.says(&spoken);
        // swaks closes after its QUIT, and so may reset the connection.
        sink.says(" bytes from a@example.org to b@example.org");
        sink.is_left();
    }
}

#[test]
fn swaks_without_tls_delivers_no_mail() {
    let sink = Sink::start(&[]);
    let Some(output) = swaks(&sink, &[]) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("<** 530 5.7.0"), "{text}");
    sink.says(" is gone: Graceful");
}

#[test]
fn openssl_delivers_a_mail_that_is_counted_without_its_dots() {
    let sink = Sink::start(&[]);
    let Some(mut peer) = SecurePeer::greeting(&sink) else {
        return;
    };
    sink.says(" speaks TLSv1_3");
    peer.envelope();
    peer.send(b"Subject: a\r\n\r\n..\r\n.hidden\r\n.\r\n");
    peer.hears("250 2.0.0");
    let bytes = "Subject: a\r\n\r\n.\r\nhidden\r\n".len();
    sink.says(&format!(
        " has sent {bytes} bytes from a@example.org to b@example.org"
    ));
    // A second message on the same connection.
    peer.envelope();
    peer.send(b".\r\n");
    peer.hears("250 2.0.0");
    sink.says(" has sent 0 bytes from a@example.org to b@example.org");
    peer.send(b"quit\r\n");
    peer.hears("221 ");
    sink.says(" is gone: Graceful");
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_told_of() {
    let sink = Sink::start(&[]);
    // The authorities of the system do not vouch for it.
    let Some(output) = swaks(&sink, &["--tls", "--tls-verify"]) else {
        return;
    };
    assert!(!output.status.success());
    sink.says(": handshake failed: the peer refuses: unknown CA (alert 48)");
    sink.says(" is gone: Error");
}

#[test]
fn commands_in_one_chunk_are_answered_in_order() {
    let sink = Sink::start(&[]);
    let mut peer = Peer::greeted(&sink);
    peer.send(b"NOOP\r\nMAIL FROM:<a@example.org>\r\nQUIT\r\nNOOP\r\n");
    for beginning in ["250 2.0.0", "530 5.7.0", "221 2.0.0"] {
        peer.hears(beginning);
    }
    assert_eq!(peer.rest(), b"");
    drop(peer);
    sink.says(" is gone: Graceful");
}
