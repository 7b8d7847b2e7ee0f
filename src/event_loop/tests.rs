//! The loop of a parent in a forked child, turns that do nothing, and standstills.

use std::time::Duration;

use super::*;
use crate::net::{Error, Interest, SocketOptions};

#[test]
fn a_forked_child_cannot_run_the_loop_of_its_parent() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    event_loop.net.pretend_to_be_forked();
    let now = event_loop.now();
    for refused in [
        event_loop.run(&mut ()),
        event_loop.run_for(&mut (), Duration::ZERO).map(drop),
        event_loop.run_until(&mut (), now),
    ] {
        assert_eq!(refused.unwrap_err().code(), Error::FORKED);
    }
    let turned = event_loop.turn(&mut (), Wait::No, Budget::new());
    assert_eq!(turned.is_err(), cfg!(debug_assertions));
}

#[test]
fn nothing_is_closed_or_detached_in_a_forked_child() {
    use std::net::TcpStream;

    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let server = event_loop.listen("127.0.0.1:0", |_, _| None::<Never>);
    let server = server.unwrap();
    let address = event_loop.server(server).address().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    let socket = event_loop
        .adopt(stream, SocketOptions::new(), Never)
        .unwrap();
    let object = mio::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let source = event_loop.add_source(object, Interest::READABLE, Never);
    let source = source.unwrap();

    let owner = event_loop.net.pretend_to_be_forked();
    event_loop.server(server).close();
    assert!(event_loop.server(server).is_listening());
    assert!(event_loop.server(server).detach().is_none());
    assert!(event_loop.socket(socket).detach().is_none());
    assert!(event_loop.detach_source::<Never>(source).is_none());

    // The calls above have changed nothing for the parent.
    event_loop.net.return_to(owner);
    assert!(event_loop.socket(socket).detach().is_some());
    assert!(event_loop.detach_source::<Never>(source).is_some());
    assert!(event_loop.server(server).detach().is_some());
}

/// A handler of a socket or of a source, which is never called.
struct Never;

impl SocketHandler for Never {
    fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
}

impl SourceHandler for Never {
    type Source = mio::net::UdpSocket;

    fn on_readable(&mut self, _: &mut SourceContext<'_, mio::net::UdpSocket>) {}
}

#[test]
fn the_drop_in_a_forked_child_resets_no_peer_of_the_parent() {
    use std::io::{ErrorKind, Read};
    use std::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let (parents, _) = listener.accept().unwrap();

    let mut childs: EventLoop = EventLoop::new().unwrap();
    struct Silent;
    impl SocketHandler for Silent {
        fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    }
    let socket = childs
        .adopt(
            parents.try_clone().unwrap(),
            SocketOptions::default(),
            Silent,
        )
        .unwrap();
    let _ = childs.socket(socket).write(&vec![7; 16 << 20]);
    childs.flush(Budget::new());
    assert!(childs.socket(socket).queued_bytes() > 0);
    childs.net.pretend_to_be_forked();
    drop(childs);
    drop(parents);

    let end = loop {
        match peer.read(&mut [0; 65536]) {
            Ok(length) if length > 0 => {}
            end => break end.map_err(|error| error.kind()),
        }
    };
    assert_ne!(end, Err(ErrorKind::ConnectionReset));
}

#[cfg(unix)]
struct Guest;

#[cfg(unix)]
impl SocketHandler<bool> for Guest {
    fn on_connect(&mut self, cx: &mut Context<'_, bool>) {
        *cx.shared = true;
    }
    fn on_data(&mut self, _: &mut Context<'_, bool>, _: &[u8]) {}
}

#[test]
#[cfg(unix)]
fn the_end_of_a_connect_reaches_the_peer_despite_a_fork() {
    use std::io::Read;
    use std::net::{Shutdown, TcpListener};

    const PATIENCE: Duration = Duration::from_secs(60);
    for peer_ends_first in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut event_loop = EventLoop::new().unwrap();
        let address = listener.local_addr().unwrap();
        let id = event_loop.connect(address, Guest).unwrap();
        let mut is_connected = false;
        // The connect is made in this turn.
        event_loop
            .turn(&mut is_connected, Wait::No, Budget::new())
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let begun = Instant::now();
        while !is_connected {
            assert!(begun.elapsed() < PATIENCE);
            let wait = Wait::For(Duration::from_millis(10));
            event_loop
                .turn(&mut is_connected, wait, Budget::new())
                .unwrap();
        }
        // The loop does not know of this duplicate, as it does not know of a fork.
        let connection = event_loop.net.connection(id).unwrap();
        let descriptor = connection.live_stream().unwrap().descriptor().unwrap();
        let childs = descriptor.try_clone_to_owned().unwrap();
        match peer_ends_first {
            true => peer.shutdown(Shutdown::Write).unwrap(),
            false => event_loop.socket(id).destroy_soon(),
        }
        event_loop.run(&mut is_connected).unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end");
        drop(childs);
    }
}

struct Logged;

impl SocketHandler<Vec<String>> for Logged {
    fn on_data(&mut self, _: &mut Context<'_, Vec<String>>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, Vec<String>>, error: &Error) {
        cx.shared.push(error.code().to_owned());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Vec<String>>, reason: CloseReason) {
        cx.shared.push(format!("{reason:?}"));
    }
}

/// Makes a loop whose stall hook logs spins and standstills alone: no callback exceeds its limit.
fn logging() -> (EventLoop<Vec<String>>, SocketId, std::net::TcpStream) {
    let mut event_loop = EventLoop::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = listener.accept().unwrap().0;
    let id = event_loop
        .adopt(ours, SocketOptions::new(), Logged)
        .unwrap();
    event_loop.on_stall(
        Duration::MAX,
        |cx: &mut LoopContext<'_, Vec<String>>, stall| {
            let peer = match stall.owner {
                CallbackOwner::Socket { peer, .. } => peer.is_some(),
                _ => false,
            };
            cx.shared
                .push(format!("{:?} {} {peer}", stall.kind, stall.callback));
        },
    );
    (event_loop, id, peer)
}

