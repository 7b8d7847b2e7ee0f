//! Listening: where, how it fails, and how it is told.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};

use netloop::{
    Accepted, ConnectOptions, Error, HostQuery, ListenOptions, LoopContext, ServerHandler,
    ServerId, SocketHandler, Syscall,
};

use super::{plain, serve_name};
use crate::support::{
    Child, Looked, Peer, Reception, Recorder, Scene, World, answering, failing, has_ipv6, host,
    listener, loopback, scratch_path,
};

/// DEVIATE: what the system says comes back from the call, not later as an event; so it is in all rows about `listen`.
#[test]
fn net_better_error_messages_listen() {
    let mut scene = Scene::new();
    let reception = Reception::new("server", |_| Recorder::new("accepted"));
    let error = scene
        .event_loop
        .serve("1.1.1.1:1", ListenOptions::new(), reception)
        .unwrap_err();
    assert!(["EADDRNOTAVAIL", "EACCES"].contains(&error.code()));
    assert_eq!(error.address(), Some([1, 1, 1, 1].into()));
    assert_eq!(error.port(), Some(1));
    assert_eq!(error.syscall(), Some(Syscall::Listen));
    assert_eq!(error.syscall().unwrap().to_string(), "listen");
    scene.settle();
    assert_eq!(scene.world.trace("server"), "");
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn net_bind_twice() {
    let mut scene = Scene::new();
    let (first, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let second = Reception::new("second", |_| Recorder::new("wrong"));
    let error = scene
        .event_loop
        .serve(address, ListenOptions::new(), second)
        .unwrap_err();
    assert_eq!(error.code(), "EADDRINUSE");
    assert_eq!(
        error.to_string(),
        format!("listen EADDRINUSE: address already in use {address}")
    );
    scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.drive_until("accepted", "connect");
    assert!(scene.event_loop.server(first).is_listening());
    assert_eq!(scene.world.trace("second"), "");
    assert_eq!(scene.world.trace("server"), "listening connection");
}

#[test]
fn net_eaddrinuse() {
    let mut scene = Scene::new();
    let anywhere = "0.0.0.0:0";
    let first = scene.serve(
        anywhere,
        ListenOptions::new(),
        Reception::new("first", |_| Recorder::new("accepted")),
    );
    let port = scene.address_of(first).port();
    let second = Reception::new("second", |_| Recorder::new("accepted"));
    let error = scene
        .event_loop
        .serve(("0.0.0.0", port), ListenOptions::new(), second)
        .unwrap_err();
    assert!(error.to_string().contains("EADDRINUSE"), "{error}");
    scene.settle();
    assert_eq!(scene.world.trace("second"), "");
    assert_eq!(scene.world.trace("first"), "listening");
}

/// Rust's runtime opens `/dev/null` as descriptor 0 if that is closed when a program begins, so that ours will be
/// another. No number means anything to netloop.
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
        let listener = TcpListener::bind(loopback()).unwrap();
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
            .serve(
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

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn net_reuseport() {
    let hosts = ["host1", "::"];
    for name in &hosts[..if has_ipv6() { 2 } else { 1 }] {
        let mut scene = Scene::new();
        let reception = || Reception::new("server", |_| Recorder::new("accepted"));
        let shared = ListenOptions::new().reuse_port(true);
        let first = scene.serve((host(name), 0), shared.clone(), reception());
        let address = scene.address_of(first);
        let second = scene.serve(address, shared, reception());
        assert_eq!(scene.address_of(second), address);
        scene.settle();
        assert_eq!(scene.world.trace("server"), "listening listening");
        // Without the option the port is taken.
        let third = scene
            .event_loop
            .serve(address, ListenOptions::new(), reception());
        assert_eq!(third.unwrap_err().code(), "EADDRINUSE");
    }
}

// There is no listening without a host: `[::]` says the same, and 0.0.0.0 is not chosen behind the caller's back.
#[test]
fn net_server_address() {
    let hosts = ["host1", "::1", "::"];
    for name in &hosts[..if has_ipv6() { 3 } else { 1 }] {
        let mut scene = Scene::new();
        let reception = plain().on("listening", |cx, _| cx.shared.note("listening"));
        let server = scene.serve((host(name), 0), ListenOptions::new(), reception);
        scene.drive_until("server", "listening");
        let address = scene.address_of(server);
        assert_eq!(address.ip(), host(name));
        assert_ne!(address.port(), 0);

        let given = SocketAddr::new(host("host2"), address.port());
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
    let chosen = scene.serve(loopback(), ListenOptions::new(), plain());
    let port = scene.address_of(chosen).port();
    assert!(port > 100);

    let given = SocketAddr::new(host("host2"), port);
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
fn net_server_close_before_calling_lookup_callback() {
    let mut scene = Scene::new();
    let (answer, answers) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let answers = Mutex::new(answers);
    let found = host("host1");
    let stuck = move |_: &HostQuery<'_>| {
        answers.lock().unwrap().recv().unwrap();
        tell.send(()).unwrap();
        Ok(vec![SocketAddr::new(found, 0)])
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

// A descriptor that cannot listen is refused by the call (deviation: `listen` answers at once).
#[cfg(unix)]
#[test]
fn net_server_listen_handle() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    let mut scene = Scene::new();
    let (listener, address) = listener();
    let server = scene
        .event_loop
        .serve(listener, ListenOptions::new(), plain())
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
        .serve(listener, ListenOptions::new(), reception)
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
        .serve(listener, ListenOptions::new(), reception)
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
        "host1",
    ];
    for (found, bound) in [(&many[..], "host1"), (&["fe80::1", "::1"], "::1")] {
        if bound == "::1" && !has_ipv6() {
            continue;
        }
        let mut scene = Scene::new();
        let server = serve_name(&mut scene, answering(found));
        scene.drive_until("server", "listening");
        assert_eq!(scene.address_of(server).ip(), host(bound));
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
            cx.serve(loopback(), ListenOptions::new(), again).unwrap();
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
        .serve(loopback(), ListenOptions::new(), fleeting)
        .unwrap();
    scene.drive_to_exit();
    assert_eq!(
        scene.world.notes,
        ["listening 2", "closed 2", "listening 1", "closed 1"]
    );
}

// `listen` answers at once (deviation), so there is no handler to listen again from; nothing is left of the failure.
#[test]
fn net_server_try_ports() {
    let mut scene = Scene::new();
    let first = scene.serve(loopback(), ListenOptions::new(), plain());
    let address = scene.address_of(first);
    let error = scene
        .event_loop
        .serve(address, ListenOptions::new(), plain())
        .unwrap_err();
    assert_eq!(error.code(), "EADDRINUSE");
    let second = scene.serve(loopback(), ListenOptions::new(), plain());
    assert_ne!(scene.address_of(second), address);
    scene.close(first);
    scene.close(second);
    scene.drive_to_exit();
    assert_eq!(scene.world.count("server", "server-close"), 2);
}
