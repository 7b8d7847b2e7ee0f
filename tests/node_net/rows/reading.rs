//! Reading: pausing, and the memory that bytes are read into.

use std::time::Duration;

use netloop::{ConnectOptions, ListenOptions, SocketOptions};

use crate::support::{Recorder, Scene};

/// DEVIATE: bytes are always lent from memory that is there already, the loop's own: no copy, and nothing to supply.
/// Pausing in the callback stops the next one, and nothing is lost.
#[test]
fn net_onread_static_buffer() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let _ = cx.socket.write(b"hello ");
        })
    });
    let client = Recorder::new("client").on("data", |cx, _| cx.socket.pause());
    let client = scene.connect(address, ConnectOptions::new(), client);
    scene.drive_until("client", "data");
    let accepted = scene.world.id("accepted");
    let _ = scene.socket(accepted).end_with(b"world");
    scene.settle();
    assert_eq!(scene.world.trace("client"), "connect data:hello ");
    scene.socket(client).resume();
    scene.drive("the rest", |world| world.received_length("client") == 11);
    scene.settle();
    assert_eq!(
        scene.world.trace("client"),
        "connect data:hello world",
        "the end waits as data does"
    );
    scene.socket(client).resume();
    scene.close(server);
    scene.drive_to_exit();
    assert_eq!(
        scene.world.trace("client"),
        "connect data:hello world end close:Graceful"
    );
}

// The bytes and the pauses are five times as fast as in Node's test.
#[test]
fn net_pause() {
    const BYTES: usize = 200;
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let id = cx.socket.id();
            let mut left = BYTES;
            cx.as_loop().every(Duration::from_millis(2), move |cx| {
                let mut socket = cx.sockets.socket(id);
                if left > 0 {
                    left -= 1;
                    let _ = socket.write(b"x");
                } else {
                    socket.end();
                }
            });
        })
    });
    let mut pauses = [50, 120].into_iter().peekable();
    let client = Recorder::new("client").on("data", move |cx, _| {
        let received = cx.shared.received_length("client");
        if pauses.next_if(|&mark| received >= mark).is_some() {
            cx.socket.pause();
            let id = cx.socket.id();
            cx.after(Duration::from_millis(100), move |cx| {
                let more = cx.shared.received_length("client") - received;
                cx.shared.note(format!("{more} while paused"));
                cx.sockets.socket(id).resume();
            });
        }
    });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    assert_eq!(scene.world.notes, ["0 while paused", "0 while paused"]);
    assert_eq!(
        scene.world.trace("client"),
        "connect data:200 end close:Graceful"
    );
}
