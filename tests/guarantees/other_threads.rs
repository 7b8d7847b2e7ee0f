//! Other threads: posts, wakes, holds, stops (libuv's tests of async handles; B12).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use netloop::{
    Context, Error, EventLoop, EventLoopOptions, LoopContext, Remote, SocketHandler, SocketOptions,
    Wait,
};

use crate::event_loop::{assert_short, note};
use crate::support::{PATIENCE, Recorder, Scene, loopback, spend};

// libuv's loop_alive and async_ref.
#[test]
fn a_post_that_waits_keeps_run_going_and_a_remote_does_not() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    assert!(!scene.event_loop.is_alive());
    remote.post(|cx| note(cx, "post")).unwrap();
    assert!(scene.event_loop.is_alive());
    assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
    scene.run_to_its_end();
    assert_eq!(scene.world.notes, ["post"]);
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn a_hold_keeps_run_going_until_it_is_dropped() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let hold = remote.hold();
    let worker = thread::spawn(move || {
        for _ in 0..3 {
            remote.post(|cx| note(cx, "post")).unwrap();
            spend(Duration::from_millis(5));
        }
        drop(hold);
    });
    scene.run_to_its_end();
    assert_eq!(scene.world.notes, ["post", "post", "post"]);
    worker.join().unwrap();
}

// calloop's wakeup.
#[test]
fn a_wake_ends_a_wait_under_way_and_a_post_is_made_in_that_turn() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let worker = thread::spawn(move || {
        spend(Duration::from_millis(20));
        remote.wake().unwrap();
        remote
    });
    let begun = Instant::now();
    let turn = scene.turn_within(Wait::For(PATIENCE));
    assert_eq!(turn.events + turn.calls + turn.timers, 0);
    assert!(begun.elapsed() < PATIENCE);

    let remote = worker.join().unwrap();
    let worker = thread::spawn(move || {
        spend(Duration::from_millis(20));
        remote.post(|cx| note(cx, "post")).unwrap();
    });
    let turn = assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
    assert_eq!(turn.calls, 1);
    worker.join().unwrap();
}

// B12: wakes coalesce, and none is left over.
#[test]
fn many_wakes_end_one_wait() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    for round in 0..3 {
        for _ in 0..100 {
            remote.wake().unwrap();
            remote.clone().post(|cx| note(cx, "post")).unwrap();
        }
        let turn = assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
        assert_eq!(turn.calls, 100, "round {round}");
        let begun = Instant::now();
        scene.turn_within(Wait::For(Duration::from_millis(20)));
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}

// calloop's wakeup_stop.
#[test]
fn another_thread_can_stop_run() {
    let mut scene = Scene::new();
    let (_, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    let remote = scene.event_loop.remote();
    let worker = thread::spawn(move || {
        spend(Duration::from_millis(10));
        remote.stop().unwrap();
    });
    scene.run_to_its_end();
    assert!(scene.event_loop.is_alive());
    worker.join().unwrap();
}

// B12, at full load.
#[test]
fn posts_of_four_threads_all_arrive_in_the_order_of_each_thread() {
    const THREADS: usize = 4;
    const POSTS: usize = 100_000;
    let mut event_loop: EventLoop<Vec<usize>> = EventLoop::new().unwrap();
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let remote: Remote<Vec<usize>> = event_loop.remote();
            let hold = remote.hold();
            thread::spawn(move || {
                for number in 0..POSTS {
                    let post = move |cx: &mut LoopContext<'_, Vec<usize>>| {
                        assert_eq!(cx.shared[thread], number, "thread {thread}");
                        cx.shared[thread] += 1;
                    };
                    while let Err(full) = remote.post(post) {
                        assert_eq!(full.code(), Error::MAILBOX_FULL);
                        thread::yield_now();
                    }
                }
                drop(hold);
            })
        })
        .collect();
    let mut counts = vec![0; THREADS];
    event_loop.run(&mut counts).unwrap();
    assert_eq!(counts, [POSTS; THREADS]);
    for worker in workers {
        worker.join().unwrap();
    }
}

