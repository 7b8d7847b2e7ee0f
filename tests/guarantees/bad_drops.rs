//! Handlers that panic in their drop, which is user code too: the rest of the delivery is made all the same (D3; I2).

use std::cell::Cell;
use std::rc::Rc;

use netloop::{
    Accepted, CloseReason, Context, ListenOptions, LoopContext, SocketHandler, SocketOptions,
};

use crate::panics::{OWN_FAULT, assert_usable, bystander, drive_to_panic};
use crate::support::{Peer, Recorder, Scene, World, loopback};

/// Panics when it is dropped, as no handler should.
struct BadDrop(Rc<Cell<bool>>);

impl Drop for BadDrop {
    fn drop(&mut self) {
        if !self.0.replace(true) && !std::thread::panicking() {
            std::panic::panic_any(OWN_FAULT);
        }
    }
}

impl SocketHandler<World> for BadDrop {
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        cx.shared.note("closed");
    }
}

#[test]
fn a_handler_that_panics_in_its_drop_is_gone_all_the_same() {
    let mut scene = Scene::new();
    let mut bystander = bystander(&mut scene);
    let (ours, _peer) = Peer::pair();
    let dropped = Rc::new(Cell::new(false));
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), BadDrop(Rc::clone(&dropped)))
        .unwrap();
    let sockets = scene.event_loop.sockets().ids().count();
    scene.socket(id).destroy();
    drive_to_panic(&mut scene, "drop");
    assert!(dropped.get());
    assert_eq!(scene.world.notes, ["closed"]);
    scene.settle();
    assert_eq!(scene.event_loop.sockets().ids().count(), sockets - 1);
    assert_usable(&mut scene, &mut bystander);
    assert_eq!(
        scene
            .world
            .notes
            .iter()
            .filter(|note| *note == "closed")
            .count(),
        1
    );
}

#[test]
fn a_handler_that_panics_when_replaced_takes_no_other_along() {
    let mut scene = Scene::new();
    let (ours, _peer) = Peer::pair();
    let bad = BadDrop(Rc::new(Cell::new(false)));
    let id = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), bad)
        .unwrap();
    scene.settle();
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, Recorder::new("successor"), b"");
    let (ours, mut peer) = Peer::pair();
    scene
        .event_loop
        .adopt(ours, SocketOptions::new(), Recorder::new("newcomer"))
        .unwrap();
    drive_to_panic(&mut scene, "the drop of the old handler");
    peer.write(b"is anybody there?");
    scene.drive("an answer", |world| world.received_length("newcomer") == 17);
}

/// Replaces the handler of a socket by another, in the callback of a third party. The old one panics in its drop.
fn replace_with_a_bad_drop(cx: &mut LoopContext<'_, World>) {
    let (ours, peer) = Peer::pair();
    let bad = BadDrop(Rc::new(Cell::new(false)));
    let id = cx.adopt(ours, SocketOptions::new(), bad).unwrap();
    cx.replace_handler(id, Recorder::new("successor"), b"");
    // The peer's end closes the successor.
    drop(peer);
}

#[test]
fn a_drop_that_panics_behind_on_close_keeps_no_socket() {
    let mut scene = Scene::new();
    let closing = Recorder::new("closing").on("close", |cx, _| {
        replace_with_a_bad_drop(&mut cx.as_loop());
    });
    let (server, address) = scene.listen(ListenOptions::new(), {
        let mut closing = Some(closing);
        move |_| closing.take().unwrap_or_else(|| Recorder::new("other"))
    });
    let peer = Peer::connect(address);
    scene.drive_until("closing", "connect");
    drop(peer);
    drive_to_panic(&mut scene, "the drop");
    scene.drive_with("the removal", |scene| {
        scene.event_loop.server(server).connection_count() == 0
    });
    scene.close(server);
    scene.drive_until("server", "server-close");
    scene.settle();
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
}

#[test]
fn a_drop_that_panics_behind_on_connection_closes_the_socket() {
    let mut scene = Scene::new();
    let accept = |cx: &mut LoopContext<'_, World>, _: &Accepted| {
        replace_with_a_bad_drop(cx);
        Some(Recorder::new("new"))
    };
    let server = scene.event_loop.listen(loopback(), accept).unwrap();
    let address = scene.address_of(server);
    let mut peer = Peer::connect(address);
    drive_to_panic(&mut scene, "the drop");
    scene.drive_to_close("new");
    assert!(!scene.world.has("new", "connect"));
    let _ = scene.peer_reads_to_end(&mut peer);
}
