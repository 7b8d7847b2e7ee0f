//! The same server over TLS: `cargo test -p netloop-http --features tls`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use crate::peer::{assert_same, pattern};
use crate::server::Server;
use crate::tools::{curl, output, text, tool};

/// A server over TLS, with a certificate that OpenSSL has made.
struct Secure {
    server: Server,
    folder: PathBuf,
}

impl Secure {
    /// Starts the server. `None` if there is no OpenSSL.
    fn start() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netloop-https-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
        ];
        let mut openssl = tool("openssl")?;
        std::fs::create_dir_all(&folder).unwrap();
        output(openssl.args(arguments).current_dir(&folder));
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let server = Server::start(&[
            "--per-address",
            "2000",
            "--tls",
            &path("certificate.pem"),
            &path("key.pem"),
        ]);
        Some(Self { server, folder })
    }

    fn url(&self, path: &str) -> String {
        self.server.url(path).replacen("http:", "https:", 1)
    }

    /// curl, which trusts the certificate.
    fn curl(&self) -> Option<Command> {
        let mut curl = curl()?;
        curl.arg("--cacert")
            .arg(self.folder.join("certificate.pem"));
        Some(curl)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn curl_verifies_the_certificate_and_chooses_the_protocol() {
    let Some(secure) = Secure::start() else {
        return;
    };
    for version in ["1.2", "1.3"] {
        let Some(mut curl) = secure.curl() else {
            return;
        };
        let format = "%{ssl_verify_result} %{http_version} %{num_connects}";
        curl.args(["--http2", "--tls-max", version, "--write-out", format]);
        // The second request goes over the same connection.
        let url = secure.url("/");
        let answer = text(curl.args(["--output", "-", &url, "--output", "-", &url]));
        let expected = "Hello, world!\n0 1.1 1Hello, world!\n0 1.1 0";
        assert_eq!(answer, expected, "TLS {version}");
    }
}

#[test]
fn curl_without_the_certificate_gets_no_byte() {
    let Some(secure) = Secure::start() else {
        return;
    };
    let Some(mut curl) = curl() else { return };
    let output = curl.arg(secure.url("/")).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    // The plain protocol is none, and the server goes on.
    let Some(mut curl) = crate::tools::curl() else {
        return;
    };
    assert!(!curl.arg(secure.server.url("/")).status().unwrap().success());
    let Some(mut curl) = secure.curl() else {
        return;
    };
    assert_eq!(text(curl.arg(secure.url("/"))), "Hello, world!\n");
}

#[test]
fn large_bodies_are_right_to_the_byte_over_tls() {
    const LARGE: usize = 16 << 20;
    let Some(secure) = Secure::start() else {
        return;
    };
    let upload = secure.folder.join("upload");
    std::fs::write(&upload, pattern(LARGE)).unwrap();
    for path in ["bytes", "chunked"] {
        let Some(mut curl) = secure.curl() else {
            return;
        };
        let url = secure.url(&format!("/{path}/{LARGE}"));
        assert_same(&output(curl.args(["--fail", &url])), &pattern(LARGE));
    }
    let Some(mut curl) = secure.curl() else {
        return;
    };
    let echo = output(curl.arg("-T").arg(&upload).arg(secure.url("/echo")));
    assert_same(&echo, &pattern(LARGE));
}

#[test]
fn wrk_and_h2load_get_no_error_over_tls() {
    let Some(secure) = Secure::start() else {
        return;
    };
    let Some(mut wrk) = tool("wrk") else { return };
    wrk.args(["-t1", "-c50", "-d2s", "--timeout", "30s"]);
    let report = text(wrk.arg(secure.url("/")));
    assert!(report.contains("requests in"), "{report}");
    assert!(
        !report.contains("Socket errors") && !report.contains("Non-2xx"),
        "{report}"
    );
    let Some(mut h2load) = tool("h2load") else {
        return;
    };
    h2load.args(["--h1", "-n", "5000", "-c", "50", "-m", "4"]);
    let report = text(h2load.arg(secure.url("/bytes/1000")));
    assert!(report.contains(" 5000 succeeded, 0 failed"), "{report}");
}

#[test]
fn a_shutdown_ends_idle_connections_with_a_close_notify() {
    let Some(mut secure) = Secure::start() else {
        return;
    };
    let Some(mut openssl) = tool("openssl") else {
        return;
    };
    let address = secure.server.address.to_string();
    let mut client = openssl
        .args(["s_client", "-connect", &address, "-msg"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"GET / HTTP/1.1\nHost: a\n\n").unwrap();
    let mut output = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut lines = output.by_ref().map_while(Result::ok);
    assert!(lines.any(|line| line == "Hello, world!"));
    secure.server.signal(Signal::TERM);
    secure.server.says("terminating");
    let mut rest = output.map_while(Result::ok);
    let is_notify = |line: String| line.starts_with("<<<") && line.ends_with("close_notify");
    assert!(rest.any(is_notify));
    secure.server.says("1 ended, ");
    client.wait().unwrap();
    assert!(secure.server.exit().success());
}
