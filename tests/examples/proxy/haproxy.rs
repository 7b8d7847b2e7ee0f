//! Real HAProxies before and behind the proxy.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::header;
use netloop::ProxyHeader;

use super::headers::read_header;
use super::{Proxy, Upstream, assert_joined, bytes, connect};
use crate::programs::{Program, has};
use crate::support::{ScratchPath, hosts, scratch_path};
use crate::transcript::ask_for;

const TRUSTED: [&str; 2] = ["--accept-proxy", "127.0.0.1"];

const DEFAULTS: &str = "
global
  maxconn 100
defaults
  timeout connect 30s
  timeout client 120s
  timeout server 120s
  timeout check 60s
";

/// A running HAProxy.
struct HaProxy {
    address: SocketAddr,
    _program: Program,
    _folder: ScratchPath,
}

impl HaProxy {
    /// Starts HAProxy at `address`, with `rest` as the configuration behind its `bind`.
    fn start(address: SocketAddr, bind: &str, mode: &str, rest: &str) -> Self {
        let folder = scratch_path();
        let path = folder.path.with_file_name("haproxy.cfg");
        let config =
            format!("{DEFAULTS}  mode {mode}\nlisten it\n  bind {address} {bind}\n{rest}\n");
        std::fs::write(&path, config).unwrap();
        let mut program = Program::start(Command::new("haproxy").arg("-db").arg("-f").arg(&path));
        ask_for("a listening HAProxy", || {
            assert!(program.is_running(), "{}", program.errors.to_the_end());
            TcpStream::connect(address).ok()
        });
        Self {
            address,
            _program: program,
            _folder: folder,
        }
    }

    /// Starts HAProxy in front of `server`.
    fn before(place: SocketAddr, server: SocketAddr, options: &str) -> Self {
        Self::start(
            place,
            "",
            "tcp",
            &format!("  server one {server} {options}"),
        )
    }
}

/// A place of this test where nothing listens yet: the proxies of a test have an address each.
fn place(number: usize) -> SocketAddr {
    SocketAddr::new(hosts()[number], 8000)
}

/// Waits for the connection that a header says is of `client`. The connection that has found HAProxy listening may come
/// through as well.
fn accept_from(upstream: &Upstream, client: &TcpStream) -> TcpStream {
    let header = header::of(client.local_addr().ok(), client.peer_addr().ok());
    ask_for("the connection of the client", || {
        let mut server = upstream.accept();
        (read_header(&mut server)? == header).then_some(server)
    })
}

#[test]
fn haproxy_before_the_proxy_tells_it_the_client() {
    if !has("haproxy") {
        return;
    }
    for (number, sends) in [(0, "send-proxy"), (1, "send-proxy-v2")] {
        let upstream = Upstream::new();
        let arguments = [&TRUSTED[..], &["--send-proxy", "2"]].concat();
        let proxy = Proxy::start(&[upstream.address()], &arguments);
        let haproxy = HaProxy::before(place(number), proxy.address, sends);
        let mut client = connect(haproxy.address);
        let mut server = accept_from(&upstream, &client);
        assert_joined(&mut client, &mut server);
    }
}

#[test]
fn health_checks_of_haproxy_come_from_haproxy_itself() {
    if !has("haproxy") {
        return;
    }
    for (number, sends) in [(0, "send-proxy"), (1, "send-proxy-v2")] {
        let upstream = Upstream::new();
        let arguments = [&TRUSTED[..], &["--send-proxy", "1"]].concat();
        let proxy = Proxy::start(&[upstream.address()], &arguments);
        let check = format!(
            "  option tcp-check\n  tcp-check send question\n  tcp-check expect string answer\n  \
             server one {} {sends} check check-send-proxy inter 1s",
            proxy.address
        );
        let _haproxy = HaProxy::start(place(number), "", "tcp", &check);
        // A check is answered; the connection that has found HAProxy listening is not asked.
        let header = ask_for("a health check", || {
            let mut server = upstream.accept();
            let header = read_header(&mut server);
            let mut question = [0; 8];
            server.read_exact(&mut question).ok()?;
            assert_eq!(&question, b"question");
            server.write_all(b"answer").ok()?;
            header
        });
        let ProxyHeader::Inet {
            source,
            destination,
        } = header
        else {
            panic!("{header:?}");
        };
        assert_eq!(destination, proxy.address);
        assert_eq!(source.ip().to_string(), "127.0.0.1");
        assert!(proxy.statistics().contains("0 without a valid header"));
    }
}

#[test]
fn haproxy_behind_the_proxy_learns_the_client() {
    if !has("haproxy") || !has("curl") {
        return;
    }
    let says = "  http-request return status 200 content-type text/plain \
                lf-string \"%[src]:%[src_port] %[dst]:%[dst_port] \"";
    let haproxy = HaProxy::start(place(0), "accept-proxy", "http", says);
    for version in ["1", "2"] {
        let proxy = Proxy::start(&[haproxy.address], &["--send-proxy", version]);
        let curl = Command::new("curl")
            .args(["-s", "--max-time", "30"])
            .args([
                "-w",
                "%{local_ip}:%{local_port} %{remote_ip}:%{remote_port}",
            ])
            .arg(format!("http://{}/", proxy.address))
            .output()
            .unwrap();
        let output = String::from_utf8(curl.stdout).unwrap();
        let words: Vec<&str> = output.split_whitespace().collect();
        assert_eq!(words.len(), 4, "{output}");
        assert_eq!(words[..2], words[2..], "of HAProxy, and of curl");
    }
}

#[test]
fn the_proxy_passes_64_mebibytes_between_two_haproxies() {
    if !has("haproxy") {
        return;
    }
    let upstream = Upstream::new();
    let server = format!("  server one {} send-proxy-v2", upstream.address());
    let behind = HaProxy::start(place(0), "accept-proxy", "tcp", &server);
    let arguments = [&TRUSTED[..], &["--send-proxy", "2"]].concat();
    let proxy = Proxy::start(&[behind.address], &arguments);
    let before = HaProxy::before(place(1), proxy.address, "send-proxy-v2");
    let client = connect(before.address);
    let server = accept_from(&upstream, &client);
    bytes::exchange_payloads(client, server);
    proxy.reports("in all, 0 without a valid header, 0 without a server\n");
}