/// Turns `turns` times, with `key` on the run queue at the end of each turn.
fn turn_for_nothing(
    event_loop: &mut EventLoop<Vec<String>>,
    log: &mut Vec<String>,
    key: crate::slots::Key,
    turns: u32,
) {
    let hook = event_loop.on_check(move |cx| cx.sockets.net_mut().wake_for_nothing(key));
    for _ in 0..turns {
        event_loop.turn(log, Wait::No, Budget::new()).unwrap();
    }
    event_loop.hook(hook).remove();
}

#[test]
fn a_socket_for_which_the_loop_spins_is_closed_and_told() {
    let (mut event_loop, id, _peer) = logging();
    let mut log = Vec::new();
    turn_for_nothing(&mut event_loop, &mut log, id.0, 999);
    assert_eq!(
        (&*log, event_loop.statistics().spins),
        (&[] as &[String], 0)
    );
    turn_for_nothing(&mut event_loop, &mut log, id.0, 1);
    event_loop.turn(&mut log, Wait::No, Budget::new()).unwrap();
    assert_eq!(
        log,
        ["Spin { turns: 1000 } spin true", "ERR_INTERNAL", "Error"]
    );
    assert_eq!(event_loop.statistics().spins, 1);
}

#[test]
fn a_turn_that_does_something_ends_a_row_of_idle_turns() {
    let (mut event_loop, id, _peer) = logging();
    let mut log = Vec::new();
    for _ in 0..3 {
        turn_for_nothing(&mut event_loop, &mut log, id.0, 999);
        event_loop.defer(|_| ());
        turn_for_nothing(&mut event_loop, &mut log, id.0, 1);
    }
    assert_eq!(
        (&*log, event_loop.statistics().spins),
        (&[] as &[String], 0)
    );
}

#[test]
fn a_host_that_turns_without_work_is_no_spin() {
    let (mut event_loop, _, _peer) = logging();
    let mut log = Vec::new();
    for busy in [false, true] {
        event_loop.set_busy(busy);
        for _ in 0..3000 {
            event_loop.turn(&mut log, Wait::No, Budget::new()).unwrap();
        }
    }
    assert_eq!(
        (&*log, event_loop.statistics().spins),
        (&[] as &[String], 0)
    );
}

/// A source of the program that is never called.
struct Quiet;

impl SourceHandler<Vec<String>> for Quiet {
    type Source = mio::net::UdpSocket;
    fn on_readable(&mut self, _: &mut SourceContext<'_, Self::Source, Vec<String>>) {}
}

#[test]
fn a_spin_for_a_source_of_the_program_is_told_and_closes_none() {
    let (mut event_loop, _, _peer) = logging();
    let object = mio::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let id = event_loop
        .add_source(object, Interest::READABLE, Quiet)
        .unwrap();
    let mut log = Vec::new();
    turn_for_nothing(&mut event_loop, &mut log, id.0, 2000);
    assert_eq!(log, ["Spin { turns: 1000 } spin false"; 2]);
    assert!(!event_loop.source(id).is_closed());
}

#[test]
fn a_spin_is_ended_without_a_hook_too() {
    let (mut event_loop, id, _peer) = logging();
    event_loop.ignore_stalls();
    let mut log = Vec::new();
    turn_for_nothing(&mut event_loop, &mut log, id.0, 1000);
    event_loop.turn(&mut log, Wait::No, Budget::new()).unwrap();
    assert_eq!(log, ["ERR_INTERNAL", "Error"]);
}

/// A source of the program, whose deregistration takes long.
struct Slow(mio::net::UdpSocket, Duration);

impl mio::event::Source for Slow {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interest: mio::Interest,
    ) -> std::io::Result<()> {
        self.0.register(registry, token, interest)
    }
    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interest: mio::Interest,
    ) -> std::io::Result<()> {
        self.0.reregister(registry, token, interest)
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a call that takes time is what is tested"
    )]
    fn deregister(&mut self, registry: &mio::Registry) -> std::io::Result<()> {
        std::thread::sleep(self.1);
        self.0.deregister(registry)
    }
}

struct Still;

impl SourceHandler<Vec<String>> for Still {
    type Source = Slow;
    fn on_readable(&mut self, _: &mut SourceContext<'_, Slow, Vec<String>>) {}
}

// A slow deregistration stands for a stop of the process, because its time belongs to no callback.
#[test]
fn a_second_beside_all_callbacks_is_told_as_a_standstill() {
    let (mut event_loop, _, _peer) = logging();
    let mut log = Vec::new();
    for (slow, told) in [(0, 0), (1050, 1)] {
        let object = mio::net::UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let object = Slow(object, Duration::from_millis(slow));
        let id = event_loop
            .add_source(object, Interest::READABLE, Still)
            .unwrap();
        event_loop.source(id).close();
        event_loop.turn(&mut log, Wait::No, Budget::new()).unwrap();
        assert_eq!(log.len(), told);
        assert_eq!(event_loop.statistics().standstills, told as u64);
    }
    assert_eq!(log, ["Standstill process false"]);
}
