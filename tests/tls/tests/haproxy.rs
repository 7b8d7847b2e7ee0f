//! HAProxy in front: it says in PROXY version 2 from where the client comes, and TLS passes through it.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use netloop::{ConnectOptions, ListenOptions, ProxyProtocol};
use netloop_tls::Authority;

use crate::support::{PATIENCE, Recorder, Scene, loopback, scratch_path};
use crate::{NAME, name};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_proxy_header_comes_before_tls() {
    if Command::new("haproxy").arg("-v").output().is_err() {
        eprintln!("SKIPPED: there is no haproxy on this machine");
        return;
    }
    let mut scene = Scene::new();
    let authority = Authority::new();
    let proxies = ProxyProtocol::new().trust("127.0.0.0/8").unwrap();
    let options = ListenOptions::new()
        .proxy_protocol(proxies)
        .tls(Arc::new(authority.identity(&[NAME]).server()));
    let (_, address) = scene.listen(options, |_| {
        Recorder::new("theirs").on("connect", |cx, _| {
            let client = cx.socket.peer_address().unwrap();
            let proxy = cx.socket.proxy_address().unwrap();
            assert_ne!(client, proxy);
            let version = cx.socket.tls().unwrap().version().unwrap();
            cx.socket
                .write(format!("{client} {version:?}").as_bytes())
                .ignore();
        })
    });
    // A port that was free a moment ago.
    let listener = TcpListener::bind(loopback()).unwrap();
    let front = listener.local_addr().unwrap();
    drop(listener);
    let scratch = scratch_path();
    let configuration = format!(
        "defaults\n mode tcp\n timeout connect 30s\n timeout client 30s\n timeout server 30s\n\
         listen front\n bind {front}\n server back {address} send-proxy-v2\n"
    );
    fs::write(&scratch.path, configuration).unwrap();
    let child = Command::new("haproxy")
        .args(["-db", "-f", scratch.text()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _running = Running(child.unwrap());
    let options = ConnectOptions::new().tls(Arc::new(authority.client()), name());
    let begun = Instant::now();
    loop {
        // It may not listen yet.
        scene.world.log.clear();
        let noting = Recorder::new("ours").on("connect", |cx, _| {
            let ours = cx.socket.local_address().unwrap();
            cx.shared.note(ours.to_string());
        });
        scene.connect(front, options.clone(), noting);
        scene.drive("an answer", |world| {
            world.has("ours", "data") || world.has("ours", "close")
        });
        if scene.world.has("ours", "data") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", scene.world.error("ours"));
    }
    let expected = format!("{} TLSv1_3", scene.world.notes.last().unwrap());
    assert_eq!(scene.world.received("ours"), expected.as_bytes());
}
