//! The rows from `net-server-address` to `net-server-unref-persistent`.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netloop::{
    Accepted, BlockList, Error, KeepAlive, ListenOptions, LoopContext, Resolver, ServerHandler,
    ServerId, SocketHandler, SocketOptions, Syscall,
};
use socket2::{Domain, Socket, Type};

use crate::support::{
    Looked, PATIENCE, Peer, PeerEnd, Reception, Recorder, Scene, World, answering, failing,
    has_ipv6, observe, scratch_path,
};

/// A server whose connections only write down what they are told.
fn plain() -> Reception {
    Reception::new("server", |_| Recorder::new("accepted"))
}

/// Listens on a name that `resolver` looks up.
fn serve_name(scene: &mut Scene, resolver: Arc<dyn Resolver>) -> ServerId {
    let options = ListenOptions::new().resolver(resolver);
    scene.serve(("a.name", 0), options, plain())
}

// There is no listening without a host: `[::]` says the same, and 0.0.0.0 is not chosen behind the caller's back.
#[test]
fn net_server_address() {
    let hosts = ["127.0.0.1", "::1", "::"];
    for host in &hosts[..if has_ipv6() { 3 } else { 1 }] {
        let mut scene = Scene::new();
        let reception = plain().on("listening", |cx, _| cx.shared.note("listening"));
        let server = scene.serve((*host, 0), ListenOptions::new(), reception);
        scene.drive_until("server", "listening");
        let address = scene.address_of(server);
        assert_eq!(address.ip().to_string(), *host);
        assert_ne!(address.port(), 0);

        // An address that no other test uses: there the port cannot be somebody else's.
        let given = SocketAddr::new([127, 0, 53, 1].into(), address.port());
        if address.is_ipv4() {
            let other = scene.serve(given, ListenOptions::new(), plain());
            assert_eq!(scene.address_of(other), given);
        }
    }
}

// A port is taken when the call returns, whether it was given or chosen by the system.
#[test]
fn net_server_bind() {
    let mut scene = Scene::new();
    let chosen = scene.serve("127.0.0.1:0", ListenOptions::new(), plain());
    let port = scene.address_of(chosen).port();
    assert!(port > 100);

    let given = SocketAddr::new([127, 0, 53, 2].into(), port);
    for options in [ListenOptions::new(), ListenOptions::new().backlog(127)] {
        let server = scene.serve(given, options, plain());
        assert_eq!(scene.address_of(server), given);
        scene.drive_until("server", "listening");
        let _peer = Peer::connect(given);
        scene.drive_until("server", "connection");
        scene.event_loop.server(server).destroy_connections();
        scene.close(server);
        scene.drive_until("server", "server-close");
        scene.world.log.clear();
    }
}

#[test]
fn net_server_blocklist() {
    let mut scene = Scene::new();
    let mut list = BlockList::new();
    list.add_address([127, 0, 0, 1]);
    let options = ListenOptions::new().block_list(Rc::new(list));
    let server = scene.serve("127.0.0.1:0", options, plain());
    let address = scene.address_of(server);

    let mut blocked = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut blocked).bytes, b"");
    scene.settle();
    assert_eq!(scene.world.trace("server"), "listening");
    assert_eq!(scene.event_loop.server(server).connections(), 0);

    // The same server, somebody else.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from: SocketAddr = "127.0.0.2:0".parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&address.into()).unwrap();
    scene.drive_until("server", "connection");
}

#[test]
fn net_server_close_before_calling_lookup_callback() {
    let mut scene = Scene::new();
    let (answer, answers) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let answers = Mutex::new(answers);
    let stuck = move |_: &str| {
        answers.lock().unwrap().recv().unwrap();
        tell.send(()).unwrap();
        Ok(vec!["127.0.0.1".parse().unwrap()])
    };
    let server = serve_name(&mut scene, Arc::new(stuck));
    scene.turn();
    assert!(!scene.event_loop.server(server).is_listening());
    scene.close(server);
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("server"), "server-close");

    // The late answer makes nothing.
    answer.send(()).unwrap();
    told.recv().unwrap();
    scene.settle();
    assert_eq!(scene.world.trace("server"), "server-close");
    assert!(!scene.event_loop.is_alive());
}

// Of each connection the system is asked what it has been told.
#[test]
fn net_server_keepalive() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().keep_alive(KeepAlive::after(Duration::from_secs(1)));
    let later = [None, Some(1), Some(2), Some(3)];
    let mut rest = later.into_iter();
    let reception = Reception::welcoming("server", move |cx, accepted| {
        let mut socket = cx.sockets.socket(accepted.id);
        if let Some(seconds) = rest.next().flatten() {
            let keep_alive = KeepAlive::after(Duration::from_secs(seconds));
            socket.set_keep_alive(keep_alive).unwrap();
        }
        let (stream, _) = socket.detach().unwrap();
        let observed = observe(&stream);
        assert!(observed.keep_alive);
        let seconds = observed.keep_alive_after.as_secs();
        cx.shared.note(seconds.to_string());
        None
    });
    let server = scene.serve("127.0.0.1:0", options, reception);
    let address = scene.address_of(server);
    for count in 1..=later.len() {
        let _peer = Peer::connect(address);
        scene.drive("the connection", |world| world.notes.len() == count);
    }
    assert_eq!(scene.world.notes, ["1", "1", "2", "3"]);
}

