//! Handshakes whose writes find no memory for too long: the failure is told although the peer is silent. In virtual time.

use std::time::Duration;

use netloop::simulation::{AnyHost, Flavour, Host, Options, Simulation};
use netloop::{
    Accepted, ConnectOptions, Context, Error, EventLoopOptions, FailedHandshake, Limits,
    ListenOptions, LoopContext, ServerHandler, SocketHandler,
};

use crate::support::Records;

const SERVER: &str = "10.0.0.1:7000";

/// Longer than the shortage that a half waits out.
const SHORTAGE: Duration = Duration::from_secs(11);

type Told = Vec<String>;

/// Sends nothing. With `starts`, puts a filter into its open socket, behind bytes that wait for the kernel.
struct Silent {
    starts: bool,
}

impl SocketHandler<Told> for Silent {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        if std::mem::take(&mut self.starts) {
            cx.socket.write(b"plain").ignore();
            cx.socket.start_filter(Records::default(), b"").unwrap();
        }
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &Error) {
        cx.shared.push(error.code().to_owned());
    }
}

struct Front;

impl ServerHandler<Told> for Front {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, Told>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<Told>>> {
        Some(Box::new(Silent { starts: false }))
    }
    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, Told>, failed: &FailedHandshake) {
        cx.shared
            .push(format!("handshake: {}", failed.error.code()));
    }
}

/// Connects a client to a server without any limit, with no memory for a while. Returns what both are told.
fn told(
    flavour: Flavour,
    listen: ListenOptions,
    connect: ConnectOptions,
    starts: bool,
) -> (Told, Told) {
    let mut options = Options::new().flavour(flavour);
    options.faults.missing_buffers = 1_000;
    let mut simulation = Simulation::new(1, options).unwrap();
    let unlimited = EventLoopOptions::new().limits(Limits::unlimited());
    let mut host = || -> Host<Told> {
        let made = simulation.host_with(Vec::new(), unlimited.clone());
        made.unwrap()
    };
    let (mut server, mut client) = (host(), host());
    server.event_loop.serve(SERVER, listen, Front).unwrap();
    client
        .event_loop
        .connect_with(SERVER, connect, Silent { starts })
        .unwrap();
    let mut hosts: [&mut dyn AnyHost; 2] = [&mut server, &mut client];
    simulation.run_for(&mut hosts, SHORTAGE).unwrap();
    simulation.set_options(|options| options.faults.missing_buffers = 0);
    simulation
        .run_for(&mut hosts, Duration::from_secs(1))
        .unwrap();
    (server.shared, client.shared)
}

#[test]
fn a_connect_whose_hello_finds_no_memory_fails() {
    for flavour in Flavour::ALL {
        let connect = ConnectOptions::new().filter(|| Ok(Records::default()));
        let (_, client) = told(flavour, ListenOptions::new(), connect, false);
        assert_eq!(client, ["ENOBUFS"], "{flavour:?}");
    }
}

#[test]
fn an_accepted_hello_that_finds_no_memory_fails() {
    for flavour in Flavour::ALL {
        let listen = ListenOptions::new().filter(|| Ok(Records::default()));
        let (server, _) = told(flavour, listen, ConnectOptions::new(), false);
        assert_eq!(server, ["handshake: ENOBUFS"], "{flavour:?}");
    }
}

#[test]
fn plain_bytes_that_find_no_memory_fail_the_handshake() {
    for flavour in Flavour::ALL {
        let (_, client) = told(flavour, ListenOptions::new(), ConnectOptions::new(), true);
        assert_eq!(client, ["ENOBUFS"], "{flavour:?}");
    }
}
