//! OpenSSL at the other end: versions, ALPN, certificates of clients, resumption, renegotiation.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use netloop::{ConnectOptions, ListenOptions};
use netloop_tls::{Authority, Identity};

use crate::support::{PATIENCE, Recorder, Scene, ScratchPath, Seen, loopback, scratch_path};
use crate::{NAME, name};

/// Whether there is an `openssl` to run; otherwise says so.
fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: there is no openssl on this machine");
    }
    found
}

/// A folder with the files that OpenSSL reads, and for those that it writes.
struct Files {
    folder: PathBuf,
    /// Removes the folder.
    _scratch: ScratchPath,
}

impl Files {
    fn new(authority: &Authority, identity: &Identity) -> Self {
        let scratch = scratch_path();
        let folder = scratch.path.clone();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("authority.pem"), authority.pem()).unwrap();
        fs::write(folder.join("certificate.pem"), &identity.certificate_pem).unwrap();
        fs::write(folder.join("key.pem"), &identity.key_pem).unwrap();
        Self {
            folder,
            _scratch: scratch,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// An `openssl` that runs, and is ended with the test.
struct Running(Child);

impl Running {
    fn start(arguments: &[&str], folder: &Path) -> Self {
        let child = Command::new("openssl")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    fn type_in(&mut self, text: &[u8]) {
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all(text).unwrap();
        input.flush().unwrap();
    }

    /// Closes the input, and returns all of the output.
    fn output(mut self) -> String {
        drop(self.0.stdin.take());
        let mut output = String::new();
        let mut stdout = self.0.stdout.take().unwrap();
        stdout.read_to_string(&mut output).unwrap();
        let mut errors = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        output + &errors
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn echo(_: usize) -> Recorder {
    Recorder::new("theirs").reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            cx.socket.write(bytes).ignore();
        }
    })
}

/// Lets `openssl s_client` talk to a server with `options`, and returns its output.
fn client_talks(
    scene: &mut Scene,
    options: ListenOptions,
    files: &Files,
    arguments: &[&str],
) -> String {
    scene.world.log.clear();
    let (server, address) = scene.listen(options, echo);
    let address = address.to_string();
    let mut all = vec![
        "s_client",
        "-connect",
        &address,
        "-servername",
        NAME,
        "-CAfile",
        "authority.pem",
        "-verify_return_error",
    ];
    all.extend(arguments);
    let mut client = Running::start(&all, &files.folder);
    client.type_in(b"a line of the client\n");
    scene.drive("the line", |world| {
        world.received("theirs").ends_with(b"client\n")
    });
    client.type_in(b"Q\n");
    scene.drive_to_close("theirs");
    scene.close(server);
    client.output()
}

#[test]
fn s_client_speaks_tls_1_2_and_1_3_with_alpn() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.identity(&[NAME]);
    let files = Files::new(&authority, &identity);
    let mut config = identity.server();
    config.alpn_protocols = vec![b"smtp".to_vec()];
    let options = ListenOptions::new().tls(Arc::new(config));
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let mut scene = Scene::new();
        let arguments = [flag, "-alpn", "smtp"];
        let output = client_talks(&mut scene, options.clone(), &files, &arguments);
        assert!(output.contains(version), "{output}");
        assert!(output.contains("ALPN protocol: smtp"), "{output}");
        assert!(output.contains("Verify return code: 0 (ok)"), "{output}");
        assert!(output.contains("a line of the client"), "{output}");
        let trace = scene.world.trace("theirs");
        assert!(trace.ends_with("end close:Graceful"), "{version}: {trace}");
    }
}

#[test]
fn s_client_resumes_its_session() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.identity(&[NAME]);
    let files = Files::new(&authority, &identity);
    let options = ListenOptions::new().tls(Arc::new(identity.server()));
    for flag in ["-tls1_2", "-tls1_3"] {
        let mut scene = Scene::new();
        let first = [flag, "-sess_out", "session"];
        let output = client_talks(&mut scene, options.clone(), &files, &first);
        assert!(output.contains("New, TLS"), "{output}");
        assert!(files.path("session").exists(), "{flag}");
        let second = [flag, "-sess_in", "session"];
        let output = client_talks(&mut scene, options.clone(), &files, &second);
        assert!(output.contains("Reused, TLS"), "{flag}: {output}");
        fs::remove_file(files.path("session")).unwrap();
    }
}

