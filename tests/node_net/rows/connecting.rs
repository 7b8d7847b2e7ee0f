//! Connecting: its errors, its options, and what may be done before it succeeds.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use netloop::{
    CloseReason, ConnectOptions, Context, Error, Family, HostQuery, ListenOptions, SocketHandler,
    SocketOptions, State, Syscall,
};
use socket2::{Domain, Socket, Type};

use super::plain;
use crate::support::{
    DeadPort, Looked, Reception, Recorder, Scene, Seen, World, answering, failing, has_ipv6, host,
    listener, loopback,
};

#[test]
fn net_better_error_messages_port() {
    let mut scene = Scene::new();
    let dead = DeadPort::localhost();
    scene.connect(
        ("localhost", dead.port()),
        ConnectOptions::new(),
        Recorder::new("client"),
    );
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "error:ECONNREFUSED close:Error"
    );
    let error = scene.world.error("client");
    let first = error.attempts().first().unwrap_or(error);
    assert_eq!(first.code(), "ECONNREFUSED");
    assert_eq!(first.port(), Some(dead.port()));
    assert!(first.address().unwrap().is_loopback());
}

#[test]
fn net_better_error_messages_port_hostname() {
    let mut scene = Scene::new();
    let asked = Looked::default();
    let options = ConnectOptions::new().resolver(failing(&asked));
    scene.connect("***.invalid:0", options, Recorder::new("client"));
    scene.drive_to_exit();
    assert_eq!(asked.times(), 1);
    assert_eq!(scene.world.trace("client"), "error:ENOTFOUND close:Error");
    let error = scene.world.error("client");
    assert_eq!(error.syscall().unwrap().to_string(), "getaddrinfo");
    assert_eq!(error.hostname(), Some("***.invalid"));
    assert_eq!((error.address(), error.port()), (None, None));
    assert_eq!(error.to_string(), "getaddrinfo ENOTFOUND ***.invalid");
}

#[test]
fn net_client_bind_twice() {
    let mut scene = Scene::new();
    let (_, taken) = scene.listen(ListenOptions::new(), |_| Recorder::new("wrong"));
    let (_, other) = scene.listen(ListenOptions::new(), |_| Recorder::new("wrong"));
    let options = ConnectOptions::new()
        .local_address(taken.ip())
        .local_port(taken.port());
    scene.connect(other, options, Recorder::new("client"));
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "error:EADDRINUSE close:Error");
    let error = scene.world.error("client");
    assert_eq!(error.syscall(), Some(Syscall::Bind));
    assert_eq!(error.to_string(), format!("bind EADDRINUSE {taken}"));
    assert!(!scene.world.has("client", "attempt"), "nothing was tried");
}

#[test]
fn net_connect_after_destroy() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("wrong"));
    let (release, released) = mpsc::channel::<()>();
    let (answer, answered) = mpsc::channel::<()>();
    let (released, answer) = (Mutex::new(released), Mutex::new(answer));
    let found = host("host1");
    let resolver = Arc::new(move |_: &HostQuery<'_>| {
        let _ = released.lock().unwrap().recv();
        let _ = answer.lock().unwrap().send(());
        Ok(vec![SocketAddr::new(found, 0)])
    });
    let options = ConnectOptions::new().resolver(resolver);
    let client = scene.connect(
        ("example.invalid", address.port()),
        options,
        Recorder::new("client"),
    );
    scene.turn();
    scene.socket(client).destroy();
    scene.drive_to_close("client");
    release.send(()).unwrap();
    answered.recv_timeout(crate::support::PATIENCE).unwrap();
    scene.settle();
    assert_eq!(scene.world.dialing("client"), "close:Local");
    assert!(!scene.world.has("server", "connection"));
    scene.close(server);
    scene.drive_to_exit();
}

#[test]
fn net_connect_handle_econnrefused() {
    let mut scene = Scene::new();
    let dead = DeadPort::new();
    let client = Recorder::new("client").on("error", |cx, _| {
        assert_ne!(cx.socket.state(), State::Opening);
        cx.shared.note("refused");
    });
    scene.connect(dead.address(), ConnectOptions::new(), client);
    scene.drive_to_close("client");
    assert_eq!(scene.world.notes, ["refused"]);
    assert_eq!(
        scene.world.trace("client"),
        "error:ECONNREFUSED close:Error"
    );
}

#[test]
fn net_connect_immediate_destroy() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    scene.turn();
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    scene.close(server);
    scene.socket(client).destroy();
    scene.drive_to_exit();
    assert_eq!(scene.world.trace("client"), "close:Local");
}

