use std::io::{ErrorKind, IoSlice, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Token, event};

use crate::system::options::Binding;

use super::acceptor::FaultyAcceptor;
use super::injector::Injector;
use super::rates::Faults;
use super::stream::FaultyStream;

fn injector(faults: Faults) -> Injector {
    Injector::new(1, faults)
}

fn connect(address: SocketAddr, faults: Faults) -> FaultyStream {
    let opened = FaultyStream::open(address, None, &injector(faults));
    let connected = match opened {
        Ok(opened) => opened.connect(address, None),
        Err((_, error)) => Err(error),
    };
    connected.expect("the listener of the test accepts")
}

#[test]
fn a_reset_is_returned_once_and_reaches_the_peer_at_close() {
    let faults = Faults {
        resets: 1000,
        ..Faults::NONE
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut stream = connect(address, faults);
    let (mut peer, _) = listener.accept().unwrap();
    let mut buffer = [0; 8];
    let reset = stream.read(&mut buffer).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert_eq!(stream.read(&mut buffer).unwrap(), 0);
    let broken = stream.write(&[IoSlice::new(b"a")]).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
    drop(stream);
    let reset = peer.read(&mut buffer).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_self_connect_happens_only_without_a_listener() {
    let faults = Faults {
        self_connects: 1000,
        ..Faults::NONE
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let with_listener = connect(address, faults);
    assert_ne!(
        with_listener.local_address().unwrap(),
        address,
        "there is a listener"
    );
    drop((with_listener, listener));
    let without = connect(address, faults);
    assert_eq!(without.peer_address().unwrap(), address);
    assert_eq!(without.local_address().unwrap(), address);
}

#[test]
fn spurious_events_are_of_registered_sockets() {
    let faults = Faults {
        spurious_events: 1000,
        ..Faults::NONE
    };
    let injector = injector(faults);
    injector.maybe_owe_spurious();
    assert!(!injector.owes(), "no socket is registered");
    injector.register(3);
    injector.register(4);
    injector.deregister(4);
    injector.maybe_owe_spurious();
    let mut batch = Vec::new();
    injector.take_owed(&mut batch);
    assert!(matches!(batch[..], [(3, _)]), "{batch:?}");
}

#[test]
fn no_spurious_event_is_of_a_closed_socket() {
    let injector = injector(Faults {
        spurious_events: 1000,
        ..Faults::NONE
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let opened = FaultyStream::open(address, None, &injector).expect("a descriptor is free");
    let mut stream = opened.connect(address, None).unwrap();
    let poll = mio::Poll::new().unwrap();
    let directions = mio::Interest::READABLE;
    event::Source::register(&mut stream, poll.registry(), Token(3), directions).unwrap();
    drop(stream);
    injector.maybe_owe_spurious();
    assert!(!injector.owes());
}

#[test]
fn an_aborted_accept_resets_a_client_that_has_sent_nothing() {
    let faults = Faults {
        aborted_accepts: 1000,
        ..Faults::NONE
    };
    let address = "127.0.0.1:0".parse().unwrap();
    let binding = Binding {
        backlog: 1,
        ipv6_only: false,
        reuse_port: false,
        no_delay: false,
        keep_alive: None,
    };
    let acceptor = FaultyAcceptor::bind(address, &binding, &injector(faults)).unwrap();
    let mut client = TcpStream::connect(acceptor.local_address().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let aborted = loop {
        match acceptor.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            accepted => break accepted.unwrap_err(),
        }
        assert!(Instant::now() < deadline, "the connection has not arrived");
    };
    assert_eq!(aborted.kind(), ErrorKind::ConnectionAborted);
    let reset = client.read(&mut [0]).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
}
