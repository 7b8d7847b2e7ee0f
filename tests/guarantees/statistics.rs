//! The statistics of a loop on real sockets: counters, times, drops, and the hook for stalls. Exact times are tested in
//! virtual time (`tests/simulation/stalls.rs`).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use netloop::{
    BlockList, Budget, CallbackOwner, CloseReason, Context, EventLoop, Flow, ListenOptions,
    SocketHandler, SocketOptions, Stall, Statistics, Wait,
};

use crate::servers::{assert_echoes, echoing, serve};
use crate::support::{
    Disturbed, PATIENCE, Peer, Recorder, Scene, let_time_pass, loopback, spend, until_undisturbed,
};

// libuv's, ten times as fast: its bounds are these of the loop's own measuring.
#[test]
fn metrics_idle_time() {
    until_undisturbed(|| {
        let begun = Instant::now();
        let mut event_loop: EventLoop = EventLoop::new().unwrap();
        event_loop.after(Duration::from_millis(100), |_| {
            spend(Duration::from_millis(60))
        });
        event_loop.run(&mut ()).unwrap();
        let (it, whole) = (event_loop.statistics(), begun.elapsed());
        assert!(it.busy >= Duration::from_millis(60), "{it:?}");
        assert!(it.idle + it.busy <= whole, "{it:?} in {whole:?}");
        assert!(it.longest_turn >= Duration::from_millis(60), "{it:?}");
        assert!(it.worst_lag >= it.longest_turn, "{it:?}");
        // A thread that is held up between `after` and the wait waits for less.
        match it.idle >= Duration::from_millis(95) {
            true => Disturbed::No,
            false => Disturbed::Yes,
        }
    });
}

// No state is shared: each loop waits for itself.
#[test]
fn metrics_idle_time_thread() {
    let threads: Vec<_> = (0..5).map(|_| thread::spawn(metrics_idle_time)).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

// libuv counts the turns from 0; the turn that runs is one of ours.
#[test]
fn metrics_info_check() {
    struct Three(Vec<Statistics>);
    impl SocketHandler<Vec<Statistics>> for Three {
        fn on_connect(&mut self, cx: &mut Context<'_, Vec<Statistics>>) {
            let _ = cx.socket.write(b"?");
        }
        fn on_data(&mut self, cx: &mut Context<'_, Vec<Statistics>>, _: &[u8]) {
            self.0.push(cx.statistics());
            match self.0.len() {
                3 => {
                    cx.shared.append(&mut self.0);
                    cx.stop();
                }
                _ => cx.socket.write(b"?").ignore(),
            }
        }
    }
    struct Echo;
    impl SocketHandler<Vec<Statistics>> for Echo {
        fn on_data(&mut self, cx: &mut Context<'_, Vec<Statistics>>, data: &[u8]) {
            let _ = cx.socket.write(data);
        }
    }
    let mut event_loop = EventLoop::new().unwrap();
    let server = event_loop.listen(loopback(), |_, _| Echo).unwrap();
    let address = event_loop.server(server).address().unwrap();
    event_loop.connect(address, Three(Vec::new())).unwrap();
    assert_eq!(event_loop.statistics().turns, 0);
    event_loop.defer(|cx| {
        assert_eq!(cx.statistics().turns, 1);
        cx.defer(|cx| assert_eq!(cx.statistics().turns, 2));
    });
    let mut seen = Vec::new();
    event_loop.run_for(&mut seen, PATIENCE).unwrap();
    assert_eq!(seen.len(), 3);
    for pair in seen.windows(2) {
        let growth = pair[1].since(&pair[0]);
        assert!(
            growth.turns > 0 && growth.events > 0 && growth.reports > 0,
            "{growth:?}"
        );
    }
}

#[test]
fn bytes_and_connections_are_counted_beyond_their_close() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::connect(address)).collect();
    for peer in &mut peers {
        peer.write(&[7; 1000]);
        assert_eq!(scene.peer_reads(peer, 1000), [7; 1000]);
    }
    let it = scene.event_loop.statistics();
    assert_eq!((it.accepted, it.sockets, it.servers), (3, 3, 1));
    assert_eq!(
        (it.bytes_received, it.bytes_sent, it.queued_bytes),
        (3000, 3000, 0)
    );
    drop(peers);
    scene.close(server);
    scene.drive_to_exit();
    let after = scene.event_loop.statistics();
    assert_eq!((after.accepted, after.sockets, after.servers), (3, 0, 0));
    assert_eq!((after.bytes_received, after.bytes_sent), (3000, 3000));
    let growth = after.since(&it);
    assert_eq!((growth.accepted, growth.bytes_received), (0, 0));
    assert!(growth.turns > 0 && growth.events > 0);
}

