//! A callback of a server that panics costs the connection that it was about, if any, and nothing else (D3).

use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use netloop::{
    Accepted, Error, ListenOptions, LoopContext, OverLimit, ServerHandler, ServerId, SocketHandler,
};
use socket2::SockRef;

use crate::panics::{OWN_FAULT, assert_usable, bystander, drive_to_panic, panicking};
use crate::support::{Peer, Reception, Recorder, Scene, Seen, World, listener, loopback};

/// A server of which one callback panics, the first time.
#[derive(Default)]
struct Fragile {
    breaks_in: &'static str,
    has_panicked: Rc<Cell<bool>>,
    told: Rc<RefCell<Vec<String>>>,
}

impl Fragile {
    fn tell(&self, what: &str) {
        self.told.borrow_mut().push(what.to_owned());
        if self.breaks_in == what && !self.has_panicked.replace(true) {
            std::panic::panic_any(OWN_FAULT);
        }
    }
}

impl ServerHandler<World> for Fragile {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, World>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        self.tell("connection");
        Some(Box::new(Recorder::new("socket")))
    }
    fn on_over_limit(&mut self, _: &mut LoopContext<'_, World>, _: &OverLimit) {
        self.tell("drop");
    }
    fn on_error(&mut self, _: &mut LoopContext<'_, World>, error: &Error) {
        assert_eq!(error.code(), "EINVAL");
        self.tell("error");
    }
    fn on_close(&mut self, _: &mut LoopContext<'_, World>) {
        self.tell("close");
    }
}

/// A scene with a server that breaks in the callback of that name. Returns also its address, the events that it was
/// told, and a second handle to its socket.
#[allow(clippy::type_complexity, reason = "named at each use")]
fn fragile(
    breaks_in: &'static str,
    options: ListenOptions,
) -> (
    Scene,
    ServerId,
    SocketAddr,
    Rc<RefCell<Vec<String>>>,
    TcpListener,
) {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    let same = listener.try_clone().unwrap();
    let server = Fragile {
        breaks_in,
        ..Fragile::default()
    };
    let told = Rc::clone(&server.told);
    let id = scene.event_loop.serve(listener, options, server).unwrap();
    (scene, id, address, told, same)
}

#[test]
fn a_panic_in_on_connection_costs_only_that_connection() {
    let (mut scene, server, address, told, _) = fragile("connection", ListenOptions::new());
    let mut bystander = bystander(&mut scene);
    let mut unlucky = Peer::connect(address);
    let _lucky = Peer::connect(address);
    drive_to_panic(&mut scene, "on_connection");
    scene.peer_reads_to_end(&mut unlucky);
    scene.drive("the next one", |world| {
        world.has_seen("socket", &Seen::Connect)
    });
    assert_eq!(*told.borrow(), ["connection", "connection"]);
    assert_eq!(scene.event_loop.server(server).connection_count(), 1);
    assert_usable(&mut scene, &mut bystander);
}

#[test]
fn a_panic_in_an_accepting_closure_costs_that_connection() {
    let mut scene = Scene::new();
    let mut bystander = bystander(&mut scene);
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        if number == 0 {
            std::panic::panic_any(OWN_FAULT);
        }
        Recorder::new("socket")
    });
    let mut unlucky = Peer::connect(address);
    drive_to_panic(&mut scene, "the closure");
    scene.peer_reads_to_end(&mut unlucky);
    assert_eq!(scene.event_loop.server(server).connection_count(), 0);
    assert_usable(&mut scene, &mut bystander);
}

#[test]
fn a_panic_in_on_drop_leaves_the_server_as_it_is() {
    let options = ListenOptions::new().max_connections(0);
    let (mut scene, server, address, told, _) = fragile("drop", options);
    let mut bystander = bystander(&mut scene);
    for _ in 0..2 {
        let mut dropped = Peer::connect(address);
        if told.borrow().is_empty() {
            drive_to_panic(&mut scene, "on_over_limit");
        }
        scene.peer_reads_to_end(&mut dropped);
    }
    assert_eq!(*told.borrow(), ["drop", "drop"]);
    assert!(scene.event_loop.server(server).is_listening());
    assert_usable(&mut scene, &mut bystander);
}

// A10: the listening socket is shut down elsewhere. Its connections stay.
#[test]
fn a_panic_in_a_servers_on_error_does_not_prevent_its_close() {
    let (mut scene, server, address, told, same) = fragile("error", ListenOptions::new());
    let mut bystander = bystander(&mut scene);
    let peer = Peer::connect(address);
    scene.drive("the connection", |world| {
        world.has_seen("socket", &Seen::Connect)
    });
    SockRef::from(&same)
        .shutdown(std::net::Shutdown::Both)
        .unwrap();
    drive_to_panic(&mut scene, "on_error");
    assert!(!scene.event_loop.server(server).is_listening());
    assert_usable(&mut scene, &mut bystander);
    assert_eq!(*told.borrow(), ["connection", "error"]);
    peer.close();
    scene.drive("the close", |_| told.borrow().len() == 3);
    assert_eq!(*told.borrow(), ["connection", "error", "close"]);
}

#[test]
fn a_panic_in_on_close_of_a_server_is_the_end_of_it() {
    let (mut scene, server, _, told, _) = fragile("close", ListenOptions::new());
    let mut bystander = bystander(&mut scene);
    scene.event_loop.server(server).close();
    drive_to_panic(&mut scene, "on_close");
    assert_usable(&mut scene, &mut bystander);
    assert_eq!(*told.borrow(), ["close"]);
}

// I2, H6
#[test]
fn a_panic_in_the_last_on_close_lets_a_closing_server_end() {
    let mut scene = Scene::new();
    let reception = Reception::welcoming("server", |_, _| {
        Some(panicking("socket", |seen| matches!(seen, Seen::Close(_))))
    });
    let server = scene
        .event_loop
        .serve(loopback(), ListenOptions::new(), reception)
        .unwrap();
    let address = scene.event_loop.server(server).address().unwrap();
    let peer = Peer::connect(address);
    scene.drive("the connection", |world| {
        world.has_seen("socket", &Seen::Connect)
    });
    scene.event_loop.server(server).close();
    peer.close();
    drive_to_panic(&mut scene, "on_close");
    scene.run_to_its_end();
    assert_eq!(
        scene.world.trace("server"),
        "listening connection server-close"
    );
}
