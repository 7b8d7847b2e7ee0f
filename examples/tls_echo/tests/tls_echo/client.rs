//! The client, with servers that it trusts or not.

use std::net::TcpListener;
use std::process::Stdio;

use netloop_tls::{Authority, Identity};

use crate::running::{Echo, Folder, Running, ask, tool};

#[test]
fn the_client_gets_its_line_back() {
    let echo = Echo::start();
    let output = ask(&echo.address, &echo.certificate, "hello");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"hello\n", "{errors}");
    assert!(output.status.success());
    let line = echo.running.line();
    assert!(line.contains(" speaks TLSv1_3, TLS13_"), "{line}");
}

#[test]
fn a_server_of_a_stranger_is_refused_on_both_sides_in_words() {
    let echo = Echo::start();
    let stranger = echo.folder.write("stranger.pem", Authority::new().pem());
    let output = ask(&echo.address, &stranger, "hello");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        errors,
        "handshake failed: certificate of an issuer that is not trusted (localhost)\n"
    );
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(1), &b""[..])
    );
    let line = echo.running.line();
    let words = ": handshake failed: the peer refuses: unknown CA (alert 48)";
    assert!(line.ends_with(words), "{line}");
}

/// Starts `openssl s_server`, which sends each line back reversed, and asks it. Returns the output and the errors.
fn ask_openssl(authority: &Authority, identity: &Identity, flag: &str) -> Option<[String; 2]> {
    let folder = Folder::new();
    let certificate = folder.write("certificate.pem", &identity.certificate_pem);
    let key = folder.write("key.pem", &identity.key_pem);
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut openssl = tool("openssl")?;
    openssl
        .args([
            "s_server", "-naccept", "1", "-rev", flag, "-accept", &address,
        ])
        .arg("-cert")
        .arg(certificate)
        .arg("-key")
        .arg(key)
        .stderr(Stdio::null());
    let server = Running::start(&mut openssl);
    while server.line() != "ACCEPT" {}
    let output = ask(
        &address,
        &folder.write("authority.pem", authority.pem()),
        "hello",
    );
    Some([output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()))
}

#[test]
fn s_server_answers_the_client_in_both_versions() {
    let authority = Authority::new();
    let identity = authority.identity(&["localhost"]);
    for flag in ["-tls1_2", "-tls1_3"] {
        let Some([output, errors]) = ask_openssl(&authority, &identity, flag) else {
            return;
        };
        assert_eq!(output, "olleh\n", "{flag}: {errors}");
    }
}

#[test]
fn an_expired_certificate_of_s_server_is_told_with_its_date() {
    let authority = Authority::new();
    let identity = authority.expired(&["localhost"]);
    let Some([output, errors]) = ask_openssl(&authority, &identity, "-tls1_3") else {
        return;
    };
    let words = "handshake failed: certificate expired (localhost, since 2025-01-01)\n";
    assert_eq!((output.as_str(), errors.as_str()), ("", words));
}
