//! The rows net-c… of the table, up to net-connect-options-fd.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};

use netloop::{ConnectOptions, Flow, ListenOptions, SocketOptions, State, Syscall};
use socket2::{Domain, Socket, Type};

use crate::support::{
    Child, DeadPort, Reception, Recorder, Scene, has_ipv6, observe, scratch_path,
};

#[cfg(unix)]
#[test]
fn net_child_process_connect_reset() {
    let mut child = Child::start("accept_and_wait", "", "", "-");
    let address = child.says("address");
    let mut scene = Scene::new();
    let child = RefCell::new(child);
    let client = Recorder::new("client").on("connect", move |_, _| child.borrow_mut().kill());
    scene.connect(address.as_str(), ConnectOptions::new(), client);
    scene.drive_to_exit();
    let trace = scene.world.trace("client");
    assert!(
        [
            "connect end close:Graceful",
            "connect error:ECONNRESET close:Reset"
        ]
        .contains(&trace.as_str()),
        "{trace}"
    );
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
    let resolver = Arc::new(move |_: &str| {
        let _ = released.lock().unwrap().recv();
        let _ = answer.lock().unwrap().send(());
        Ok(vec![[127, 0, 0, 1].into()])
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
fn net_connect_buffer2() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        assert_eq!(cx.socket.bytes_written(), 11);
    });
    // With a mark of 0 everything that is queued is too much.
    let options = SocketOptions::new().high_water_mark(0);
    let client = scene.connect(address, options, client);
    let mut socket = scene.socket(client);
    assert_eq!(socket.state(), State::Opening);
    assert_eq!(socket.write(b"L'Etat, "), Flow::Full);
    socket.notify_when_sent(1);
    assert_eq!(socket.bytes_written(), 8);
    assert_eq!(socket.queued_bytes(), 8);
    assert_eq!(socket.end_with(b"c'e"), Flow::Full);
    assert_eq!(socket.bytes_written(), 11);
    assert_eq!(socket.state(), State::Opening);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(
        scene.world.trace("client"),
        "connect sent:1 end close:Graceful"
    );
    assert_eq!(scene.world.received("accepted"), b"L'Etat, c'e");
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
    for host in ["127.0.0.1", "::1"] {
        if host == "::1" && !has_ipv6() {
            continue;
        }
        let dead = DeadPort::of(&[host]);
        // Held for us, so that nobody else takes it: two may share it that both say so and do not listen.
        let any = std::net::SocketAddr::new(host.parse().unwrap(), 0);
        let holder = Socket::new(Domain::for_address(any), Type::STREAM, None).unwrap();
        holder.set_reuse_address(true).unwrap();
        holder.bind(&any.into()).unwrap();
        let local = holder.local_addr().unwrap().as_socket().unwrap();
        let options = ConnectOptions::new()
            .local_address(local.ip())
            .local_port(local.port());
        scene.connect(dead.address(), options, Recorder::new(host));
        scene.drive_to_close(host);
        assert_eq!(scene.world.trace(host), "error:ECONNREFUSED close:Error");
        let error = scene.world.error(host);
        assert_eq!(error.syscall(), Some(Syscall::Connect));
        assert_eq!(error.local(), Some(local));
        assert_eq!(
            error.to_string(),
            format!(
                "connect ECONNREFUSED {host}:{} - Local ({host}:{})",
                dead.port(),
                local.port()
            )
        );
    }
}

/// A connect takes a handler instead of a callback; what a handler or a call that was put off has captured goes when it
/// cannot be called any more, and not with the loop.
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
        .replace_handler(client, Recorder::new("other"));
    scene.turn();
    assert_eq!(Rc::strong_count(&captured), 1);
    scene.socket(client).destroy();
    scene.drive_to_close("other");
}

/// DEVIATE: it is on unless one says no, since the writes of a callback leave as one anyway.
#[test]
fn net_connect_nodelay() {
    for (options, expected) in [
        (SocketOptions::new().no_delay(true), true),
        (SocketOptions::new().no_delay(false), false),
        (SocketOptions::new(), true),
    ] {
        let mut scene = Scene::new();
        let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
        let client = Recorder::new("client").on("connect", |cx, _| {
            let (stream, _) = cx.socket.detach().unwrap();
            cx.shared.note(observe(&stream).no_delay.to_string());
        });
        scene.connect(address, options, client);
        scene.drive_to_close("client");
        assert_eq!(scene.world.notes, [expected.to_string()]);
    }
}

/// DEVIATE: what is taken over is a connection, not a descriptor that is still to be connected.
#[cfg(unix)]
#[test]
fn net_connect_options_fd() {
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    let mut scene = Scene::new();
    let path = scratch_path();
    let server = scene.serve(
        path.path.as_path(),
        ListenOptions::new(),
        Reception::new("server", |number| {
            Recorder::new(format!("accepted-{number}"))
        }),
    );
    for number in 0..6 {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket
            .connect(&socket2::SockAddr::unix(&path.path).unwrap())
            .unwrap();
        let stream = UnixStream::from(OwnedFd::from(socket));
        let descriptor = stream.as_raw_fd();
        let name = format!("client-{number}");
        let client = scene
            .event_loop
            .adopt_unix(stream, SocketOptions::new(), Recorder::new(name.clone()))
            .unwrap();
        if number == 5 {
            let (stream, _) = scene.socket(client).detach_unix().unwrap();
            assert_eq!(stream.as_raw_fd(), descriptor);
            drop(stream);
        } else {
            let _ = scene.socket(client).end_with(b"data");
        }
        let accepted = format!("accepted-{number}");
        scene.drive_to_close(&accepted);
        scene.drive_to_close(&name);
        let expected = match number {
            5 => "connect end close:Graceful",
            _ => "connect data:data end close:Graceful",
        };
        assert_eq!(scene.world.trace(&accepted), expected);
    }
    scene.close(server);
    scene.drive_to_exit();
}