// B12: nothing grows without bound.
#[test]
fn a_loop_that_falls_behind_refuses_posts_until_it_catches_up() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let mut posted = 0;
    let error = loop {
        match remote.post(|cx| note(cx, "post")) {
            Ok(()) => posted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(posted, 65_536);
    assert_eq!(error.code(), Error::MAILBOX_FULL);
    scene.settle();
    assert_eq!(scene.world.notes.len(), posted);
    remote.post(|cx| note(cx, "post")).unwrap();
    scene.settle();
    assert_eq!(scene.world.notes.len(), posted + 1);
}

// B12
#[test]
fn after_the_loop_a_post_fails_and_a_wake_is_harmless() {
    let scene = Scene::new();
    let event_loop = scene.event_loop;
    let remote = event_loop.remote();
    let hold = remote.hold();
    drop(event_loop);
    let error = remote.post(|cx| note(cx, "post")).unwrap_err();
    assert_eq!(error.code(), Error::LOOP_CLOSED);
    let _ = remote.wake();
    let _ = remote.stop();
    drop(hold);
}

#[test]
fn a_refused_post_gives_its_closure_back() {
    let options = EventLoopOptions::new().posts_capacity(2);
    let mut event_loop: EventLoop<Vec<String>> = EventLoop::with_options(options).unwrap();
    let remote = event_loop.remote();
    // The values that a closure owns are moved into it, and must not be lost.
    let call = |text: &str| {
        let text = text.to_owned();
        move |cx: &mut LoopContext<'_, Vec<String>>| cx.shared.push(text)
    };
    remote.try_post(call("first")).unwrap();
    remote.try_post(call("second")).unwrap();
    let refused = remote.try_post(call("third")).unwrap_err();
    assert_eq!(refused.error().code(), Error::MAILBOX_FULL);
    assert_eq!(refused.to_string(), refused.error().to_string());
    let third = refused.into_call();

    let mut texts = Vec::new();
    event_loop.run(&mut texts).unwrap();
    remote.try_post(third).unwrap();
    event_loop.run(&mut texts).unwrap();
    assert_eq!(texts, ["first", "second", "third"]);

    drop(event_loop);
    let (error, fourth) = remote.try_post(call("fourth")).unwrap_err().into_parts();
    assert_eq!(error.code(), Error::LOOP_CLOSED);
    // It is as good as before, in another loop.
    let mut other = EventLoop::new().unwrap();
    other.remote().try_post(fourth).unwrap();
    other.run(&mut texts).unwrap();
    assert_eq!(texts.last().unwrap(), "fourth");
}

// The drop of a closure is user code, which may post.
#[test]
fn a_refused_closure_may_post_when_it_is_dropped() {
    struct Posts(Remote);
    impl Drop for Posts {
        fn drop(&mut self) {
            assert!(self.0.post(|_| ()).is_err());
        }
    }
    let event_loop: EventLoop = EventLoop::new().unwrap();
    let remote = event_loop.remote();
    drop(event_loop);
    let posts = Posts(remote.clone());
    assert!(remote.post(move |_| drop(posts)).is_err());
}

/// libuv's `uv_async_t`, made of posts: of many sends one call at least, and none after the close.
#[derive(Default)]
struct Async {
    is_pending: AtomicBool,
    calls: AtomicU32,
    is_closed: AtomicBool,
}

impl Async {
    fn send(self: &Arc<Self>, remote: &Remote<ThreadId>) {
        if self.is_pending.swap(true, Ordering::SeqCst) {
            return;
        }
        let handle = Arc::clone(self);
        let sent = remote.post(move |cx| {
            assert_eq!(thread::current().id(), *cx.shared);
            handle.is_pending.store(false, Ordering::SeqCst);
            if !handle.is_closed.load(Ordering::SeqCst) {
                let calls = handle.calls.fetch_add(1, Ordering::SeqCst) + 1;
                handle.is_closed.store(calls == 3, Ordering::SeqCst);
            }
        });
        sent.unwrap();
    }
}

// libuv's `async`: a thread sends in a tight loop, and the third call closes the handle.
#[test]
fn r#async() {
    let mut event_loop = EventLoop::new().unwrap();
    let (remote, handle) = (event_loop.remote(), Arc::new(Async::default()));
    let (sent, hold) = (Arc::clone(&handle), remote.hold());
    let worker = thread::spawn(move || {
        // Sends go on after the close, and reach nothing.
        while !sent.is_closed.load(Ordering::SeqCst) {
            sent.send(&remote);
        }
        for _ in 0..100 {
            sent.send(&remote);
        }
        drop(hold);
    });
    event_loop
        .run_for(&mut thread::current().id(), PATIENCE)
        .unwrap();
    worker.join().unwrap();
    assert!(!event_loop.is_alive());
    assert_eq!(handle.calls.load(Ordering::SeqCst), 3);
    assert!(event_loop.statistics().calls >= 3);
}

// libuv: a wake without a callback still ends the wait of a turn.
#[test]
fn async_null_cb() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let worker = thread::spawn(move || remote.wake().unwrap());
    assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
    worker.join().unwrap();
    let statistics = scene.event_loop.statistics();
    assert_eq!(
        (statistics.turns, statistics.wakes, statistics.calls),
        (1, 1, 0)
    );
}

struct Echo;

impl SocketHandler<Vec<usize>> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, Vec<usize>>, data: &[u8]) {
        let _ = cx.socket.write(data);
    }
}

/// Sends messages one by one, and counts those that come back, until `is_over`.
fn echo_until(mut peer: TcpStream, is_over: &AtomicBool) -> u64 {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut echoes = 0_u64;
    loop {
        let message = echoes.to_be_bytes();
        peer.write_all(&message).unwrap();
        let mut answer = [0; 8];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(answer, message);
        echoes += 1;
        if is_over.load(Ordering::SeqCst) {
            return echoes;
        }
    }
}

