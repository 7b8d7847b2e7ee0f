//! A host that only a proxy wakes, from whichever thread has something for the loop.

use std::thread;

use netloop::ListenOptions;

use crate::support::{PATIENCE, Recorder, Scene};

// winit can be woken by a proxy from any thread, and waits on nothing else.
#[test]
fn a_proxy_is_called_for_each_thread_that_has_something() {
    let mut scene = Scene::new();
    let (proxy, host) = std::sync::mpsc::channel();
    scene
        .event_loop
        .on_remote_wake(move || proxy.send(thread::current().id()).unwrap());
    let remote = scene.event_loop.remote();
    let hold = remote.hold();
    // A post, a wake, a stop, and the end of a hold; between each two the host turns.
    let steps: [Box<dyn FnOnce() + Send>; 4] = [
        Box::new({
            let remote = remote.clone();
            move || remote.post(|cx| cx.shared.note("post")).unwrap()
        }),
        Box::new({
            let remote = remote.clone();
            move || remote.wake().unwrap()
        }),
        Box::new({
            let remote = remote.clone();
            move || remote.stop().unwrap()
        }),
        Box::new(move || drop(hold)),
    ];
    let mut stops = 0;
    for step in steps {
        let thread = thread::spawn(step);
        let waking = host.recv_timeout(PATIENCE).unwrap();
        assert_eq!(waking, thread.thread().id(), "called on the waking thread");
        thread.join().unwrap();
        stops += u32::from(scene.turn().stopped);
    }
    assert_eq!(scene.world.notes, ["post"]);
    assert_eq!(stops, 1);
    assert!(!scene.event_loop.is_alive());
    // Posts that come before the next turn need no further call.
    for _ in 0..100 {
        remote.post(|cx| cx.shared.note("more")).unwrap();
    }
    host.recv_timeout(PATIENCE).unwrap();
    assert!(host.try_recv().is_err());
    scene.turn();
    assert_eq!(scene.world.notes.len(), 101);
    // The loop drops the call.
    drop(scene);
    assert!(host.recv_timeout(PATIENCE).is_err());
    remote.wake().unwrap();
}

#[test]
fn a_proxy_is_called_for_the_answer_of_a_lookup() {
    let mut scene = Scene::new();
    let (proxy, host) = std::sync::mpsc::channel();
    scene
        .event_loop
        .on_remote_wake(move || proxy.send(()).unwrap_or(()));
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("socket"));
    let options = netloop::ConnectOptions::new().resolver(crate::support::answering(&["host1"]));
    scene.connect(
        ("name.test", address.port()),
        options,
        Recorder::new("client"),
    );
    host.recv_timeout(PATIENCE).unwrap();
    scene.drive_until("client", "connect");
}

#[test]
fn a_proxy_may_post_and_replace_another() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let own = remote.clone();
    scene.event_loop.on_remote_wake(|| panic!("replaced"));
    scene.event_loop.on_remote_wake(move || {
        own.post(|cx| cx.shared.note("of the proxy")).unwrap();
    });
    remote.post(|cx| cx.shared.note("post")).unwrap();
    scene.turn();
    assert_eq!(scene.world.notes, ["post", "of the proxy"]);
}
