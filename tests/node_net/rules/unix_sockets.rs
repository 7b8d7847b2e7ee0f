//! K: Unix sockets.

use std::os::unix::net::UnixListener;

use netloop::{ConnectOptions, Error, ListenOptions};

use crate::support::{Reception, Recorder, Scene, scratch_path};

fn reception() -> Reception {
    Reception::new("server", |_| Recorder::new("accepted"))
}

#[test]
fn connecting_to_an_abandoned_socket_file_is_refused() {
    let mut scene = Scene::new();
    let path = scratch_path();
    drop(UnixListener::bind(&path.path).unwrap());
    scene.connect(
        path.path.as_path(),
        ConnectOptions::new(),
        Recorder::new("client"),
    );
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "error:ECONNREFUSED close:Error"
    );
    assert_eq!(
        scene.world.error("client").path(),
        Some(path.path.as_path())
    );
}

#[test]
fn listening_on_an_existing_file_is_refused_even_if_abandoned() {
    let mut scene = Scene::new();
    let path = scratch_path();
    drop(UnixListener::bind(&path.path).unwrap());
    let error = scene
        .event_loop
        .serve(path.path.as_path(), ListenOptions::new(), reception())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("listen EADDRINUSE: address already in use {}", path.text())
    );
    assert!(path.path.exists(), "it is not ours to remove");
}

#[test]
fn closing_removes_the_path() {
    let mut scene = Scene::new();
    let path = scratch_path();
    let server = scene.serve(path.path.as_path(), ListenOptions::new(), reception());
    assert!(path.path.exists());
    assert_eq!(
        scene.event_loop.server(server).path(),
        Some(path.path.as_path())
    );
    scene.close(server);
    assert!(!path.path.exists());
    // DEVIATE: Node goes on naming it.
    assert_eq!(scene.event_loop.server(server).path(), None);
    scene.drive_to_exit();
}

/// DEVIATE: Node removes whatever is there.
#[test]
fn closing_leaves_a_path_alone_that_another_server_took() {
    let mut scene = Scene::new();
    let path = scratch_path();
    let server = scene.serve(path.path.as_path(), ListenOptions::new(), reception());
    std::fs::remove_file(&path.path).unwrap();
    let _successor = UnixListener::bind(&path.path).unwrap();
    scene.close(server);
    scene.drive_to_exit();
    assert!(path.path.exists());
}

#[test]
fn a_unix_socket_has_no_lookup_no_addresses_and_no_reset() {
    let mut scene = Scene::new();
    let path = scratch_path();
    let server = scene.serve(path.path.as_path(), ListenOptions::new(), reception());
    let client = Recorder::new("client").on("connect", |cx, _| {
        assert_eq!(cx.socket.local_address(), None);
        assert_eq!(cx.socket.peer_address(), None);
        let error = cx.socket.reset().unwrap_err();
        assert_eq!(error.code(), Error::INVALID_HANDLE_TYPE);
        let _ = cx.socket.end_with(b"alive");
    });
    scene.connect(path.path.as_path(), ConnectOptions::new(), client);
    assert!(
        scene.world.log.is_empty(),
        "nothing is told inside the call"
    );
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert!(!scene.world.has("client", "lookup"));
    assert_eq!(
        scene.world.trace("accepted"),
        "connect data:alive end close:Graceful"
    );
    scene.close(server);
    scene.drive_to_exit();
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_without_a_file_is_served_and_connected_to() {
    let mut scene = Scene::new();
    let name = format!("\0netloop-test-{}", std::process::id());
    let server = scene.serve(
        std::path::Path::new(&name),
        ListenOptions::new(),
        reception(),
    );
    let client = Recorder::new("client").on("connect", |cx, _| cx.socket.end());
    scene.connect(std::path::Path::new(&name), ConnectOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
    scene.close(server);
    scene.drive_to_exit();
}
