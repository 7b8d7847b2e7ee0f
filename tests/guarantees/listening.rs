//! The ways in which servers come to listen: on names, on Unix paths, on sockets made elsewhere; and how many
//! connections they hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netloop::{HostQuery, ListenOptions, Resolver, ServerId, SocketOptions, State, Syscall};
use socket2::{Domain, Socket, Type};

use crate::support::{
    Peer, PeerEnd, Reception, Recorder, Scene, Seen, World, host, listener, loopback,
};

/// A server that welcomes each connection as `guest`.
fn plain() -> Reception {
    Reception::welcoming("server", |cx, accepted| {
        cx.shared.newest = Some(accepted.id);
        Some(Recorder::new("guest"))
    })
}

/// A resolver that answers once it is `released`.
fn waiting(released: &Arc<AtomicBool>) -> Arc<dyn Resolver> {
    let (released, found) = (Arc::clone(released), host("host1"));
    Arc::new(move |_: &HostQuery<'_>| {
        while !released.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(vec![SocketAddr::new(found, 0)])
    })
}

fn is_listening(world: &World) -> bool {
    world.has_seen("server", &Seen::Listening)
}

// H1, H10
#[test]
fn on_listening_comes_once_later_and_before_any_connection() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .serve(loopback(), ListenOptions::new(), plain())
        .unwrap();
    let address = scene.event_loop.server(server).address().unwrap();
    assert!(scene.world.log.is_empty());
    let _peers = [Peer::connect(address), Peer::connect(address)];
    scene.drive("both connections", |world| {
        world.count("guest", "connect") == 2
    });
    scene.settle();
    assert_eq!(
        scene.world.trace("server"),
        "listening connection connection"
    );
}

// H4
#[test]
fn a_server_that_is_closed_at_once_never_listens() {
    let mut scene = Scene::new();
    for place in [loopback().to_string(), "localhost:0".to_owned()] {
        let server = scene
            .event_loop
            .serve(place, ListenOptions::new(), plain())
            .unwrap();
        scene.event_loop.server(server).close();
        scene.event_loop.server(server).close();
    }
    scene.settle();
    assert_eq!(scene.world.trace("server"), "server-close server-close");
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn listening_on_a_name_keeps_what_was_set_during_the_lookup() {
    let mut scene = Scene::new();
    let released = Arc::new(AtomicBool::new(false));
    let options = ListenOptions::new()
        .resolver(waiting(&released))
        .socket(SocketOptions::new().pause_on_connect(true));
    let server = scene
        .event_loop
        .serve("some.name:0", options, plain())
        .unwrap();
    scene.settle();
    assert!(scene.world.log.is_empty());
    let mut view = scene.event_loop.server(server);
    assert!(!view.is_listening());
    assert_eq!(view.address(), None);
    assert_eq!(view.connection_count(), 0);
    view.set_max_connections(1);
    assert!(
        scene.event_loop.is_alive(),
        "a lookup is something to wait for"
    );

    released.store(true, Ordering::Release);
    scene.drive("the server", is_listening);
    let address = scene.event_loop.server(server).address().unwrap();
    assert!(address.ip().is_loopback());
    assert_ne!(address.port(), 0);
    let _guest = Peer::connect(address);
    scene.drive("the connection", |world| world.newest.is_some());
    let guest = scene.world.newest.unwrap();
    assert!(scene.socket(guest).is_paused());
    let mut dropped = Peer::connect(address);
    assert_eq!(scene.peer_reads_to_end(&mut dropped).end, PeerEnd::Fin);
    assert_eq!(scene.world.trace("server"), "listening connection drop");
}

#[test]
fn a_name_that_leads_to_a_taken_port_ends_the_server() {
    let mut scene = Scene::new();
    let (_taken, address) = listener();
    let released = Arc::new(AtomicBool::new(true));
    let options = ListenOptions::new().resolver(waiting(&released));
    let server = scene
        .event_loop
        .serve(("some.name", address.port()), options, plain())
        .unwrap();
    scene.drive("the end of the server", |world| {
        world.has_seen("server", &Seen::ServerClose)
    });
    let error = scene.world.error("server");
    assert_eq!(error.code(), "EADDRINUSE");
    assert_eq!(
        error.to_string(),
        format!("listen EADDRINUSE: address already in use {address}")
    );
    assert_eq!(scene.world.trace("server"), "error:EADDRINUSE server-close");
    assert!(!scene.event_loop.server(server).is_listening());
    assert!(!scene.event_loop.is_alive());
}

/// Connects a peer, and says whether the server took it. The peer stays connected for as long as it is kept.
fn is_welcome(scene: &mut Scene, server: ServerId) -> (Peer, bool) {
    let address: SocketAddr = scene.event_loop.server(server).address().unwrap();
    let taken = |world: &World| world.count("server", "connection");
    let dropped = |world: &World| world.count("server", "drop");
    let before = (taken(&scene.world), dropped(&scene.world));
    let peer = Peer::connect(address);
    scene.drive("the newcomer", |world| {
        taken(world) + dropped(world) > before.0 + before.1
    });
    let is_welcome = taken(&scene.world) > before.0;
    (peer, is_welcome)
}

// H8
#[test]
fn the_most_connections_of_a_server_can_change_at_any_time() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .serve(loopback(), ListenOptions::new(), plain())
        .unwrap();
    let mut guests = Vec::new();
    let steps: [(Option<usize>, bool); 7] = [
        (None, true),
        (Some(2), true),
        (Some(2), false),
        (Some(0), false),
        (Some(3), true),
        (Some(1), false),
        (None, true),
    ];
    for (most, expected) in steps {
        scene.event_loop.server(server).set_max_connections(most);
        let (peer, is_welcome) = is_welcome(&mut scene, server);
        assert_eq!(is_welcome, expected, "{most:?}");
        if is_welcome {
            guests.push(peer);
        }
    }
    // No connection has to go because the limit fell.
    scene.event_loop.server(server).set_max_connections(1);
    scene.settle();
    assert_eq!(scene.event_loop.server(server).connection_count(), 4);
    for mut guest in guests.drain(1..) {
        assert_eq!(guest.read_some(1), Ok(None));
        guest.close();
    }
    scene.drive("three closes", |world| world.count("guest", "close") == 3);
    // The last place is taken until its guest has gone.
    assert!(!is_welcome(&mut scene, server).1);
    guests.clear();
    scene.drive("the last close", |world| world.count("guest", "close") == 4);
    assert!(is_welcome(&mut scene, server).1);
}

