//! Peers that are gone before their bytes are read, and closes that lose bytes: what is told, on every system.

use std::time::Duration;

use netloop::simulation::{Flavour, Host, Options, Simulation};
use netloop::{
    CloseReason, Context, Error, Flow, ListenOptions, SocketHandler, SocketId, SocketOptions,
};

use crate::pattern::Pattern;

const SERVER: &str = "10.0.0.1:7";
const UNREAD: usize = 30_000;
const SECOND: Duration = Duration::from_secs(1);

/// The bytes that the peer has sent before it goes.
fn unread() -> Vec<u8> {
    Pattern::new().piece(1, 0, UNREAD).to_vec()
}

/// The events of one socket, in words.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    events: Vec<String>,
    id: Option<SocketId>,
    lost: usize,
}

impl Log {
    fn trace(&self) -> String {
        self.events.join(" ")
    }
}

struct Logging;

impl SocketHandler<Log> for Logging {
    fn on_connect(&mut self, cx: &mut Context<'_, Log>) {
        cx.shared.id = Some(cx.socket.id());
    }
    fn on_data(&mut self, cx: &mut Context<'_, Log>, data: &[u8]) {
        cx.shared.bytes.extend_from_slice(data);
    }
    fn on_end(&mut self, cx: &mut Context<'_, Log>) {
        cx.shared.events.push("end".into());
    }
    fn on_error(&mut self, cx: &mut Context<'_, Log>, error: &Error) {
        cx.shared.events.push(error.code().into());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Log>, reason: CloseReason) {
        cx.shared.events.push(format!("{reason:?}"));
        cx.shared.lost = cx.socket.queued_bytes();
    }
}

/// A server and a client with one connection.
struct Scene {
    simulation: Simulation,
    server: Host<Log>,
    client: Host<Log>,
}

impl Scene {
    fn new(seed: u64, flavour: Flavour, options: SocketOptions) -> Self {
        let mut simulation = Simulation::new(seed, Options::new().flavour(flavour)).unwrap();
        let mut scene = Self {
            server: simulation.host(Log::default()).unwrap(),
            client: simulation.host(Log::default()).unwrap(),
            simulation,
        };
        let options = ListenOptions::new().socket(options);
        let server = &mut scene.server.event_loop;
        let listener = server.listen_with(SERVER, options, |_, _| Logging).unwrap();
        scene.client.event_loop.connect(SERVER, Logging).unwrap();
        scene.run_for(SECOND);
        scene.server.event_loop.server(listener).close();
        scene
    }

    fn run_for(&mut self, time: Duration) {
        self.simulation
            .run_for(&mut [&mut self.server, &mut self.client], time)
            .unwrap();
    }
}

fn socket(host: &mut Host<Log>) -> netloop::Socket<'_> {
    host.event_loop.socket(host.shared.id.unwrap())
}

fn paused() -> SocketOptions {
    SocketOptions::new().pause_on_connect(true)
}

/// A paused socket of the server with `UNREAD` bytes of a client that has reset. After a clean close, a late word of
/// the server causes the reset.
fn gone(seed: u64, flavour: Flavour, is_clean: bool, options: SocketOptions) -> Scene {
    let mut scene = Scene::new(seed, flavour, options);
    let bytes = unread();
    assert!(socket(&mut scene.client).write(&bytes).is_accepted());
    scene.run_for(SECOND);
    if is_clean {
        socket(&mut scene.client).destroy_soon();
        scene.run_for(SECOND);
        assert!(
            socket(&mut scene.server)
                .write(b"a late word")
                .is_accepted()
        );
    } else {
        socket(&mut scene.client).reset().unwrap();
    }
    scene.run_for(SECOND);
    assert!(
        socket(&mut scene.server).is_peer_gone(),
        "{flavour:?}, {seed}"
    );
    assert_eq!(socket(&mut scene.server).write(b"more"), Flow::Closed);
    scene
}

#[test]
fn a_paused_socket_loses_no_byte_of_a_gone_peer() {
    for flavour in Flavour::ALL {
        for seed in 0..20 {
            let is_clean = seed % 2 == 0;
            let mut scene = gone(seed, flavour, is_clean, paused());
            scene.run_for(30 * SECOND);
            assert_eq!(scene.server.shared.trace(), "", "{flavour:?}, {seed}");
            socket(&mut scene.server).resume();
            scene.run_for(SECOND);
            assert_eq!(scene.server.shared.bytes, unread());
            let code = match is_clean {
                // The client's end came before the reset.
                true => "end EPIPE",
                false => "ECONNRESET",
            };
            assert_eq!(scene.server.shared.trace(), format!("{code} Reset"));
        }
    }
}

#[test]
fn a_gone_peer_is_kept_for_the_unread_timeout() {
    for flavour in Flavour::ALL {
        let mut scene = gone(1, flavour, false, paused().unread_timeout(10 * SECOND));
        scene.run_for(8 * SECOND);
        assert_eq!(scene.server.shared.trace(), "");
        scene.run_for(2 * SECOND);
        assert_eq!(scene.server.shared.trace(), "ECONNRESET Reset");
        assert!(scene.server.shared.bytes.is_empty());

        let mut scene = gone(1, flavour, false, paused().unread_timeout(None));
        scene.run_for(100_000 * SECOND);
        assert_eq!(scene.server.shared.trace(), "", "for ever");
    }
}

#[test]
fn the_close_timeout_of_a_paused_socket_rests() {
    for flavour in Flavour::ALL {
        let mut scene = Scene::new(1, flavour, paused());
        let bytes = unread();
        assert!(socket(&mut scene.client).write(&bytes).is_accepted());
        socket(&mut scene.client).end();
        socket(&mut scene.server).end();
        scene.run_for(3600 * SECOND);
        assert_eq!(scene.server.shared.trace(), "");
        socket(&mut scene.server).resume();
        scene.run_for(SECOND);
        assert_eq!(scene.server.shared.bytes, bytes);
        assert_eq!(scene.server.shared.trace(), "end Graceful");
    }
}

#[test]
fn a_rest_leaves_the_close_timeout_what_it_had() {
    for flavour in Flavour::ALL {
        let options = SocketOptions::new().close_timeout(10 * SECOND);
        let mut scene = Scene::new(1, flavour, options);
        // So that it does not answer the end.
        socket(&mut scene.client).pause();
        socket(&mut scene.server).end();
        scene.run_for(4 * SECOND);
        socket(&mut scene.server).pause();
        scene.run_for(3600 * SECOND);
        socket(&mut scene.server).resume();
        scene.run_for(5 * SECOND);
        assert_eq!(scene.server.shared.trace(), "");
        scene.run_for(2 * SECOND);
        assert_eq!(scene.server.shared.trace(), "TimedOut");
    }
}

#[test]
fn a_close_that_loses_bytes_resets_the_peer() {
    for flavour in Flavour::ALL {
        let options = SocketOptions::new().close_timeout(5 * SECOND);
        let mut scene = Scene::new(1, flavour, options);
        socket(&mut scene.client).pause();
        assert_eq!(socket(&mut scene.server).write(&[7; 4 << 20]), Flow::Full);
        socket(&mut scene.server).end();
        scene.run_for(20 * SECOND);
        assert_eq!(scene.server.shared.trace(), "TimedOut");
        socket(&mut scene.client).resume();
        scene.run_for(SECOND);
        assert_eq!(scene.client.shared.trace(), "ECONNRESET Reset");
        let arrived = scene.client.shared.bytes.len();
        assert!(scene.server.shared.lost + arrived <= 4 << 20, "at least");
    }
}