// Bytes that a handler leaves to its successor are delivered twice, and received once.
#[test]
fn unread_bytes_are_counted_once() {
    let mut scene = Scene::new();
    let first = Recorder::new("first").on("data", |cx, _| {
        let id = cx.socket.id();
        cx.replace_handler(id, Recorder::new("second"), b"unread");
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), first);
    peer.write(b"unread");
    scene.drive_until("second", "data");
    assert_eq!(scene.event_loop.statistics().bytes_received, 6);
}

#[test]
fn queued_bytes_are_those_of_all_sockets() {
    let mut scene = Scene::new();
    let (first, _first_peer) = scene.accepted(SocketOptions::new(), Recorder::new("first"));
    let (second, _second_peer) = scene.accepted(SocketOptions::new(), Recorder::new("second"));
    for id in [first, second] {
        while scene.socket(id).write(&[7; 65_536]) == Flow::Open {
            scene.turn();
        }
    }
    let queued = [first, second].map(|id| scene.socket(id).queued_bytes());
    assert!(queued.iter().all(|&queued| queued > 0));
    assert_eq!(
        scene.event_loop.statistics().queued_bytes,
        queued.iter().sum::<usize>()
    );
    for id in [first, second] {
        scene.socket(id).destroy();
    }
    scene.settle();
    assert_eq!(scene.event_loop.statistics().queued_bytes, 0);
}

#[test]
fn drops_are_counted_by_their_cause() {
    let mut scene = Scene::new();
    let (server, address) = serve(&mut scene, ListenOptions::new(), echoing());
    scene.event_loop.server(server).set_max_connections(1);
    let mut inside = Peer::connect(address);
    assert_echoes(&mut scene, &mut inside);
    let mut outside = Peer::connect(address);
    scene.peer_reads_to_end(&mut outside);
    let it = scene.event_loop.statistics();
    assert_eq!(
        (it.accepted, it.dropped_over_limit, it.dropped_blocked),
        (1, 1, 0)
    );

    let blocked = BlockList::everything();
    let (_, address) = serve(
        &mut scene,
        ListenOptions::new().block_list(Rc::new(blocked)),
        echoing(),
    );
    let mut outside = Peer::connect(address);
    scene.peer_reads_to_end(&mut outside);
    let it = scene.event_loop.statistics();
    assert_eq!(
        (it.accepted, it.dropped_over_limit, it.dropped_blocked),
        (1, 1, 1)
    );

    let options = SocketOptions::new().max_queued_bytes(1 << 20);
    let (id, _peer) = scene.accepted(options, Recorder::new("us"));
    while scene.socket(id).write(&[7; 65_536]).is_accepted() {}
    scene.drive_to_close("us");
    assert!(
        scene
            .world
            .trace("us")
            .ends_with(&format!("close:{:?}", CloseReason::Limit))
    );
    assert_eq!(scene.event_loop.statistics().closed_over_limit, 1);
}

#[test]
fn sources_that_a_budget_leaves_over_are_counted() {
    let mut scene = Scene::new();
    let mut peers = Vec::new();
    for number in 0..4 {
        peers.push(
            scene
                .accepted(SocketOptions::new(), Recorder::new(format!("{number}")))
                .1,
        );
    }
    for peer in &mut peers {
        peer.write(b"?");
    }
    let before = scene.event_loop.statistics();
    scene.drive_with("a turn that was cut short", |scene| {
        let budget = Budget::new().steps(1);
        scene
            .event_loop
            .turn(&mut scene.world, Wait::No, budget)
            .unwrap();
        scene.event_loop.statistics().since(&before).carried_over > 0
    });
    scene.settle();
    let after = scene.event_loop.statistics();
    scene.settle();
    assert_eq!(scene.event_loop.statistics().since(&after).carried_over, 0);
}