#[test]
fn net_connect_local_error() {
    let mut scene = Scene::new();
    for name in ["host1", "::1"] {
        if name == "::1" && !has_ipv6() {
            continue;
        }
        let dead = DeadPort::of(&[name]);
        // Held for us, so that no other program takes it: two may share it that both say so and do not listen.
        let host = host(name);
        let any = SocketAddr::new(host, 0);
        let holder = Socket::new(Domain::for_address(any), Type::STREAM, None).unwrap();
        holder.set_reuse_address(true).unwrap();
        holder.bind(&any.into()).unwrap();
        let local = holder.local_addr().unwrap().as_socket().unwrap();
        let options = ConnectOptions::new()
            .local_address(local.ip())
            .local_port(local.port());
        scene.connect(dead.address(), options, Recorder::new(name));
        scene.drive_to_close(name);
        assert_eq!(scene.world.trace(name), "error:ECONNREFUSED close:Error");
        let error = scene.world.error(name);
        assert_eq!(error.syscall(), Some(Syscall::Connect));
        assert_eq!(error.local(), Some(local));
        assert_eq!(
            error.to_string(),
            // The text of Node has no brackets around IPv6.
            format!(
                "connect ECONNREFUSED {host}:{} - Local ({host}:{})",
                dead.port(),
                local.port()
            )
        );
    }
}

/// A connect takes a handler instead of a callback. The captures of a handler or of a deferred call go when it cannot
/// be called any more, and not with the loop.
#[test]
fn net_connect_memleak() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let captured = Rc::new(());
    let (of_handler, of_call) = (Rc::clone(&captured), Rc::clone(&captured));
    let client = Recorder::new("client").on("connect", move |cx, _| {
        let _keep = &of_handler;
        let of_call = Rc::clone(&of_call);
        cx.defer(move |cx| {
            let _keep = &of_call;
            cx.shared.note("called");
        });
    });
    let client = scene.connect(address, ConnectOptions::new(), client);
    assert_eq!(Rc::strong_count(&captured), 3);
    scene.drive("the call", |world| world.notes == ["called"]);
    // The call has gone, and the socket is there still.
    assert_eq!(Rc::strong_count(&captured), 3);
    assert_eq!(scene.socket(client).state(), State::Open);
    scene
        .event_loop
        .context(&mut scene.world)
        .replace_handler(client, Recorder::new("other"), b"");
    scene.turn();
    assert_eq!(Rc::strong_count(&captured), 1);
    scene.socket(client).destroy();
    scene.drive_to_close("other");
}

#[test]
fn net_connect_options_ipv6() {
    if !has_ipv6() {
        return;
    }
    let mut scene = Scene::new();
    let server = scene.serve(
        "[::1]:0",
        SocketOptions::new().allow_half_open(true),
        Reception::new("server", |_| {
            Recorder::new("accepted").on("connect", |cx, _| cx.socket.end())
        }),
    );
    let port = scene.address_of(server).port();
    let (asked, questions) = mpsc::channel();
    let asked = Mutex::new(asked);
    let found = vec![
        SocketAddr::new(host("host1"), 0),
        SocketAddr::new(host("::1"), 0),
    ];
    let options = ConnectOptions::new()
        .family(Family::IPv6)
        .socket(SocketOptions::new().allow_half_open(true))
        .resolver(Arc::new(move |query: &HostQuery<'_>| {
            let _ = asked.lock().unwrap().send(query.host.to_owned());
            Ok(found.clone())
        }));
    let client = Recorder::new("client").on("end", |cx, _| {
        let id = cx.socket.id();
        cx.after(Duration::from_millis(10), move |cx| {
            let mut socket = cx.sockets.socket(id);
            assert!(socket.is_writable());
            assert_eq!(socket.state(), State::WriteOnly);
            socket.end();
        });
    });
    scene.connect(("example.invalid", port), options, client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    let ended = "connect end close:Graceful";
    assert_eq!(scene.world.trace("client"), ended);
    assert_eq!(scene.world.trace("accepted"), ended);
    let questions: Vec<String> = questions.try_iter().collect();
    assert_eq!(questions, ["example.invalid"]);
    assert_eq!(scene.world.count("client", "attempt"), 1);
}

