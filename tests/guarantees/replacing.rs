//! Handlers that are replaced while the connection goes on: a protocol switch (I2, I12).

use std::cell::Cell;
use std::rc::Rc;

use netloop::{Flow, SocketOptions};

use crate::support::{Recorder, Scene, Seen, assert_same_bytes, pattern};

// A protocol switch.
#[test]
fn a_replacement_gets_the_next_event_and_the_old_one_none() {
    let mut scene = Scene::new();
    let switching = Recorder::new("first").reacting(|cx, seen| {
        if let Seen::Data(_) = seen {
            let id = cx.socket.id();
            assert_eq!(cx.socket.write(b"switched"), Flow::Open);
            cx.replace_handler(id, Recorder::new("second"), b"");
        }
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), switching);
    peer.write(b"hello");
    assert_eq!(scene.peer_reads(&mut peer, 8), b"switched");
    peer.write(b"in the new protocol");
    peer.half_close();
    scene.drive_to_close("second");
    assert_eq!(scene.world.trace("first"), "connect data:hello");
    assert_eq!(
        scene.world.trace("second"),
        "data:in the new protocol end close:Graceful"
    );
    assert!(scene.socket(id).is_destroyed());
}

// The counts, the pause and the queue are the socket's, and stay.
#[test]
fn a_replaced_handler_takes_the_socket_over_as_it_is() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("first"));
    peer.write(b"12345");
    scene.drive("data", |world| world.received("first") == b"12345");
    let bytes = pattern(8 << 20, 1);
    assert_eq!(scene.socket(id).write(&bytes), Flow::Full);
    scene.socket(id).pause();
    peer.write(b"held back");
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, Recorder::new("second"), b"");
    scene.settle();
    assert_eq!(scene.world.trace("second"), "");
    assert!(scene.socket(id).is_paused() && scene.socket(id).needs_drain());
    assert_eq!(scene.socket(id).bytes_read(), 5);
    assert_same_bytes(&scene.peer_reads(&mut peer, bytes.len()), &bytes);
    scene.socket(id).resume();
    scene.drive("both", |world| {
        world.has_seen("second", &Seen::Drain) && world.received("second") == b"held back"
    });
    assert_eq!(scene.world.trace("first"), "connect data:12345");
}

// I12
#[test]
fn a_replaced_handler_is_dropped_once() {
    struct Dropping(Rc<Cell<u32>>);
    impl Drop for Dropping {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let recorder = |name: &str| {
        let dropping = Dropping(Rc::clone(&dropped));
        Recorder::new(name).reacting(move |_, _| {
            let _ = &dropping;
        })
    };
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), recorder("first"));
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, recorder("second"), b"");
    scene.turn();
    assert_eq!(dropped.get(), 1);
    // Several at once: the last one counts.
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, recorder("third"), b"");
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, recorder("fourth"), b"");
    scene.socket(id).destroy();
    scene.drive_to_close("fourth");
    assert_eq!(dropped.get(), 4);
    // A handler for the dead is dropped too.
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(id, recorder("fifth"), b"");
    scene.settle();
    assert_eq!(dropped.get(), 5);
    assert_eq!(scene.world.trace("second"), "");
    assert_eq!(scene.world.trace("fourth"), "close:Local");
}

// I2
#[test]
fn a_replacement_in_the_last_callback_changes_nothing() {
    let mut scene = Scene::new();
    let late = Recorder::new("us").reacting(|cx, seen| {
        if let Seen::Close(_) = seen {
            let id = cx.socket.id();
            cx.replace_handler(id, Recorder::new("too late"), b"");
        }
    });
    let (id, _peer) = scene.accepted(SocketOptions::new(), late);
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    scene.settle();
    assert_eq!(scene.world.trace("too late"), "");
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
}
