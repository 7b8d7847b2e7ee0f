//! Dropping the loop, and what may never be left over: descriptors, handlers, calls (D12; I12).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{
    Budget, ConnectOptions, Error, EventLoop, ListenOptions, Remote, SocketOptions, Wait,
};

use crate::event_loop::{LONG, note};
use crate::support::{
    PATIENCE, Peer, Reception, Recorder, Scene, World, descriptors, in_own_process, listener,
    loopback,
};

/// Counts how often it is dropped.
#[derive(Clone)]
struct Dropped(Rc<Cell<usize>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Gives a loop one of everything that can live in it, each in several states, and says how many drops that will be.
fn populate(scene: &mut Scene, drops: &Rc<Cell<usize>>, peers: &mut Vec<Peer>) -> usize {
    let expected = Cell::new(0);
    let counted = || {
        expected.set(expected.get() + 1);
        Dropped(Rc::clone(drops))
    };
    let socket = |name: &str| {
        let dropped = counted();
        Recorder::new(name).reacting(move |_, _| {
            let _ = &dropped;
        })
    };
    // Sockets: connected, paused, ended, half-closed by the peer, with queued bytes, reset by the peer.
    for (name, prepare) in [
        ("open", None),
        ("paused", Some(0)),
        ("ended", Some(1)),
        ("queued", Some(2)),
    ] {
        let (id, peer) = scene.adopted(SocketOptions::new(), socket(name));
        let mut view = scene.socket(id);
        match prepare {
            Some(0) => view.pause(),
            Some(1) => view.end(),
            Some(2) => assert!(view.write(&vec![0; 1 << 20]).is_accepted()),
            _ => {}
        }
        peers.push(peer);
    }
    let (_, peer) = scene.adopted(
        SocketOptions::new().allow_half_open(true),
        socket("half open"),
    );
    let peer = peer;
    peer.half_close();
    peers.push(peer);
    let (_, peer) = scene.adopted(SocketOptions::new(), socket("reset"));
    peer.reset();
    scene.settle();

    // One that is destroyed but not told yet, one that connects, one that fails to.
    let (id, peer) = scene.adopted(SocketOptions::new(), socket("destroyed"));
    scene.socket(id).destroy();
    peers.push(peer);
    let (listener, address) = listener();
    let options = ConnectOptions::new().connect_timeout(LONG);
    let connecting = socket("connecting");
    scene
        .event_loop
        .connect_with(address, options, connecting)
        .unwrap();
    drop(listener);
    // Servers, with and without a peer in the queue; timers; calls that were deferred and posted.
    for _ in 0..2 {
        let dropped = counted();
        let reception = Reception::welcoming("server", move |_, _| {
            let _ = &dropped;
            None
        });
        let server = scene
            .event_loop
            .serve(loopback(), ListenOptions::new(), reception)
            .unwrap();
        let address = scene.event_loop.server(server).address().unwrap();
        peers.push(Peer::connect(address));
    }
    let dropped = counted();
    scene.event_loop.after(LONG, move |_| drop(dropped));
    let dropped = counted();
    scene.event_loop.every(LONG, move |_| {
        let _ = &dropped;
    });
    let dropped = counted();
    scene.event_loop.defer(move |_| drop(dropped));
    expected.get()
}

// I12, D12
#[test]
fn dropping_the_loop_drops_handlers_once_and_calls_none() {
    let mut scene = Scene::new();
    let drops = Rc::new(Cell::new(0));
    let mut peers = Vec::new();
    let expected = populate(&mut scene, &drops, &mut peers);
    let told = scene.world.log.len();
    // The handler of the one that was reset is dropped already.
    assert_eq!(drops.get(), 1);
    drop(scene.event_loop);
    assert_eq!(drops.get(), expected);
    assert_eq!(scene.world.log.len(), told);
}

// I12, D12
#[cfg(unix)]
#[test]
fn dropping_the_loop_closes_every_descriptor() {
    in_own_process(r#"exec "$@""#, || {
        let before = descriptors();
        for _ in 0..3 {
            let mut scene = Scene::new();
            let drops = Rc::new(Cell::new(0));
            let mut peers = Vec::new();
            populate(&mut scene, &drops, &mut peers);
            let remote = scene.event_loop.remote();
            drop(scene);
            assert_eq!(descriptors(), before + peers.len(), "a Remote lives");
            drop(remote);
            drop(peers);
            assert_eq!(descriptors(), before);
        }
    });
}

// D12: what is dropped may use what it has.
#[test]
fn a_handler_dropped_with_the_loop_finds_its_remote_gone() {
    struct Last(Remote<World>, Rc<RefCell<Vec<&'static str>>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let error = self.0.post(|cx| note(cx, "never")).unwrap_err();
            self.1.borrow_mut().push(error.code());
        }
    }
    let mut scene = Scene::new();
    let codes = Rc::new(RefCell::new(Vec::new()));
    let last = Last(scene.event_loop.remote(), Rc::clone(&codes));
    let keeping = Recorder::new("socket").reacting(move |_, _| {
        let _ = &last;
    });
    let (_, _peer) = scene.adopted(SocketOptions::new(), keeping);
    let in_timer = Last(scene.event_loop.remote(), Rc::clone(&codes));
    scene.event_loop.after(LONG, move |_| drop(in_timer));
    drop(scene);
    assert_eq!(*codes.borrow(), [Error::LOOP_CLOSED; 2]);
}

// fd_leak of README.md.
#[cfg(unix)]
#[test]
fn no_descriptor_leaks_over_thousands_of_connections() {
    in_own_process(r#"exec "$@""#, || {
        let mut event_loop: EventLoop = EventLoop::new().unwrap();
        let server = event_loop.listen(loopback(), |_, _| Quiet).unwrap();
        let address = event_loop.server(server).address().unwrap();
        event_loop.server(server).release();
        let (_, nobody) = listener();
        let round = |event_loop: &mut EventLoop| {
            event_loop.connect(address, Quiet).unwrap();
            let reset = event_loop.connect(address, Quiet).unwrap();
            event_loop.connect(nobody, Quiet).unwrap();
            let destroyed = event_loop.connect(address, Quiet).unwrap();
            event_loop.socket(destroyed).destroy();
            event_loop.socket(reset).reset().unwrap();
            event_loop.run(&mut ()).unwrap();
        };
        round(&mut event_loop);
        let before = descriptors();
        for _ in 0..1_500 {
            round(&mut event_loop);
        }
        // The last accepted ends may still be on their way out.
        let deadline = Instant::now() + PATIENCE;
        while descriptors() != before {
            assert!(Instant::now() < deadline, "{} of {before}", descriptors());
            event_loop
                .turn(&mut (), Wait::For(Duration::from_millis(1)), Budget::new())
                .unwrap();
        }
    });
}

/// Ends as soon as it is connected.
struct Quiet;

impl netloop::SocketHandler for Quiet {
    fn on_connect(&mut self, cx: &mut netloop::Context<'_>) {
        cx.socket.end();
    }
    fn on_data(&mut self, _: &mut netloop::Context<'_>, _: &[u8]) {}
}