// Issue 14: none is lost, none comes twice, and many posts share a wake. `POSTS=1000000` runs the whole load.
#[test]
fn posts_of_four_threads_beside_an_echo_share_their_wakes() {
    const THREADS: usize = 4;
    let posts = std::env::var("POSTS").map_or(40_000, |posts| posts.parse().unwrap());
    let mut event_loop: EventLoop<Vec<usize>> = EventLoop::new().unwrap();
    let server = event_loop.listen(loopback(), |_, _| Echo).unwrap();
    let address = event_loop.server(server).address().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let peer = TcpStream::connect(address).unwrap();
    let over = Arc::clone(&is_over);
    let echoes = thread::spawn(move || echo_until(peer, &over));
    event_loop.server(server).release();

    let begun = Instant::now();
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let remote: Remote<Vec<usize>> = event_loop.remote();
            let (hold, is_over) = (remote.hold(), Arc::clone(&is_over));
            thread::spawn(move || {
                let mut refusals = 0_u64;
                for number in 0..posts / THREADS {
                    let mut call = move |cx: &mut LoopContext<'_, Vec<usize>>| {
                        assert_eq!(cx.shared[thread], number, "thread {thread}");
                        cx.shared[thread] += 1;
                    };
                    while let Err(refused) = remote.try_post(call) {
                        assert_eq!(refused.error().code(), Error::MAILBOX_FULL);
                        call = refused.into_call();
                        refusals += 1;
                        thread::yield_now();
                    }
                }
                is_over.store(true, Ordering::SeqCst);
                drop(hold);
                refusals
            })
        })
        .collect();
    let mut counts = vec![0; THREADS];
    event_loop.run_for(&mut counts, PATIENCE * 10).unwrap();
    assert_eq!(counts, [posts / THREADS; THREADS]);
    let statistics = event_loop.statistics();
    let refusals: u64 = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .sum();
    let echoes = echoes.join().unwrap();
    println!(
        "{posts} posts in {:?}, {refusals} refused first, {} wakes, {} turns, {echoes} echoes",
        begun.elapsed(),
        statistics.wakes,
        statistics.turns,
    );
    assert_eq!(statistics.calls, posts as u64);
    assert!(statistics.wakes < statistics.calls / 2, "{statistics:?}");
    assert!(echoes > 0);
}

/// The echoes of a loop of its own thread on a shared port, and its end with the last `Hold`.
#[cfg(target_os = "linux")]
fn serve_shared(address: std::net::SocketAddr) -> (Remote<Vec<usize>>, Ending) {
    let (made, is_made) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let mut event_loop: EventLoop<Vec<usize>> = EventLoop::new().unwrap();
        let options = netloop::ListenOptions::new().reuse_port(true);
        let server = event_loop
            .listen_with(address, options, |_, _| Echo)
            .unwrap();
        event_loop.server(server).release();
        let remote = event_loop.remote();
        made.send((remote.clone(), remote.hold())).unwrap();
        event_loop.run_for(&mut Vec::new(), PATIENCE).unwrap();
        event_loop.statistics().accepted
    });
    let (remote, hold) = is_made.recv_timeout(PATIENCE).unwrap();
    (remote, (hold, thread))
}

#[cfg(target_os = "linux")]
type Ending = (netloop::Hold<Vec<usize>>, thread::JoinHandle<u64>);

// libuv: two loops in two threads on one port, and no client is lost. The kernel chooses by the client's address.
#[cfg(target_os = "linux")]
#[test]
fn tcp_reuseport() {
    // Keeps the port, and listens never.
    let holder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    holder.set_reuse_port(true).unwrap();
    holder.bind(&loopback().into()).unwrap();
    let address = holder.local_addr().unwrap().as_socket().unwrap();
    let loops = [serve_shared(address), serve_shared(address)];
    let counts: [Arc<AtomicU32>; 2] = Default::default();
    let mut clients = 0_u32;
    loop {
        for _ in 0..10 {
            let mut peer = TcpStream::connect(address).unwrap();
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
            peer.write_all(b"?").unwrap();
            peer.read_exact(&mut [0]).unwrap();
            clients += 1;
        }
        let (told, is_told) = std::sync::mpsc::channel();
        for ((remote, _), count) in loops.iter().zip(&counts) {
            let (count, told) = (Arc::clone(count), told.clone());
            let ask = move |cx: &mut LoopContext<'_, Vec<usize>>| {
                let accepted = u32::try_from(cx.statistics().accepted).unwrap();
                count.store(accepted, Ordering::SeqCst);
                told.send(()).unwrap();
            };
            remote.post(ask).unwrap();
        }
        for _ in &loops {
            is_told.recv_timeout(PATIENCE).unwrap();
        }
        let counts = counts.each_ref().map(|count| count.load(Ordering::SeqCst));
        assert_eq!(counts.iter().sum::<u32>(), clients);
        if !counts.contains(&0) {
            break;
        }
        assert!(clients < 1000, "one loop has no client: {counts:?}");
    }
    // Stopped together.
    let accepted: u64 = loops
        .map(|(_, (hold, thread))| {
            drop(hold);
            thread.join().unwrap()
        })
        .iter()
        .sum();
    assert_eq!(accepted, clients.into());
}
