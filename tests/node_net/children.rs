//! Programs that other tests start. Each is a test that does nothing unless it was started by another, to which it
//! talks on its standard output.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;

use netloop::{ConnectOptions, ListenOptions};
use socket2::{Domain, Socket, Type};

use crate::support::{Recorder, Scene, loopback};

/// The argument from the test that started this program; `None` if none has.
fn argument() -> Option<String> {
    std::env::var("NETLOOP_TEST_ARGUMENT").ok()
}

/// Listens, accepts one connection and holds it until it is killed.
#[test]
#[ignore = "started by other tests"]
fn accept_and_wait() {
    if argument().is_none() {
        return;
    }
    let listener = TcpListener::bind(loopback()).unwrap();
    println!("address={}", listener.local_addr().unwrap());
    let _held = listener.accept().unwrap();
    loop {
        std::thread::park();
    }
}

/// Connects to the address that it is given, and destroys the socket at once.
#[test]
#[ignore = "started by other tests"]
fn connect_and_destroy() {
    let Some(address) = argument() else { return };
    let mut scene = Scene::new();
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.destroy());
    scene.connect(address.as_str(), ConnectOptions::new(), client);
    scene.drive_to_exit();
    println!("trace={}", scene.world.trace("client"));
}

/// Listens without a standard input, whose descriptor is free therefore, and serves one connection.
#[test]
#[ignore = "started by other tests"]
fn serve_without_standard_input() {
    if argument().is_none() {
        return;
    }
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("end", |cx, _| {
            if let Some(server) = cx.socket.accepted_by() {
                cx.socket.sockets().server(server).close();
            }
        })
    });
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.end());
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_to_exit();
    assert!(!scene.event_loop.server(server).is_listening());
    println!(
        "trace={} / {}",
        scene.world.trace("accepted"),
        scene.world.trace("server")
    );
}

/// Serves with as few descriptors as its limit says, and uses them up. Two connections fit, three are refused, and when
/// there are descriptors again one more is served.
#[test]
#[ignore = "started by other tests"]
fn run_out_of_descriptors() {
    if argument().is_none() {
        return;
    }
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    // Made before there are none left, and connected after.
    let peers: Vec<Socket> = (0..6)
        .map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap())
        .collect();
    let mut ballast: Vec<File> = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        ballast.push(file);
    }
    ballast.truncate(ballast.len() - 2);
    for peer in &peers[..5] {
        peer.connect(&address.into()).unwrap();
        peer.set_nonblocking(true).unwrap();
    }
    let is_gone = |peer: &Socket| (&*peer).read(&mut [0]).is_ok_and(|length| length == 0);
    let mut refused = 0;
    scene.drive_with("the refusals", |_| {
        refused = peers[..5].iter().filter(|&peer| is_gone(peer)).count();
        refused == 3
    });
    drop(ballast);
    peers[5].connect(&address.into()).unwrap();
    scene.drive("one more", |world| world.count("server", "connection") == 3);
    println!("trace={}", scene.world.trace("server"));
    println!("text={}", scene.world.error("server"));
    println!("refused={refused}");
}