// A descriptor that cannot listen is refused by the call (deviation: `listen` answers at once).
#[cfg(unix)]
#[test]
fn net_server_listen_handle() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    let mut scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = scene
        .event_loop
        .serve_listener(listener, ListenOptions::new(), plain())
        .unwrap();
    assert_eq!(scene.address_of(server), address);
    let _peer = Peer::connect(address);
    scene.drive_until("accepted", "connect");
    assert_eq!(scene.world.trace("server"), "listening connection");

    let scratch = scratch_path();
    let listener = UnixListener::bind(&scratch.path).unwrap();
    let reception = Reception::new("unix", |_| Recorder::new("accepted-unix"));
    let server = scene
        .event_loop
        .serve_unix_listener(listener, ListenOptions::new(), reception)
        .unwrap();
    let peer = UnixStream::connect(&scratch.path).unwrap();
    scene.drive_until("accepted-unix", "connect");
    drop(peer);
    scene.close(server);
    scene.drive_until("unix", "server-close");
    assert!(scratch.path.exists(), "it was not ours");

    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let listener = TcpListener::from(OwnedFd::from(file));
    let reception = Reception::new("file", |_| Recorder::new("never"));
    let error = scene
        .event_loop
        .serve_listener(listener, ListenOptions::new(), reception)
        .unwrap_err();
    assert_eq!(error.syscall(), Some(Syscall::Listen));
    assert!(["EINVAL", "ENOTSOCK"].contains(&error.code()), "{error}");
    scene.settle();
    assert_eq!(scene.world.trace("file"), "");
}

// A server that could not listen ends (deviation: Node's waits for another `listen`; here each makes a new server).
#[test]
fn net_server_listen_ipv6_link_local() {
    let mut scene = Scene::new();
    serve_name(&mut scene, failing(&Looked::default()));
    scene.drive_until("server", "server-close");
    assert_eq!(scene.world.trace("server"), "error:ENOTFOUND server-close");

    let mut scene = Scene::new();
    serve_name(&mut scene, answering(&["fe80::1"]));
    scene.drive_until("server", "server-close");
    let error = scene.world.error("server");
    assert_eq!(error.syscall(), Some(Syscall::Listen));
    assert_eq!(error.address(), Some("fe80::1".parse().unwrap()));
    assert_eq!(scene.world.trace("server"), "error:EINVAL server-close");

    let many = [
        "fe80::1",
        "fe80:0:0:0:1234::",
        "fe8f::",
        "fe90::1",
        "fea0::1",
        "febf:ffff::",
        "127.0.0.1",
    ];
    for (found, bound) in [(&many[..], "127.0.0.1"), (&["fe80::1", "::1"], "::1")] {
        if bound == "::1" && !has_ipv6() {
            continue;
        }
        let mut scene = Scene::new();
        let server = serve_name(&mut scene, answering(found));
        scene.drive_until("server", "listening");
        assert_eq!(scene.address_of(server).ip().to_string(), bound);
    }
}

// A path and a port at once cannot be said here.
#[test]
fn net_server_listen_options() {
    let mut scene = Scene::new();
    let server = scene.serve(("localhost", 0), ListenOptions::new(), plain());
    scene.drive_until("server", "listening");
    scene.settle();
    assert_eq!(scene.world.trace("server"), "listening");
    assert_ne!(scene.address_of(server).port(), 0);

    for nothing in ["", "localhost"] {
        let error = scene
            .event_loop
            .serve(nothing, ListenOptions::new(), plain())
            .unwrap_err();
        assert_eq!(error.code(), Error::INVALID_ARGUMENT);
    }
}

#[cfg(unix)]
#[test]
fn net_server_listen_path() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = scratch_path();
    let path = scratch.path.as_path();
    let mut scene = Scene::new();
    let listen = |scene: &mut Scene, form: usize| {
        let options = ListenOptions::new()
            .readable_all(form == 0)
            .writable_all(form == 0);
        match form {
            0 => scene.serve(path, options, plain()),
            1 => scene.serve(path.to_owned(), options, plain()),
            2 => scene.serve(scratch.text(), options, plain()),
            _ => scene.serve(format!("unix:{}", scratch.text()), options, plain()),
        }
    };
    for form in 0..4 {
        let server = listen(&mut scene, form);
        scene.drive_until("server", "listening");
        assert_eq!(scene.event_loop.server(server).path(), Some(path));
        if form == 0 {
            let mode = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o006, 0o006);
        }
        let error = scene
            .event_loop
            .serve(path, ListenOptions::new(), plain())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "listen EADDRINUSE: address already in use {}",
                path.display()
            )
        );
        scene.close(server);
        scene.drive_until("server", "server-close");
        assert_eq!(scene.world.trace("server"), "listening server-close");
        scene.world.log.clear();
    }
}