#[test]
fn peaks_begin_anew_and_counters_do_not() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    event_loop.after(Duration::ZERO, |_| spend(Duration::from_millis(2)));
    event_loop.run(&mut ()).unwrap();
    let it = event_loop.statistics();
    assert!(it.longest_turn >= Duration::from_millis(2) && it.worst_lag >= it.longest_turn);
    event_loop.reset_peaks();
    let anew = event_loop.statistics();
    assert_eq!(
        (anew.longest_turn, anew.worst_lag, anew.worst_timer_lag),
        Default::default()
    );
    assert_eq!(
        (anew.turns, anew.timers, anew.busy),
        (it.turns, it.timers, it.busy)
    );
}

/// Takes the time that a message names, once the canary has sent.
struct Stalling(mpsc::Sender<()>, mpsc::Receiver<()>);

impl SocketHandler<Vec<Stall>> for Stalling {
    fn on_data(&mut self, cx: &mut Context<'_, Vec<Stall>>, data: &[u8]) {
        self.0.send(()).unwrap();
        self.1.recv_timeout(PATIENCE).unwrap();
        spend(Duration::from_millis(data[0].into()));
        cx.stop();
    }
}

struct Echo;

impl SocketHandler<Vec<Stall>> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, Vec<Stall>>, data: &[u8]) {
        let _ = cx.socket.write(data);
    }
}

/// Sends a byte when the loop stalls, and returns the time until the answer.
fn sing(address: SocketAddr, stalls: &mpsc::Receiver<()>, sent: &mpsc::Sender<()>) -> Duration {
    let mut canary = TcpStream::connect(address).unwrap();
    canary.set_read_timeout(Some(PATIENCE)).unwrap();
    stalls.recv_timeout(PATIENCE).unwrap();
    let begun = Instant::now();
    canary.write_all(b"?").unwrap();
    sent.send(()).unwrap();
    canary.read_exact(&mut [0]).unwrap();
    begun.elapsed()
}

#[test]
fn a_stall_is_reported_beside_an_outside_canary() {
    for stall in [1_u8, 5, 20] {
        let mut event_loop = EventLoop::new().unwrap();
        let (stalls, heard) = mpsc::channel();
        let (sent, go) = mpsc::channel();
        let server = event_loop.listen(loopback(), |_, _| Echo).unwrap();
        let address = event_loop.server(server).address().unwrap();
        let (us, mut peer) = Peer::pair();
        let peer_address = us.peer_addr().unwrap();
        let id = event_loop
            .adopt(us, SocketOptions::new(), Stalling(stalls, go))
            .unwrap();
        event_loop.on_stall(Duration::from_micros(900), |cx, stall| {
            cx.shared.push(*stall)
        });
        peer.write(&[stall]);
        let canary = thread::spawn(move || sing(address, &heard, &sent));
        let mut told = Vec::new();
        event_loop.run_for(&mut told, PATIENCE).unwrap();
        let before = event_loop.statistics();
        // The canary's byte waits in the kernel, and is answered only now.
        while !canary.is_finished() {
            let wait = Wait::For(Duration::from_millis(20));
            event_loop.turn(&mut told, wait, Budget::new()).unwrap();
        }
        let (heard, stall) = (canary.join().unwrap(), Duration::from_millis(stall.into()));
        assert!(heard >= stall, "the canary heard {heard:?} of {stall:?}");
        let owner = CallbackOwner::Socket {
            id,
            peer: Some(peer_address),
        };
        let told_of = |callback| {
            let found = told.iter().find(|it| it.callback == callback);
            found.unwrap_or_else(|| panic!("no {callback}: {told:?}"))
        };
        assert_eq!(told_of("on_data").owner, owner);
        assert!(told_of("on_data").duration >= stall, "{told:?}");
        assert!(
            told_of("turn").duration >= told_of("on_data").duration,
            "{told:?}"
        );
        assert!(
            before.worst_lag >= stall && before.longest_turn >= stall,
            "{before:?}"
        );
    }
}

