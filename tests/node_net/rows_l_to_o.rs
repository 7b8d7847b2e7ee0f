//! The rows net-l… to net-o… of the table.

use std::cell::Cell;
use std::rc::Rc;

use netloop::{ConnectOptions, ListenOptions, SocketOptions, Syscall};

use crate::support::{Child, Reception, Recorder, Scene, assert_same_bytes, pattern};

#[test]
fn net_large_string() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new().allow_half_open(true), |_| {
        Recorder::new("accepted").on("end", |cx, _| cx.socket.end())
    });
    let sent = pattern(122_880, 1);
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    let _ = scene.socket(client).write(&sent);
    scene.socket(client).end();
    scene.drive_until("server", "connection");
    scene.close(server);
    scene.drive_to_exit();
    assert_same_bytes(&scene.world.received("accepted"), &sent);
    assert_eq!(
        scene.world.trace("accepted"),
        "connect data:122880 end close:Graceful"
    );
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
}

/// Rust's runtime opens `/dev/null` as descriptor 0 if that is closed when a program begins, so that ours will be
/// another; no number means anything to netloop.
#[cfg(unix)]
#[test]
fn net_listen_after_destroying_stdin() {
    let mut child = Child::start("serve_without_standard_input", "", "<&-", "-");
    assert_eq!(
        child.says("trace"),
        "connect end close:Graceful / listening connection server-close"
    );
}

#[test]
fn net_listen_close_server_callback_is_not_function() {
    let mut scene = Scene::new();
    let (server, _) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    scene.close(server);
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("server"), "server-close");
}

/// DEVIATE: the error comes back from the call.
#[test]
fn net_listen_error() {
    let mut scene = Scene::new();
    let reception = Reception::new("server", |_| Recorder::new("accepted"));
    let listened = scene
        .event_loop
        .serve("1.1.1.1:1", ListenOptions::new(), reception);
    assert_eq!(listened.unwrap_err().syscall(), Some(Syscall::Listen));
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("server"), "");
}

/// DEVIATE: what cannot listen is refused by the call. A panic it is in neither.
#[cfg(unix)]
#[test]
fn net_listen_fd0() {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;

    let connected = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    };
    let inherited: [(OwnedFd, &[&str]); 2] = [
        (
            File::open("/dev/null").unwrap().into(),
            &["ENOTSOCK", "EINVAL"],
        ),
        (connected.into(), &["EINVAL"]),
    ];
    for (descriptor, codes) in inherited {
        let mut scene = Scene::new();
        let error = scene
            .event_loop
            .serve_listener(
                TcpListener::from(descriptor),
                ListenOptions::new(),
                Reception::new("server", |_| Recorder::new("accepted")),
            )
            .unwrap_err();
        assert!(codes.contains(&error.code()), "{error}");
        assert_eq!(error.syscall(), Some(Syscall::Listen));
        scene.drive_to_exit();
        assert_eq!(scene.world.trace("server"), "");
    }
}

/// DEVIATE: a server is made by listening, so that what is false before is one whose name is being looked up.
#[test]
fn net_listening() {
    let mut scene = Scene::new();
    let id = Rc::new(Cell::new(None));
    let (of_listening, of_close) = (Rc::clone(&id), Rc::clone(&id));
    let reception = Reception::new("server", |_| Recorder::new("accepted"))
        .on("listening", move |cx, _| {
            let mut server = cx.sockets.server(of_listening.get().unwrap());
            assert!(server.is_listening());
            server.close();
            assert!(!server.is_listening());
        })
        .on("server-close", move |cx, _| {
            let server = cx.sockets.server(of_close.get().unwrap());
            assert!(!server.is_listening());
            assert_eq!(server.address(), None);
        });
    let server = scene.serve(("localhost", 0), ListenOptions::new(), reception);
    id.set(Some(server));
    assert!(!scene.event_loop.server(server).is_listening());
    assert_eq!(scene.event_loop.server(server).address(), None);
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("server"), "listening server-close");
}

#[test]
fn net_local_address_port() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let local = cx.socket.local_address().unwrap();
            cx.shared.note(local.to_string());
        })
    });
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.end());
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_until("server", "connection");
    scene.close(server);
    scene.drive_to_exit();
    assert!(address.is_ipv4());
    assert_eq!(scene.world.notes, [address.to_string()]);
    assert_eq!(scene.world.trace("accepted"), "connect end close:Graceful");
}

#[test]
fn net_localport() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            let peer = cx.socket.peer_address().unwrap();
            cx.shared.note(format!("server {}", peer.port()));
            cx.socket.end();
        })
    });
    // Held for us: two may share an address that both say so and do not listen. It is held of all addresses, as who
    // connects from it is bound to all.
    let any: std::net::SocketAddr = "0.0.0.0:0".parse().unwrap();
    let holder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    holder.set_reuse_address(true).unwrap();
    holder.bind(&any.into()).unwrap();
    let port = holder.local_addr().unwrap().as_socket().unwrap().port();
    let client = Recorder::new("client").on("connect", |cx, _| {
        let local = cx.socket.local_address().unwrap();
        cx.shared.note(format!("client {}", local.port()));
    });
    scene.connect(address, ConnectOptions::new().local_port(port), client);
    scene.drive_until("server", "connection");
    scene.close(server);
    scene.drive_to_exit();
    scene.world.notes.sort();
    assert_eq!(
        scene.world.notes,
        [format!("client {port}"), format!("server {port}")]
    );
}

#[test]
fn net_many_clients() {
    const CLIENTS: usize = 50;
    const ROUNDS: usize = 3;
    const BYTES: usize = 40 << 10;
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("accepted-{number}")).on("connect", |cx, _| {
            let _ = cx.socket.end_with(&[b'C'; BYTES]);
        })
    });
    fn client(number: usize, round: usize, address: std::net::SocketAddr) -> Recorder {
        Recorder::new(format!("client-{number}-{round}")).on("close", move |cx, _| {
            if round + 1 < ROUNDS {
                let next = client(number, round + 1, address);
                cx.connect(address, next).unwrap();
            }
        })
    }
    for number in 0..CLIENTS {
        scene.connect(address, ConnectOptions::new(), client(number, 0, address));
    }
    for number in 0..CLIENTS {
        for round in 0..ROUNDS {
            let name = format!("client-{number}-{round}");
            scene.drive_to_close(&name);
            assert_eq!(
                scene.world.trace(&name),
                format!("connect data:{BYTES} end close:Graceful")
            );
        }
    }
    assert_eq!(scene.world.count("server", "connection"), CLIENTS * ROUNDS);
    scene.close(server);
    scene.drive_to_exit();
}

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