/// Closes as soon as it listens, and listens again from there so many times.
struct Fleeting {
    times: u32,
}

impl ServerHandler<World> for Fleeting {
    fn on_listening(&mut self, cx: &mut LoopContext<'_, World>, server: ServerId) {
        cx.shared.note(format!("listening {}", self.times));
        cx.sockets.server(server).close();
    }
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_, World>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler<World>>> {
        None
    }
    fn on_close(&mut self, cx: &mut LoopContext<'_, World>) {
        cx.shared.note(format!("closed {}", self.times));
        if self.times > 1 {
            let again = Self {
                times: self.times - 1,
            };
            cx.serve("127.0.0.1:0", ListenOptions::new(), again)
                .unwrap();
        }
    }
}

// Listening again makes another server (deviation: nothing of the first can be left in it).
#[test]
fn net_server_listen_remove_callback() {
    let mut scene = Scene::new();
    let fleeting = Fleeting { times: 2 };
    scene
        .event_loop
        .serve("127.0.0.1:0", ListenOptions::new(), fleeting)
        .unwrap();
    scene.drive_to_exit();
    assert_eq!(
        scene.world.notes,
        ["listening 2", "closed 2", "listening 1", "closed 1"]
    );
}

#[test]
fn net_server_max_connections() {
    const MOST: usize = 10;
    let mut scene = Scene::new();
    let options = ListenOptions::new().max_connections(MOST);
    let reception = Reception::new("server", |count| {
        Recorder::new(format!("accepted {count}")).on("connect", |cx, _| {
            let _ = cx.socket.write(b"hello");
        })
    });
    let server = scene.serve("127.0.0.1:0", options, reception);
    let address = scene.address_of(server);

    let mut peers = Vec::new();
    for count in 1..=2 * MOST {
        peers.push(Peer::connect(address));
        scene.drive("the connection, or that it was dropped", |world| {
            world.count("server", "connection") + world.count("server", "drop") == count
        });
    }
    assert_eq!(scene.world.count("server", "connection"), MOST);
    assert_eq!(scene.event_loop.server(server).connections(), MOST);
    for peer in &mut peers[MOST..] {
        assert_eq!(scene.peer_reads_to_end(peer).bytes, b"");
    }

    for id in scene.world.ids.values() {
        scene.event_loop.socket(*id).end();
    }
    for peer in &mut peers[..MOST] {
        let received = scene.peer_reads_to_end(peer);
        assert_eq!(received.bytes, b"hello");
        assert_eq!(received.end, PeerEnd::Fin);
    }
}

// It is on by default, other than in Node (deviation); so both ways are asked for.
#[test]
fn net_server_nodelay() {
    for wanted in [true, false] {
        let mut scene = Scene::new();
        let reception = Reception::welcoming("server", move |cx, accepted| {
            let mut socket = cx.sockets.socket(accepted.id);
            socket.set_no_delay(wanted).unwrap();
            let (stream, _) = socket.detach().unwrap();
            assert_eq!(observe(&stream).no_delay, wanted);
            None
        });
        let options = SocketOptions::new().no_delay(wanted);
        let server = scene.serve("127.0.0.1:0", options, reception);
        let _peer = Peer::connect(scene.address_of(server));
        scene.drive_until("server", "connection");
    }
}

// `listen` answers at once (deviation), so there is no handler to listen again from; nothing is left of the failure.
#[test]
fn net_server_try_ports() {
    let mut scene = Scene::new();
    let first = scene.serve("127.0.0.1:0", ListenOptions::new(), plain());
    let address = scene.address_of(first);
    let error = scene
        .event_loop
        .serve(address, ListenOptions::new(), plain())
        .unwrap_err();
    assert_eq!(error.code(), "EADDRINUSE");
    let second = scene.serve("127.0.0.1:0", ListenOptions::new(), plain());
    assert_ne!(scene.address_of(second), address);
    scene.close(first);
    scene.close(second);
    scene.drive_to_exit();
    assert_eq!(scene.world.count("server", "server-close"), 2);
}

/// Runs the loop as a program does that has nothing else to do.
fn run(scene: &mut Scene) {
    let watchdog = scene
        .event_loop
        .after(PATIENCE, |_| panic!("the loop does not end"));
    scene.event_loop.hold_timer(watchdog, false);
    scene.event_loop.run(&mut scene.world).unwrap();
    scene.event_loop.cancel(watchdog);
}

#[test]
fn net_server_unref() {
    let mut scene = Scene::new();
    let (server, _) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    scene.event_loop.server(server).unref();
    run(&mut scene);
    assert!(scene.event_loop.server(server).is_listening());
    assert!(!scene.world.has("server", "server-close"));
}

#[test]
fn net_server_unref_persistent() {
    let mut scene = Scene::new();
    let server = serve_name(&mut scene, answering(&["127.0.0.1"]));
    scene.event_loop.server(server).unref();
    assert!(!scene.event_loop.server(server).is_listening());
    run(&mut scene);
    scene.drive_until("server", "listening");
    run(&mut scene);
    assert!(scene.event_loop.server(server).is_listening());
}