#[test]
fn an_adopted_listener_is_served_with_the_socket_options() {
    let mut scene = Scene::new();
    let (listener, address) = listener();
    // A peer is waiting already.
    let peer = Peer::connect(address);
    let server = scene
        .event_loop
        .serve(
            listener,
            SocketOptions::new().allow_half_open(true),
            plain(),
        )
        .unwrap();
    assert_eq!(scene.event_loop.server(server).address(), Some(address));
    scene.drive("the connection", |world| world.newest.is_some());
    assert_eq!(scene.world.trace("server"), "listening connection");
    let guest = scene.world.newest.unwrap();
    peer.half_close();
    scene.drive("the end", |world| world.has_seen("guest", &Seen::End));
    assert_eq!(scene.socket(guest).state(), State::WriteOnly);
    let (stream, _) = scene.socket(guest).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    assert!(
        stream.nodelay().unwrap(),
        "an adopted listener passes nothing on"
    );
}

#[test]
fn a_bound_socket_is_made_to_listen_and_a_connected_one_refused() {
    let mut scene = Scene::new();
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&loopback().into()).unwrap();
    let server = scene
        .event_loop
        .serve(
            std::net::TcpListener::from(bound),
            ListenOptions::new(),
            plain(),
        )
        .unwrap();
    assert!(is_welcome(&mut scene, server).1);

    let address = scene.event_loop.server(server).address().unwrap();
    let connected = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    connected.connect(&address.into()).unwrap();
    let error = scene
        .event_loop
        .serve(
            std::net::TcpListener::from(connected),
            ListenOptions::new(),
            plain(),
        )
        .unwrap_err();
    assert_eq!(error.syscall(), Some(Syscall::Listen));
    assert_eq!(error.code(), "EINVAL");
}

#[cfg(unix)]
mod unix {
    use std::io::{Read, Write};
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A folder of the test's own, which goes with this.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("netloop-listening-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn path(&self) -> PathBuf {
            self.0.join("socket")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn serve(scene: &mut Scene, path: &Path, options: ListenOptions) -> ServerId {
        scene.event_loop.serve(path, options, plain()).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    // Pain "unlinks a path that may belong to a successor"
    #[test]
    fn a_server_removes_its_path_only_if_it_is_still_its_own() {
        let folder = Folder::new();
        let path = folder.path();
        let mut scene = Scene::new();
        let server = serve(&mut scene, &path, ListenOptions::new());
        assert!(path.exists());
        scene.event_loop.server(server).close();
        assert!(!path.exists(), "closing gives the path free at once");

        let server = serve(&mut scene, &path, ListenOptions::new());
        std::fs::remove_file(&path).unwrap();
        let successor = UnixListener::bind(&path).unwrap();
        scene.event_loop.server(server).close();
        scene.settle();
        assert!(path.exists(), "it is the successor's");
        UnixStream::connect(&path).unwrap();
        drop(successor);

        // A path that is gone already is nobody's trouble.
        std::fs::remove_file(&path).unwrap();
        let server = serve(&mut scene, &path, ListenOptions::new());
        std::fs::remove_file(&path).unwrap();
        scene.event_loop.server(server).close();
        scene.settle();
        assert!(!scene.event_loop.is_alive());
    }

    // K: a path without a listener is not taken either.
    #[test]
    fn a_path_that_is_there_is_left_alone() {
        let folder = Folder::new();
        let path = folder.path();
        drop(UnixListener::bind(&path).unwrap());
        let mut scene = Scene::new();
        let error = scene
            .event_loop
            .serve(&path, ListenOptions::new().readable_all(true), plain())
            .unwrap_err();
        assert_eq!(error.code(), "EADDRINUSE");
        assert_eq!(error.syscall(), Some(Syscall::Listen));
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(path.exists());
        assert!(!scene.event_loop.is_alive());
    }

    #[test]
    fn a_path_is_opened_to_others_as_far_as_asked() {
        let folder = Folder::new();
        let path = folder.path();
        let mut modes = Vec::new();
        for (readable, writable) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut scene = Scene::new();
            let options = ListenOptions::new()
                .readable_all(readable)
                .writable_all(writable);
            let server = serve(&mut scene, &path, options);
            modes.push(mode(&path));
            scene.event_loop.server(server).close();
        }
        let usual = modes[0];
        assert_eq!(modes, [usual, usual | 0o004, usual | 0o002, usual | 0o006]);
    }

