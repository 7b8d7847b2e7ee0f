//! Real proxies in front of a server: HAProxy and curl, and a proxy at a Unix socket.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use netloop::{Accepted, FailedHandshake, LoopContext, ServerHandler, SocketHandler};

use crate::support::World;

/// Notes the addresses of the peers whose handshake has failed.
pub(super) struct Failures {
    pub(super) told: Rc<RefCell<Vec<Option<SocketAddr>>>>,
}

impl ServerHandler<World> for Failures {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, World>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        None
    }
    fn on_handshake_failed(&mut self, _: &mut LoopContext<'_, World>, failed: &FailedHandshake) {
        self.told.borrow_mut().push(failed.peer_address);
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, Stdio};

    use crate::filters::proxied::{behind, client, line, of, proxies, serve, version_2};
    use crate::support::{Peer, Reception, Recorder, Scene, ScratchPath, host, scratch_path};
    use netloop::{Endpoint, ProxyHeader, ProxyProtocol};

    #[test]
    fn the_peers_of_a_unix_socket_are_trusted_proxies() {
        let mut scene = Scene::new();
        let path = scratch_path();
        let server = Reception::welcoming("server", |cx, accepted| {
            let socket = cx.sockets.socket(accepted.id);
            let ends = (accepted.peer_address, socket.peer_address());
            let told = (socket.proxy_address(), socket.proxy_header());
            let header = of(client());
            let expected = [(None, None), (Some(client()), Some(client()))];
            let is_local = socket.proxy_header() == Some(&ProxyHeader::Local);
            assert_eq!(ends, expected[usize::from(!is_local)]);
            assert_eq!(told.0, None, "a Unix socket has no address");
            assert!(is_local || told.1 == Some(&header));
            Some(Recorder::new("theirs"))
        });
        scene.serve(
            Endpoint::Path(path.path.clone()),
            behind(ProxyProtocol::new()),
            server,
        );
        scene.settle();
        for header in [line(client()), version_2(0x20, 0, b"")] {
            let mut peer = UnixStream::connect(&path.path).unwrap();
            peer.write_all(&[&header[..], b"hello"].concat()).unwrap();
            scene.world.log.clear();
            scene.drive_until("theirs", "data");
            assert_eq!(scene.world.received("theirs"), b"hello");
        }
    }

    fn has(program: &str) -> bool {
        let is_there = Command::new(program)
            .arg("-v")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok();
        if !is_there {
            eprintln!("SKIPPED: {program} is not installed");
        }
        is_there
    }

    /// A running HAProxy in front of a server.
    struct HaProxy {
        process: Child,
        _folder: ScratchPath,
    }

    impl Drop for HaProxy {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    /// Starts HAProxy at `place`, with the `options` of its line `server`.
    fn start_haproxy(place: SocketAddr, server: SocketAddr, options: &str) -> HaProxy {
        let folder = scratch_path();
        let path = folder.path.with_file_name("haproxy.cfg");
        let config = format!(
            "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 60s\n  timeout client 120s\n  \
             timeout server 120s\nlisten it\n  bind {place}\n  server one {server} {options}\n"
        );
        std::fs::write(&path, config).unwrap();
        let process = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&path)
            .spawn()
            .unwrap();
        HaProxy {
            process,
            _folder: folder,
        }
    }

    /// Connects to `place` once something listens there.
    fn connect_soon(scene: &mut Scene, place: SocketAddr) -> Peer {
        let mut stream = None;
        scene.drive_with("a listening HAProxy", |_| {
            stream = TcpStream::connect(place).ok();
            stream.is_some()
        });
        Peer::from(stream.unwrap())
    }

    #[test]
    fn haproxy_tells_the_clients_in_both_versions() {
        if !has("haproxy") {
            return;
        }
        for options in [
            "send-proxy",
            "send-proxy-v2",
            "send-proxy-v2 proxy-v2-options unique-id,crc32c",
        ] {
            let mut scene = Scene::new();
            let (address, book) = serve(&mut scene, behind(proxies()));
            let place = SocketAddr::new(host("host2"), 8000);
            let _haproxy = start_haproxy(place, address, options);
            for number in 0..3 {
                let mut peer = connect_soon(&mut scene, place);
                peer.write(b"question");
                assert_eq!(scene.peer_reads(&mut peer, 8), b"question");
                let told = book.borrow()[number].clone();
                let header = ProxyHeader::Inet {
                    source: peer.address(),
                    destination: place,
                };
                assert_eq!(told.peer, Some(peer.address()), "{options}");
                assert_eq!(told.header, Some(header), "{options}");
                let proxy = told.proxy.unwrap();
                assert!(proxy != peer.address() && proxy.ip().is_loopback());
                peer.half_close();
                scene.peer_reads_to_end(&mut peer);
            }
        }
    }

    #[test]
    fn haproxy_checks_health_as_itself() {
        if !has("haproxy") {
            return;
        }
        for sends in ["send-proxy", "send-proxy-v2"] {
            let mut scene = Scene::new();
            let (address, book) = serve(&mut scene, behind(proxies()));
            let place = SocketAddr::new(host("host2"), 8000);
            let options = format!("{sends} check check-send-proxy inter 50ms");
            let _haproxy = start_haproxy(place, address, &options);
            scene.drive("a health check", |_| !book.borrow().is_empty());
            let told = book.borrow()[0].clone();
            assert_eq!(
                (told.peer.map(|it| it.ip()), told.peer),
                (told.proxy.map(|it| it.ip()), told.accepted)
            );
            let is_known = matches!(
                told.header,
                Some(ProxyHeader::Local | ProxyHeader::Inet { .. })
            );
            assert!(is_known, "{told:?}");
        }
    }

    #[test]
    fn curl_tells_its_own_address() {
        if !has("curl") {
            return;
        }
        let mut scene = Scene::new();
        let told = std::rc::Rc::new(std::cell::RefCell::new(None));
        let notes = std::rc::Rc::clone(&told);
        let reception = Reception::welcoming("server", move |cx, accepted| {
            let socket = cx.sockets.socket(accepted.id);
            *notes.borrow_mut() = Some((socket.peer_address(), socket.proxy_address()));
            Some(Recorder::new("theirs").on("data", |cx, _| {
                let response =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                cx.socket.write(response).ignore();
                cx.socket.end();
            }))
        });
        let server = scene.serve(crate::support::loopback(), behind(proxies()), reception);
        let address = scene.address_of(server);
        let mut curl = Command::new("curl")
            .args([
                "-s",
                "--noproxy",
                "*",
                "--max-time",
                "60",
                "--haproxy-protocol",
            ])
            .args(["-w", " %{local_ip}:%{local_port}"])
            .arg(format!("http://{address}/"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        scene.drive_with("the end of curl", |_| curl.try_wait().unwrap().is_some());
        let mut output = String::new();
        curl.stdout
            .take()
            .unwrap()
            .read_to_string(&mut output)
            .unwrap();
        let local: SocketAddr = output.strip_prefix("ok ").unwrap().parse().unwrap();
        assert_eq!(*told.borrow(), Some((Some(local), Some(local))));
    }
}
