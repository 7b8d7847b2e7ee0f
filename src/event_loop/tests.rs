//! The loop of a parent in a forked child.

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
    let turned = event_loop.turn(&mut (), Wait::No, Budget::UNLIMITED);
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

    // The parent's own copies are as before.
    event_loop.net.return_to(owner);
    assert!(event_loop.socket(socket).detach().is_some());
    assert!(event_loop.detach_source::<Never>(source).is_some());
    assert!(event_loop.server(server).detach().is_some());
}

/// A handler of every kind that is never called.
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
    peer.set_read_timeout(Some(Duration::from_secs(10)))
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
    childs.flush(Budget::UNLIMITED);
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

/// Notes whether the connection exists.
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
            .turn(&mut is_connected, Wait::No, Budget::UNLIMITED)
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let begun = Instant::now();
        while !is_connected {
            assert!(begun.elapsed() < PATIENCE);
            let wait = Wait::For(Duration::from_millis(10));
            event_loop
                .turn(&mut is_connected, wait, Budget::UNLIMITED)
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