    #[test]
    fn an_adopted_unix_listener_keeps_its_path() {
        let folder = Folder::new();
        let path = folder.path();
        let listener = UnixListener::bind(&path).unwrap();
        let mut scene = Scene::new();
        let options = SocketOptions::new().pause_on_connect(true);
        let server = scene.event_loop.serve(listener, options, plain()).unwrap();
        let mut view = scene.event_loop.server(server);
        assert_eq!(view.path(), Some(path.as_path()));
        assert_eq!(view.address(), None);
        view.set_max_connections(1);
        let _guest = UnixStream::connect(&path).unwrap();
        scene.drive("the connection", |world| world.newest.is_some());
        let guest = scene.world.newest.unwrap();
        assert!(scene.socket(guest).is_paused());
        assert_eq!(scene.socket(guest).accepted_by(), Some(server));
        let mut dropped = UnixStream::connect(&path).unwrap();
        scene.drive("the drop", |world| world.has("server", "drop"));
        assert_eq!(dropped.read(&mut [0]).unwrap(), 0);

        scene.event_loop.server(server).destroy_connections();
        scene.event_loop.server(server).close();
        scene.settle();
        assert_eq!(
            scene.world.trace("server"),
            "listening connection drop server-close"
        );
        assert!(path.exists());
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn a_name_without_a_file_is_listened_on_and_connected_to() {
        let name = format!("unix:@netloop-listening-{}", std::process::id());
        let mut scene = Scene::new();
        let options = ListenOptions::new().readable_all(true);
        let server = scene
            .event_loop
            .serve(name.as_str(), options, plain())
            .unwrap();
        let id = scene
            .event_loop
            .connect(name.as_str(), Recorder::new("us"))
            .unwrap();
        assert!(scene.socket(id).end_with(b"hello").is_accepted());
        scene.drive_to_close("us");
        assert_eq!(scene.world.received("guest"), b"hello");
        scene.event_loop.server(server).close();
        // It is free again.
        let again = scene
            .event_loop
            .serve(name.as_str(), ListenOptions::new(), plain());
        again.unwrap();
    }

    // B7, C11, D7: the rules are those of TCP.
    #[test]
    fn a_unix_connection_sends_and_ends_as_any_other() {
        let folder = Folder::new();
        let path = folder.path();
        let mut scene = Scene::new();
        let options = SocketOptions::new().allow_half_open(true);
        scene.event_loop.serve(&path, options, plain()).unwrap();
        let mut peer = UnixStream::connect(&path).unwrap();
        scene.drive("the connection", |world| world.newest.is_some());
        let guest = scene.world.newest.unwrap();
        peer.write_all(b"question").unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        scene.drive("the end", |world| world.has_seen("guest", &Seen::End));
        let answer = vec![7; 3 << 20];
        let _ = scene.socket(guest).end_with(&answer);
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).unwrap();
            received.len()
        });
        scene.drive_to_close("guest");
        assert_eq!(reader.join().unwrap(), answer.len());
        assert_eq!(
            scene.world.trace("guest"),
            "connect data:question end close:Graceful"
        );
    }
}

// An address on one link means nothing without its zone: the kernel refuses to bind it with EINVAL.
#[cfg(target_os = "linux")]
#[test]
fn a_server_binds_an_address_with_its_zone() {
    let index = std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap();
    let index: u32 = index.trim().parse().unwrap();
    let mut scene = Scene::new();
    scene
        .event_loop
        .serve("[fe80::77%lo]:0", ListenOptions::new(), plain())
        .unwrap();
    scene.drive("its end", |world| {
        world.has_seen("server", &Seen::ServerClose)
    });
    // No interface has the address, but the kernel has understood which one was meant.
    let error = scene.world.error("server");
    assert_eq!(error.code(), "EADDRNOTAVAIL");
    let text = error.to_string();
    assert!(text.ends_with(&format!("fe80::77%{index}")), "{text}");
}
