//! Filters under the sockets of a scene: the same tests then hold for filtered sockets. `NETLOOP_FILTERED=1` puts filters
//! in that change nothing, `NETLOOP_FILTERED=records` those of [`Records`], which both ends must have.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::OnceLock;

use netloop::{
    ConnectOptions, Decoded, Endpoint, EventLoop, Filter, FilterOutput, ListenOptions, Result,
    SocketId,
};

#[cfg(feature = "over_tls")]
use super::over_tls;
use super::{Peer, Records};

/// The filters of sockets of scenes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filters {
    None,
    Nothing,
    Records,
    #[cfg(feature = "over_tls")]
    Tls,
}

fn filters() -> Filters {
    static FILTERS: OnceLock<Filters> = OnceLock::new();
    *FILTERS.get_or_init(|| match std::env::var_os("NETLOOP_FILTERED") {
        #[cfg(feature = "over_tls")]
        None => Filters::Tls,
        #[cfg(not(feature = "over_tls"))]
        None => Filters::None,
        Some(kind) if kind == "none" => Filters::None,
        Some(kind) if kind == "records" => Filters::Records,
        Some(_) => Filters::Nothing,
    })
}

/// Whether sockets of scenes have filters.
pub(crate) fn is_on() -> bool {
    filters() != Filters::None
}

/// `options`, with a filter if filters are on.
pub(crate) fn of_server(options: ListenOptions) -> ListenOptions {
    match filters() {
        Filters::None => options,
        Filters::Nothing => options.filter(|| Ok(Nothing)),
        Filters::Records => options.filter(|| Ok(Records::default())),
        #[cfg(feature = "over_tls")]
        Filters::Tls => options.tls(over_tls::server_config()),
    }
}

/// As [`of_server`], of a client.
pub(crate) fn of_client(options: ConnectOptions) -> ConnectOptions {
    match filters() {
        Filters::None => options,
        Filters::Nothing => options.filter(|| Ok(Nothing)),
        Filters::Records => options.filter(|| Ok(Records::default())),
        #[cfg(feature = "over_tls")]
        Filters::Tls => {
            let (config, name) = over_tls::client_config();
            options.tls(config, name)
        }
    }
}

/// Whether the sockets of a scene speak TLS with their peers. The sockets of peers do then too, but for Unix sockets.
pub(crate) fn is_tls() -> bool {
    #[cfg(feature = "over_tls")]
    return filters() == Filters::Tls;
    #[cfg(not(feature = "over_tls"))]
    false
}

/// As [`of_server`], for a server at `to`.
pub(crate) fn of_server_at(to: &Endpoint, options: ListenOptions) -> ListenOptions {
    match is_tls() && !matches!(to, Endpoint::Socket(_)) {
        true => options,
        false => of_server(options),
    }
}

/// As [`of_client`], for a client of the server at `to`.
pub(crate) fn of_client_to(to: &Endpoint, options: ConnectOptions) -> ConnectOptions {
    if is_tls() && matches!(to, Endpoint::Path(_)) {
        return options;
    }
    #[cfg(feature = "over_tls")]
    if is_tls() {
        over_tls::note_client(to);
    }
    of_client(options)
}

/// Options of a client that a handler connects to the server of its scene at `address`.
pub(crate) fn options_to(address: SocketAddr) -> ConnectOptions {
    of_client_to(&Endpoint::Socket(address), ConnectOptions::new())
}

/// Notes whether the server at `address`, which a scene has made at `to`, speaks TLS.
pub(crate) fn note_server(to: &Endpoint, address: Option<SocketAddr>) {
    #[cfg(feature = "over_tls")]
    if let Some(address) = address {
        over_tls::note_server(address, is_tls() && matches!(to, Endpoint::Socket(_)));
    }
    #[cfg(not(feature = "over_tls"))]
    let _ = (to, address);
}

/// Puts TLS between an adopted socket and its peer, if sockets of scenes speak it.
pub(crate) fn begin<S>(
    event_loop: &mut EventLoop<S>,
    shared: &mut S,
    id: SocketId,
    peer: &mut Peer,
) {
    #[cfg(feature = "over_tls")]
    if is_tls() {
        peer.begin_tls();
        let config = over_tls::client_config();
        let mut socket = event_loop.socket(id);
        // The test times it from the return of this call on.
        let idle_timeout = socket.idle_timeout();
        socket.set_idle_timeout(None);
        socket.start_tls(config, b"").unwrap();
        let deadline = std::time::Instant::now() + super::PATIENCE;
        while event_loop.socket(id).state() == netloop::State::Opening {
            assert!(std::time::Instant::now() < deadline, "no TLS of {id}");
            let wait = netloop::Wait::For(std::time::Duration::from_millis(1));
            let turned = event_loop.turn(shared, wait, netloop::Budget::new());
            turned.unwrap();
            pump();
        }
        event_loop.socket(id).set_idle_timeout(idle_timeout);
    }
    #[cfg(not(feature = "over_tls"))]
    let _ = (event_loop, shared, id, peer);
}

/// Lets the peers of this thread go on with their handshakes.
pub(crate) fn pump() {
    #[cfg(feature = "over_tls")]
    over_tls::pump();
}

/// A filter that changes nothing.
struct Nothing;

impl Filter for Nothing {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}
