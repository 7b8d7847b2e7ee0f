//! Failures that a paused socket holds for bytes which the socket itself keeps, and not the kernel. The kernel reports nothing
//! behind these bytes, and the failure is told all the same.

use std::io::IoSlice;
use std::time::Duration;

use netloop::simulation::{AnyHost, Flavour, Options, Simulation};
use netloop::{
    CloseReason, ConnectOptions, Context, Decoded, Error, Filter, FilterOutput, ListenOptions,
    Result, SocketHandler,
};

const SERVER: &str = "10.0.0.1:7000";

/// Notes what the socket is told. Pauses in `on_connect` (`at_once`), or gives its first bytes back and pauses.
struct Pausing {
    gives_back: bool,
    at_once: bool,
}

impl SocketHandler<Vec<String>> for Pausing {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<String>>) {
        if self.at_once {
            cx.socket.pause();
            cx.socket.end();
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Vec<String>>, data: &[u8]) {
        if std::mem::take(&mut self.gives_back) {
            cx.socket.unread(data);
            return cx.socket.pause();
        }
        cx.shared.push(String::from_utf8_lossy(data).into());
    }
    fn on_error(&mut self, cx: &mut Context<'_, Vec<String>>, error: &Error) {
        cx.shared.push(error.code().to_owned());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Vec<String>>, reason: CloseReason) {
        cx.shared.push(format!("{reason:?}"));
    }
}

struct Greeting;

impl SocketHandler<Vec<String>> for Greeting {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<String>>) {
        cx.socket.write(b"hello").ignore();
    }
    fn on_data(&mut self, _: &mut Context<'_, Vec<String>>, _: &[u8]) {}
}

/// Has its handshake behind it with the first letter, and cannot end.
#[derive(Default)]
struct Endless(bool);

impl Filter for Endless {
    fn is_ready(&self) -> bool {
        self.0
    }
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let from = usize::from(!self.0).min(input.len());
        self.0 |= from > 0;
        output.put(&input[from..]);
        Ok(Decoded::used(input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
    fn end(&mut self, _: &mut Vec<u8>) -> Result<()> {
        Err(Error::with_code("ERR_ENDLESS", "it cannot end"))
    }
}

/// Connects `pausing` to a server that greets, waits until its failure is held, and resumes. With `shortage`, its socket
/// writes without memory until that fails.
fn told(
    flavour: Flavour,
    pausing: Pausing,
    connect: ConnectOptions,
    shortage: bool,
) -> Vec<String> {
    let mut simulation = Simulation::new(1, Options::new().flavour(flavour)).unwrap();
    let mut server = simulation.host(Vec::new()).unwrap();
    let mut client = simulation.host(Vec::new()).unwrap();
    server
        .event_loop
        .listen_with(SERVER, ListenOptions::new(), |_, _| Greeting)
        .unwrap();
    let id = client.event_loop.connect_with(SERVER, connect, pausing);
    let id = id.unwrap();
    let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
    simulation
        .run_for(&mut hosts, Duration::from_secs(1))
        .unwrap();
    if shortage {
        simulation.set_options(|options| options.faults.missing_buffers = 1_000);
        client.event_loop.socket(id).write(b"?").ignore();
        simulation
            .run_for(&mut [&mut server, &mut client], Duration::from_secs(15))
            .unwrap();
        simulation.set_options(|options| options.faults.missing_buffers = 0);
    }
    assert!(client.event_loop.socket(id).is_peer_gone());
    assert!(client.shared.is_empty(), "{:?}", client.shared);
    client.event_loop.socket(id).resume();
    simulation
        .run_for(&mut [&mut server, &mut client], Duration::from_secs(1))
        .unwrap();
    client.shared
}

#[test]
fn a_failure_behind_bytes_that_were_given_back_is_told() {
    for flavour in Flavour::ALL {
        let pausing = Pausing {
            gives_back: true,
            at_once: false,
        };
        let told = told(flavour, pausing, ConnectOptions::new(), true);
        assert_eq!(told, ["hello", "ENOBUFS", "Error"], "{flavour:?}");
    }
}

#[test]
fn a_failure_behind_bytes_of_a_last_flight_is_told() {
    for flavour in Flavour::ALL {
        let pausing = Pausing {
            gives_back: false,
            at_once: true,
        };
        let connect = ConnectOptions::new().filter(|| Ok(Endless::default()));
        let told = told(flavour, pausing, connect, false);
        assert_eq!(told, ["ello", "ERR_ENDLESS", "Error"], "{flavour:?}");
    }
}
