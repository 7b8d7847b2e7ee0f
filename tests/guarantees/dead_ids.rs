//! Ids whose socket, server or timer is gone: they reach nothing, also when the slot is used again (I4; reliability
//! B4, D1).

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use netloop::{Error, Flow, SocketId, SocketOptions};

use crate::support::{Peer, Recorder, Scene, Seen, unless_lost};

// I4
#[test]
fn a_dead_id_reaches_no_socket_even_when_its_slot_is_reused() {
    unless_lost(|| {
        let mut scene = Scene::new();
        let (_, address) = scene.listen(SocketOptions::new(), |n| {
            Recorder::new(format!("socket {n}"))
        });
        let mut dead = Vec::new();
        for n in 0..50 {
            let peer = Peer::connect(address);
            let name = format!("socket {n}");
            scene.drive("a socket", |world| world.has_seen(&name, &Seen::Connect));
            let id = scene.world.id(&name);
            assert!(!dead.contains(&id), "no id comes twice");
            // Everything that could be done to the dead, while this one lives in the slot of one of them.
            for &dead in &dead {
                let mut socket = scene.socket(dead);
                assert_eq!(socket.write(b"stray"), Flow::Closed);
                assert_eq!(socket.write_owned(vec![0; 100_000]), Flow::Closed);
                assert_eq!(socket.end_with(b"stray"), Flow::Closed);
                socket.pause();
                socket.set_idle_timeout(Duration::from_millis(1));
                socket.release();
                socket.destroy_soon();
                socket.reset().unwrap();
                socket.destroy_with(Error::other("stray"));
                socket.destroy();
                assert_eq!((socket.bytes_read(), socket.peer_address()), (0, None));
                scene.event_loop.context(&mut scene.world).replace_handler(
                    dead,
                    Recorder::new("stray"),
                    b"",
                );
            }
            scene.settle();
            assert_eq!(scene.world.trace(&name), "connect");
            let socket = scene.socket(id);
            assert!(!socket.is_paused() && socket.is_held() && socket.idle_timeout().is_none());
            assert_eq!(socket.bytes_written(), 0);
            peer.reset();
            scene.drive_to_close(&name);
            dead.push(id);
        }
        assert_eq!(scene.world.trace("stray"), "");
    });
}

// I4: the slot is used again within the very turn in which its socket died.
#[test]
fn an_event_under_way_for_a_dead_socket_reaches_no_handler() {
    unless_lost(|| {
        for seed in 0..10 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut scene = Scene::new();
            let accepted = Rc::new(Cell::new(0));
            let (_, address) = {
                let accepted = Rc::clone(&accepted);
                scene.listen(SocketOptions::new(), move |n| {
                    accepted.set(n + 1);
                    let mut random = fastrand::Rng::with_seed(seed * 1000 + n as u64);
                    Recorder::new(format!("{n}")).reacting(move |cx, seen| {
                        if let Seen::Data(bytes) = seen {
                            // Each is told its own number, and destroys a socket that may have an event waiting.
                            let own = cx.socket.id();
                            let name = String::from_utf8(bytes.clone()).unwrap();
                            assert_eq!(cx.shared.ids.get(&name), Some(&own), "seed {seed}");
                            let all: Vec<SocketId> = cx.socket.sockets().ids().collect();
                            let victim = all[random.usize(..all.len())];
                            cx.socket.socket(victim).destroy();
                        }
                    })
                })
            };
            let mut peers: Vec<(usize, Peer)> = Vec::new();
            let mut born = 0;
            for _ in 0..30 {
                for _ in 0..random.usize(1..8) {
                    peers.push((born, Peer::connect(address)));
                    born += 1;
                    // They are accepted in the order in which they came.
                    if random.u8(..4) == 0 {
                        scene.turn();
                    }
                }
                scene.drive("the newcomers", |_| accepted.get() == born);
                for (n, peer) in &mut peers {
                    if random.bool() {
                        // It may have been killed, which the peer need not know yet.
                        let _ = peer.try_write(n.to_string().as_bytes());
                        let _ = peer.half_close_if_open();
                    }
                }
                scene.turn();
                peers.retain(|_| random.u8(..8) > 0);
            }
            drop(peers);
            scene.settle();
            assert!(scene.world.all_are_closed(), "seed {seed}");
        }
    });
}

// I4
#[test]
fn dead_servers_and_timers_are_harmless_too() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("us"));
    scene.event_loop.server(server).close();
    scene.settle();
    let (other, _) = scene.listen(SocketOptions::new(), |_| Recorder::new("us"));
    let mut dead = scene.event_loop.server(server);
    dead.close();
    dead.destroy_connections();
    dead.set_max_connections(0);
    dead.release();
    assert!(!dead.is_listening());
    assert_eq!((dead.address(), dead.path()), (None, None));
    assert_eq!((dead.connection_count(), dead.sockets().count()), (0, 0));
    assert!(scene.event_loop.server(other).is_listening());
    assert!(std::net::TcpStream::connect(address).is_err());

    let timer = scene
        .event_loop
        .after(Duration::ZERO, |cx| cx.shared.note("timer"));
    scene.drive("the timer", |world| world.notes == ["timer"]);
    scene
        .event_loop
        .after(Duration::ZERO, |cx| cx.shared.note("another"));
    assert!(!scene.event_loop.timer(timer).cancel());
    assert_eq!(scene.event_loop.timer(timer).due_at(), None);
    scene.event_loop.timer(timer).release();
    scene.drive("the other", |world| world.notes == ["timer", "another"]);
}

// Its pipe would be told nothing any more, and the other socket would never close.
#[test]
fn a_pipe_of_a_socket_in_its_last_events_changes_nothing() {
    for last in ["error", "sent", "close"] {
        let mut scene = Scene::new();
        let (a, mut peer_a) = scene.adopted(SocketOptions::new(), Recorder::new("a"));
        let joining = Recorder::new("b").on(last, move |cx, _| {
            let b = cx.socket.id();
            let mut cx = cx.as_loop();
            assert!(!cx.pipe(a, b) && !cx.pipe(b, a) && !cx.pipe_both(a, b) && !cx.pipe_both(b, a));
        });
        let (b, _peer_b) = scene.adopted(SocketOptions::new(), joining);
        let mut socket = scene.socket(b);
        socket.cork();
        let _ = socket.write(b"lost");
        socket.notify_when_sent(1);
        socket.destroy_with(Error::other("broken"));
        scene.drive_to_close("b");
        scene.peer_writes(&mut peer_a, b"for the handler");
        scene.drive("the bytes", |world| {
            world.received("a") == b"for the handler"
        });
    }
}
