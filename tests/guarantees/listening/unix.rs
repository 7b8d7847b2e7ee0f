//! Listening on paths of Unix sockets.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::support::in_own_process;

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

    // A path that is gone already is no error.
    std::fs::remove_file(&path).unwrap();
    let server = serve(&mut scene, &path, ListenOptions::new());
    std::fs::remove_file(&path).unwrap();
    scene.event_loop.server(server).close();
    scene.settle();
    assert!(!scene.event_loop.is_alive());
}

// K: a path without a listener is not taken either.
#[test]
fn a_server_removes_its_path_wherever_the_program_has_gone() {
    in_own_process(r#"exec "$@""#, || {
        let (first, second) = (Folder::new(), Folder::new());
        let name = Path::new("socket");
        for drops_loop in [false, true] {
            let mut scene = Scene::new();
            std::env::set_current_dir(&first.0).unwrap();
            let server = serve(&mut scene, name, ListenOptions::new());
            assert!(first.path().exists());
            std::env::set_current_dir(&second.0).unwrap();
            let _other = UnixListener::bind(name).unwrap();
            match drops_loop {
                true => drop(scene),
                false => scene.event_loop.server(server).close(),
            }
            assert!(!first.path().exists(), "it is the server's");
            assert!(second.path().exists(), "it is another's");
            std::fs::remove_file(second.path()).unwrap();
        }
    });
}

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

#[cfg(target_os = "linux")]
#[test]
fn every_end_of_a_nameless_file_has_the_name_or_none() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("netloop-adopted-{}", std::process::id());
    let path = PathBuf::from(format!("\0{name}"));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let mut scene = Scene::new();
    let options = ListenOptions::new();
    let server = scene.event_loop.serve(listener, options, plain()).unwrap();
    let view = scene.event_loop.server(server);
    assert_eq!((view.path(), view.address()), (Some(path.as_path()), None));
    let text = format!("unix:@{name}");
    let recorder = Recorder::new("us");
    let id = scene.event_loop.connect(text.as_str(), recorder).unwrap();
    scene.drive("both ends", |world| {
        world.has("us", "connect") && world.newest.is_some()
    });
    let guest = scene.world.newest.unwrap();
    let us = scene.socket(id);
    assert_eq!(us.local_path(), None);
    assert_eq!(us.peer_path(), Some(path.clone()));
    let guest = scene.socket(guest);
    assert_eq!(guest.local_path(), Some(path));
    assert_eq!(guest.peer_path(), None);
    assert_eq!((guest.local_address(), guest.peer_address()), (None, None));
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
