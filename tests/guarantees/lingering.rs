//! Sockets with SO_LINGER: no close and no refusal waits for their bytes.
#![cfg(unix)]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use netloop::{Error, KeepAlive, ListenOptions, SocketOptions};
use socket2::SockRef;

use super::duplicates::without_waiting;
use crate::support::{Peer, PeerEnd, Reception, Recorder, Scene, loopback, pattern};

/// A time of SO_LINGER that no test would wait for.
const LONG: Duration = Duration::from_secs(600);

fn linger_of(stream: &TcpStream) -> Option<Duration> {
    SockRef::from(stream).linger().unwrap()
}

/// A scene with a socket that lingers, and has sent what its peer does not read.
fn lingering() -> (Scene, netloop::SocketId, Peer) {
    let (ours, peer) = Peer::pair();
    SockRef::from(&ours).set_linger(Some(LONG)).unwrap();
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(64 << 20);
    let id = scene
        .event_loop
        .adopt(ours, options, Recorder::new("us"))
        .unwrap();
    let _ = scene.socket(id).write(&pattern(8 << 20, 3));
    scene.settle();
    (scene, id, peer)
}

#[test]
fn no_close_waits_for_a_socket_that_lingers() {
    without_waiting(|| {
        let (mut scene, id, _peer) = lingering();
        scene.socket(id).destroy();
        scene.drive_to_close("us");
    });
    without_waiting(|| {
        let (mut scene, id, _peer) = lingering();
        let error = Error::other("enough");
        scene.socket(id).destroy_with(error);
        scene.drive_to_close("us");
    });
    without_waiting(|| {
        let (scene, _, _peer) = lingering();
        drop(scene);
    });
}

/// A socket that would make its close wait: it lingers, and has sent what its peer does not read.
fn plain_and_lingering() -> (TcpStream, Peer) {
    let (mut ours, peer) = Peer::pair();
    ours.set_nonblocking(true).unwrap();
    while ours.write(&pattern(65_536, 3)).is_ok() {}
    SockRef::from(&ours).set_linger(Some(LONG)).unwrap();
    (ours, peer)
}

#[test]
fn no_refusal_waits_for_a_socket_that_lingers() {
    let out_of_range = || {
        let keep_alive = KeepAlive::after(Duration::from_secs(99_999));
        SocketOptions::new().keep_alive(keep_alive)
    };
    without_waiting(move || {
        let (ours, _peer) = plain_and_lingering();
        let mut scene = Scene::new();
        let recorder = Recorder::new("us");
        let refused = scene.event_loop.adopt(ours, out_of_range(), recorder);
        assert_eq!(refused.unwrap_err().code(), Error::INVALID_ARGUMENT);
    });
    // Connected sockets that pass for listeners: refused for their options, and because they cannot listen.
    for options in [out_of_range(), SocketOptions::new()] {
        without_waiting(move || {
            let (ours, _peer) = plain_and_lingering();
            let listener = TcpListener::from(OwnedFd::from(ours));
            let mut scene = Scene::new();
            let reception = Reception::welcoming("server", |_, _| Some(Recorder::new("guest")));
            let options = ListenOptions::new().socket(options);
            let refused = scene.event_loop.serve(listener, options, reception);
            assert!(refused.is_err());
        });
    }
}

#[test]
fn no_close_waits_for_a_lent_socket_that_lingers() {
    without_waiting(|| {
        let mut scene = Scene::new();
        let options = SocketOptions::new().max_queued_bytes(64 << 20);
        let connect = Peer::connect_with_small_window;
        let (id, _peer) = scene.accepted_from(options, Recorder::new("us"), connect);
        let mut socket = scene.socket(id);
        let lent = socket.descriptor().unwrap();
        SockRef::from(&lent).set_linger(Some(LONG)).unwrap();
        let _ = scene.socket(id).write(&pattern(16 << 20, 3));
        scene.settle();
        scene.socket(id).destroy();
        scene.drive_to_close("us");
    });
}

#[test]
fn no_close_waits_for_what_a_lingering_listener_accepted() {
    without_waiting(|| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        SockRef::from(&listener).set_linger(Some(LONG)).unwrap();
        let mut scene = Scene::new();
        let reception = Reception::welcoming("server", |cx, accepted| {
            cx.shared.newest = Some(accepted.id);
            Some(Recorder::new("guest"))
        });
        let options = SocketOptions::new().max_queued_bytes(64 << 20);
        let options = ListenOptions::new().socket(options);
        scene
            .event_loop
            .serve(listener, options, reception)
            .unwrap();
        let _peer = Peer::connect_with_small_window(address);
        scene.drive("the guest", |world| world.newest.is_some());
        let guest = scene.world.newest.unwrap();
        let _ = scene.socket(guest).write(&pattern(16 << 20, 3));
        scene.settle();
        scene.socket(guest).destroy();
        scene.drive_to_close("guest");
    });
}

#[test]
fn linger_survives_a_detach_and_a_zero_still_resets() {
    let (ours, _peer) = Peer::pair();
    SockRef::from(&ours).set_linger(Some(LONG)).unwrap();
    let mut scene = Scene::new();
    let recorder = Recorder::new("us");
    let options = SocketOptions::new();
    let id = scene.event_loop.adopt(ours, options, recorder).unwrap();
    let (stream, _) = scene.socket(id).detach().unwrap();
    let ours = stream.into_tcp().unwrap();
    assert_eq!(linger_of(&ours), Some(LONG));

    SockRef::from(&ours)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(ours);
    let (ours, mut peer) = Peer::pair();
    SockRef::from(&ours)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    let recorder = Recorder::new("zero");
    let options = SocketOptions::new();
    let id = scene.event_loop.adopt(ours, options, recorder).unwrap();
    scene.socket(id).destroy();
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
}