/// Takes the shortest time that the clock can show.
fn moment() {
    let now = Instant::now();
    while Instant::now() == now {}
}

#[test]
fn each_kind_of_callback_is_named() {
    struct Named;
    impl SocketHandler<Vec<Stall>> for Named {
        fn on_connect(&mut self, cx: &mut Context<'_, Vec<Stall>>) {
            moment();
            cx.socket.notify_when_sent(1);
            cx.socket.after(Duration::from_millis(1), 1);
            let _ = cx.socket.write(b"?");
        }
        fn on_data(&mut self, _: &mut Context<'_, Vec<Stall>>, _: &[u8]) {}
        fn on_timer(&mut self, cx: &mut Context<'_, Vec<Stall>>, _: u64) {
            cx.socket.destroy_with(netloop::Error::other("enough"));
        }
    }
    let mut event_loop: EventLoop<Vec<Stall>> = EventLoop::new().unwrap();
    event_loop.on_stall(Duration::ZERO, |cx, stall| cx.shared.push(*stall));
    let server = event_loop.listen(loopback(), |_, _| Named).unwrap();
    let address = event_loop.server(server).address().unwrap();
    let client = event_loop.connect(address, Echo).unwrap();
    event_loop.defer(|_| moment());
    event_loop.remote().post(|_| moment()).unwrap();
    event_loop.after(Duration::ZERO, |_| moment());
    let every = event_loop.every(Duration::from_millis(1), |_| moment());
    event_loop.after(Duration::from_millis(20), move |cx| {
        cx.timer(every).cancel();
        cx.sockets.server(server).close();
        cx.sockets.socket(client).end();
    });
    let mut told = Vec::new();
    event_loop.run_for(&mut told, PATIENCE).unwrap();
    let names_of = |is_it: fn(&CallbackOwner) -> bool| {
        let mut names: Vec<_> = told
            .iter()
            .filter(|it| is_it(&it.owner))
            .map(|it| it.callback)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    assert_eq!(
        names_of(|it| matches!(it, CallbackOwner::Loop)),
        ["after", "defer", "every", "post", "turn"]
    );
    assert_eq!(
        names_of(|it| matches!(it, CallbackOwner::Server { .. })),
        ["on_close", "on_listening"]
    );
    let of_sockets = names_of(|it| matches!(it, CallbackOwner::Socket { .. }));
    for name in [
        "on_connection",
        "on_connect",
        "on_data",
        "on_sent",
        "on_timer",
        "on_error",
        "on_close",
    ] {
        assert!(of_sockets.contains(&name), "no {name}: {of_sockets:?}");
    }
    let closed: Vec<_> = told.iter().filter(|it| it.callback == "on_close").collect();
    assert!(
        closed
            .iter()
            .any(|it| matches!(it.owner, CallbackOwner::Socket { peer: Some(_), .. }))
    );
    assert_eq!(event_loop.statistics().stalls, told.len() as u64);

    event_loop.ignore_stalls();
    let before = told.len();
    event_loop.defer(|_| let_time_pass(Duration::from_millis(1)));
    event_loop.run(&mut told).unwrap();
    assert_eq!(told.len(), before);
}

#[test]
fn a_hook_that_panics_is_dropped_and_the_loop_goes_on() {
    let mut event_loop: EventLoop<u32> = EventLoop::new().unwrap();
    event_loop.on_stall(Duration::ZERO, |_, _| panic!("on purpose"));
    event_loop.every(Duration::from_millis(1), |cx| {
        *cx.shared += 1;
        if *cx.shared == 3 {
            cx.stop();
        }
    });
    let mut calls = 0;
    let run = std::panic::AssertUnwindSafe(|| event_loop.run(&mut calls));
    std::panic::catch_unwind(run).unwrap_err();
    event_loop.run_for(&mut calls, PATIENCE).unwrap();
    assert_eq!((calls, event_loop.statistics().stalls), (3, 1));
}