#[test]
fn s_client_shows_its_certificate() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.identity(&[NAME]);
    let files = Files::new(&authority, &identity);
    let options = ListenOptions::new().tls(Arc::new(authority.server_for_clients(&identity)));
    for flag in ["-tls1_2", "-tls1_3"] {
        let mut scene = Scene::new();
        let arguments = [flag, "-cert", "certificate.pem", "-key", "key.pem"];
        let output = client_talks(&mut scene, options.clone(), &files, &arguments);
        assert!(output.contains("a line of the client"), "{output}");
    }
}

#[test]
fn a_renegotiation_is_refused_and_harms_nothing() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.identity(&[NAME]);
    let files = Files::new(&authority, &identity);
    let mut scene = Scene::new();
    let options = ListenOptions::new().tls(Arc::new(identity.server()));
    let (_, address) = scene.listen(options, echo);
    let address = address.to_string();
    let arguments = [
        "s_client",
        "-connect",
        &address,
        "-servername",
        NAME,
        "-tls1_2",
    ];
    let mut client = Running::start(&arguments, &files.folder);
    client.type_in(b"before\n");
    scene.drive("the line", |world| world.received("theirs") == b"before\n");
    client.type_in(b"R\n");
    // OpenSSL takes the refusal for a failure, and goes.
    scene.drive_to_close("theirs");
    let output = client.output();
    assert!(output.contains("RENEGOTIATING"), "{output}");
}

/// Starts `openssl s_server`, which sends each line back reversed.
fn server(files: &Files, arguments: &[&str]) -> (Running, SocketAddr) {
    // A port that was free a moment ago.
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let text = address.to_string();
    let mut all = vec![
        "s_server",
        "-accept",
        &text,
        "-cert",
        "certificate.pem",
        "-key",
        "key.pem",
        "-rev",
        "-CAfile",
        "authority.pem",
    ];
    all.extend(arguments);
    (Running::start(&all, &files.folder), address)
}

#[test]
fn s_server_is_spoken_to_in_both_versions() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.identity(&[NAME]);
    let files = Files::new(&authority, &identity);
    for flag in ["-tls1_2", "-tls1_3"] {
        let arguments = [flag, "-alpn", "smtp", "-Verify", "1"];
        let (_running, address) = server(&files, &arguments);
        let mut config = authority.client_with(&authority.identity(&["a client"]));
        config.alpn_protocols = vec![b"smtp".to_vec()];
        let options = ConnectOptions::new().tls(Arc::new(config), name());
        let begun = std::time::Instant::now();
        let mut scene = loop {
            // It may not listen yet.
            let mut scene = Scene::new();
            let asking = Recorder::new("ours").on("connect", |cx, _| {
                let alpn = cx.socket.tls().unwrap().alpn().unwrap_or_default().to_vec();
                cx.shared.note(alpn.escape_ascii().to_string());
                cx.socket.write(b"netloop\n").ignore();
            });
            scene.connect(address, options.clone(), asking);
            scene.drive("a connection", |world| {
                world.has("ours", "connect") || world.has("ours", "close")
            });
            if scene.world.has("ours", "connect") {
                break scene;
            }
            assert_eq!(scene.world.error("ours").code(), "ECONNREFUSED");
            assert!(begun.elapsed() < PATIENCE);
        };
        scene.drive("the answer", |world| world.received("ours") == b"poolten\n");
        assert_eq!(scene.world.notes, ["smtp"]);
        let id = scene.world.id("ours");
        scene.socket(id).end();
        scene.drive_to_close("ours");
        let trace = scene.world.trace("ours");
        assert!(trace.ends_with("end close:Graceful"), "{flag}: {trace}");
    }
}
