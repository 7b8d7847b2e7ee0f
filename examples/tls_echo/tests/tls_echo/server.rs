//! The server, with OpenSSL's client, and under sslscan.

use std::io::Write;
use std::process::Stdio;

use crate::running::{Echo, Running, tool};

#[test]
fn s_client_gets_its_line_back_in_both_versions() {
    let echo = Echo::start();
    for (flag, version) in [("-tls1_2", "TLSv1_2"), ("-tls1_3", "TLSv1_3")] {
        let Some(mut openssl) = tool("openssl") else {
            return;
        };
        openssl
            .args(["s_client", "-quiet", "-verify_return_error", flag])
            .args(["-servername", "localhost", "-connect", &echo.address])
            .arg("-CAfile")
            .arg(&echo.certificate)
            .stderr(Stdio::null());
        let mut client = Running::start(&mut openssl);
        let mut input = client.child.stdin.take().unwrap();
        input.write_all(b"hello\n").unwrap();
        assert_eq!(client.line(), "hello");
        let line = echo.running.line();
        assert!(line.contains(&format!(" speaks {version}, ")), "{line}");
    }
}

#[test]
fn sslscan_finds_no_old_version_and_no_weak_cipher() {
    let echo = Echo::start();
    let Some(mut sslscan) = tool("sslscan") else {
        return;
    };
    let output = sslscan.args(["--no-colour", "--show-ciphers", "--compression", "--xml=-"]);
    let output = output.arg(&echo.address).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let lines = |beginning: &str| -> Vec<&str> {
        let lines = report.lines().map(str::trim);
        lines.filter(|line| line.starts_with(beginning)).collect()
    };
    let is_version = |line: &&&str| line.contains("enabled=\"1\"");
    let versions: Vec<&str> = lines("<protocol ")
        .into_iter()
        .filter(|line| is_version(&line))
        .collect();
    assert_eq!(
        versions,
        [
            r#"<protocol type="tls" version="1.2" enabled="1" />"#,
            r#"<protocol type="tls" version="1.3" enabled="1" />"#,
        ],
        "{report}"
    );
    let ciphers = lines("<cipher ");
    assert_eq!(ciphers.len(), 6, "{report}");
    let is_good = |line: &&str| {
        line.contains(r#"strength="strong""#) || line.contains(r#"strength="acceptable""#)
    };
    assert!(ciphers.iter().all(is_good), "{report}");
    assert!(!report.contains(r#"vulnerable="1""#), "{report}");
    // Renegotiation does not exist, secure or not; nor does compression.
    assert_eq!(
        lines("<renegotiation "),
        [r#"<renegotiation supported="0" secure="0" />"#]
    );
    assert!(
        lines("<compression ")
            .iter()
            .all(|line| line.contains(r#"supported="0""#)),
        "{report}"
    );
}
