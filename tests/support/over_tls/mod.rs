//! TLS between the sockets of a scene and their peers, for the tests of plain sockets: the package tests/over_tls.
//!
//! A server or a client that a scene makes is noted here by its address. The peer at the other end then speaks TLS too,
//! with the face of a plain socket. So a test runs unchanged.

mod bridge;
mod link;
mod pump;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};

use netloop::rustls::client::Resumption;
use netloop::rustls::pki_types::ServerName;
use netloop::rustls::version::{TLS12, TLS13};
use netloop::rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use netloop::{Endpoint, TlsSide};
use netloop_tls::Authority;

pub(crate) use bridge::bridge;
pub(crate) use link::Link;
pub(crate) use pump::pump;

/// The name in the certificate.
const NAME: &str = "localhost";

/// The configurations of both sides, which trust each other.
struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// Neither side sends anything behind the handshake by itself: a test may count what comes.
fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let authority = Authority::new();
        let versions = &[version()];
        let mut server = authority.identity(&[NAME]).server_of(versions);
        server.send_tls13_tickets = 0;
        let mut client = authority.client_of(versions);
        client.resumption = Resumption::disabled();
        Configs {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    })
}

/// TLS 1.3, or 1.2 with `NETLOOP_OVER_TLS=1.2`.
fn version() -> &'static SupportedProtocolVersion {
    match std::env::var_os("NETLOOP_OVER_TLS") {
        Some(version) if version == "1.2" => &TLS12,
        _ => &TLS13,
    }
}

pub(crate) fn server_config() -> Arc<ServerConfig> {
    Arc::clone(&configs().server)
}

pub(crate) fn client_config() -> (Arc<ClientConfig>, ServerName<'static>) {
    (Arc::clone(&configs().client), NAME.try_into().unwrap())
}

/// The addresses at which the sockets of scenes speak TLS. An unspecified address stands for all of its port.
#[derive(Default)]
struct Noted {
    /// Servers of scenes.
    servers: HashSet<SocketAddr>,
    /// The places to which clients of scenes connect.
    targets: HashSet<SocketAddr>,
}

fn noted() -> &'static Mutex<Noted> {
    static NOTED: OnceLock<Mutex<Noted>> = OnceLock::new();
    NOTED.get_or_init(Mutex::default)
}

/// Notes that a server at `address` speaks TLS, or does not.
pub(crate) fn note_server(address: SocketAddr, is_over_tls: bool) {
    let servers = &mut noted().lock().unwrap().servers;
    match is_over_tls {
        true => servers.insert(address),
        false => servers.remove(&address),
    };
}

/// Notes that a client speaks TLS to the server at `to`.
pub(crate) fn note_client(to: &Endpoint) {
    let address = match to {
        Endpoint::Socket(address) => *address,
        Endpoint::Name { port, .. } => (Ipv4Addr::UNSPECIFIED, *port).into(),
        Endpoint::Path(_) => return,
    };
    noted().lock().unwrap().targets.insert(address);
}

/// The side on which the peer with this socket speaks TLS, if it does.
pub(crate) fn side_of(stream: &TcpStream) -> Option<TlsSide> {
    let noted = noted().lock().unwrap();
    let is_client = stream
        .peer_addr()
        .is_ok_and(|address| has(&noted.servers, address));
    if is_client {
        let (config, name) = client_config();
        return Some(TlsSide::Client(config, name));
    }
    let is_server = stream
        .local_addr()
        .is_ok_and(|address| has(&noted.targets, address));
    is_server.then(|| TlsSide::Server(server_config()))
}

fn has(addresses: &HashSet<SocketAddr>, address: SocketAddr) -> bool {
    let any = |ip: IpAddr| addresses.contains(&SocketAddr::new(ip, address.port()));
    addresses.contains(&address)
        || any(Ipv4Addr::UNSPECIFIED.into())
        || any(std::net::Ipv6Addr::UNSPECIFIED.into())
}