#[test]
fn net_connect_options_port() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let name = |number: usize| format!("client-{number}");
    for number in 0..72 {
        let client = Recorder::new(name(number)).on("connect", |cx, _| cx.socket.end());
        if number % 2 == 0 {
            scene.connect(address, ConnectOptions::new(), client);
        } else {
            let options = ConnectOptions::new().resolver(answering(&["host1"]));
            scene.connect(("localhost", address.port()), options, client);
        }
    }
    for number in 0..72 {
        scene.drive_to_close(&name(number));
    }
    assert_eq!(scene.world.count("server", "connection"), 72);

    let to_port_0 = |scene: &mut Scene, name: &str| {
        scene.drive_to_close(name);
        let trace = scene.world.trace(name);
        let refused = ["error:ECONNREFUSED", "error:EADDRNOTAVAIL"];
        assert!(
            refused.contains(&trace.trim_end_matches(" close:Error")),
            "{trace}"
        );
    };
    scene.connect(
        loopback(),
        ConnectOptions::new(),
        Recorder::new("address-0"),
    );
    assert!(!scene.world.has("address-0", "error"), "told too early");
    to_port_0(&mut scene, "address-0");
    scene.connect(
        ("localhost", 0),
        ConnectOptions::new(),
        Recorder::new("name-0"),
    );
    to_port_0(&mut scene, "name-0");
    scene.close(server);
    scene.drive_to_exit();
}

#[test]
fn net_dns_error() {
    let mut scene = Scene::new();
    // The longest label of a name is 63 characters, so that no server need be asked.
    let host = "*".repeat(64);
    scene.connect(
        (host.as_str(), 30),
        ConnectOptions::new(),
        Recorder::new("client"),
    );
    scene.drive_to_exit();
    assert_eq!(
        scene.world.dialing("client"),
        "lookup:ENOTFOUND error:ENOTFOUND close:Error"
    );
    assert_eq!(scene.world.error("client").hostname(), Some(host.as_str()));
}

#[test]
fn net_dns_lookup() {
    let mut scene = Scene::new();
    let server = scene.serve("127.0.0.1:0", ListenOptions::new(), plain());
    let address = scene.address_of(server);
    let client = Recorder::new("client").on("lookup", |cx, seen| {
        let Seen::Lookup(host, Ok(found)) = seen else {
            panic!("{seen}");
        };
        assert_eq!(host, "localhost");
        assert!(found.is_loopback());
        assert_eq!(cx.socket.state(), State::Opening);
    });
    scene.connect(("localhost", address.port()), ConnectOptions::new(), client);
    scene.drive_until("client", "connect");
    assert!(scene.world.has("client", "lookup"));
}

#[test]
fn net_dns_lookup_skip() {
    for name in ["host1", "::1"] {
        if name == "::1" && !has_ipv6() {
            continue;
        }
        let host = host(name);
        let mut scene = Scene::new();
        let server = scene.serve(
            (host, 0),
            ListenOptions::new(),
            Reception::new("server", |_| Recorder::new("accepted")),
        );
        let port = scene.address_of(server).port();
        scene.connect((host, port), ConnectOptions::new(), Recorder::new("client"));
        scene.drive_until("client", "connect");
        assert_eq!(
            scene.world.dialing("client"),
            format!("attempt:{name} connect")
        );
    }
}

/// Connects to a dead port, and once more from each close.
struct Stubborn {
    address: SocketAddr,
    retries: u32,
}

impl SocketHandler<World> for Stubborn {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.note("connect");
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        assert_eq!(cx.socket.state(), State::Closed);
        cx.shared.note(error.code());
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Error);
        cx.shared.note("close");
        if self.retries > 0 {
            let again = Self {
                retries: self.retries - 1,
                ..*self
            };
            cx.connect(self.address, again).unwrap();
        }
    }
}

// Each try is a socket of its own (deviation: one handle for each connection, so that nothing stale can be left in it).
#[test]
fn net_reconnect_error() {
    let nobody = DeadPort::new();
    let mut scene = Scene::new();
    let stubborn = Stubborn {
        address: nobody.address(),
        retries: 20,
    };
    scene
        .event_loop
        .connect(nobody.address(), stubborn)
        .unwrap();
    scene.drive_to_exit();
    assert_eq!(scene.world.notes, ["ECONNREFUSED", "close"].repeat(21));
}

#[test]
fn net_socket_connect_without_cb() {
    let mut scene = Scene::new();
    let reception = Reception::new("server", |_| Recorder::new("accepted"));
    let server = scene.serve(loopback(), SocketOptions::new(), reception);
    let address = scene.address_of(server);
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("client"));
    scene.drive_until("client", "connect");
    scene.socket(id).end();
    scene.drive_to_close("client");
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
}

#[test]
fn net_socket_connecting() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let client = Recorder::new("client").on("connect", |cx, _| {
        let state = cx.socket.state();
        cx.shared.note(state.to_string());
    });
    let id = scene.connect(address, SocketOptions::new(), client);
    assert_eq!(scene.socket(id).state(), State::Opening);
    scene.drive_until("client", "connect");
    assert_eq!(scene.world.notes, ["open"]);
}

// `ready` is an alias of `connect` in Node, and has no callback of its own here.
#[test]
fn net_socket_ready_without_cb() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.end());
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    assert_eq!(scene.world.count("client", "connect"), 1);
}
